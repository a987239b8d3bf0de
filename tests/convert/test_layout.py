"""Outputs of a converted file are recognised by their values."""

from __future__ import annotations

import math
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.convert.export import Source, require_parity
from pipeline.convert.layout import input_permutation, match_outputs, sqnr_db
from pipeline.errors import Refused
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Ports

RNG = np.random.default_rng(0)


@given(st.permutations(range(4)), st.permutations([1, 2, 3]))
def test_any_order_and_any_axes_are_found(order: list[int], axes: list[int]) -> None:
    wanted = [RNG.standard_normal((2, 4, 4, 4)) for _ in order]  # shapes settle nothing
    stored = {f"output_{i}": wanted[source].transpose(0, *axes) for i, source in enumerate(order)}
    found = match_outputs(wanted, stored)
    for want, (name, to_torch) in zip(wanted, found, strict=True):
        assert np.array_equal(stored[name].transpose(to_torch), want)


def test_equal_outputs_keep_their_order() -> None:
    same = RNG.standard_normal((2, 3))
    found = match_outputs([same, same], {"output_0": same, "output_1": same})
    assert [name for name, _ in found] == ["output_0", "output_1"]


@pytest.mark.parametrize("stored", [{}, {"a": RNG.standard_normal((2, 3))}, {"a": np.ones((2, 9))}])
def test_an_output_without_counterpart_is_refused(stored: dict[str, np.ndarray]) -> None:
    with pytest.raises(Refused, match="output 0"):
        match_outputs([RNG.standard_normal((2, 3))], stored)


def test_sqnr() -> None:
    signal = np.ones(1000)
    assert sqnr_db(signal, signal * 0.9) == pytest.approx(20)
    assert sqnr_db(signal, signal) == 200
    assert sqnr_db(np.zeros(3), np.ones(3)) < -100
    assert not sqnr_db(signal, signal * np.nan) > 0


def test_channels_go_last() -> None:
    assert [input_permutation(rank) for rank in (2, 3, 4)] == [[0, 1], [0, 2, 1], [0, 2, 3, 1]]


@pytest.mark.parametrize(
    ("rounding_db", "noise_db", "accepted"),
    [(math.inf, 70, True), (math.inf, 50, False), (55, 50, True), (55, 45, False), (20, 35, False)],
)
def test_parity_is_asked_for_as_far_as_the_network_itself_is_stable(
    rounding_db: float, noise_db: float, accepted: bool
) -> None:
    want = np.random.default_rng(0).standard_normal((4, 100)).astype(np.float32)
    noise = np.random.default_rng(1).standard_normal(want.shape) * 10 ** (-noise_db / 20)
    source = Source(b"", {}, Ports.of([100]), Batch.of(want), [want], [rounding_db])
    layout = {"outputs": [{"name": "y", "to_torch": [0, 1]}]}
    with nullcontext() if accepted else pytest.raises(Refused, match="differs from the original"):
        require_parity(source, {"y": want + noise}, layout)


def test_booleans_and_unsigned_numbers_have_a_distance() -> None:
    yes, small = np.array([True, False, True, True]), np.array([1, 2, 3], np.uint8)
    assert sqnr_db(yes, yes) == 200 and sqnr_db(yes, ~yes) < 0
    assert sqnr_db(small, small + 1) == pytest.approx(10 * np.log10(14 / 3))
