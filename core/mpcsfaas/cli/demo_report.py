"""What `mpcsfaas demo` prints of its findings."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from mpcsfaas.cli.rendering import duration, print_table
from mpcsfaas.cli.source_analysis import Measures

if TYPE_CHECKING:
    from mpcsfaas.cli.demo import Mishap

TOP = 5


class Analysis(NamedTuple):
    """The measures of one file, below the folder that was analysed."""

    path: str
    lines: int
    functions: int
    branches: int
    longest: str
    longest_lines: int


def print_findings(root: Path, outcomes: Mapping[str, Measures | BaseException], elapsed: float) -> None:
    """Print totals, the extremes, and the rate; `outcomes` by path, `elapsed` in seconds."""
    analyses, failed = _separated(root, outcomes)
    lines = sum(analysis.lines for analysis in analyses)
    typer.echo(
        f"{len(outcomes):,} tasks in {duration(elapsed)}: {len(outcomes) / elapsed:,.0f} tasks/s,"
        f" {lines / elapsed:,.0f} lines/s\n"
    )
    _print_extremes(analyses)
    functions = sum(analysis.functions for analysis in analyses)
    branches = sum(analysis.branches for analysis in analyses)
    typer.echo(f"\nIn all: {len(analyses):,} files, {lines:,} lines, {functions:,} functions, {branches:,} branches.")
    if failed:
        kinds = ", ".join(sorted({type(error).__name__ for error in failed.values()}))
        names = ", ".join(islice(failed, 3))
        typer.echo(f"Not Python that parses, and so failed tasks ({kinds}): {len(failed)}, such as {names}.")


def _separated(
    root: Path, outcomes: Mapping[str, Measures | BaseException]
) -> tuple[list[Analysis], dict[str, BaseException]]:
    analyses, failed = [], {}
    for path, outcome in outcomes.items():
        name = str(Path(path).relative_to(root))
        if isinstance(outcome, BaseException):
            failed[name] = outcome
        else:
            analyses.append(Analysis(name, *outcome))
    return analyses, failed


def _print_extremes(analyses: Sequence[Analysis]) -> None:
    largest = [(each.path, f"{each.lines:,}") for each in _top(analyses, lambda each: each.lines)]
    branching = [(each.path, f"{each.branches:,}") for each in _top(analyses, lambda each: each.branches)]
    longest = [
        (f"{each.longest} in {each.path}", each.longest_lines)
        for each in _top(analyses, lambda each: each.longest_lines)
    ]
    columns = ("largest files", "lines", "most branching files", "branches", "longest functions", "lines")
    print_table(columns, [(*a, *b, *c) for a, b, c in zip(largest, branching, longest, strict=True)])


def _top(analyses: Sequence[Analysis], measure: Callable[[Analysis], int]) -> list[Analysis]:
    return sorted(analyses, key=measure, reverse=True)[:TOP]


def print_mishaps(mishaps: Sequence["Mishap"]) -> None:
    """Print what the callers of tasks that went wrong were told."""
    typer.echo("\nWhen things go wrong, the caller learns why, and the next task runs:\n")
    print_table(
        ("a task that", "gives its caller"),
        [(mishap.what, f"{type(mishap.error).__name__}: {mishap.error}".partition("\n")[0]) for mishap in mishaps],
    )
    typer.echo("\nThe first of them, as its caller sees it:\n")
    typer.echo("".join(traceback.format_exception(None, mishaps[0].error, None)).rstrip())
