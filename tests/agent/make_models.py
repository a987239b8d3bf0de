"""Builds the small .tflite files of the agent's tests: `python make_models.py FOLDER`."""

import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

folder = Path(sys.argv[1])


def conv_net() -> tf.keras.Model:
    tf.keras.utils.set_random_seed(0)
    image = tf.keras.Input((12, 12, 1), batch_size=1, name="image")
    x = tf.keras.layers.Conv2D(8, 3, strides=2, activation="relu")(image)
    x = tf.keras.layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(image, tf.keras.layers.Dense(4, name="scores")(x))


def save(name: str, converter: tf.lite.TFLiteConverter) -> None:
    (folder / f"{name}.tflite").write_bytes(converter.convert())


def from_function(function, *specs: tf.TensorSpec) -> tf.lite.TFLiteConverter:
    module = tf.Module()
    module.serve = tf.function(function, input_signature=specs)
    signatures = {"serving_default": module.serve.get_concrete_function()}
    path = tempfile.mkdtemp(dir=folder)
    tf.saved_model.save(module, path, signatures=signatures)
    return tf.lite.TFLiteConverter.from_saved_model(path)


def int8(converter: tf.lite.TFLiteConverter) -> tf.lite.TFLiteConverter:
    generator = np.random.default_rng(0)
    samples = [generator.standard_normal((1, 12, 12, 1)).astype(np.float32) for _ in range(16)]
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([s] for s in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter


net = conv_net()
save("float", tf.lite.TFLiteConverter.from_keras_model(net))
save("int8", int8(tf.lite.TFLiteConverter.from_keras_model(net)))
save(
    "two",
    from_function(
        lambda left, right: {"total": left + right, "difference": left - right},
        tf.TensorSpec((1, 3), name="left"),
        tf.TensorSpec((1, 3), name="right"),
    ),
)
save(
    "dynamic",
    from_function(lambda x: {"mean": tf.reduce_mean(x, 1)}, tf.TensorSpec((1, None, 3), name="x")),
)
