"""An existing float .tflite file: what it takes, its layout, and its own answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pipeline.convert.audit import audit, signed
from pipeline.convert.flatbuffer import TYPES, items, operator_name, reading
from pipeline.convert.layout import noted
from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import DTYPES, Port, Ports


def ports_of(path: Path) -> Ports:
    """Its inputs.

    Raises:
        UsageError: quantized already, or an input of a dtype or a batch that has no place here.
    """
    found = audit(path)
    if any(port.scale is not None for port in found.inputs) or not found.float_operators:
        fix = "give the float file it was made from"
        raise UsageError("is quantized already", where=path, fix=fix)
    with reading(path) as model:
        tables, tensors = _tables(model), _tensors(model, "inputs")
        return Ports(
            Port(name, *_kind(name, tensor, path), rows=tables.get(number))
            for number, (name, tensor) in enumerate(tensors)
        )


def layout_of(path: Path) -> dict[str, Any]:
    """The file's own layout: axes stay, inputs and outputs go by the agent's names."""
    with reading(path) as model:
        given, made = (
            [
                (name, list(range(len(items(tensor.shape)))))
                for name, tensor in _tensors(model, side)
            ]
            for side in ("inputs", "outputs")
        )
    outputs = [{"name": name, "to_torch": axes} for name, axes in made]
    return {"input": noted(given), "outputs": outputs}


def inputs_of(path: Path) -> dict[str, list[int]]:
    """{name: shape} of its inputs, by the agent's names."""
    with reading(path) as model:
        found = _tensors(model, "inputs")
        return {name: [int(size) for size in items(tensor.shape)] for name, tensor in found}


def run(path: Path, ports: Ports, samples: Batch) -> list[list[NDArray[Any]]]:
    """What it answers to each sample, in ai-edge-litert."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    if interpreter.get_signature_list():
        return _run_by_name(interpreter.get_signature_runner(), path, ports, samples)
    given = [detail["index"] for detail in interpreter.get_input_details()]
    wanted = [detail["index"] for detail in interpreter.get_output_details()]
    answers = []
    for sample in samples:
        for index, array in zip(given, ports.typed(sample), strict=True):
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        answers.append([interpreter.get_tensor(output) for output in wanted])
    return answers


def _run_by_name(runner: Any, path: Path, ports: Ports, samples: Batch) -> list[list[NDArray[Any]]]:
    with reading(path) as model:
        given, made = ([name for name, _ in _tensors(model, s)] for s in ("inputs", "outputs"))
    rows = [runner(**dict(zip(given, ports.typed(s), strict=True))) for s in samples]
    return [[row[name].copy() for name in made] for row in rows]


def _tensors(model: Any, side: str) -> list[tuple[str, Any]]:
    """(name, tensor) in the file's order; without a signature the agent's `input_0`, `output_0`."""
    graph, kind = model.subgraphs[0], side.removesuffix("s")
    names = {index: name for name, index in signed(model, side)}
    order = [int(index) for index in items(getattr(graph, side))]
    return [
        (names.get(index, f"{kind}_{number}"), graph.tensors[index])
        for number, index in enumerate(order)
    ]


def _kind(name: str, tensor: Any, path: Path) -> tuple[tuple[int, ...], str]:
    shape, dtype = tuple(int(n) for n in items(tensor.shape)), TYPES[tensor.type].lower()
    if dtype not in DTYPES or shape[:1] != (1,):
        what = f"input '{name}' is {list(shape)} {dtype}: one with a batch of 1 is needed"
        raise UsageError(what, where=path, fix=f"give one of {', '.join(DTYPES)}")
    return shape[1:], dtype


def _tables(model: Any) -> dict[int, int]:
    """{number of an input: rows of the smallest table that it looks up as it is}."""
    found: dict[int, int] = {}
    graph = model.subgraphs[0]
    given = [int(index) for index in items(graph.inputs)]
    for operator in graph.operators:
        name, inputs = operator_name(model, operator), [int(i) for i in items(operator.inputs)]
        if name not in ("GATHER", "EMBEDDING_LOOKUP"):
            continue
        table, index = inputs if name == "GATHER" else inputs[::-1]
        axis = operator.builtinOptions.axis if name == "GATHER" else 0
        if index in given:
            rows, place = int(graph.tensors[table].shape[axis]), given.index(index)
            found[place] = min(rows, found.get(place, rows))
    return found
