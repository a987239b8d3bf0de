"""The stages that leave torch: a float export, and from it a file in one scheme."""

from __future__ import annotations

from pydantic import Field

from pipeline.artifacts import Deployable, Exported, Model, Quantized, Workdir
from pipeline.config.base import Config
from pipeline.stage import stage


class ExportConfig(Config):
    """`timeout_s` bounds the converter's child process."""

    timeout_s: float = Field(default=1800, gt=0)


class ConvertConfig(Config):
    """`timeout_s` bounds the converter's child process."""

    timeout_s: float = Field(default=1800, gt=0)


@stage(version=16, tools=("torch", "onnx", "onnxscript", "onnx2tf", "tensorflow", "tf-keras"))
def export(model: Model, *, cfg: ExportConfig, work: Workdir) -> Exported:
    """Take a model out of torch, in float and with a static batch of one.

    The artifact holds `float.tflite`, channels-last, and the `model.onnx` it was made from;
    `meta["layout"]` says how their axes relate to torch's.
    """
    from pipeline.convert.export import run

    return run(model, cfg, work)


@stage(version=13, tools=("tensorflow", "ai-edge-litert", "litert-quantizer"))
def convert(
    model: Quantized, *, exported: Exported, cfg: ConvertConfig, work: Workdir
) -> Deployable:
    """Lower an export to the file a runtime loads, in the scheme of `model`.

    The artifact holds `model.tflite`, the float file it came from and the ONNX model.
    """
    from pipeline.convert.lower import run

    return run(model, exported, cfg, work)
