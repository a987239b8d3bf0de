"""Samples into an interpreter: each array into the input of its name."""

from __future__ import annotations

from typing import Any

from pipeline.agent import tensors
from pipeline.inputs.batch import Batch


class Feed:
    """The inputs of an interpreter whose tensors are allocated.

    Samples are in the file's layout, by the names that the agent too gives its inputs; floats are
    quantized as the file says, integers put in as they are.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        details = model.get_input_details()
        self.ports = list(zip(tensors.names(model, "input"), details, strict=True))

    def __call__(self, sample: Batch) -> None:
        """Set one sample: a batch of one."""
        for name, detail in self.ports:
            values = sample.by_name(name).reshape(detail["shape"])
            self.model.set_tensor(detail["index"], tensors.quantize(values, detail))
