"""The plot: the same bytes for the same records, labels apart, emulated sessions refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.bench.labels import Point, place
from pipeline.bench.plot import draw, save_plot
from pipeline.bench.results import Stored
from pipeline.errors import Refused
from tests.bench.sessions import record, row


def stored(*records: object) -> list[Stored]:
    return [Stored(Path(), each) for each in records]  # type: ignore[arg-type]


def test_same_records_same_bytes(tmp_path: Path) -> None:
    sessions = stored(record(), record("x", target="pi4"))
    first, second = (save_plot(sessions, tmp_path / name / "plot") for name in "ab")
    assert [path.name for path in first] == ["plot.svg", "plot.png"]
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes()
    assert first[1].read_bytes().startswith(b"\x89PNG")
    assert b"<dc:date>" not in first[0].read_bytes()


@pytest.mark.parametrize("spread", [0.0, 0.001, 1.0])
@pytest.mark.parametrize("count", [1, 8, 15])
def test_labels_never_overlap_nor_leave_the_frame(count: int, spread: float) -> None:
    figure = Figure(figsize=(7.2, 4.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    points = [
        Point(1 + n * spread, 90 + (n * 7 % 5) * spread, f"pruned int8 {n}", "k", (1, 1), (90, 90))
        for n in range(count)
    ]
    axes.plot([p.x for p in points], [p.y for p in points], "o")
    axes.margins(0.18)
    boxes = place(figure, axes, points)
    frame = axes.get_window_extent()
    assert len(boxes) == count
    assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    for point, box in zip(points, boxes, strict=True):
        x, y = axes.transData.transform((point.x, point.y))
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1
        assert frame.y0 <= box.y0 and box.y1 <= frame.y1
        assert not box.contains(x, y)


def test_the_written_labels_lie_in_their_boxes() -> None:
    figure = draw([record(), record("x", target="pi4")])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    extents = [text.get_window_extent() for text in axes.texts]
    assert len(extents) == 6
    assert not [p for p in itertools.combinations(extents, 2) if p[0].overlaps(p[1])]


def test_sessions_are_told_apart_without_colour() -> None:
    figure = draw([record(), record("x", target="pi4")])
    markers = {handle.get_marker() for handle in figure.legends[0].legend_handles}
    assert len(markers) == 2


def test_an_emulated_session_is_refused() -> None:
    with pytest.raises(Refused, match="is emulated"):
        draw([record(), record("x", emulated=True)])


def test_without_accuracy_there_is_nothing_to_plot() -> None:
    with pytest.raises(Refused, match="no record has both"):
        draw([record(rows=[row("dense fp32", "latency_p50", "ns", 5.0)])])
