"""The networks of the benchmark, dense and pruned, and the images they are calibrated on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tests.benchmarks.prune import zoo as pruning

OWN = """
dscnn tc_resnet bc_resnet channel_shuffle unet c2f gru_keywords lstm_sensor shared_head flatten_cnn
conformer_block video wavenet super_resolution
"""
NEW = "yolo_raw yolo_decoded deeplab deeplab_corners centernet pools masked_encoder"
TORCHVISION = """
shufflenet_v2_x0_5 mobilenet_v3_small squeezenet1_1 mnasnet0_5 googlenet
segmentation.lraspp_mobilenet_v3_large
"""
TIMM = """
resnet18 mobilenetv2_050 lcnet_050 efficientnet_lite0 ghostnet_050 convnext_atto test_vit
test_resnet test_efficientnet test_convnext regnetx_002 mobilevit_xxs levit_128s repvit_m0_9
edgenext_xx_small res2net50_14w_8s dla46_c skresnet18 tinynet_e vit_tiny_patch16_224
swin_tiny_patch4_window7_224 mixer_s32_224 hardcorenas_a
"""
SAMPLES, HELD = 64, 32


def names() -> list[str]:
    """The sources mixed, so that a part is a sample."""
    groups = [("own", OWN + NEW), ("torchvision", TORCHVISION), ("timm", TIMM)]
    return [f"{source}:{name}" for source, text in groups for name in text.split()]


def build(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """A network with seeded weights and batch norms that have seen images, in eval mode."""
    source, _, short = name.partition(":")
    if source == "own" and short in NEW.split():
        from tests.benchmarks.convert.own import NETWORKS

        torch.manual_seed(0)
        made, shape = NETWORKS[short]
        module = pruning.awaken(made())
    else:
        module, shape = pruning.build(name)
        if (
            len(shape) == 3
            and shape[0] == 3
            and shape[1] > 96
            and pruning._accepts(module, (3, 96, 96))
        ):
            shape = (3, 96, 96)
    return calibrated(module, shape), shape


def calibrated(module: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """Batch norm statistics of images: ranges as a trained network has them."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.train()
    before = [norm.momentum for norm in norms]
    for step in range(3):
        for norm in norms:
            norm.momentum = 1.0 if step == 0 else 0.3
        with torch.no_grad():
            module(torch.from_numpy(images(8, shape, step)))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    return module.eval()


def images(count: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Smooth blobs, edges and noise, about normalised; (count, *shape)."""
    generator = torch.Generator().manual_seed(seed)
    size = shape[1:]
    if len(size) != 2:
        return np.asarray(torch.randn(count, *shape, generator=generator))

    def noise(channels: int, step: int, mode: str) -> Any:
        low = torch.rand(count, channels, *(max(2, n // step) for n in size), generator=generator)
        return functional.interpolate(low, size=size, mode=mode)

    x = noise(shape[0], 16, "bicubic") + 0.5 * (noise(1, 6, "nearest") > 0.5).float()
    x = x + 0.05 * torch.randn(count, *shape, generator=generator)
    return np.asarray(((x / 1.5).clamp(0, 1) - 0.45) / 0.25)
