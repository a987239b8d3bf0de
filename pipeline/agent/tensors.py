"""Tensors of a model file: their description, and floats in and out by their own quantization.

TensorFlow Lite quantization specification: real = scale * (q - zero_point), one scale a tensor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SEED = 20240229
Detail = dict[str, Any]
Array = Any


def describe(detail: Detail) -> dict[str, Any]:
    """Name, shape, dtype, and where it is quantized scale and zero point, as JSON values."""
    scale, zero_point = detail["quantization"]
    about = {
        "name": detail["name"],
        "shape": [int(n) for n in detail["shape"]],
        "dtype": np.dtype(detail["dtype"]).name,
    }
    if scale:
        about.update(scale=float(scale), zero_point=int(zero_point))
    return about


def names(model: Any, kind: str) -> list[str]:
    """Names of the `input`s or `output`s in file order: a signature's, else input_0, ..."""
    details = getattr(model, f"get_{kind}_details")()
    for key in model.get_signature_list():
        named = getattr(model.get_signature_runner(key), f"get_{kind}_details")()
        by_index: dict[int, list[str]] = {}  # a tensor may be returned twice, under two names
        for name, detail in named.items():
            by_index.setdefault(detail["index"], []).append(name)
        if sorted(by_index) == sorted({detail["index"] for detail in details}):
            return [by_index[detail["index"]].pop(0) for detail in details]
    return [f"{kind}_{number}" for number in range(len(details))]


def check_static(details: list[Detail]) -> None:
    """Refuse dynamic shapes; a free batch that the file sets to 1 is as good as static."""
    for detail in details:
        shape = [int(n) for n in detail["shape"]]
        signature = [int(n) for n in detail.get("shape_signature", shape)]
        free = [axis for axis, n in enumerate(signature) if n < 0]
        if 0 in shape or (free and (free != [0] or shape[0] != 1)):
            raise ValueError(
                f"input {detail['name']} has the dynamic shape {signature}: "
                "convert the model with a static shape"
            )


def quantize(values: Array, detail: Detail) -> Array:
    """Float samples in the tensor's own dtype: clip(round(x / scale) + zero_point).

    Computed in float32 and rounded half to even, as XNNPACK's QUANTIZE does (the reference kernel
    rounds half away from zero; the two differ only on exact ties). Values that already have the
    tensor's dtype pass unchanged.
    """
    dtype: Any = np.dtype(detail["dtype"])
    scale, zero_point = detail["quantization"]
    if values.dtype == dtype or not scale or dtype.kind not in "iu":
        return values.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    steps = np.round(values.astype(np.float32) / np.float32(scale)) + np.float32(zero_point)
    return np.clip(steps, limits.min, limits.max).astype(dtype)


def dequantize(values: Array, detail: Detail) -> Array:
    """Float32 values of an output: scale * (q - zero_point); unquantized ones are only cast."""
    scale, zero_point = detail["quantization"]
    if not scale or np.dtype(detail["dtype"]).kind not in "iu":
        return values.astype(np.float32)
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def random_input(detail: Detail) -> Array:
    """A seeded input of the tensor's shape and dtype, the same in every process.

    Integers without a scale may be indices: they are 0 or 1, so that no lookup leaves its table.
    """
    generator = np.random.Generator(np.random.PCG64(SEED))
    shape = [int(n) for n in detail["shape"]]
    dtype: Any = np.dtype(detail["dtype"])
    if dtype.kind == "f":
        return generator.standard_normal(shape).astype(dtype)
    if dtype.kind in "iub":
        limits = np.iinfo(dtype) if detail["quantization"][0] else None
        low, high = (limits.min, limits.max + 1) if limits else (0, 2)
        return generator.integers(low, high, shape).astype(dtype)
    raise ValueError(f"input {detail['name']} is {dtype.name}, for which there is no random input")
