"""Every operator, lowered from any memory order, answers as onnxruntime does."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from pipeline.convert.children.savedmodel import Given, _best, _transposes
from pipeline.convert.translate.fold import fold
from pipeline.convert.translate.graph import build
from pipeline.errors import Refused
from tests.convert.onnx_nodes import answer, check, expected, lowered, model, stored

RNG = np.random.default_rng(0)
NCHW = list(itertools.permutations(range(4)))


def noise(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def ints(*numbers: int) -> np.ndarray:
    return np.asarray(numbers, np.int64)


image = noise(1, 6, 8, 10)
UNARY: list[tuple[str, dict[str, Any]]] = [
    *((op, {}) for op in (
        "Relu", "Sigmoid", "Abs", "Exp", "Softplus", "Neg", "Tanh", "Floor", "Ceil", "Sign", "Sin",
        "Cos", "Softsign", "Identity", "Mish", "Reciprocal", "HardSwish", "HardSigmoid", "Gelu",
        "Erf", "LeakyRelu", "Elu", "Celu", "Selu", "GlobalAveragePool", "GlobalMaxPool", "Flatten",
        "ReduceMean", "Transpose", "Round", "Atan", "Sinh", "Cosh", "Asinh", "Tan",
    )),
    ("Gelu", {"approximate": "tanh"}), ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    ("Celu", {"alpha": 0.5}), ("Elu", {"alpha": 2.0}), ("Softmax", {"axis": 1}),
    ("LogSoftmax", {"axis": 2}), ("Transpose", {"perm": [0, 3, 1, 2]}), ("ArgMax", {"axis": 1}),
    ("Flatten", {"axis": 2}), ("LpNormalization", {"axis": 1}), ("LRN", {"size": 3}),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("MaxPool", {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1}),
    ("MaxPool", {"kernel_shape": [2, 2], "dilations": [2, 3]}),
    ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ("AveragePool", {"kernel_shape": [3, 3], "strides": [3, 2], "ceil_mode": 1}),
    ("SpaceToDepth", {"blocksize": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "attributes"), UNARY)
def test_one_input(op: str, attributes: dict[str, Any]) -> None:
    for order in ((0, 1, 2, 3), (0, 2, 3, 1), (3, 1, 0, 2)):
        check(op, [image], [order], **attributes)


@pytest.mark.parametrize("attributes", [{"axis": 1}, {"axis": -1}, {"axis": 2, "largest": 0}])
def test_the_largest_and_where_they_were(attributes: dict[str, Any]) -> None:
    node = helper.make_node("TopK", ["x0", "count"], ["y", "places"], **attributes)
    made = model([node], {"x0": image}, {"count": ints(3)}, ["y", "places"])
    for order in ((0, 1, 2, 3), (0, 2, 3, 1)):
        got = lowered(made, {"x0": stored(image, order)})
        for one, want in zip(got, expected(made, {"x0": image}), strict=True):
            np.testing.assert_array_equal(one, want)


WITH_WEIGHTS: list[tuple[str, list[np.ndarray | None], dict[str, Any]]] = [
    ("Conv", [noise(4, 6, 3, 3), noise(4)], {"strides": [2, 1], "pads": [1, 0, 1, 2]}),
    ("Conv", [noise(4, 6, 1, 1)], {}),
    ("Conv", [noise(12, 1, 3, 3), noise(12)], {"group": 6, "pads": [1, 1, 1, 1]}),
    ("Conv", [noise(6, 1, 3, 3)], {"group": 6, "strides": [2, 1], "pads": [1, 1, 1, 1]}),
    ("Conv", [noise(4, 3, 3, 3)], {"group": 2, "dilations": [2, 2], "pads": [2, 2, 2, 2]}),
    ("Conv", [noise(4, 6, 3, 2)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("ConvTranspose", [noise(6, 4, 3, 3), noise(4)], {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("ConvTranspose", [noise(6, 2, 2, 2)], {"group": 2, "strides": [2, 2]}),
    ("ConvTranspose", [noise(6, 4, 3, 3)],
     {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
    ("ConvTranspose", [noise(6, 4, 3, 3)], {"dilations": [2, 2]}),
    ("MatMul", [noise(10, 5)], {}), ("MatMul", [noise(6, 10, 5)], {}), ("MatMul", [noise(10)], {}),
    ("Add", [noise(6, 1, 1)], {}), ("Mul", [noise(8, 10)], {}), ("Sub", [noise(2, 6, 8, 1)], {}),
    ("Div", [noise(10)], {}), ("Pow", [np.float32(2)], {}), ("Max", [noise(6, 8, 1)], {}),
    ("PRelu", [noise(6, 1, 1)], {}), ("Clip", [np.float32(-0.5), np.float32(0.7)], {}),
    ("Clip", [np.float32(0), None], {}),
    ("Reshape", [ints(0, 3, -1)], {}), ("Reshape", [ints(1, 2, 3, 8, 10)], {}),
    ("Reshape", [ints(16, 30)], {}), ("Squeeze", [ints(0)], {}), ("Unsqueeze", [ints(1, 5)], {}),
    ("Expand", [ints(3, 6, 8, 10)], {}), ("Tile", [ints(1, 2, 1, 3)], {}),
    ("Slice", [ints(1, 7), ints(5, -100), ints(1, 2), ints(2, -3)], {}),
    ("Slice", [ints(1), ints(2**62), ints(-1)], {}),
    ("Gather", [ints(0, 2, 4)], {"axis": 1}), ("Gather", [ints(3)[0]], {"axis": 2}),
    ("Gather", [ints(3, 0, 1, 1)], {"axis": 3}),
    ("Gather", [ints(0, 3, 1, 4, 2, 5)], {"axis": 1}),
    ("GatherND", [np.asarray([[[0, 2], [0, -1]], [[0, 0], [0, 5]]], np.int64)], {}),
    ("Pad", [ints(0, 0, 1, 2, 0, 0, 3, 1)], {}), ("Pad", [ints(0, 1, 0, 0, 0, 2, 0, -3)], {}),
    ("Pad", [ints(0, 0, 1, 2, 0, 0, 2, 3)], {"mode": "reflect"}),
    ("Pad", [ints(0, 0, 1, 2, 0, 0, 2, 3)], {"mode": "edge"}),
    ("ReduceMean", [ints(1)], {"keepdims": 0}), ("ReduceSum", [ints(2, 3)], {}),
    ("ReduceMax", [ints(1, 3)], {"keepdims": 0}), ("ReduceL2", [ints(1)], {}),
    ("LayerNormalization", [noise(10), noise(10)], {}),
    ("LayerNormalization", [noise(6, 8, 10)], {"axis": 1}),
    ("BatchNormalization", [noise(6), noise(6), noise(6), abs(noise(6))], {}),
    ("InstanceNormalization", [noise(6), noise(6)], {}),
    ("Resize", [None, None, ints(1, 6, 16, 20)], {"mode": "nearest",
     "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
    ("Resize", [None, None, ints(1, 6, 13, 7)], {"mode": "nearest"}),
    ("Resize", [None, None, ints(1, 6, 12, 25)], {"mode": "linear"}),
    ("Resize", [None, None, ints(1, 6, 12, 25)],
     {"mode": "linear", "coordinate_transformation_mode": "align_corners"}),
    ("Resize", [None, None, ints(1, 6, 4, 5)], {"mode": "linear", "antialias": 1}),
    ("Resize", [None, None, ints(1, 6, 12, 25)], {"mode": "cubic"}),
    ("Resize", [None, np.asarray([1, 1, 1.5, 2.3], np.float32)], {"mode": "linear"}),
    ("CumSum", [np.asarray(2, np.int64)], {}),
    ("CumSum", [np.asarray(-1, np.int64)], {"reverse": 1}),
    ("CumSum", [np.asarray(1, np.int64)], {"exclusive": 1}),
    ("Trilu", [np.asarray(1, np.int64)], {}), ("Trilu", [np.asarray(-2, np.int64)], {"upper": 0}),
    ("GatherElements", [RNG.integers(0, 8, (1, 6, 3, 10))], {"axis": 2}),
    ("Mod", [np.float32(0.7)], {"fmod": 1}), ("Mod", [np.float32(-0.7)], {"fmod": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "weights", "attributes"), WITH_WEIGHTS)
def test_input_and_constants(
    op: str, weights: list[np.ndarray | None], attributes: dict[str, Any]
) -> None:
    for order in ((0, 1, 2, 3), (0, 2, 3, 1), (2, 0, 3, 1)):
        check(op, [image], [order], weights, **attributes)


@pytest.mark.parametrize("op", ["Asin", "Acos", "Atanh", "Acosh"])
def test_functions_of_a_part_of_the_line(op: str) -> None:
    x = np.linspace(-0.99, 0.99, 480, dtype=np.float32).reshape(1, 6, 8, 10)
    check(op, [x + 2.5 if op == "Acosh" else x], [(0, 2, 3, 1)])


@pytest.mark.parametrize("attributes", [
    {}, {"strides": [2, 2]}, {"strides": [2, 1], "pads": [1, 0, 1, 2]}, {"dilations": [2, 1]},
])  # fmt: skip
def test_columns_become_an_image(attributes: dict[str, Any]) -> None:
    size, block = np.array([9, 8]), np.array([3, 2])
    stride, dilation = (np.array(attributes.get(n, [1, 1])) for n in ("strides", "dilations"))
    pads = np.array(attributes.get("pads", [0] * 4))
    count = (size + pads[:2] + pads[2:] - dilation * (block - 1) - 1) // stride + 1
    columns = noise(1, 4 * 6, int(count.prod()))
    check("Col2Im", [columns], [(0, 2, 1)], [ints(9, 8), ints(3, 2)], **attributes)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("corners", [0, 1])
def test_an_image_is_read_at_given_places(mode: str, padding: str, corners: int) -> None:
    grid = (RNG.random((1, 5, 7, 2)) * 3 - 1.5).astype(np.float32)
    for order in ((0, 1, 2, 3), (0, 2, 3, 1)):
        check(
            "GridSample", [image], [order], [grid], mode=mode, padding_mode=padding,
            align_corners=corners,
        )  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["Add", "Mul", "Sub", "Max", "Where", "Concat"]), st.sampled_from(NCHW),
    st.sampled_from(NCHW), st.tuples(*[st.booleans()] * 4), st.tuples(*[st.booleans()] * 4),
)  # fmt: skip
def test_two_inputs_broadcast_in_any_order(
    op: str, first: tuple[int, ...], second: tuple[int, ...], ones: tuple[bool, ...],
    others: tuple[bool, ...],
) -> None:  # fmt: skip
    sizes = (2, 3, 4, 5)
    if op == "Concat":
        others = ones
    shapes = [[1 if o else n for n, o in zip(sizes, each, strict=True)] for each in (ones, others)]
    arrays = [noise(*shape) for shape in shapes]
    if op == "Concat":
        return check(op, arrays, [first, second], axis=1)
    if op == "Where":
        node = helper.make_node("Where", ["c", "a", "b"], ["y"])
        feeds = {"a": arrays[0], "b": arrays[1]}
        made = model([node], feeds, {"c": RNG.random((1, 3, 1, 5)) > 0.5})
        got = lowered(made, {"a": stored(arrays[0], first), "b": stored(arrays[1], second)})
        return np.testing.assert_array_equal(got[0], expected(made, feeds)[0])
    return check(op, arrays, [first, second])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NCHW), st.sampled_from(NCHW), st.booleans())
def test_products_of_two_inputs(first: tuple[int, ...], second: tuple[int, ...], one: bool) -> None:
    check("MatMul", [noise(2, 1 if one else 3, 4, 5), noise(2, 3, 5, 6)], [first, second])
    check(
        "Einsum", [noise(2, 3, 4, 5), noise(2, 3, 6, 5)], [first, second],
        equation="bhqd,bhkd->bqhk",
    )  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_chains_of_movements_are_exact(data: st.DataObject) -> None:
    """Reshapes, permutations, parts and sums in any sequence: the layout never lies."""
    shape, nodes, weights, name = [2, 6, 4, 3], [], {}, "x"
    for step in range(data.draw(st.integers(1, 6))):
        kind = data.draw(st.sampled_from(["Reshape", "Transpose", "Slice", "Add", "Softmax"]))
        inputs, attributes = [name], {}
        if kind == "Reshape":
            shape = data.draw(st.sampled_from(_factorings(int(np.prod(shape)))))
            weights[f"w{step}"] = ints(*shape)
        elif kind == "Transpose":
            order = data.draw(st.permutations(range(len(shape))))
            attributes, shape = {"perm": order}, [shape[a] for a in order]
        elif kind == "Slice":
            axis = data.draw(st.integers(0, len(shape) - 1))
            assume(shape[axis] % 2 == 0)
            half = data.draw(st.integers(0, 1)) * (shape[axis] // 2)
            shape[axis] //= 2
            for letter, number in zip("abc", (half, half + shape[axis], axis), strict=True):
                weights[f"{letter}{step}"] = ints(number)
            inputs += [f"{letter}{step}" for letter in "abc"]
        elif kind == "Add":
            weights[f"w{step}"] = noise(*shape)
        else:
            attributes = {"axis": data.draw(st.integers(0, len(shape) - 1))}
        inputs += [f"w{step}"] if kind in ("Reshape", "Add") else []
        nodes.append(helper.make_node(kind, inputs, [name := f"y{step}"], **attributes))
    x = noise(2, 6, 4, 3)
    made = model(nodes, {"x": x}, weights, [name])
    order = data.draw(st.sampled_from(NCHW))
    (got,) = lowered(made, {"x": stored(x, order)})
    np.testing.assert_allclose(got, expected(made, {"x": x})[0], rtol=1e-5, atol=1e-6)


def _factorings(total: int) -> list[list[int]]:
    pairs = [[a, total // a] for a in range(1, total + 1) if total % a == 0]
    triples = [[a, b, total // a // b] for a, rest in pairs for b in (1, 2, 3, 4) if rest % b == 0]
    return [*pairs, *triples]


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_recurrent(op: str, direction: str) -> None:
    gates, ways = {"LSTM": 4, "GRU": 3, "RNN": 1}[op], 1 + (direction == "bidirectional")
    weights = [noise(ways, gates * 5, 4), noise(ways, gates * 5, 5), noise(ways, gates * 10)]
    for late in (0, 1) if op == "GRU" else (0,):
        extra = {"linear_before_reset": late} if op == "GRU" else {}
        check(
            op, [noise(7, 2, 4)], [(1, 0, 2)], weights, 3 if op == "LSTM" else 2,
            hidden_size=5, direction=direction, **extra,
        )  # fmt: skip


@pytest.mark.parametrize(("op", "size"), [("Conv", 3), ("MaxPool", 3), ("AveragePool", 2)])
def test_signals_and_volumes(op: str, size: int) -> None:
    for shape in ((1, 4, 9), (1, 4, 6, 7, 8)):
        rank = len(shape) - 2
        weights = [noise(5, 4, *[size] * rank), noise(5)] if op == "Conv" else []
        kernel = {} if op == "Conv" else {"kernel_shape": [size] * rank}
        pads = {} if op == "AveragePool" else {"pads": [1] * (2 * rank)}
        for order in (range(rank + 2), [0, *range(2, rank + 2), 1]):
            check(op, [noise(*shape)], [list(order)], weights, strides=[2] * rank, **kernel, **pads)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(5, 12), st.integers(5, 12), st.integers(1, 5), st.integers(1, 4),
    st.integers(0, 2), st.booleans(), st.booleans(), st.sampled_from(["MaxPool", "AveragePool"]),
)  # fmt: skip
def test_pools_of_any_geometry(
    high: int, wide: int, kernel: int, stride: int, pad: int, ceil: bool, relu: bool, op: str
) -> None:
    assume(pad <= kernel // 2)
    x = noise(1, 2, high, wide) - 3  # mostly negative: a wrong zero would win
    nodes = [
        helper.make_node("Relu" if relu else "Identity", ["x"], ["r"]),
        helper.make_node(
            op, ["r"], ["y"], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4,
            ceil_mode=int(ceil), **({"count_include_pad": 1} if op == "AveragePool" else {}),
        ),
    ]  # fmt: skip
    made = model(nodes, {"x": x}, {})
    (got,) = lowered(made, {"x": stored(x, (0, 2, 3, 1))})
    np.testing.assert_allclose(got, expected(made, {"x": x})[0], rtol=1e-5, atol=1e-5)


def test_an_operator_without_a_rule_is_named_with_the_users_line() -> None:
    made = model([helper.make_node("Det", ["x"], ["y"], name="n")], {"x": noise(3, 3)}, {})
    with pytest.raises(
        Refused, match=r"operator Det \(at net.py:7\): has no TFLite form"
    ) as caught:
        build(made, {"x": stored(noise(3, 3), (0, 1))}, {"n": "net.py:7"})
    assert caught.value.fix


def test_a_padded_dilated_max_pool_needs_a_nonnegative_input() -> None:
    node = helper.make_node("MaxPool", ["r"], ["y"], kernel_shape=[3, 3], dilations=[2, 2],
                            pads=[2, 2, 2, 2], strides=[2, 2])  # fmt: skip
    x = noise(1, 2, 9, 9)
    for before in ("Relu", "Identity"):
        made = model([helper.make_node(before, ["x"], ["r"]), node], {"x": x}, {})
        if before == "Relu":
            (got,) = lowered(made, {"x": stored(x, (0, 2, 3, 1))})
            np.testing.assert_allclose(got, expected(made, {"x": x})[0], rtol=1e-6)
        else:
            with pytest.raises(Refused, match="dilated max-pool"):
                lowered(made, {"x": stored(x, (0, 2, 3, 1))})


def test_constants_are_computed_at_once() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Gather", ["s", "one"], ["c"]),
        helper.make_node("Concat", ["minus", "c"], ["t"], axis=0),
        helper.make_node("Reshape", ["x", "t"], ["y"]),
    ]  # fmt: skip
    made = model(nodes, {"x": image}, {"one": ints(1), "minus": ints(-1)})
    (got,) = lowered(made, {"x": stored(image, (0, 2, 3, 1))})
    np.testing.assert_array_equal(got, image.reshape(-1, 6))


def test_one_channel_repeated_stays_channels_last() -> None:
    x = noise(1, 1, 8, 9)
    made = model([helper.make_node("Tile", ["x", "times"], ["y"])], {"x": x},
                 {"times": ints(1, 6, 1, 1)})  # fmt: skip
    (output,) = build(made, {"x": stored(x, (0, 2, 3, 1))})
    assert output.to_onnx == [0, 3, 1, 2]
    np.testing.assert_array_equal(answer(output), np.tile(x, (1, 6, 1, 1)))


def test_passes_over_the_graph_fold_and_fuse() -> None:
    weights = {
        "w": noise(16, 6, 3, 3), "s": noise(16), "b": noise(16), "m": noise(16),
        "v": abs(noise(16)) + 0.1, "root": np.float32(2**0.5), "one": np.float32(1),
        "half": np.float32(0.5),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"]),
        helper.make_node("Div", ["n", "root"], ["d"]), helper.make_node("Erf", ["d"], ["e"]),
        helper.make_node("Add", ["e", "one"], ["a"]), helper.make_node("Mul", ["n", "a"], ["p"]),
        helper.make_node("Mul", ["p", "half"], ["g"]),
        helper.make_node("Conv", ["g", "w2"], ["k"], pads=[1, 1, 1, 1]),
        helper.make_node("DepthToSpace", ["k"], ["y"], blocksize=2, mode="CRD"),
    ]  # fmt: skip
    weights["w2"] = noise(12, 16, 3, 3)
    made = model(nodes, {"x": image}, weights)
    want = expected(made, {"x": image})
    (got,) = lowered(made, {"x": stored(image, (0, 2, 3, 1))})
    np.testing.assert_allclose(got, want[0], rtol=1e-4, atol=1e-3)
    assert fold(made) == {"fold_batch_norms": 1, "fuse_gelus": 1, "unshuffle_depths": 1}
    kinds = [node.op_type for node in made.graph.node]
    assert kinds == ["Conv", "Div", "Gelu", "Conv", "DepthToSpace"]


VOLUMES: list[dict[str, Any]] = [
    {"strides": [2, 2, 2], "pads": [1] * 6, "output_padding": [1, 1, 1]},
    {"strides": [3, 1, 2], "pads": [0, 1, 0, 1, 0, 0]},
    {"dilations": [2, 1, 1]}, {"group": 2, "strides": [4, 2, 2], "output_padding": [3, 0, 0]},
]  # fmt: skip


@pytest.mark.parametrize("attributes", VOLUMES)
@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (0, 2, 3, 4, 1)])
def test_transposed_volumes(attributes: dict[str, Any], order: tuple[int, ...]) -> None:
    weights = [noise(4, 3, 3, 3, 3), noise(3 * attributes.get("group", 1))]
    check("ConvTranspose", [noise(1, 4, 3, 4, 5)], [order], weights, **attributes)


@pytest.mark.parametrize("expand", [True, False])
def test_a_division_by_its_norm_is_one_operator(expand: bool) -> None:
    constants = {"axes": ints(1), "least": np.float32(1e-12), "shape": ints(*image.shape)}
    nodes = [
        helper.make_node("ReduceL2", ["x", "axes"], ["n"]),
        helper.make_node("Clip", ["n", "least"], ["c"]),
        *([helper.make_node("Expand", ["c", "shape"], ["e"])] if expand else []),
        helper.make_node("Div", ["x", "e" if expand else "c"], ["y"]),
    ]
    x = image.copy()
    x[:, :, 2, 3] = 0
    made = model(nodes, {"x": x}, constants)
    want = expected(made, {"x": x})[0]
    assert fold(made) == {"fuse_l2_norms": 1}
    assert "Div" not in [node.op_type for node in made.graph.node]
    (got,) = lowered(made, {"x": stored(x, (0, 2, 3, 1))})
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_a_division_by_another_norm_stays() -> None:
    constants = {"axes": ints(1), "least": np.float32(0.5)}
    nodes = [
        helper.make_node("ReduceL2", ["x", "axes"], ["n"]),
        helper.make_node("Clip", ["n", "least"], ["c"]),
        helper.make_node("Div", ["x", "c"], ["y"]),
    ]
    assert fold(model(nodes, {"x": image}, constants)) == {}


@pytest.mark.parametrize("never", [-np.inf, -3.4e38, -1e9])
@pytest.mark.parametrize("op", ["Add", "Where"])
def test_masks_are_finite_in_front_of_a_softmax(op: str, never: float) -> None:
    mask = np.triu(np.full((5, 5), never, np.float32), 1)
    weights = {"m": mask} if op == "Add" else {"c": mask == 0, "m": np.float32(never)}
    read = ["x", "m"] if op == "Add" else ["c", "x", "m"]
    nodes = [helper.make_node(op, read, ["z"]), helper.make_node("Softmax", ["z"], ["y"])]
    x = noise(1, 2, 5, 5)
    made = model(nodes, {"x": x}, weights)
    (got,) = lowered(made, {"x": stored(x, (0, 1, 2, 3))})
    np.testing.assert_allclose(got, expected(made, {"x": x})[0], rtol=1e-6, atol=1e-9)
    fold(made)
    stored_masks = [numpy_helper.to_array(t) for t in made.graph.initializer]
    assert min(float(m.min()) for m in stored_masks if m.dtype == np.float32) <= -40
    assert made.graph.node[0].input[read.index("m")] != "m"


def test_a_padding_mask_that_is_computed_is_finite_too() -> None:
    """As `nn.MultiheadAttention` makes it of a `key_padding_mask`."""
    nodes = [
        helper.make_node("Where", ["x1", "never", "zero"], ["m"]),
        helper.make_node("Unsqueeze", ["m", "axis"], ["mask"]),
        helper.make_node("Add", ["x0", "mask"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["y"]),
    ]
    inputs = {"x0": noise(2, 3, 4), "x1": np.array([[False, True, True, False]] * 2)}
    weights = {"never": np.float32(-np.inf), "zero": np.float32(0), "axis": ints(1)}
    made = model(nodes, inputs, {name: np.asarray(value) for name, value in weights.items()})
    want = expected(made, inputs)
    assert fold(made)["soften_masks"] == 1
    np.testing.assert_allclose(expected(made, inputs)[0], want[0], atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "order"), [((1, 8, 10, 6), [0, 1, 2, 3]), ((1, 6, 8, 10), [0, 2, 3, 1])]
)
def test_an_image_lies_in_the_file_as_the_convolution_reads_it(
    shape: tuple[int, ...], order: list[int]
) -> None:
    """Also where the network itself takes channels last, and turns them to the front."""
    turn = [helper.make_node("Transpose", ["x0"], ["t"], perm=[0, 3, 1, 2])]
    conv = helper.make_node("Conv", ["x0" if shape[1] == 6 else "t", "w"], ["y"])
    nodes = [conv] if shape[1] == 6 else [*turn, conv]
    made = model(nodes, {"x0": noise(*shape)}, {"w": noise(4, 6, 3, 3)}, ["y"])
    orders, function, _ = _best(made, [Given("x0", shape, "float32")], {})
    assert orders == [order]
    assert _transposes(function) == 0


def test_an_lstm_with_projected_states_is_refused() -> None:
    x, w, r = (noise(*shape) for shape in ((5, 1, 4), (1, 24, 4), (1, 24, 3)))
    lstm = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=3)
    made = model([lstm], {"x": x}, {"w": w, "r": r})
    with pytest.raises(Refused, match="projected states"):
        lowered(made, {"x": stored(x, (0, 1, 2))})
