"""The models that are timed: MobileNetV1 0.25 at 96 x 96, int8 and float32: `model.py FOLDER`."""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

folder = Path(sys.argv[1])
tf.keras.utils.set_random_seed(0)
net = tf.keras.applications.MobileNet((96, 96, 3), alpha=0.25, weights=None, classes=10)
(folder / "fp32.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(net).convert())
converter = tf.lite.TFLiteConverter.from_keras_model(net)
samples = np.random.default_rng(0).standard_normal((8, 1, 96, 96, 3)).astype(np.float32)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = lambda: ([sample] for sample in samples)
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.int8
(folder / "int8.tflite").write_bytes(converter.convert())
