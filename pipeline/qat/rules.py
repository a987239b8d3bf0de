"""What TFLite demands of scales: tensorflow.org/lite/performance/quantization_spec.

The converter's own table is `operator_property.cc` in tensorflow/compiler/mlir/lite/quantization.
"""

from __future__ import annotations

FIXED = {
    "SOFTMAX": (1 / 256, -128),
    "LOGISTIC": (1 / 256, -128),
    "TANH": (1 / 128, 0),
}
"""(scale, zero point) of the output."""

JOINS = frozenset({"CONCATENATION", "PACK", "MAXIMUM", "MINIMUM"})
"""Several inputs and the output share one scale."""

SHARES = JOINS | frozenset({
    "AVERAGE_POOL_2D", "MAX_POOL_2D", "REDUCE_MAX", "REDUCE_MIN", "PAD", "PADV2", "MIRROR_PAD",
    "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "SPLIT", "SPLIT_V", "SLICE", "STRIDED_SLICE",
    "GATHER", "UNPACK", "TILE", "BROADCAST_TO", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR",
    "SPACE_TO_DEPTH", "DEPTH_TO_SPACE",
})  # fmt: skip
"""Outputs have the scale of the inputs."""
