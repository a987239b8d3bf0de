"""The picture of a file's error, layer by layer."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.figure import Figure

from pipeline.verify.layers import Layer

FILE, ADDED = "#1f6f9f", "#b8561b"
NAMED = 5


def layers_png(found: Sequence[Layer], title: str) -> bytes:
    """PNG: the signal-to-error ratio along the network, and below it what each layer added."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    places = list(range(len(found)))
    above.plot(places, [layer.file_db for layer in found], color=FILE, marker="o", markersize=3)
    above.set_ylabel("signal to error, dB\n(higher is better)")
    above.set_title(title, fontsize=10, loc="left")
    below.bar(places, [100 * layer.added for layer in found], color=ADDED)
    below.set_ylabel("error added,\n% of the signal")
    below.set_xlabel("layer, in the file's order")
    for place in sorted(places, key=lambda n: -found[n].added)[:NAMED]:
        layer = found[place]
        label = f"{place}: {layer.torch or layer.operator}"
        below.annotate(label, (place, 100 * layer.added), fontsize=7, rotation=30,
                       xytext=(2, 2), textcoords="offset points")  # fmt: skip
    below.margins(y=0.35)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
        axes.set_axisbelow(True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
