"""The coverage factor is that of the sum: 2 for a normal one, less where a data sheet dominates."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.board.energy.average import average
from pipeline.board.energy.block import Figure
from pipeline.board.energy.noise import quantisation_u
from pipeline.board.energy.ratio import energy_ratio
from pipeline.board.energy.uncertainty import Term, combine


def test_a_normal_term_has_k_2() -> None:
    found = combine([Term("noise", 0.3)])
    assert (found.u, found.k) == (0.3, pytest.approx(2.0, abs=0.01))


def test_a_rectangular_term_ends_at_its_limits() -> None:
    found = combine([Term("gain", 1 / math.sqrt(3), "rectangular")])
    assert found.expanded == pytest.approx(0.9545, abs=0.002)


def test_few_degrees_of_freedom_widen() -> None:
    assert combine([Term("noise", 1.0, dof=3)]).k == pytest.approx(3.31, abs=0.02)  # GUM, G.2
    mixed = combine([Term("noise", 0.1, dof=3), Term("other", 1.0)])
    assert mixed.k == pytest.approx(2.0, abs=0.02)


def test_nothing_uncertain_is_zero() -> None:
    assert combine([]).expanded == 0
    assert combine([Term("noise", 0.0)]).terms == ()


@given(st.lists(st.tuples(st.floats(1e-6, 1e3), st.booleans()), min_size=1, max_size=9))
def test_the_sum_is_at_least_its_largest_and_k_between_the_two_shapes(
    given_terms: list[tuple[float, bool]],
) -> None:
    found = combine([Term(str(n), u, "rectangular" if flat else "normal")
                     for n, (u, flat) in enumerate(given_terms)])  # fmt: skip
    assert found.u >= max(u for u, _ in given_terms) * 0.999999
    assert 1.6 < found.k < 2.05


def figure(value: float, gain: float, offset: float, noise: float) -> Figure:
    terms = [Term("gain", gain, "rectangular"), Term("offset", offset, "rectangular"),
             Term("noise", noise)]  # fmt: skip
    return Figure(value, combine(terms))


def test_in_a_ratio_the_gain_cancels_and_the_offset_does_not() -> None:
    ratio = energy_ratio(figure(20, 0.2, 0.05, 0), figure(50, 0.5, 0.05, 0))
    assert ratio is not None
    assert ratio.value == pytest.approx(0.4)
    (term,) = ratio.uncertainty.terms
    assert (term.name, term.u) == ("offset", pytest.approx(0.05 * (1 - 0.4) / 50))


def test_in_a_ratio_of_equals_the_offset_cancels_as_well() -> None:
    ratio = energy_ratio(figure(50, 0.5, 0.05, 0.1), figure(50, 0.5, 0.05, 0.1))
    assert ratio is not None
    assert ratio.uncertainty.u == pytest.approx(math.hypot(0.1, 0.1) / 50)


def test_no_ratio_to_what_may_be_nothing() -> None:
    assert energy_ratio(figure(1, 0, 0, 0.1), figure(0.1, 0, 0, 0.1)) is None


def test_blocks_average_noise_but_no_gain() -> None:
    one = figure(10, 0.3, 0.0, 0.4)
    several = average([one] * 4, [1.0] * 4)
    terms = {t.name: t.u for t in several.uncertainty.terms}
    assert (several.value, terms["gain"]) == (10, pytest.approx(0.3))
    assert math.hypot(*(t.u for t in several.uncertainty.terms if t.name == "noise")) == (
        pytest.approx(0.2)
    )


def test_blocks_that_scatter_more_than_their_noise_say_so() -> None:
    apart = average([figure(v, 0, 0, 0.01) for v in (9.0, 10.0, 11.0)], [1.0] * 3)
    (term,) = apart.uncertainty.terms
    assert (term.name, term.dof) == ("blocks", 2)
    assert term.u == pytest.approx(1 / math.sqrt(3))


def test_rounding_without_noise_is_one_step_and_dithered_away_with_it() -> None:
    assert quantisation_u(0.1, 0.0) == pytest.approx(0.1 / math.sqrt(12))
    assert quantisation_u(0.1, 0.1**2) < 1e-6
    assert quantisation_u(0.0, 0.0) == 0
