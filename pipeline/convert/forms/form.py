"""What a form is: how one operator is written with others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pipeline.convert.writer import Writer

Reads = Counter[int]
Form = Callable[[Writer, list[int], list[int], Reads], bool]
"""(writer, inputs, outputs, how often each tensor is read) to whether it applied."""
