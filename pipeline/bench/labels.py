"""Labels beside points, moved apart until none covers another label, a point or the frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

STEP = 6.0
RINGS = 40
DIRECTIONS = 16
MARGIN = 3.0
LEADER = 30.0


@dataclass(frozen=True)
class Point:
    """A labelled point with its error bars, in data coordinates; (left, right), (below, above)."""

    x: float
    y: float
    label: str
    shade: str
    x_bar: tuple[float, float]
    y_bar: tuple[float, float]


def place(figure: Figure, axes: Axes, points: Sequence[Point]) -> list[Bbox]:
    """Label every point at the nearest free spot, with a line to it where that is far.

    Layout and limits are final afterwards. Error bars are kept free where there is room, labels
    and markers always. Returns the boxes of the labels in pixels.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    axes.set_autoscale_on(False)
    markers = [_marker(axes, point) for point in points]
    bars = [bar for point in points for bar in _bars(axes, point)]
    placed: list[Bbox] = []
    for point, marker in zip(points, markers, strict=True):
        width, height = _text_size(figure, point.label)
        spots = list(_spots(marker, width, height, axes.get_window_extent()))
        hard = [*markers, *placed]
        box = _first_free(spots, [*hard, *bars]) or _first_free(spots, hard) or spots[-1]
        _write(axes, point, box)
        placed.append(box)
    return placed


def _first_free(spots: Sequence[Bbox], taken: Sequence[Bbox]) -> Bbox | None:
    return next((s for s in spots if not any(s.overlaps(other) for other in taken)), None)


def _spots(marker: Bbox, width: float, height: float, frame: Bbox) -> Iterator[Bbox]:
    """Boxes inside the frame around a marker, nearest ring first; at least the frame's corner."""
    x, y = (marker.x0 + marker.x1) / 2, (marker.y0 + marker.y1) / 2
    for ring in range(1, RINGS + 1):
        for step in range(DIRECTIONS):
            angle = 2 * math.pi * (step + 0.5) / DIRECTIONS
            right, up = math.cos(angle), math.sin(angle)
            left = x + right * ring * STEP - (width if right < 0 else 0)
            low = y + up * ring * STEP - height / 2
            box = Bbox.from_bounds(left, low, width, height)
            if (
                frame.x0 <= box.x0
                and frame.y0 <= box.y0
                and box.x1 <= frame.x1
                and box.y1 <= frame.y1
            ):
                yield box
    yield Bbox.from_bounds(frame.x0, frame.y0, width, height)


def _inside(box: Bbox, frame: Bbox) -> bool:
    across = frame.x0 <= box.x0 and box.x1 <= frame.x1
    return bool(across and frame.y0 <= box.y0 and box.y1 <= frame.y1)


def _text_size(figure: Figure, label: str) -> tuple[float, float]:
    text = figure.text(0, 0, label)
    extent = text.get_window_extent()
    text.remove()
    return extent.width + 2 * MARGIN, extent.height + 2 * MARGIN


def _write(axes: Axes, point: Point, box: Bbox) -> None:
    """The label inside its box, and a thin line from the point to the box's nearest edge."""
    to_data = axes.transData.inverted().transform
    x, y = axes.transData.transform((point.x, point.y))
    near = (min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1))
    if math.dist((x, y), near) > LEADER:
        ends = to_data([(x, y), near])
        axes.plot(ends[:, 0], ends[:, 1], color="#888888", linewidth=0.6, zorder=1)
    left, middle = to_data((box.x0 + MARGIN, (box.y0 + box.y1) / 2))
    axes.text(left, middle, point.label, va="center_baseline", color=point.shade)


def _marker(axes: Axes, point: Point) -> Bbox:
    x, y = axes.transData.transform((point.x, point.y))
    return Bbox.from_extents(x - 8, y - 8, x + 8, y + 8)


def _bars(axes: Axes, point: Point) -> Iterator[Bbox]:
    for low, high in (
        ((point.x_bar[0], point.y), (point.x_bar[1], point.y)),
        ((point.x, point.y_bar[0]), (point.x, point.y_bar[1])),
    ):
        ends = axes.transData.transform([low, high])
        yield Bbox([ends[0] - 2, ends[1] + 2])
