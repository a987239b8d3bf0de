"""Tiny model files for the board's runtime, made once a test run."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_dense(path: Path, *, width: int, seed: int = 0) -> Path:
    """8 -> width -> 3, float32, deterministic."""
    import tensorflow as tf

    chance = np.random.default_rng(seed)
    hidden = tf.constant(chance.standard_normal((8, width)), tf.float32)
    out = tf.constant(chance.standard_normal((width, 3)), tf.float32)

    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1, 8], tf.float32, name="x")])
        def __call__(self, x):
            return {"y": tf.nn.relu(x @ hidden) @ out}

    net = Net()
    convert = tf.lite.TFLiteConverter.from_concrete_functions
    path.write_bytes(convert([net.__call__.get_concrete_function()], net).convert())
    return path
