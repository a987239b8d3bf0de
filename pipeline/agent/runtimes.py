"""Runtimes: one small function each, found by name, returning its Interpreter and version."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

Interpreter = Any
Loaded = tuple[Callable[..., Interpreter], str]


def ai_edge_litert() -> Loaded:
    """LiteRT, the maintained runtime: XNNPACK for float and int8."""
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter, metadata.version("ai-edge-litert")


def tflite_runtime() -> Loaded:
    """The older wheel, for images that LiteRT has no wheel for; builtin kernels for int8."""
    from tflite_runtime.interpreter import Interpreter

    return Interpreter, metadata.version("tflite-runtime")


def tensorflow() -> Loaded:
    """The interpreter inside TensorFlow: for hosts."""
    import tensorflow as tf

    return tf.lite.Interpreter, str(tf.__version__)


RUNTIMES: dict[str, Callable[[], Loaded]] = {
    "ai-edge-litert": ai_edge_litert,
    "tflite-runtime": tflite_runtime,
    "tensorflow": tensorflow,
}


def load(name: str) -> Loaded:
    """Import a runtime. Raises ValueError: unknown; ModuleNotFoundError: this Python lacks it."""
    if name not in RUNTIMES:
        raise ValueError(f"runtime {name!r} is none of {', '.join(RUNTIMES)}")
    return RUNTIMES[name]()
