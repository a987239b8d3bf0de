"""Networks of packages that the zoo does not draw from, as `outside:PACKAGE/NAME`."""

from __future__ import annotations

import importlib
from typing import Any

from torch import nn

PACKAGES = (
    "pytorchcv", "ultralytics", "ultralytics-thop", "opencv-python-headless", "psutil",
    "py-cpuinfo", "polars", "pyyaml",
)  # fmt: skip
"""None of their dependencies is installed but these."""
PYTORCHCV = """
preresnet10 senet16 resnestabc14 airnet50_1x64d_r16 cbam_resnet18 resattnet56 sknet50 scnet50
diracnet18v2 peleenet channelnet espnetv2_wd2 dicenet_wd2 vovnet27s hardnet39ds xdensenet121_2
squeezeresnet_v1_1 sqnxt23_w1 shufflenet_g3_wd4 shufflenetv2_wd2 menet108_8x1_g3 igcv3_wd4
dpn68b ibn_densenet121 fbnet_cb
"""
ULTRALYTICS = """
yolov3-tiny yolov5n yolov8n yolov8n-seg yolov8n-pose yolov8n-obb yolov8n-p2 yolov9t yolov10n yolo11n
yolo11n-seg yolo11n-pose yolo12n yolo26n
"""


def names() -> list[str]:
    """Those of every package."""
    groups = [("pytorchcv", PYTORCHCV), ("ultralytics", ULTRALYTICS)]
    return [f"outside:{source}/{name}" for source, text in groups for name in text.split()]


def build(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """A network with random weights, and the shape of one sample."""
    source, _, name = name.partition("/")
    if source == "ultralytics":
        package: Any = importlib.import_module("ultralytics")
        return package.YOLO(f"{name}.yaml").model, (3, 128, 128)
    provider: Any = importlib.import_module("pytorchcv.model_provider")
    return provider.get_model(name, pretrained=False), (3, 224, 224)
