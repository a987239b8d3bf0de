"""The picture of a plan: each family's width before and after."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

KEPT, GONE = "#1f6f9f", "#d9dee2"


def widths_png(families: Sequence[Mapping[str, Any]]) -> bytes:
    """PNG of `[{"name", "before", "after"}]`, in graph order from the top; the same every time."""
    names = [str(family["name"]).removesuffix(".weight") for family in families]
    places = range(len(families))
    figure = Figure(figsize=(8, 1.3 + 0.24 * max(len(families), 4)), layout="constrained")
    axes = figure.subplots()
    before = [family["before"] for family in families]
    after = [family["after"] for family in families]
    axes.barh(places, before, color=GONE, label="before")
    axes.barh(places, after, color=KEPT, label="after")
    for place, (wide, narrow) in enumerate(zip(before, after, strict=True)):
        axes.text(wide, place, f" {wide} \N{RIGHTWARDS ARROW} {narrow}", va="center", fontsize=7)
    axes.set_yticks(list(places), names, fontsize=7)
    axes.invert_yaxis()
    axes.margins(x=0.12, y=0.01)
    axes.set_xlabel("channels")
    axes.spines[["top", "right"]].set_visible(False)
    total = f"{sum(before)} \N{RIGHTWARDS ARROW} {sum(after)} channels"
    axes.set_title(f"Widths before and after pruning ({total})", fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="best")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
