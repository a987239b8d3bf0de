"""Every activation of a .tflite file over some samples; runs in a child process."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.agent import tensors
from pipeline.convert.children.feed import Feed
from pipeline.inputs import batch

Array = Any


def main(spec: dict[str, Any]) -> dict[str, Any]:
    """Run `spec["model"]` over `spec["samples"]` (`Batch.save`; the file's layout, samples first).

    `spec["out"]` becomes an .npz {tensor index: float32 (samples, ...)}, dequantised, of all that
    an operator computes. Builtin kernels without a delegate, which would keep tensors to itself.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    warnings.simplefilter("ignore")
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    model = Interpreter(
        spec["model"], num_threads=1, experimental_op_resolver_type=kernels,
        experimental_preserve_all_tensors=True,
    )  # fmt: skip
    model.allocate_tensors()
    details = {int(detail["index"]): detail for detail in model.get_tensor_details()}
    given = [int(entry["index"]) for entry in model.get_input_details()]
    wanted, put = [*given, *_computed(model)], Feed(model)
    kept: dict[int, list[Array]] = {index: [] for index in wanted}
    for sample in batch.load(Path(spec["samples"])):
        put(sample)
        model.invoke()
        for index in wanted:
            kept[index].append(tensors.dequantize(model.get_tensor(index), details[index]))
    np.savez(
        Path(spec["out"]),
        allow_pickle=False,
        **{str(index): np.concatenate(parts) for index, parts in kept.items() if _whole(parts)},
    )
    return {}


def _computed(model: Any) -> list[int]:
    """Float or quantized tensors that an operator gives, in the file's order."""
    kinds = (np.float32, np.int8, np.uint8, np.int16)
    details = {int(d["index"]): d for d in model.get_tensor_details()}
    found = [int(i) for node in model._get_ops_details() for i in node["outputs"]]
    return [i for i in found if i in details and details[i]["dtype"] in kinds]


def _whole(parts: list[Array]) -> bool:
    return all(part.ndim and part.shape == parts[0].shape for part in parts)
