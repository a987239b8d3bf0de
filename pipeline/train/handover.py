"""What a user's own training script calls: `use = "command"`, `script = "train.py"`.

from pipeline.train.handover import load, save
model = load()      # the graph as it stands, pruned or not, in eval mode
...                 # set_training(model, True), train, set_training(model, False)
save(model)
"""

from __future__ import annotations

import os
from pathlib import Path

from safetensors.torch import save as serialise
from torch.fx import GraphModule

from pipeline.artifacts import MANIFEST, Checkpoint, write_atomic
from pipeline.errors import UsageError
from pipeline.models.modes import set_training
from pipeline.prune import checkpoint
from pipeline.store import read_json

__all__ = ["load", "save", "set_training"]

MODEL_VARIABLE = "SECATEUR_CHECKPOINT"
WEIGHTS_VARIABLE = "SECATEUR_WEIGHTS_OUT"


def load() -> GraphModule:
    """The model that the step before made; `set_training` switches it, not `.train()`."""
    path = _variable(MODEL_VARIABLE)
    return checkpoint.load(Checkpoint(path, path.name, read_json(path / MANIFEST)["meta"]))


def save(model: GraphModule) -> None:
    """Hand the trained weights back."""
    tensors = {n: t.detach().contiguous().clone() for n, t in model.state_dict().items()}
    write_atomic(_variable(WEIGHTS_VARIABLE), serialise(tensors))


def _variable(name: str) -> Path:
    if value := os.environ.get(name):
        return Path(value)
    fix = 'run it from a recipe step with use = "command"'
    raise UsageError(f"{name} is not set", fix=fix)
