"""From a torch graph to ONNX bytes that are the same wherever and whenever they are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
import torch
from torch.fx import GraphModule

from pipeline.errors import Refused
from pipeline.models.graph import quiet

OPSET = 20  # the first with a native Gelu; below it becomes Erf, which TFLite lacks
INPUT = "input"


def output_names(count: int) -> list[str]:
    """Names of a network's outputs in torch's order; onnx2tf's signature names them the same."""
    return [f"output_{index}" for index in range(count)]


def to_onnx(gm: GraphModule, input_shape: Sequence[int], outputs: int) -> bytes:
    """Export `gm` with a static batch of one as a self-contained model.

    Raises:
        Refused: an operator of the model has no ONNX form.
    """
    try:
        with quiet():
            program = torch.onnx.export(
                gm, (torch.zeros(1, *input_shape),), dynamo=True, opset_version=OPSET,
                verbose=False, input_names=[INPUT], output_names=output_names(outputs),
            )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        what = f"cannot be exported to ONNX: {_reason(error)}"
        raise Refused(what, fix="replace that operator in the model") from error
    assert program is not None  # the type of the older exporter's path
    return without_traces(program.model_proto)


def without_traces(model: onnx.ModelProto) -> bytes:
    """Serialise a model without what torch notes in it: stack traces hold this machine's paths."""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for entry in (*model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del entry.metadata_props[:]
        entry.doc_string = ""
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    return bytes(model.SerializeToString(deterministic=True))


def _reason(error: BaseException) -> str:
    """The innermost cause in one line; the exporter's own text is a page of instructions."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def run(gm: GraphModule, inputs: Any) -> list[torch.Tensor]:
    """The network's outputs in order, whatever structure it returns them in."""
    with torch.no_grad():
        leaves, _ = torch.utils._pytree.tree_flatten(gm(inputs))
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
