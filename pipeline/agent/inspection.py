"""What a runtime makes of a model file: its operators, and how many partitions a delegate took."""

from __future__ import annotations

from typing import Any

from . import runtimes, tensors
from .protocol import Channel

DELEGATE = "DELEGATE"
Op = dict[str, Any]


def inspect(task: dict[str, Any], channel: Channel) -> None:
    """Send `inspected`: operators in file order, delegate partitions, nodes left to the runtime."""
    interpreter, version = runtimes.load(task["runtime"])
    model = interpreter(model_path=task["model"], num_threads=task["threads"])
    tensors.check_static(model.get_input_details())
    model.allocate_tensors()
    nodes = model._get_ops_details()
    partitions = [node for node in nodes if node["op_name"] == DELEGATE]
    operators = [node for node in nodes if node["op_name"] != DELEGATE]
    taken = delegated(operators, partitions)
    channel.send(
        "inspected",
        runtime=f"{task['runtime']} {version}",
        ops=[node["op_name"] for node in operators],
        delegates=len(partitions),
        not_delegated=[n["op_name"] for i, n in enumerate(operators) if i not in taken],
        inputs=[tensors.describe(detail) for detail in model.get_input_details()],
        outputs=[tensors.describe(detail) for detail in model.get_output_details()],
    )


def delegated(operators: list[Op], partitions: list[Op]) -> set[int]:
    """Positions of the operators that the partitions replaced.

    The interpreter keeps the replaced nodes in its list, so they are found by dataflow: a
    partition holds what leads from its inputs to its outputs, and whatever reads a tensor that
    exists only inside of it (an ASSIGN_VARIABLE has no output to be found by).
    """
    producer = {int(t): i for i, op in enumerate(operators) for t in op["outputs"]}
    taken: set[int] = set()
    for partition in partitions:
        _walk_back(partition, operators, producer, taken)
    seen_outside = {int(t) for p in partitions for t in p["outputs"]}
    for position, op in enumerate(operators):
        inside = {producer.get(int(t)) for t in op["inputs"] if int(t) not in seen_outside}
        if inside & taken:
            taken.add(position)
    return taken


def _walk_back(
    partition: Op, operators: list[Op], producer: dict[int, int], taken: set[int]
) -> None:
    """Add every operator between a partition's outputs and its inputs."""
    stops = {int(t) for t in partition["inputs"]}
    pending = [int(t) for t in partition["outputs"]]
    while pending:
        tensor = pending.pop()
        position = producer.get(tensor)
        if tensor in stops or position is None or position in taken:
            continue
        taken.add(position)
        pending.extend(int(t) for t in operators[position]["inputs"])
