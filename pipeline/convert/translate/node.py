"""One ONNX node with the values it reads, and the table of rules that lower it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.convert.translate.value import Value
from pipeline.errors import Refused


@dataclass(frozen=True)
class Node:
    """`inputs` holds None where an optional one is left out; `outputs` names what is asked for.

    `source` is the user's line it comes from, where that is known.
    """

    op: str
    name: str
    inputs: Sequence[Value | None]
    outputs: Sequence[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    source: str = ""

    def value(self, index: int = 0) -> Value:
        """An input that must be there."""
        found = self.optional(index)
        if found is None:
            raise self.refuse(f"lacks input {index}")
        return found

    def optional(self, index: int) -> Value | None:
        """An input that may be left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def constant(self, index: int) -> np.ndarray:
        """An input that must be known now."""
        value = self.value(index)
        if not value.is_constant:
            raise self.refuse(f"input {index} depends on the model's input; it must be a constant")
        return value.array()

    def numbers(self, index: int, attribute: str = "") -> list[int] | None:
        """Integers, from a constant input or (older opsets) an attribute; None if left out."""
        if self.optional(index) is not None:
            return [int(number) for number in self.constant(index).ravel()]
        given = self.attributes.get(attribute)
        return None if given is None else [int(number) for number in given]

    def get(self, attribute: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(attribute, default)

    def refuse(self, what: str) -> Refused:
        """The error that this node cannot be lowered."""
        place = self.source or self.name
        return Refused(
            f"operator {self.op} (at {place}): {what}", fix="replace that operator in the model"
        )


Result = Value | Sequence[Value]
Rule = Callable[[Node], Result]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Declare a function as the rule of these operators."""

    def declare(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return declare


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    return axis + rank if axis < 0 else axis
