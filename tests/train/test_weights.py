"""Weights as training scripts leave them arrive in the model; what does not fit is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.errors import UsageError
from pipeline.models.factory import build
from pipeline.train.weights import load_weights

State = dict[str, Tensor]


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def wrapped() -> nn.Module:
    return nn.DataParallel(net())


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: value for name, value in state.items()}


FORMS: dict[str, Callable[[State], Any]] = {
    "plain": lambda state: state,
    "beside an optimizer": lambda state: {"model_state_dict": state, "epoch": 3, "best": 0.9},
    "of several processes": lambda state: prefixed(state, "module."),
    "compiled, of several processes": lambda state: {
        "state_dict": prefixed(state, "module._orig_mod.")
    },
    "of Lightning, with its loss": lambda state: {
        "state_dict": {**prefixed(state, "model."), "loss.weight": torch.ones(2)}
    },
    "older than num_batches_tracked": lambda state: {
        name: value for name, value in state.items() if "num_batches" not in name
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_checkpoint_is_taken(form: str, tmp_path: Path) -> None:
    trained, fresh = net(), net()
    nn.init.normal_(trained[1].running_mean)
    torch.save(FORMS[form](trained.state_dict()), tmp_path / "net.pt")
    load_weights(fresh, tmp_path / "net.pt")
    for name, value in trained.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value), name


def test_safetensors_are_taken(tmp_path: Path) -> None:
    trained, fresh = net(), net()
    save_file(prefixed(trained.state_dict(), "module."), tmp_path / "net.safetensors")
    load_weights(fresh, tmp_path / "net.safetensors")
    assert torch.equal(fresh[0].weight, trained[0].weight)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("0.bias"), "missing: 0.bias"),
        (lambda state: state.update(head=torch.ones(2)), "unknown: head"),
        (lambda state: state.update({"0.bias": torch.ones(9)}), "of another shape: 0.bias"),
        (lambda state: state.update({"0.bias": 3}), "of another shape: 0.bias"),
    ],
)
def test_what_does_not_fit_is_named(
    change: Callable[[dict[str, Any]], Any], words: str, tmp_path: Path
) -> None:
    state = dict(net().state_dict())
    change(state)
    torch.save(state, tmp_path / "net.pt")
    with pytest.raises(UsageError, match=words):
        load_weights(net(), tmp_path / "net.pt")


def test_a_whole_pickled_model_is_refused(tmp_path: Path) -> None:
    torch.save(net(), tmp_path / "net.pt")
    with pytest.raises(UsageError, match="holds more than tensors"):
        load_weights(net(), tmp_path / "net.pt")


def test_a_model_for_several_devices_is_taken_out_of_its_wrapper() -> None:
    assert type(build({"factory": f"{__name__}:wrapped"})) is nn.Sequential
