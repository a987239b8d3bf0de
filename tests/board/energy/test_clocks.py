"""Clocks: half the round trip bounds the error whatever the delays are; markers find a shift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.board.energy.clocks import align
from pipeline.board.energy.markers import marker_shift
from pipeline.board.energy.trace import sampled
from tests.board.energy.traces import LATE, S

EDGES = np.cumsum([0.0, 0.3, 0.2, 0.1, 0.4, 0.5, 0.1, 0.2, 0.3])


@given(
    offset=st.integers(-(10**18), 10**18),
    skew=st.floats(-2e-4, 2e-4),
    delays=st.lists(
        st.tuples(st.integers(10_000, 50_000_000), st.integers(10_000, 50_000_000)),
        min_size=3, max_size=60,
    ),
)  # fmt: skip
def test_the_bound_holds_for_any_delays(
    offset: int, skew: float, delays: list[tuple[int, int]]
) -> None:
    def board(host: int) -> int:
        return host + offset + round(skew * host)

    sent = [n * S for n in range(len(delays))]
    pings = [(t, board(t + out), t + out + back)
             for t, (out, back) in zip(sent, delays, strict=True)]  # fmt: skip
    clock = align(pings)
    assert clock is not None
    for host in range(pings[0][0], pings[-1][2], S // 2):
        assert abs(clock.to_board(host) - board(host)) <= clock.bound_ns


def test_asymmetric_delays_err_by_less_than_half_of_the_round_trip() -> None:
    clock = align([(n * S, n * S + 2_000_000, n * S + 12_000_000) for n in range(10)])
    assert clock is not None
    assert abs(clock.to_board(0)) == 4_000_000
    assert clock.bound_s == pytest.approx(0.006, rel=0.01)


def test_no_ping_no_clock() -> None:
    assert align([]) is None
    assert align([(0, 5, 10)]) is not None


def marked(
    shift_s: float, interval_s: float, noise_w: float, seed: int
) -> tuple[list[int], object]:
    """Edges on the board's clock, and a trace whose times lag by `shift_s`."""
    chance = np.random.default_rng(seed)
    times = np.cumsum(interval_s * (0.5 + chance.random(round(8 / interval_s)))) - 3
    busy = np.searchsorted(EDGES, times, side="right") % 2 == 1
    watts = 3.0 + 1.5 * busy + chance.normal(0, noise_w, len(times))
    late = sampled(((times + shift_s) * S).astype(np.int64) + LATE, watts)
    return [LATE + round(edge * S) for edge in EDGES], late


@pytest.mark.parametrize("interval_s", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("shift_s", [-0.7, 0.0, 0.013, 1.2])
def test_markers_find_the_shift_within_their_bound(interval_s: float, shift_s: float) -> None:
    held = 0
    for seed in range(10):
        edges, trace = marked(shift_s, interval_s, 0.2, seed)
        found = marker_shift(trace, edges, reach_s=2.0)
        assert found is not None
        held += abs(found.seconds - shift_s) <= found.bound_s
        assert found.bound_s < 1.5 * interval_s
    assert held >= 9


def test_without_the_pattern_there_is_no_shift() -> None:
    edges, trace = marked(0.0, 0.05, 0.2, 1)
    flat = sampled(trace.end_ns, np.random.default_rng(0).normal(3, 0.2, len(trace)))
    assert marker_shift(flat, edges, reach_s=1.0) is None
    assert marker_shift(sampled(trace.end_ns[:5], trace.watts[:5]), edges, 1.0) is None
