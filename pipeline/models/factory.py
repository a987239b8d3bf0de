"""Build a model from the factory a checkpoint names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from pipeline.config.resolve import resolve
from pipeline.errors import UsageError


def build(source: Mapping[str, Any]) -> torch.nn.Module:
    """Call `source["factory"]` with `source["args"]`, seeded: the same source, the same model.

    Raises:
        UsageError: the factory cannot be imported, fails, or returns no module.
    """
    factory, args = resolve(source["factory"]), dict(source.get("args", {}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(source.get("seed", 0))
        try:
            model = factory(**args)
        except Exception as error:
            what = f"the factory failed: {type(error).__name__}: {error}"
            raise UsageError(what, where=source["factory"], fix="check args in [model]") from error
    if not isinstance(model, torch.nn.Module):
        got = type(model).__name__
        raise UsageError(f"returned a {got}, not a torch.nn.Module", where=source["factory"])
    return _unwrapped(model)


def _unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """The model itself, out of what spreads it over processes."""
    wrappers = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while isinstance(model, wrappers):
        model = model.module
    return model
