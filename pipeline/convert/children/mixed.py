"""Float TFLite to mixed precision: int8 where it pays, float where int8 breaks graph or answer.

Runs in a child process. Nothing here is timed, so that the same inputs give the same file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ai_edge_litert.interpreter import Interpreter

from pipeline.agent.inspection import DELEGATE, delegated
from pipeline.convert.children.candidates import Candidate, Workbench, methods
from pipeline.convert.children.sensitivity import worst_layers
from pipeline.convert.flatbuffer import items, operator_name
from pipeline.convert.integer_form import AFFINE
from pipeline.inputs import batch

HEAVY = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D"})
BORDER = frozenset({"QUANTIZE", "DEQUANTIZE"})
ROUNDS = 4  # float operators can make their neighbours fall out of the delegate


def main(spec: dict[str, Any]) -> dict[str, Any]:
    """Quantize part of `spec["model"]` over `spec["samples"]` into `spec["out"]`; ports are float.

    First by kind of operator: all that the delegate takes in int8, or convolutions and matrix
    products alone, whichever leaves the graph in fewer pieces. Then the calibration. Then, until
    the held-out error is at least `spec["budget_db"]`, the layers that add most error become float.
    """
    samples = batch.load(Path(spec["samples"]))
    bench = Workbench(Path(spec["model"]), samples, spec.get("runtime", ""), AFFINE)
    first, *others = methods(spec["calibration"])
    kinds = _kinds(bench, first)
    tried = [_make(bench, name, first, types) for name, types in kinds.items()]
    chosen = min(tried, key=_pieces)
    types = kinds[chosen.name.partition(" ")[0]]
    name = chosen.name.partition(" ")[0]
    chosen = bench.settle([chosen, *(_make(bench, name, method, types) for method in others)])
    if chosen.sqnr_db < spec["budget_db"]:
        chosen = _with_float_layers(bench, chosen, name, types, spec["budget_db"])
    Path(spec["out"]).write_bytes(bench.final(chosen))
    return {"variant": chosen.name, "tried": bench.table(chosen), "unlike": len(bench.unlike)}


def _make(
    bench: Workbench, name: str, method: str, types: frozenset[str], layers: tuple[str, ...] = ()
) -> Candidate:
    make = bench.tensorflow(float_types=types, float_names=layers, integer_ports=False)
    suffix = f" -{len(layers)} layers" if layers else ""
    return bench.candidate(f"{name} {method}{suffix}", method, make)


def _kinds(bench: Workbench, method: str) -> dict[str, frozenset[str]]:
    """{name: operator types that stay float} of the two ways to divide a graph."""
    all_types = {operator_name(bench.model, op) for op in items(bench.model.subgraphs[0].operators)}
    outside: frozenset[str] = frozenset()
    for _ in range(ROUNDS):
        left = _left_outside(_make(bench, "delegated", method, outside).data) & all_types
        if left <= outside:
            break
        outside |= left
    heavy = frozenset(all_types - HEAVY)
    return {"heavy": heavy} if outside == heavy else {"delegated": outside, "heavy": heavy}


def _left_outside(data: bytes) -> set[str]:
    """Types of int8 operators that the delegate does not take."""
    model = Interpreter(model_content=data, num_threads=1)
    model.allocate_tensors()
    nodes = model._get_ops_details()
    partitions = [node for node in nodes if node["op_name"] == DELEGATE]
    operators = [node for node in nodes if node["op_name"] != DELEGATE]
    taken = delegated(operators, partitions)
    return {op["op_name"] for i, op in enumerate(operators) if i not in taken} - BORDER


def _pieces(one: Candidate) -> tuple[int, int]:
    """Partitions, then borders between int8 and float: what a mixed file loses its time to.

    Without any partition nothing is accelerated: worse than many.
    """
    borders = sum(one.audit.operators.get(name, 0) for name in BORDER)
    return int(one.figures.get("partitions") or 1 << 16), borders


def _with_float_layers(
    bench: Workbench, chosen: Candidate, name: str, types: frozenset[str], budget_db: float
) -> Candidate:
    """The first of 1, 2, 4, ... worst layers in float that meets the budget; else the best seen."""
    ranked = worst_layers(bench.data, chosen.data, bench.judge.samples[bench.judges[0]])
    seen = [chosen]
    for count in _doubling(len(ranked) // 2):
        one = _make(bench, name, chosen.method, types, tuple(ranked[:count]))
        seen.append(one)
        if one.sqnr_db >= budget_db and bench.settle([one]).sqnr_db >= budget_db:
            return one
    return bench.settle(seen)


def _doubling(most: int) -> Iterator[int]:
    count = 1
    while count <= most:
        yield count
        count *= 2
