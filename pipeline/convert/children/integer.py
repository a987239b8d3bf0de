"""SavedModel to full-integer TFLite with given calibration data; runs in a child process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


def main(spec: dict[str, Any]) -> dict[str, Any]:
    """Quantize `spec["saved_model"]` over `spec["samples"]` into `spec["out"]`.

    samples: .npy, float32, in the layout of the file (N H W C). Weights are int8 per channel,
    activations int8 per tensor by minimum and maximum; input and output are int8 too.
    """
    samples = np.load(spec["samples"], mmap_mode="r")

    def representative() -> Iterator[dict[str, np.ndarray]]:
        for index in range(len(samples)):
            yield {spec["input"]: np.ascontiguousarray(samples[index : index + 1])}

    converter = tf.lite.TFLiteConverter.from_saved_model(spec["saved_model"])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    Path(spec["out"]).write_bytes(converter.convert())
    return {}
