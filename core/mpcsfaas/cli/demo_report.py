"""What `mpcsfaas demo` prints of its findings."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mpcsfaas.cli.rendering import duration, print_table
from mpcsfaas.cli.source_analysis import Analysis

if TYPE_CHECKING:
    from mpcsfaas.cli.demo import Mishap

TOP = 5


def print_findings(root: Path, outcomes: Mapping[str, Analysis | BaseException], elapsed: float) -> None:
    """Print totals, the extremes, and the rate; `outcomes` by path, `elapsed` in seconds."""
    analyses = [outcome for outcome in outcomes.values() if isinstance(outcome, Analysis)]
    failed = {path: outcome for path, outcome in outcomes.items() if not isinstance(outcome, Analysis)}
    lines = sum(analysis.lines for analysis in analyses)
    typer.echo(
        f"{len(outcomes):,} tasks in {duration(elapsed)}: {len(outcomes) / elapsed:,.0f} tasks/s,"
        f" {lines / elapsed:,.0f} lines/s\n"
    )
    largest = [(_short(root, each), f"{each.lines:,}") for each in _top(analyses, lambda each: each.lines)]
    branching = [(_short(root, each), f"{each.branches:,}") for each in _top(analyses, lambda each: each.branches)]
    longest = [(_function(root, each), each.longest.lines) for each in _top(analyses, lambda each: each.longest.lines)]
    columns = ("largest files", "lines", "most branching files", "branches", "longest functions", "lines")
    print_table(columns, [(*a, *b, *c) for a, b, c in zip(largest, branching, longest, strict=True)])
    _print_totals(analyses, lines)
    _print_failures(root, failed)


def _top(analyses: Sequence[Analysis], measure: Callable[[Analysis], int]) -> list[Analysis]:
    return sorted(analyses, key=measure, reverse=True)[:TOP]


def _short(root: Path, analysis: Analysis) -> str:
    return str(Path(analysis.path).relative_to(root))


def _function(root: Path, analysis: Analysis) -> str:
    return f"{analysis.longest.name} in {_short(root, analysis)}"


def _print_totals(analyses: Sequence[Analysis], lines: int) -> None:
    functions = sum(analysis.functions for analysis in analyses)
    branches = sum(analysis.branches for analysis in analyses)
    typer.echo(f"\nIn all: {len(analyses):,} files, {lines:,} lines, {functions:,} functions, {branches:,} branches.")


def _print_failures(root: Path, failed: Mapping[str, Any]) -> None:
    if failed:
        kinds = sorted({type(error).__name__ for error in failed.values()})
        names = [str(Path(path).relative_to(root)) for path in failed]
        shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        typer.echo(f"Not Python that parses, and so failed tasks ({', '.join(kinds)}): {len(failed)}: {shown}")


def print_mishaps(mishaps: Sequence["Mishap"]) -> None:
    """Print what the callers of tasks that went wrong were told."""
    typer.echo("\nWhen things go wrong, the caller learns why, and the next task runs:\n")
    print_table(
        ("a task that", "gives its caller"),
        [(mishap.what, f"{type(mishap.error).__name__}: {mishap.error}".partition("\n")[0]) for mishap in mishaps],
    )
    typer.echo("\nThe first of them, as its caller sees it:\n")
    typer.echo("".join(traceback.format_exception(None, mishaps[0].error, None)).rstrip())
