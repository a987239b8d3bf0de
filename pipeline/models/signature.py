"""What `forward` calls its inputs, and how it is called with them."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Ports

ONE_EACH = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


def known(module: torch.nn.Module, given: Ports) -> Ports:
    """The ports in the order and by the names of `forward`; what has a default may be left out.

    Raises:
        UsageError: a required input is not given, or one that `forward` does not take.
    """
    parameters = _parameters(module)
    where = type(module).__name__
    required = [one.name for one in parameters if one.default is one.empty]
    named = any(given.names)
    if named and not all(given.names):
        return given.known([one.name for one in parameters])  # refuses
    missing = set(required) - set(given.names) if named else required[len(given) :]
    if missing:
        what = f"forward() takes {len(required)} inputs ({', '.join(required)})"
        said = f"; given: {given}"
        example = " ".join(f"--input {name}=1,..." for name in required)
        raise UsageError(what + said, where=where, fix=f"give each: {example}")
    names = [one.name for one in parameters]
    names += [f"input_{number}" for number in range(len(names), len(given)) if _any_more(module)]
    found = given.known(names)
    if len(found) == 1 and found[0].name != names[0]:
        what = f"the one input is the first of forward(), '{names[0]}'; given: {found}"
        raise UsageError(what, where=where, fix="wrap the model, or give the others too")
    return found


def call(module: torch.nn.Module, batch: Batch) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments by their place as far as that goes, then by name: inputs left out come before."""
    parameters = [one.name for one in _parameters(module) if one.kind is not one.KEYWORD_ONLY]
    parameters += [f"input_{number}" for number in range(len(parameters), len(batch.names))]
    if len(batch.names) == 1 and parameters[:1] != list(batch.names):
        return batch.arrays, {}
    pairs = list(zip(batch.names, batch.arrays, strict=True))
    count = 0
    while count < len(pairs) and pairs[count][0] == parameters[count]:
        count += 1
    return tuple(array for _, array in pairs[:count]), dict(pairs[count:])


def any_batch(batch: Batch, kwargs: dict[str, Any]) -> Any:
    """The dynamic shapes of a call: each first axis is whatever the others allow."""
    free = {0: torch.export.Dim.AUTO}
    return dict.fromkeys(batch.names, free) if kwargs else tuple(free for _ in batch.names)


def _parameters(module: torch.nn.Module) -> list[inspect.Parameter]:
    found = inspect.signature(module.forward).parameters.values()
    return [one for one in found if one.kind in ONE_EACH]


def _any_more(module: torch.nn.Module) -> bool:
    found = inspect.signature(module.forward).parameters.values()
    return any(one.kind is one.VAR_POSITIONAL for one in found)
