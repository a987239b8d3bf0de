"""A sensitivity scan as an allocation, and as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.errors import UsageError
from pipeline.prune.allocate import Scope, Widths
from pipeline.prune.families import Family
from pipeline.store import read_json

_SLOPE = 1e-6
"""Drop a unit of ratio: of two cuts that cost nothing, the smaller one comes first."""


def read(path: Path) -> dict[str, list[dict[str, float]]]:
    """{family name: its points} of a file that `secateur sensitivity` wrote.

    Raises:
        UsageError: it is no such file.
    """
    document = read_json(path)
    if not isinstance(document, Mapping) or document.get("sensitivity") != 1:
        fix = "give the sensitivity.json that `secateur sensitivity` wrote"
        raise UsageError("is no sensitivity scan", where=path, fix=fix)
    whole = float(document["metric"])
    return {
        family["name"]: [{"ratio": 0.0, "metric": whole}, *family["points"]]
        for family in document["families"]
    }


def by_sensitivity(
    found: Sequence[Family], dense: Mapping[str, int], curves: Mapping[str, Any], path: Path
) -> Scope:
    """Every family is cut until it costs, alone, the same drop of the metric.

    A scope's share is, here, the share of the largest drop that was measured. Between points the
    curve is a line, and it never rises.

    Raises:
        UsageError: a family was not scanned: the file is another model's.
    """
    missing = [family.name for family in found if family.name not in curves]
    if missing:
        what = f"family '{missing[0]}' was not scanned"
        raise UsageError(what, where=path, fix="scan this model, with the same criterion")
    lines = {name: _line(points) for name, points in curves.items()}
    most = max(float(drops[-1]) for drops, _ in lines.values())

    def widths(share: float) -> Widths:
        ratios = {f.name: float(np.interp(share * most, *lines[f.name])) for f in found}
        return {f.name: dense[f.name] - int(dense[f.name] * ratios[f.name]) for f in found}

    return widths


def _line(points: Sequence[Mapping[str, float]]) -> tuple[Any, Any]:
    """(drops, ratios) of a curve, both rising."""
    ratios = np.array([point["ratio"] for point in points])
    metrics = np.array([point["metric"] for point in points])
    drops = np.maximum.accumulate(metrics[0] - metrics) + _SLOPE * ratios
    return drops, ratios


def picture(document: Mapping[str, Any]) -> bytes:
    """PNG of the curves: the metric over the share of channels cut, a line a family."""
    figure = Figure(figsize=(8.5, 5), layout="constrained")
    axes = figure.subplots()
    for number, family in enumerate(document["families"]):
        x = [0.0, *[point["ratio"] for point in family["points"]]]
        y = [document["metric"], *[point["metric"] for point in family["points"]]]
        label = str(family["name"]).removesuffix(".weight")
        style = ("-", "--", ":", "-.")[number // 10 % 4]
        axes.plot([100 * v for v in x], y, style, marker="o", ms=3, lw=1.3, label=label)
    axes.set_xlabel("channels of one family cut, %")
    axes.set_ylabel("validation metric, before any fine-tuning")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("Sensitivity: each family alone", fontsize=10, loc="left")
    figure.legend(loc="outside right upper", frameon=False, fontsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
