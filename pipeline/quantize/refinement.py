"""What the refining stages share: samples, the judge, and the choice to keep or not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from torch import fx

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.inputs.batch import Batch
from pipeline.progress import say
from pipeline.prune.checkpoint import load, save_like
from pipeline.prune.masks import keeper
from pipeline.quantize.bias import correct_bias
from pipeline.quantize.equalize import equalize
from pipeline.quantize.imitate import imitation_db
from pipeline.quantize.rounding import round_weights

if TYPE_CHECKING:
    from pipeline.data.source import Data
    from pipeline.quantize.refine import RefineConfig

Step = Callable[[fx.GraphModule, Batch], int]
STEPS: dict[str, Step] = {
    "equalize": equalize,
    "correct_bias": correct_bias,
    "round_weights": round_weights,
}


def run(
    name: str, model: Checkpoint, data: Data, cfg: RefineConfig, work: Workdir
) -> Checkpoint:  # fmt: skip
    """Apply one step, judge both models in imitated int8 on samples the step has not seen.

    `meta["refined"]` lists each step with the signal-to-error ratio before and after it, and
    whether it was kept.
    """
    index = np.random.default_rng(cfg.seed).permutation(data.count("train"))[: cfg.samples]
    x = Batch.of(data.inputs("train", np.sort(index))).tensors()
    seen, judge = x[len(x) // 4 :], x[: len(x) // 4]
    float_model = load(model)
    refined = copy.deepcopy(float_model)
    keep = keeper(refined, model.meta.get("masked", ()))
    layers = STEPS[name](refined, seen)
    keep()
    before = imitation_db(float_model, float_model, seen, judge)
    after = imitation_db(refined, float_model, seen, judge)
    kept = bool(layers) and (after > before or cfg.always)
    say(f"  {name}: {layers} layers, {before:.2f} -> {after:.2f} dB, {'kept' if kept else 'not'}")
    made = save_like(work, refined if kept else float_model, model)
    told = {"step": name, "layers": layers, "kept": kept}
    told |= {"before_db": round(before, 3), "after_db": round(after, 3)}
    return work.seal(Checkpoint, {**made.meta, "refined": [*model.meta.get("refined", []), told]})
