"""How commands print what they found: tables for people, JSON for scripts."""

import sys
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import typer

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
UNITS = (
    (1.0, 0.001, "ms", 0),
    (10.0, 1.0, "s", 1),
    (2 * MINUTE, 1.0, "s", 0),
    (2 * HOUR, MINUTE, "min", 0),
    (2 * DAY, HOUR, "h", 0),
)
"""Below how many seconds each unit is used, its size, its name and its digits."""
WIDE = 10_000
"""Columns of what is not a terminal: nothing is cut there."""


def print_json(value: Any) -> None:
    """Print as JSON; what JSON has no form for, as its `repr`."""
    import msgspec

    text = msgspec.json.encode(value, enc_hook=repr)
    typer.echo(msgspec.json.format(text, indent=2).decode())


def print_value(value: Any) -> None:
    """Print what a function returned: text as it is, anything else as Python writes it."""
    typer.echo(value if isinstance(value, str) else repr(value))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table without lines; on a terminal, long cells are wrapped."""
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    _print(table)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Print names and values below each other; what is None or empty is left out."""
    shown = [(name, value) for name, value in fields if value not in (None, "", ())]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        typer.echo(f"{name:{width}}  {value}")


def _print(table: Any) -> None:
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def printable(text: str) -> str:
    """The text in one line, without what would command the terminal: names and messages are anybody's."""
    return "".join(character if character.isprintable() else " " for character in text)


def clock_time(moment: float) -> str:
    """The time of day."""
    return datetime.fromtimestamp(moment).astimezone().strftime("%H:%M:%S")


def ago(moment: float | None) -> str:
    """How long ago, in the largest unit that fits."""
    return "" if moment is None else f"{duration(max(0.0, time.time() - moment))} ago"


def at(moment: float | None) -> str:
    """A time of this machine's zone."""
    return "" if not moment else datetime.fromtimestamp(moment).astimezone().isoformat(" ", "milliseconds")


def fine_duration(seconds: float) -> str:
    """As `duration`, with what is below a tenth of a second in hundredths of a millisecond."""
    return f"{seconds * 1e3:.2f} ms" if seconds < 0.1 else duration(seconds)


def duration(seconds: float) -> str:
    """Seconds in the unit that fits."""
    for limit, size, unit, digits in UNITS:
        if seconds < limit:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / DAY:.0f} days"
