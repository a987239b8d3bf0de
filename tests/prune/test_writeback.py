"""Written back when, and only when, the user's own module then computes the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import Refused
from pipeline.models.mobilenet_v2 import mobilenet_v2
from pipeline.models.resnet8 import resnet8
from pipeline.prune.standalone import prune_module
from pipeline.prune.writeback import write_back
from tests.prune.checks import HALF
from tests.prune.nets import SHAPE, Net, conv, head, settle, unit


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (resnet8(), (1, 28, 28)),
        (mobilenet_v2(), (3, 32, 32)),
        (nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 3)), (6,)),
    ],
)
def test_the_users_module_gets_the_widths(module: nn.Module, shape: tuple[int, ...]) -> None:
    module = settle(module).train()
    pruned, plan, _ = prune_module(module, shape, HALF)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    own = write_back(module, pruned, inputs=torch.randn(2, *shape))
    assert type(own) is type(module) and own.training
    x = torch.randn(4, *shape)
    with torch.no_grad():
        torch.testing.assert_close(own.eval()(x), pruned(x))
    assert sum(p.numel() for p in own.parameters()) == sum(p.numel() for p in pruned.parameters())
    assert plan["families"]
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])
    for layer in own.modules():
        if isinstance(layer, nn.Conv2d):
            expected = (layer.out_channels, layer.in_channels // layer.groups)
            assert tuple(layer.weight.shape[:2]) == expected


def fixed_view(net: Net, x: Tensor) -> Tensor:
    return net.fc(net.last(net.first(x).view(-1, 2, 8, 8, 8).flatten(1, 2)).mean((2, 3)))


def test_a_module_with_widths_in_its_code_is_refused() -> None:
    module = settle(Net(fixed_view, first=unit(3, 16), last=conv(16, 16), fc=head(16)))
    pruned, _, _ = prune_module(module, SHAPE, HALF)
    with pytest.raises(Refused, match="cannot hold the pruned widths"):
        write_back(module, pruned)


class Scaled(nn.Module):
    """Divides by what its layer says its width is: pruning keeps the old number."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.fc = conv(3, 16), head(16)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.first(x).mean((2, 3)) / self.first.out_channels)


def test_a_module_that_then_computes_otherwise_is_refused() -> None:
    module = settle(Scaled())
    pruned, _, _ = prune_module(module, SHAPE, HALF)
    with pytest.raises(Refused, match="output differs"):
        write_back(module, pruned)
