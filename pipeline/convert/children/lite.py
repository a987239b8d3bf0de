"""litert-quantizer over a float file: weights alone, or a static file with ranges of our own."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.convert.flatbuffer import items
from pipeline.quantize.ranges import Range

HALVED, DYNAMIC = "fp16", "dynamic"


def main(spec: dict[str, Any]) -> dict[str, Any]:
    """Write `spec["model"]` with fp16 weights, or int8 weights for dynamic range, to `out`."""
    data = Path(spec["model"]).read_bytes()
    made = halved(data) if spec["scheme"] == HALVED else dynamic(data)
    Path(spec["out"]).write_bytes(made)
    return {}


def halved(data: bytes) -> bytes:
    """Weights as float16, computed in float32."""
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import QuantGranularity, TFLOperationName
    from litert_quantizer.quantizer import Quantizer

    quantizer = Quantizer(data)
    quantizer.add_weight_only_config(
        ".*", TFLOperationName.ALL_SUPPORTED, 16, QuantGranularity.TENSORWISE,
        AlgorithmName.FLOAT_CASTING,
    )  # fmt: skip
    return _bytes(quantizer)


def dynamic(data: bytes) -> bytes:
    """Int8 weights per channel; activations are quantized while it runs.

    Not of depthwise convolutions: no delegate takes those, and the plain kernel is many times
    slower than float.
    """
    from litert_quantizer.qtyping import TFLOperationName
    from litert_quantizer.quantizer import Quantizer

    quantizer = Quantizer(data)
    for name in (TFLOperationName.CONV_2D, TFLOperationName.FULLY_CONNECTED):
        quantizer.add_dynamic_config(".*", name, 8)
    return _bytes(quantizer)


def static(data: bytes, model: Any, ranges: Mapping[int, Range]) -> bytes:
    """Int8 throughout where it knows the operator; what it does not know stays float.

    `model` is the object tree of `data`; `ranges` are by tensor of its main graph.
    """
    from litert_quantizer import recipe
    from litert_quantizer.quantizer import Quantizer

    tensors = items(model.subgraphs[0].tensors)
    noted = {
        tensors[index].name.decode(): {
            "min": _shaped(low, tensors[index]),
            "max": _shaped(high, tensors[index]),
        }
        for index, (low, high) in ranges.items()
    }
    return _bytes(Quantizer(data, recipe.static_wi8_ai8()), noted)


def _shaped(value: float, tensor: Any) -> Any:
    return np.full((1,) * len(items(tensor.shape)), value, np.float32)


def _bytes(quantizer: Any, *calibration: Any) -> bytes:
    with contextlib.redirect_stdout(sys.stderr):
        return bytes(quantizer.quantize(*calibration).quantized_model)
