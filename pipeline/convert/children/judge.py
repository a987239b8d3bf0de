"""How a file does over samples beside the float file it came from, in ai-edge-litert."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from pipeline.agent import tensors
from pipeline.convert.children.feed import Feed
from pipeline.convert.layout import power
from pipeline.inputs.batch import Batch

Answers = dict[str, NDArray[np.float32]]


class Judge:
    """Answers of the float file over `samples`, which are in the file's layout."""

    def __init__(self, floating: bytes, samples: NDArray[Any] | Batch) -> None:
        self.samples = Batch.of(samples)
        self.want, _ = answers(floating, samples)

    def powers(self, data: bytes, which: NDArray[Any]) -> tuple[NDArray[np.float64], int]:
        """Signal and error of each output over `samples[which]`, (outputs, 2), and partitions.

        Raises:
            RuntimeError, ValueError: the runtime does not run the file.
        """
        got, partitions = answers(data, self.samples[which])
        pairs = [(want[which], got[name]) for name, want in self.want.items()]
        rows = [(power(want), power(want - found)) for want, found in pairs]
        return np.array(rows), partitions


def answers(data: bytes, samples: NDArray[Any] | Batch) -> tuple[Answers, int]:
    """Real-valued outputs by signature name, samples first, and the number of partitions."""
    model = Interpreter(model_content=data, num_threads=1)
    model.allocate_tensors()
    partitions = sum(node["op_name"] == "DELEGATE" for node in model._get_ops_details())
    put = Feed(model)
    outputs = _named(model)
    rows: dict[str, list[NDArray[Any]]] = {name: [] for name in outputs}
    for sample in Batch.of(samples):
        put(sample)
        model.invoke()
        for name, detail in outputs.items():
            rows[name].append(tensors.dequantize(model.get_tensor(detail["index"]), detail))
    return {name: np.stack(values) for name, values in rows.items()}, partitions


def _named(model: Any) -> dict[str, Any]:
    """Output details by the first signature's names; by their place where there is none."""
    details = {detail["index"]: detail for detail in model.get_output_details()}
    for key in model.get_signature_list():
        named = model.get_signature_runner(key).get_output_details()
        return {name: details[detail["index"]] for name, detail in named.items()}
    return {f"output_{number}": detail for number, detail in enumerate(details.values())}
