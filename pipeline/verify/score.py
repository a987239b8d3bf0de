"""What one step did to a torch model, over validation samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import Model, Score, Workdir
from pipeline.convert.layout import sqnr_db
from pipeline.verify import reference

if TYPE_CHECKING:
    from pipeline.data.source import Data
    from pipeline.verify.stage import ScoreConfig

Outputs = Sequence[NDArray[np.float32]]


def run(model: Model, before: Model, data: Data, cfg: ScoreConfig, work: Workdir) -> Score:
    """Compare a model with the one before it."""
    index = reference.draw(data, "validation", cfg.samples)
    inputs = data.inputs("validation", index)
    first, second = (reference.outputs(one, inputs) for one in (before, model))
    same = [a.shape for a in first] == [b.shape for b in second]
    worst = min(map(sqnr_db, first, second)) if same else None
    work.out.mkdir(parents=True, exist_ok=True)
    return work.seal(Score, {
        "metric_before": metric(data, first, index),
        "metric": metric(data, second, index),
        "sqnr_db": None if worst is None else round(worst, 2),
        "n": len(index),
    })  # fmt: skip


def metric(
    data: Data, outputs: Outputs, index: NDArray[np.int64], split: str = "validation"
) -> float | None:
    """The metric over samples; None without targets, or of several outputs without a metric."""
    if not outputs or not data.labelled or (len(outputs) > 1 and not data.task.metric):
        return None
    given: Any = outputs[0] if len(outputs) == 1 else outputs
    return data.metric(given, data.targets(split, index))
