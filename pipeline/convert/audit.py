"""What can be said of a .tflite file without running it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.convert.flatbuffer import TYPES, items, operator_name, reading
from pipeline.errors import Refused

MAX_SCALE = 1e6  # one step of an int8 activation; a pad with the lowest float gives 1e36
BORDER = frozenset({"QUANTIZE", "DEQUANTIZE"})
WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})


@dataclass(frozen=True)
class Port:
    """An input or output: `name` by signature; `scale` and `zero_point` are None in float."""

    name: str
    shape: list[int]
    dtype: str
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class Audit:
    """Counts over all subgraphs; `versions` is each operator's highest version in the file."""

    size_bytes: int
    operators: dict[str, int]
    versions: dict[str, int]
    transposes: int
    float_operators: dict[str, int]
    insane_scales: list[str]
    inputs: list[Port]
    outputs: list[Port]

    def to_json(self) -> dict[str, Any]:
        """The audit as plain JSON."""
        return asdict(self)


def audit(path: Path) -> Audit:
    """Audit a file.

    Raises:
        UsageError: no whole .tflite file.
    """
    with reading(path) as model:
        return _audit(model, path.stat().st_size)


def _audit(model: Any, size_bytes: int) -> Audit:
    operators, floating, versions = Counter[str](), Counter[str](), dict[str, int]()
    for graph, operator in _operators(model):
        name = operator_name(model, operator)
        operators[name] += 1
        version = model.operatorCodes[operator.opcodeIndex].version
        versions[name] = max(versions.get(name, 1), version)
        floating[name] += name not in BORDER and _touches_float(graph, operator)
    return Audit(
        size_bytes, dict(sorted(operators.items())), dict(sorted(versions.items())),
        operators["TRANSPOSE"], dict(sorted((+floating).items())), _insane_scales(model),
        _ports(model, "inputs"), _ports(model, "outputs"),
    )  # fmt: skip


def require_sound(result: Audit, path: Path, *, scheme: str) -> None:
    """Refuse a file that a board's runtime would refuse, abort on or answer garbage with.

    Raises:
        Refused: an insane scale; in an int8 file, a layer with weights left in float.
    """
    if result.insane_scales:
        first = ", ".join(result.insane_scales[:3])
        raise Refused(
            f"quantization scale out of range: {first}", where=path.name,
            fix="look for infinite or huge constants (masking, padding) in the model",
        )  # fmt: skip
    if scheme == "int8" and WEIGHTED & result.float_operators.keys():
        raise Refused(
            f"operators left in float: {listed(result.float_operators)}", where=path.name,
            fix="use scheme mixed or fp32",
        )  # fmt: skip


def listed(counts: Mapping[str, int]) -> str:
    """`4 CONV_2D, 1 SIN`."""
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _operators(model: Any) -> Iterator[tuple[Any, Any]]:
    for graph in model.subgraphs:
        for operator in items(graph.operators):
            yield graph, operator


def _touches_float(graph: Any, operator: Any) -> bool:
    indices = [index for index in (*items(operator.inputs), *items(operator.outputs)) if index >= 0]
    return any(TYPES[graph.tensors[index].type] == "FLOAT32" for index in indices)


def _insane_scales(model: Any) -> list[str]:
    """`name=scale` of each tensor whose scale is zero, negative, not finite or too large."""
    found = []
    for graph in model.subgraphs:
        for tensor in items(graph.tensors):
            for scale in items(getattr(tensor.quantization, "scale", None)):
                if not (math.isfinite(scale) and 0 < scale <= MAX_SCALE):
                    found.append(f"{tensor.name.decode()}={scale:g}")
                    break
    return found


def _ports(model: Any, side: str) -> list[Port]:
    """Inputs or outputs of the first signature, by its names; without one, of the main graph."""
    graph = model.subgraphs[0]
    named = signed(model, side)
    if not named:
        named = [(graph.tensors[i].name.decode(), i) for i in items(getattr(graph, side))]
    return [_port(name, graph.tensors[index]) for name, index in named]


def signed(model: Any, side: str) -> list[tuple[str, int]]:
    """(name, tensor) of the `inputs` or `outputs` of the first signature; empty without one."""
    entries = getattr(model.signatureDefs[0], side) if model.signatureDefs else []
    return [(entry.name.decode(), int(entry.tensorIndex)) for entry in items(entries)]


def _port(name: str, tensor: Any) -> Port:
    scales = items(getattr(tensor.quantization, "scale", None))
    points = items(getattr(tensor.quantization, "zeroPoint", None))
    return Port(
        name, [int(size) for size in items(tensor.shape)], TYPES[tensor.type].lower(),
        float(scales[0]) if len(scales) == 1 else None,
        int(points[0]) if len(scales) == len(points) == 1 else None,
    )  # fmt: skip
