"""Reports of `compare` and `weak_scaling` as tables and plots."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

COLUMNS = {
    "tasks/s": "{:,.0f}",
    "p50 ms": "{:.2f}",
    "p99 ms": "{:.2f}",
    "MB/s 1 KB": "{:.1f}",
    "MB/s 1 MB": "{:.0f}",
    "CPU µs": "{:.0f}",
}
PLOTS = {
    "tasks/s": ("throughput", "no-op tasks per second"),
    "p50 ms": ("latency", "milliseconds of one call, median"),
    "MB/s 1 MB": ("payloads", "MB/s of 1 MB payloads, there and back"),
}
OURS, THEIRS = "#0b7285", "#adb5bd"


def table(report: Mapping[str, Any]) -> str:
    """Markdown: medians, with the spread of the throughput."""
    lines = [f"| system | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    for word, figures in by_speed(report):
        cells = [form.format(figures[name]["median"]) if name in figures else "" for name, form in COLUMNS.items()]
        spread = figures["tasks/s"]
        cells[0] += f" ({spread['min']:,.0f} to {spread['max']:,.0f})"
        lines.append(f"| {report['systems'][word]['name']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def by_speed(report: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The figures of each system, the fastest first."""
    known = [(word, figures) for word, figures in report["figures"].items() if word in report["systems"]]
    return sorted(known, key=lambda item: -item[1]["tasks/s"]["median"])


def plot(report: Mapping[str, Any], folder: Path) -> None:
    """One picture for each of `PLOTS`."""
    for figure, (name, label) in PLOTS.items():
        draw_bars(report, figure, label, folder / f"{name}.svg")


def draw_bars(report: Mapping[str, Any], figure: str, label: str, path: Path) -> None:
    """The medians as bars, with whiskers from the least to the greatest."""
    from matplotlib.figure import Figure

    rows = [(word, figures[figure]) for word, figures in by_speed(report) if figure in figures][::-1]
    names = [report["systems"][word]["name"] for word, _ in rows]
    medians = [values["median"] for _, values in rows]
    whiskers = [[v["median"] - v["min"] for _, v in rows], [v["max"] - v["median"] for _, v in rows]]
    picture = Figure(figsize=(8, 0.4 * len(rows) + 1), layout="constrained")
    axes = picture.subplots()
    colours = [OURS if name.startswith("mpcsfaas") else THEIRS for name in names]
    axes.barh(names, medians, xerr=whiskers, color=colours, error_kw={"linewidth": 0.8})
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    picture.savefig(path)


def draw_lines(lines: Mapping[str, Mapping[int, float]], axis: str, label: str, path: Path) -> None:
    """One line for each name, over whole numbers."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(8, 4), layout="constrained")
    axes = picture.subplots()
    for name, points in lines.items():
        axes.plot(list(points), list(points.values()), marker="o", label=name)
    axes.set_xlabel(axis)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    picture.savefig(path)
