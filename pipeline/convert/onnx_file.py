"""From a torch graph to ONNX bytes that are the same wherever and whenever they are made."""

from __future__ import annotations

import re
from collections.abc import Sequence

import onnx
import torch
from torch.fx import GraphModule

from pipeline.convert.layout import samples_first
from pipeline.errors import Refused
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Ports
from pipeline.models.graph import zeros
from pipeline.models.torch_errors import quiet, user_line

OPSET = 20  # the first with a native Gelu; below it becomes Erf, which TFLite lacks
INPUT = "input"
TRACE = "pkg.torch.onnx.stack_trace"


def input_names(own: Sequence[str]) -> list[str]:
    """Names of the inputs in ONNX and in the file's signature: the model's own, in plain letters.

    The only input is always called the same, whatever a model calls it.
    """
    if len(own) == 1:
        return [INPUT]
    plain = [re.sub(r"\W", "_", name).strip("_") or INPUT for name in own]
    plain = [name if name[0].isalpha() else f"{INPUT}_{name}" for name in plain]
    again = [plain[:place].count(name) for place, name in enumerate(plain)]
    return [f"{name}_{count}" if count else name for name, count in zip(plain, again, strict=True)]


def output_names(count: int) -> list[str]:
    """Names of a network's outputs in torch's order, in ONNX and in the file's signature."""
    return [f"output_{index}" for index in range(count)]


def to_onnx(gm: GraphModule, outputs: int) -> tuple[bytes, dict[str, str]]:
    """`gm` with a static batch of one as a self-contained model, and {node: the user's line}.

    Raises:
        Refused: an operator of the model has no ONNX form.
    """
    ports: Ports = gm.meta["ports"]
    try:
        with quiet():
            program = torch.onnx.export(
                gm, zeros(ports, 1).arrays, dynamo=True, opset_version=OPSET, verbose=False,
                input_names=input_names(ports.names), output_names=output_names(outputs),
            )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        what = f"cannot be exported to ONNX: {_reason(error, gm)}"
        raise Refused(what, fix="replace that operator in the model") from error
    assert program is not None  # the type of the older exporter's path
    model = program.model_proto
    sources = {node.name: line for node in model.graph.node if (line := _source(node))}
    return without_traces(model), sources


def _source(node: onnx.NodeProto) -> str:
    """The user's line that torch notes at a node."""
    traces = [entry.value for entry in node.metadata_props if entry.key == TRACE]
    return user_line(traces[0]) if traces else ""


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


def _reason(error: BaseException, gm: GraphModule) -> str:
    """The innermost cause in one line, with the user's line of the operator that it names.

    The exporter's own text is a page of instructions.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line for line in str(error).splitlines() if line.strip()]
    text = lines[0][:200] if lines else type(error).__name__
    named = set(re.findall(r"op='\w+\.(\w+)'", str(error)))
    for node in gm.graph.nodes:
        place = user_line(node.meta.get("stack_trace") or "")
        if place and _is_one_of(node, named):
            return f"{text} (at {place})"
    return text


def _is_one_of(node: torch.fx.Node, names: set[str]) -> bool:
    """Whether a node's operator is named, also where it was lowered: special_x becomes prims.x,
    linalg_svd aten._linalg_svd, cdist aten._cdist_forward."""
    if node.op != "call_function":
        return False
    own = str(node.target).split(".")[1:2]
    plain = {name.removeprefix("_").removesuffix("_forward") for name in names} | names
    return any(name in (each, each.removeprefix("special_")) for each in own for name in plain)


def run(gm: GraphModule, inputs: torch.Tensor | Batch) -> list[torch.Tensor]:
    """The network's outputs in order, samples first, whatever structure it returns them in.

    An output without a batch of its own is that of each sample alone, as the file gives it.
    """
    samples = Batch.of(inputs).tensors()
    found = _tensors(gm, samples)
    if all(each.shape[:1] == (len(samples),) for each in found):
        return found
    alone = [_tensors(gm, sample) for sample in samples]
    each = ([part.numpy() for part in parts] for parts in zip(*alone, strict=True))
    return [torch.from_numpy(samples_first(parts)) for parts in each]


def _tensors(gm: GraphModule, samples: Batch) -> list[torch.Tensor]:
    with torch.no_grad():
        leaves = torch.utils._pytree.tree_leaves(gm(*samples.arrays))
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
