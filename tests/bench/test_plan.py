"""The order of a session."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.bench.plan import session_order, session_pairs

arms = st.integers(1, 6)
processes = st.integers(1, 25)
seeds = st.integers(0, 2**32)


@given(arms, processes, seeds)
def test_every_block_runs_every_arm_once(arms: int, processes: int, seed: int) -> None:
    order = session_order(arms, processes, seed)
    blocks = [order[i : i + arms] for i in range(0, len(order), arms)]
    assert len(blocks) == processes
    assert all(sorted(block) == list(range(arms)) for block in blocks)


@given(arms, st.integers(1, 12), seeds)
def test_a_linear_drift_cancels(arms: int, half: int, seed: int) -> None:
    order = session_order(arms, 2 * half, seed)
    positions = [sum(i for i, arm in enumerate(order) if arm == each) for each in range(arms)]
    assert len(set(positions)) == 1


@given(arms, processes, seeds)
def test_pairs_are_both_arms_of_one_block(arms: int, processes: int, seed: int) -> None:
    order = session_order(arms, processes, seed)
    for candidate in range(1, arms):
        pairs = session_pairs(order, 0, candidate)
        assert len(pairs) == processes
        assert all((order[a], order[b]) == (0, candidate) for a, b in pairs)
        assert all(a // arms == b // arms for a, b in pairs)


@given(processes, seeds)
def test_two_arms_go_abba_or_baab(processes: int, seed: int) -> None:
    order = session_order(2, processes, seed)
    fours = [order[i : i + 4] for i in range(0, len(order) - 3, 4)]
    assert all(four in ([0, 1, 1, 0], [1, 0, 0, 1]) for four in fours)


def test_the_seed_decides_the_order() -> None:
    assert session_order(3, 10, 7) == session_order(3, 10, 7)
    assert len({tuple(session_order(3, 10, seed)) for seed in range(20)}) > 15
