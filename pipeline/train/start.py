"""The first checkpoint of a recipe: the user's factory, and weights if there are some."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.config.recipe import ModelConfig
from pipeline.config.resolve import source_digest
from pipeline.errors import UsageError
from pipeline.models.factory import build
from pipeline.models.graph import capture
from pipeline.prune.checkpoint import save


def start(cfg: ModelConfig, work: Workdir) -> Checkpoint:
    """Build, load weights, check what comes out, capture.

    Raises:
        UsageError: the weights do not fit, or the model's output has another number of classes.
    """
    source = {
        "factory": cfg.factory,
        "args": cfg.args,
        "seed": cfg.seed,
        "digest": source_digest(cfg.factory),
    }
    module = build(source).eval()
    if cfg.weights is not None:
        load_weights(module, cfg.weights)
    graph = capture(module, cfg.input)
    with torch.no_grad():
        _check_classes(graph(torch.zeros(2, *cfg.input)), cfg)
    return save(work, graph, source=source, input_shape=cfg.input, classes=cfg.classes, plans=[])


def load_weights(module: nn.Module, path: Path) -> None:
    """Load a state dict from `.safetensors` or from torch's own format (tensors only, no code).

    Raises:
        UsageError: unreadable, or names or shapes do not fit; says which.
    """
    state = _read(path)
    own = module.state_dict()
    missing, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    wrong = [n for n in own if n in state and own[n].shape != state[n].shape]
    if missing or extra or wrong:
        groups = (("missing", missing), ("unknown", extra), ("of another shape", wrong))
        named = [f"{word}: {', '.join(g[:3])}{' ...' * (len(g) > 3)}" for word, g in groups if g]
        what = f"the weights do not fit the model ({'; '.join(named)})"
        raise UsageError(what, where=path, fix="check factory and args in [model]")
    module.load_state_dict(state, strict=False)


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, EOFError, RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"cannot be read as weights: {reason}", where=path) from error
    except Exception as error:  # weights_only refuses with pickle.UnpicklingError
        fix = "save it with torch.save(model.state_dict(), path)"
        raise UsageError("holds more than tensors", where=path, fix=fix) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict):
        raise UsageError("is no state dict", where=path, fix="save model.state_dict()")
    return state


def _check_classes(output: object, cfg: ModelConfig) -> None:
    if cfg.classes is None or not isinstance(output, Tensor):
        return
    if output.shape[-1] != cfg.classes:
        what = f"the model's output is {list(output.shape[1:])}, classes is {cfg.classes}"
        raise UsageError(what, where=cfg.factory, fix=f"set classes = {output.shape[-1]}")
