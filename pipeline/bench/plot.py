"""Accuracy against latency, as one figure that survives a black-and-white printer."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from pipeline.artifacts import write_atomic
from pipeline.bench.compare import Line, lines
from pipeline.bench.labels import Point, place
from pipeline.bench.records import Record, Row
from pipeline.bench.results import Stored
from pipeline.errors import Refused

SIZE_INCHES = (7.2, 4.6)
MARKERS = "osD^vP*X"
SHADES = ("#000000", "#1f5fa8", "#b8561b", "#4d8c57", "#7a4fa0", "#666666")
_STYLE = {"svg.hashsalt": "secateur", "svg.fonttype": "path", "font.size": 9,
          "axes.spines.top": False, "axes.spines.right": False}  # fmt: skip


def save_plot(stored: Sequence[Stored], path: Path) -> list[Path]:
    """Write `path` as .svg and .png, the same bytes for the same records; returns both paths.

    Raises:
        Refused: a record is emulated, or none has accuracy and latency.
    """
    with matplotlib.rc_context(_STYLE):
        figure = draw([item.record for item in stored])
        return [_write(figure, path.with_suffix(kind)) for kind in (".svg", ".png")]


def draw(records: Sequence[Record]) -> Figure:
    """The figure: a marker a session, error bars are 95 % intervals. See `save_plot`."""
    emulated = [record.id for record in records if record.emulated]
    if emulated:
        fix = "leave it out: an emulator's clock is no board's"
        raise Refused("is emulated and does not belong into a plot", where=emulated[0], fix=fix)
    sessions = [(record, list(_drawable(record))) for record in records]
    sessions = [(record, drawable) for record, drawable in sessions if drawable]
    if not sessions:
        fix = "measure a recipe, whose arms have a test set"
        raise Refused("no record has both accuracy and latency", fix=fix)
    figure = Figure(figsize=SIZE_INCHES, dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    points = [p for n, (_, drawn) in enumerate(sessions) for p in _session(axes, drawn, n)]
    _dress(axes, sessions)
    place(figure, axes, points)
    return figure


def _drawable(record: Record) -> Iterable[Line]:
    return (line for line in lines(record) if {"accuracy", "latency_p50"} <= line.figures.keys())


def _session(axes: Axes, drawn: Sequence[Line], number: int) -> Iterable[Point]:
    marker, shade = MARKERS[number % len(MARKERS)], SHADES[number % len(SHADES)]
    for line in drawn:
        x, y = line.figures["latency_p50"], line.figures["accuracy"]
        scale = _scale(y)
        axes.errorbar(
            x.value * 1e-6, y.value * scale, xerr=_errors(x, 1e-6), yerr=_errors(y, scale),
            fmt=marker, color=shade, markersize=6, capsize=2.5, elinewidth=0.9,
            markerfacecolor=shade if line.is_baseline else "white", gid=f"{number}-{line.arm}",
        )  # fmt: skip
        yield Point(
            x.value * 1e-6, y.value * scale, line.arm, shade, _ends(x, 1e-6), _ends(y, scale)
        )


def _scale(row: Row) -> float:
    return 100.0 if row.unit == "fraction" else 1.0


def _ends(row: Row, scale: float) -> tuple[float, float]:
    low, high = row.interval or (row.value, row.value)
    return low * scale, high * scale


def _errors(row: Row, scale: float) -> list[list[float]] | None:
    """Lengths of the bar below and above the value; never negative."""
    if row.interval is None:
        return None
    low, high = _ends(row, scale)
    return [[max(0.0, row.value * scale - low)], [max(0.0, high - row.value * scale)]]


def _dress(axes: Axes, sessions: Sequence[tuple[Record, list[Line]]]) -> None:
    latencies = [line.figures["latency_p50"].value for _, drawn in sessions for line in drawn]
    if max(latencies) > 5 * min(latencies):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(0.18)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("p50 latency, ms  (bars: 95 % intervals; filled: baseline)")
    unit = sessions[0][1][0].figures["accuracy"].unit
    axes.set_ylabel("accuracy on the board" + (", %" if unit == "fraction" else ""))
    handles = [
        axes.plot([], [], MARKERS[n % len(MARKERS)], color=SHADES[n % len(SHADES)])[0]
        for n in range(len(sessions))
    ]
    names = [f"{r.recipe} on {r.target} ({r.machine.cpu or r.machine.name})" for r, _ in sessions]
    axes.figure.legend(handles, names, loc="outside upper left", frameon=False)


def _write(figure: Figure, path: Path) -> Path:
    stream = io.BytesIO()
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    figure.savefig(stream, format=path.suffix[1:], metadata=metadata)
    write_atomic(path, stream.getvalue())
    return path
