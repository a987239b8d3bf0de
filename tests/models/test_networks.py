"""The reference networks take what they say and have the names that public weights use."""

from __future__ import annotations

import torch

from pipeline.models.dscnn import dscnn
from pipeline.models.mobilenet_v2 import mobilenet_v2
from pipeline.models.resnet8 import resnet8


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_shapes() -> None:
    assert resnet8(classes=7)(torch.zeros(2, 1, 28, 28)).shape == (2, 7)
    assert resnet8(channels=3).stem(torch.zeros(1, 3, 28, 28)).shape == (1, 16, 14, 14)
    assert dscnn(32, 5, 3)(torch.zeros(2, 3, 28, 28)).shape == (2, 5)
    assert mobilenet_v2(6, 0.35, 1)(torch.zeros(2, 1, 32, 32)).shape == (2, 6)


def test_mobilenet_v2_has_torchvisions_parameters() -> None:
    state = mobilenet_v2().state_dict()
    assert len(state) == 314
    assert sum(v.numel() for k, v in state.items() if "running" not in k and "num_b" not in k) == (
        3_504_872
    )
    for name, shape in {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.1.conv.0.0.weight": (32, 1, 3, 3),
        "features.1.conv.1.weight": (16, 32, 1, 1),
        "features.2.conv.1.1.running_mean": (96,),
        "features.17.conv.3.bias": (320,),
        "features.18.1.num_batches_tracked": (),
        "classifier.1.weight": (1000, 1280),
    }.items():
        assert tuple(state[name].shape) == shape


def test_mobilenet_v2_widths_follow_the_multiplier() -> None:
    assert parameters(mobilenet_v2(1000, 0.5)) == 1_968_680
