"""What only moves values."""

from __future__ import annotations

import numpy as np

from pipeline.convert.forms.form import Form, Reads
from pipeline.convert.writer import Writer


def reverse(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """Has an int8 kernel that copies; but no quantizer knows that it must keep the scale."""
    axes = writer.numbers(inputs[1])
    if not axes:
        return False
    source, shape = inputs[0], writer.shape(inputs[0])
    for left, axis in reversed(list(enumerate(axes))):
        order = writer.constant(np.arange(shape[axis])[::-1], np.int32)
        target = writer.between(outputs[0]) if left else outputs[0]
        source = writer.add("GATHER", [source, order], target, axis=axis % len(shape))
    return True


def split(writer: Writer, inputs: list[int], outputs: list[int], read: Reads) -> bool:
    """A part that nobody reads gets no scale, and then none of them does: the others are cut."""
    if all(read[output] for output in outputs):
        return False
    axis, whole = inputs
    known = writer.numbers(axis)
    if not known:
        return False
    rank = len(writer.shape(whole))
    at = known[0] % rank
    begin = 0
    for output in outputs:
        size = writer.shape(output)
        if read[output]:
            start = [begin if i == at else 0 for i in range(rank)]
            cut = [writer.constant(start, np.int32), writer.constant(size, np.int32)]
            writer.add("SLICE", [whole, *cut], output)
        begin += size[at]
    return True


FORMS: dict[str, Form] = {"REVERSE_V2": reverse, "SPLIT": split}
