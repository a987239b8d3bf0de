"""Functions of one value or of two."""

from __future__ import annotations

from pipeline.convert.forms.form import Form, Reads
from pipeline.convert.writer import Fused, Writer


def neg(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """-1 x."""
    writer.add("MUL", [inputs[0], writer.constant(-1)], outputs[0])
    return True


def square(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """x x."""
    writer.add("MUL", [inputs[0], inputs[0]], outputs[0])
    return True


def squared_difference(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """Of a layer norm: its int8 kernel is in no delegate, and slow where it broadcasts."""
    gap = writer.add("SUB", inputs, writer.between(outputs[0]))
    writer.add("MUL", [gap, gap], outputs[0])
    return True


def elu(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """max(x, 0) + exp(min(x, 0)) - 1."""
    (x,), (y,) = inputs, outputs
    above = writer.add("MUL", [x, writer.constant(1)], writer.between(x), Fused.RELU)
    below = writer.add("SUB", [x, above], writer.between(x))
    exponential = writer.add("EXP", [below], writer.between(x))
    shifted = writer.add("SUB", [exponential, writer.constant(1)], writer.between(x))
    writer.add("ADD", [above, shifted], y)
    return True


def clipped(fused: int) -> Form:
    """Fused into a product where others read what is clipped: no delegate takes it then.

    For a single reader the quantizer gives both sides one scale, that of the part which is left.
    """

    def form(writer: Writer, inputs: list[int], outputs: list[int], read: Reads) -> bool:
        if read[inputs[0]] < 2:
            return False
        writer.add("MUL", [inputs[0], writer.constant(1)], outputs[0], fused)
        return True

    return form


def hard_swish(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """x relu6(x + 3) / 6."""
    (x,), (y,) = inputs, outputs
    gate = writer.add("ADD", [x, writer.constant(3)], writer.between(x), Fused.RELU6)
    product = writer.add("MUL", [x, gate], writer.between(x))
    writer.add("MUL", [product, writer.constant(1 / 6)], y)
    return True


def div(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """a times 1 / b, which is a function of one value (`tables`)."""
    buffers, tensors = writer.model.buffers, writer.graph.tensors
    if any(buffers[tensors[i].buffer].data is not None for i in inputs):
        return False
    inverse = writer.add("DIV", [writer.constant(1), inputs[1]], writer.between(inputs[1]))
    writer.add("MUL", [inputs[0], inverse], outputs[0])
    return True


FORMS: dict[str, Form] = {
    "NEG": neg, "SQUARE": square, "SQUARED_DIFFERENCE": squared_difference, "ELU": elu,
    "HARD_SWISH": hard_swish, "DIV": div, "RELU": clipped(Fused.RELU),
    "RELU6": clipped(Fused.RELU6), "RELU_N1_TO_1": clipped(Fused.RELU_N1_TO_1),
}  # fmt: skip
