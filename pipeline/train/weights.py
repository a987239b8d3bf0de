"""A user's weights into a model, from the files that training scripts leave."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.errors import UsageError
from pipeline.progress import say

WITHIN = ("state_dict", "model_state_dict", "model", "net", "weights")
"""Where training scripts keep the model's tensors beside their optimizer's."""


def load_weights(module: nn.Module, path: Path) -> None:
    """Load a state dict from `.safetensors` or from torch's own format (tensors only, no code).

    It may lie in a dictionary beside an optimizer's, and under a common prefix, as of
    `DistributedDataParallel` (`module.`), `torch.compile` (`_orig_mod.`) or Lightning (`model.`).

    Raises:
        UsageError: unreadable, or names or shapes do not fit; says which.
    """
    own = module.state_dict()
    state = _without_prefix(_read(path), own, path)
    missing, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    missing = [name for name in missing if not _counts(name)]
    wrong = [n for n in own if n in state and own[n].shape != getattr(state[n], "shape", None)]
    if missing or extra or wrong:
        groups = (("missing", missing), ("unknown", extra), ("of another shape", wrong))
        named = [f"{word}: {', '.join(g[:3])}{' ...' * (len(g) > 3)}" for word, g in groups if g]
        what = f"the weights do not fit the model ({'; '.join(named)})"
        raise UsageError(what, where=path, fix="check the factory and its args")
    module.load_state_dict(state, strict=False)


def _counts(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _without_prefix(
    state: dict[str, Tensor], own: Collection[str], path: Path
) -> dict[str, Tensor]:  # fmt: skip
    """The tensors under the prefix that all of the model's names have in the file."""
    needed = [name for name in own if not _counts(name)]
    if not needed or all(name in state for name in needed):
        return state
    ends = (name.removesuffix(needed[0]) for name in state if name.endswith("." + needed[0]))
    prefix = next((p for p in ends if all(p + name in state for name in needed)), None)
    if prefix is None:
        return state
    say(f"{path}: taking the weights under '{prefix}'")
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, EOFError, RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"cannot be read as weights: {reason}", where=path) from error
    except Exception as error:  # weights_only refuses with pickle.UnpicklingError
        fix = "save it with torch.save(model.state_dict(), path)"
        raise UsageError("holds more than tensors", where=path, fix=fix) from error
    state = next((found[key] for key in WITHIN if _is_state(found, key)), found)
    if not isinstance(state, Mapping):
        raise UsageError("is no state dict", where=path, fix="save model.state_dict()")
    return {str(name): value for name, value in state.items()}


def _is_state(found: Any, key: str) -> bool:
    return isinstance(found, Mapping) and isinstance(found.get(key), Mapping)
