"""Trained scales into a flatbuffer, bit for bit: a float file rewritten as the schema's objects.

A quantizer that is handed minimum and maximum computes the scale anew, and may differ in the last
bit; here the file gets the very float32 that the training used. What a runtime demands beyond that
is in the operators' versions: a float file's are too low for int8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from pipeline.artifacts import Quantized
from pipeline.convert.flatbuffer import operator_name, pack, reading
from pipeline.quantize.trained import FILE, tensors

INT8_VERSIONS = {
    "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "TRANSPOSE_CONV": 2, "ADD": 2,
    "SUB": 2, "MUL": 2, "AVERAGE_POOL_2D": 2, "MAX_POOL_2D": 2, "MEAN": 2, "SUM": 2, "PAD": 2,
    "PADV2": 2, "MIRROR_PAD": 2, "TRANSPOSE": 2, "CONCATENATION": 2, "SPLIT": 2, "SPLIT_V": 2,
    "SLICE": 2, "STRIDED_SLICE": 2, "GATHER": 2, "PACK": 2, "UNPACK": 2, "LOGISTIC": 2,
    "RESIZE_NEAREST_NEIGHBOR": 2, "RESIZE_BILINEAR": 2, "SPACE_TO_DEPTH": 2, "DEPTH_TO_SPACE": 2,
    "TANH": 2, "SOFTMAX": 2, "LEAKY_RELU": 2, "RELU": 2, "RELU6": 2, "RELU_N1_TO_1": 2,
    "BATCH_MATMUL": 2, "MAXIMUM": 2, "MINIMUM": 2, "REDUCE_MAX": 2, "REDUCE_MIN": 2,
    "QUANTIZE": 2, "DEQUANTIZE": 2,
}  # fmt: skip
"""Lowest version that takes int8 (tensorflow/lite/tools/versioning/op_version.cc); else 1."""

DTYPES: dict[str, tuple[int, Any]] = {
    "int8": (schema.TensorType.INT8, np.int8),
    "int32": (schema.TensorType.INT32, np.int32),
}


def trained_file(model: Quantized) -> bytes:
    """The int8 file of a trained network, on the grids it was trained on."""
    with reading(model.file(FILE)) as network:
        inject(network, tensors(model))
        return pack(network)


def inject(model: Any, entries: Sequence[Mapping[str, Any]]) -> None:
    """Make a float file's object tree integer, in place.

    Each entry: `tensor` (index), `dtype` (int8 or int32), `scales`, `zero_points`, and `axis` where
    there is one scale a slice. A constant's values become the nearest integers.
    """
    graph = model.subgraphs[0]
    for entry in entries:
        tensor = graph.tensors[entry["tensor"]]
        kind, dtype = DTYPES[entry["dtype"]]
        buffer = model.buffers[tensor.buffer]
        if buffer.data is not None and len(buffer.data):
            values = np.asarray(buffer.data, np.uint8).view(np.float32).reshape(tensor.shape)
            buffer.data = integers(values, entry).astype(dtype).view(np.uint8).ravel()
        tensor.type = kind
        tensor.quantization = _parameters(entry)
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        code.version = max(code.version, INT8_VERSIONS.get(operator_name(model, operator), 1))


def integers(values: NDArray[np.float32], entry: Mapping[str, Any]) -> NDArray[np.float64]:
    """round(value / scale) + zero point, within the type (weights: without -128)."""
    shape = [1] * values.ndim
    if len(entry["scales"]) > 1:
        shape[entry["axis"]] = -1
    scale = np.array(entry["scales"], np.float64).reshape(shape)
    zero = np.array(entry["zero_points"], np.float64).reshape(shape)
    limits = np.iinfo(DTYPES[entry["dtype"]][1])
    low = -limits.max if not zero.any() else limits.min
    return np.clip(np.round(values / scale) + zero, low, limits.max)


def _parameters(entry: Mapping[str, Any]) -> Any:
    found = schema.QuantizationParametersT()
    found.scale = np.array(entry["scales"], np.float32)
    found.zeroPoint = np.array(entry["zero_points"], np.int64)
    found.quantizedDimension = entry.get("axis", 0)
    return found
