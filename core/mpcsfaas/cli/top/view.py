"""Draws a look at the platform: a pure function of it, of the time, and of the room that there is."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mpcsfaas.cli.rendering import clock_time, duration, fine_duration, printable
from mpcsfaas.cli.top.look import ROWS, Look, TaskRow
from mpcsfaas.client.records import Dispatcher, Worker

WIDE = 110
"""Columns from which on there is room for where a worker is, and what it is for."""
LATE = 5.0
"""Seconds without a beat after which a worker looks dead."""
BLOCKS = "▁▂▃▄▅▆▇█"
BAR = 10
"""Slots that are drawn one by one at most."""
TOP_LINES = 6
"""Of the heading and the tiles."""
SECTION_LINES = 3
"""Of a section beside its rows."""


class Section(NamedTuple):
    """A list below the tiles: `total` is how many rows there would be, `note` is shown if there are none."""

    title: str
    columns: Sequence[tuple[str, int]]
    """Names, and shares of the room that is left; 0 for as much as it needs."""
    rows: Sequence[Sequence[Text]]
    note: str


def frame(look: Look, width: int, height: int | None = None, trouble: str = "") -> RenderableType:
    """The picture, for so many columns and lines; None for as many lines as it takes. `trouble` is shown on top."""
    sections = [_workers(look, width), _running(look), _failed(look)]
    parts: list[RenderableType] = [_heading(look, trouble), _tiles(look, width)]
    room = None if height is None else height - TOP_LINES - SECTION_LINES * len(sections)
    wants = [max(1, len(section.rows)) for section in sections]
    for section, lines in zip(sections, wants if room is None else shares(room, wants), strict=True):
        parts += [Text(), _section(section, lines)]
    return Group(*parts)


def shares(room: int, wants: Sequence[int]) -> list[int]:
    """Divide lines: nobody gets more than it wants, and what one leaves goes to the others. At least one each."""
    given = [1] * len(wants)
    left = room - len(wants)
    while left > 0 and given != list(wants):
        for index, want in enumerate(wants):
            if left > 0 and given[index] < want:
                given[index] += 1
                left -= 1
    return given


def _heading(look: Look, trouble: str) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    line.add_column(justify="right", no_wrap=True)
    where = Text.assemble(("mpcsfaas ", "bold"), look.url)
    if trouble:
        where = Text(printable(trouble), style="bold red")
    line.add_row(where, Text.assemble(clock_time(look.at), ("  q quits", "dim")))
    return line


def _tiles(look: Look, width: int) -> RenderableType:
    tiles = Table.grid(expand=True)
    contents = {
        "queue": _queue(look),
        "running": _slots(look),
        "throughput": _throughput(look, width // 4 - 4),
        "latency": _latency(look),
    }
    for _ in contents:
        tiles.add_column(ratio=1)
    tiles.add_row(*(Panel(content, title=title, title_align="left") for title, content in contents.items()))
    return tiles


def _queue(look: Look) -> Text:
    counts, oldest = look.counts, look.counts.oldest_queued_at
    waits = "" if oldest is None else f"oldest {duration(_age(look, oldest))}"
    return _lines(
        (_count(counts.queued, counts.at_least), "bold"),
        (waits if counts.queued else "nothing waits", ""),
        (f"{counts.functions:,} functions", "dim"),
    )


def _slots(look: Look) -> Text:
    counts = look.counts
    number = (_count(counts.running, counts.at_least), "bold")
    if look.dispatchers is None:
        return _lines(number, ("this tenant's", "dim"))
    workers = _all_workers(look.dispatchers)
    slots, busy = sum(worker.slots for worker in workers), sum(worker.busy for worker in workers)
    return _lines(number, (_bar(busy, slots), "green"), (f"{busy} of {slots} slots", "dim"))


def _throughput(look: Look, columns: int) -> Text:
    failed = look.counts.failed
    return _lines(
        (f"{'≥ ' if look.rate_is_bound else ''}{_rate(look.rate)} tasks/s", "bold"),
        (sparkline(look.trend[-max(1, columns) :]), "cyan"),
        ("" if failed is None else f"{failed:,} failed in all", "red" if failed else "dim"),
    )


def _latency(look: Look) -> Text:
    percentiles = {"p50": look.latency.p50, "p95": look.latency.p95, "p99": look.latency.p99}
    times = {name: "" if seconds is None else fine_duration(seconds) for name, seconds in percentiles.items()}
    return _lines(*((f"{name}  {time}", "") for name, time in times.items()))


def _lines(*lines: tuple[str, str]) -> Text:
    text = Text("\n").join(Text(line, style) for line, style in lines)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _workers(look: Look, width: int) -> Section:
    if look.dispatchers is None:
        return Section("Workers", [("", 1)], [], look.refusal)
    columns = [("worker", 3), ("slots", 0), ("busy", 0), ("last beat", 0)]
    columns[1:1] = [("host", 2), ("process", 0), ("labels", 2), ("python", 0)] if width >= WIDE else []
    rows = [_worker_row(look, worker, width) for worker in _all_workers(look.dispatchers)]
    note = "none: tasks wait" if look.dispatchers else "no dispatcher is alive. Start one: mpcsfaas dispatcher"
    return Section("Workers", columns, rows, note)


def _worker_row(look: Look, worker: Worker, width: int) -> Sequence[Text]:
    beat = max(0.0, look.at - worker.last_seen)
    cells = [
        Text(str(worker.slots)),
        Text(f"{_bar(worker.busy, worker.slots)} {worker.busy}", style="green"),
        Text(f"{duration(beat)} ago", style="red" if beat > LATE else ""),
    ]
    if width >= WIDE:
        place = (worker.host, worker.pid, ", ".join(worker.labels), worker.python_version)
        cells[:0] = map(_cell, place)
    return [_cell(worker.id), *cells]


def _running(look: Look) -> Section:
    rows = [
        (_cell(task.id), _cell(task.function), _cell(task.attempt), _cell(duration(_age(look, task.created_at))))
        for task in look.running
    ]
    title = f"Running{_of(len(rows), look.counts.running)}"
    return Section(title, [("task", 0), ("function", 1), ("attempt", 0), ("accepted ago", 0)], rows, "nothing")


def _failed(look: Look) -> Section:
    columns = [("task", 0), ("function", 2), ("ended ago", 0), ("failure", 3)]
    rows = [_failed_row(look, task) for task in look.failed]
    return Section("Latest failures", columns, rows, "none")


def _failed_row(look: Look, task: TaskRow) -> Sequence[Text]:
    ended = _cell(duration(_age(look, task.finished_at or look.at)))
    return _cell(task.id), _cell(task.function), ended, Text(printable(task.reason), style="red")


def _section(section: Section, lines: int) -> RenderableType:
    hidden = len(section.rows) - lines
    title = Text.assemble((section.title, "bold"), (f"  {hidden} more", "dim") if hidden > 0 else "")
    if not section.rows:
        return Group(title, Text(f"  {printable(section.note)}", style="dim"))
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    for name, share in section.columns:
        table.add_column(name, ratio=share or None, no_wrap=True, overflow="ellipsis")
    for row in section.rows[:lines]:
        table.add_row(*row)
    return Group(title, table)


def sparkline(values: Iterable[float]) -> str:
    """A bar a value, the highest being that of the largest."""
    heights = list(values)
    largest = max(heights, default=0.0)
    if largest <= 0:
        return BLOCKS[0] * len(heights)
    return "".join(BLOCKS[min(len(BLOCKS) - 1, int(height / largest * len(BLOCKS)))] for height in heights)


def _bar(busy: int, slots: int) -> str:
    """Slots, busy ones first; in proportion, if there are too many to draw."""
    drawn = min(slots, BAR)
    full = min(drawn, -(-busy * drawn // slots)) if slots else 0
    return "■" * full + "□" * (drawn - full)


def _all_workers(dispatchers: Sequence[Dispatcher]) -> list[Worker]:
    return [worker for dispatcher in dispatchers for worker in dispatcher.workers]


def _cell(value: object) -> Text:
    return Text(printable(str(value)))


def _count(number: int, at_least: bool) -> str:
    return f"{number:,} or more" if at_least else f"{number:,}"


def _of(shown: int, total: int) -> str:
    return f", {total:,} in all" if total > shown >= ROWS else ""


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _age(look: Look, moment: float) -> float:
    return max(0.0, look.at - moment)
