"""Which activation of a torch graph is which tensor of a converted file, found by value.

Names tell nothing: converters fuse, reorder and rename. The same samples run through both, and a
tensor's values, under a permutation of its axes, are its identity.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule, Interpreter, Node

from pipeline.convert import worker
from pipeline.inputs.batch import Batch
from pipeline.models.torch_errors import user_line

Values = NDArray[np.float32]
CHILD = "pipeline.convert.children.activations"
CLOSE = 1e-3  # of a tensor's root mean square; float files agree with torch to 1e-5
SAME = 1e-12


@dataclass(frozen=True)
class Match:
    """A torch node; `order` takes its axes to the file's, None where only the values agree."""

    node: str
    order: tuple[int, ...] | None
    source: str

    def in_file_layout(self, values: Values, shape: tuple[int, ...]) -> Values:
        """The node's values as the file has them."""
        moved = values if self.order is None else values.transpose(self.order)
        return moved.reshape(shape)


def torch_activations(gm: GraphModule, x: torch.Tensor | Batch) -> dict[str, Values]:
    """{node: (n, ...)} of every float tensor a graph computes, in topological order."""
    samples, seen = Batch.of(x).tensors(), dict[str, Values]()

    class Watch(Interpreter):
        def run_node(self, n: Node) -> Any:
            value = super().run_node(n)
            if n.op in ("placeholder", "call_function") and _is_batch(value, len(samples)):
                seen[n.name] = value.numpy().copy()  # in-place operators come after
            return value

    with torch.no_grad():
        Watch(gm).run(*samples.arrays)
    return seen


def _is_batch(value: Any, samples: int) -> bool:
    floating = isinstance(value, torch.Tensor) and value.is_floating_point()
    return floating and value.ndim > 0 and len(value) == samples


def file_activations(
    path: Path, x: Values | Batch, scratch: Path, timeout_s: float
) -> dict[int, Values]:  # fmt: skip
    """{tensor: (n, ...)} of everything a .tflite file computes, dequantised; in a child process.

    `x` is in the file's layout.

    Raises:
        Refused: the runtime does not run the file.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    samples, out = Batch.of(x).save(scratch / "samples"), scratch / "activations.npz"
    spec = {"model": str(path), "samples": str(samples), "out": str(out)}
    worker.call(CHILD, spec, log=scratch / "activations.log", timeout_s=timeout_s)
    with np.load(out) as stored:
        return {int(name): stored[name] for name in stored.files}


def correspond(
    gm: GraphModule, torch_values: Mapping[str, Values], file_values: Mapping[int, Values]
) -> dict[int, Match]:
    """{tensor of the file: its torch node}; what only one side has (a pad) is left out.

    Of several nodes with the same values, the earliest is meant.
    """
    sources = {n.name: user_line(n.meta.get("stack_trace") or "") for n in gm.graph.nodes}
    marks: dict[int, list[tuple[str, NDArray[np.float64]]]] = {}
    for name, values in torch_values.items():
        marks.setdefault(values.size, []).append((name, _mark(values)))
    found: dict[int, Match] = {}
    for index, values in file_values.items():
        mark = _mark(values)
        for name, other in marks.get(values.size, []):
            if np.abs(mark - other).max() > CLOSE * mark[0] + SAME:
                continue
            fits, order = _order(torch_values[name], values, CLOSE * mark[0] + SAME)
            if fits:
                found[index] = Match(name, order, sources.get(name, ""))
                break
    return found


def _mark(values: Values) -> NDArray[np.float64]:
    """Figures that no permutation changes: root mean square, mean, lowest, highest."""
    square = float(np.mean(np.square(values, dtype=np.float64)))
    ends = float(values.min()), float(values.max())
    return np.array([square**0.5, float(np.mean(values, dtype=np.float64)), *ends])


def _order(one: Values, two: Values, error: float) -> tuple[bool, tuple[int, ...] | None]:
    """Whether `one` is `two`, and the axes that take it there; samples stay first."""
    if one.ndim == two.ndim:
        for rest in itertools.permutations(range(1, one.ndim)):
            order = (0, *rest)
            if tuple(one.shape[axis] for axis in order) != two.shape:
                continue
            if np.abs(one.transpose(order) - two).max() <= error:
                return True, order
    flat_one, flat_two = (values.reshape(len(values), -1) for values in (one, two))
    if np.abs(flat_one - flat_two).max() <= error:
        return True, None
    return _same_last(one, two, error)


def _same_last(one: Values, two: Values, error: float) -> tuple[bool, tuple[int, ...] | None]:
    """Ranks differ (a flattened or squeezed tensor): channels last is what converters do."""
    order = (0, *range(2, one.ndim), 1) if one.ndim > 2 else tuple(range(one.ndim))
    moved = one.transpose(order).reshape(len(one), -1)
    fits = bool(np.abs(moved - two.reshape(len(two), -1)).max() <= error)
    return fits, order if fits else None
