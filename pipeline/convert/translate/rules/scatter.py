"""Elements put into a tensor at known places: it is cut there, never scattered into.

The runtimes' int8 SCATTER_ND takes no scale into account.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import tensorflow as tf

from pipeline.convert.translate.align import aligned, elementwise
from pipeline.convert.translate.node import Node, axis_of, rule
from pipeline.convert.translate.rules.linear import contracted
from pipeline.convert.translate.rules.select import joined, part, resized
from pipeline.convert.translate.value import Value, exposed

MOST_PARTS = 8  # more of them are one lookup


@rule("ScatterND")
def scatter(node: Node) -> Value:
    """At constant indices into the first axes, over their product; the last one at a place wins."""
    data, updates = node.value(0), node.value(2)
    places = np.moveaxis(node.constant(1), -1, 0)
    depth, kept = len(places), data.shape[len(places) :]
    lengths = data.shape[:depth]
    index = np.where(
        places < 0, places + np.reshape(lengths, (-1, *[1] * (places.ndim - 1))), places
    )
    flat = np.ravel_multi_index(tuple(index), lengths).ravel()
    rows = data.reshaped([math.prod(lengths), *kept])
    return _put(node, rows, flat, updates.reshaped([flat.size, *kept])).reshaped(data.shape)


@rule("ScatterElements")
def scatter_elements(node: Node) -> Value:
    """Along one axis: at constant indices that are the same for all of the others, or at one
    computed place a row."""
    data, index_of, updates = (node.value(i) for i in range(3))
    axis = axis_of(node.get("axis", 0), len(data.shape))
    rest = [n for a, n in enumerate(data.shape) if a != axis]
    if not index_of.is_constant and [*index_of.shape] == [*rest[:axis], 1, *rest[axis:]]:
        return _at_one(node, data, index_of, updates, axis)
    places = node.constant(1)
    order = [axis, *(a for a in range(len(data.shape)) if a != axis)]
    index = places.transpose(order).reshape(places.shape[axis], -1)
    whole = all(
        n == m for a, (n, m) in enumerate(zip(data.shape, places.shape, strict=True)) if a != axis
    )
    if not whole or (index != index[:, :1]).any():
        raise node.refuse("at places that differ from row to row")
    index = index[:, 0] + np.where(index[:, 0] < 0, data.shape[axis], 0)
    made = _put(node, data.permuted(order), index, updates.permuted(order))
    return made.permuted(np.argsort(order).tolist())


def _at_one(node: Node, data: Value, index: Value, updates: Value, axis: int) -> Value:
    """Chosen by comparing the place with all there are."""
    if node.get("reduction", "none") != "none":
        raise node.refuse("with a reduction, at computed places")
    size = data.shape[axis]
    all_places = np.arange(size).reshape([size if a == axis else 1 for a in range(len(data.shape))])
    (want, have), layout = aligned([index, Value.constant(all_places)])
    chosen = Value(tf.equal(tf.cast(want, tf.int32), tf.cast(have, tf.int32)), layout)
    return elementwise(tf.where, chosen, updates, data)


def _put(node: Node, data: Value, index: np.ndarray, updates: Value) -> Value:
    """`data` (n, ...) with `updates` (m, ...) at `index` (m) of the first axis."""
    kind = node.get("reduction", "none")
    if kind == "add":
        ones = np.zeros((index.size, data.shape[0]), np.float32)
        ones[np.arange(index.size), index] = 1
        return elementwise(tf.add, data, contracted(updates, 0, ones, None))
    if kind != "none":
        raise node.refuse(f"with reduction {kind}")
    source = np.arange(data.shape[0])
    source[index] = data.shape[0] + np.arange(index.size)
    cuts = [0, *(np.flatnonzero(np.diff(source) != 1) + 1).tolist(), source.size]
    runs = [(int(source[start]), end - start) for start, end in itertools.pairwise(cuts)]
    if len(runs) > MOST_PARTS:
        both, at = exposed(joined([data, updates], 0), 0)
        made = tf.gather(both.tensor, source.astype(np.int32), axis=at)
        return resized(both, made, 0, source.size)
    return joined([_run(data, updates, *run) for run in runs], 0)


def _run(data: Value, updates: Value, start: int, count: int) -> Value:
    """Neighbours of `data`, or of `updates`, which are counted after it."""
    size = data.shape[0]
    return part(
        *(
            (data, 0, range(start, start + count))
            if start < size
            else (updates, 0, range(start - size, start - size + count))
        )
    )
