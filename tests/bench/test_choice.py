"""Among schemes: the fastest that is accurate enough, and never one that is not faster."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bench.choice import Offer, choose
from pipeline.bench.records import Comparison, Verdict

FP32 = Offer("fp32", 1000)


def offer(name: str, verdict: Verdict, ratio: float, size: int = 300, missing: str = "") -> Offer:
    comparison = Comparison(
        arm=name, baseline="fp32", ratio=ratio, interval=None, bootstrap=None, pairs=6,
        verdict=verdict, pairs_needed=None,
    )  # fmt: skip
    return Offer(name, size, comparison, missing)


def test_the_fastest_accurate_one_is_taken() -> None:
    offers = [
        offer("int8", Verdict.FASTER, 0.2, missing="3 dB, the budget is 15 dB"),
        offer("mixed", Verdict.FASTER, 0.5), offer("dynamic", Verdict.FASTER, 0.6),
    ]  # fmt: skip
    found = choose(FP32, offers)
    assert found.name == "mixed"
    assert found.why["int8"] == "3 dB, the budget is 15 dB"
    assert found.why["dynamic"] == "FASTER, but mixed is better"


def test_an_equally_fast_one_is_taken_for_its_size() -> None:
    offers = [
        offer("fp16", Verdict.EQUIVALENT, 1.0, 500),
        offer("x", Verdict.EQUIVALENT, 1.0, 2000),
    ]
    assert choose(FP32, offers).name == "fp16"
    assert choose(FP32, offers[1:]).name == "fp32"


@pytest.mark.parametrize("verdict", [Verdict.SLOWER, Verdict.UNDECIDED, Verdict.INVALID])
def test_what_is_not_proved_faster_is_never_taken(verdict: Verdict) -> None:
    found = choose(FP32, [offer("int8", verdict, 0.5)])
    assert found.name == "fp32"
    assert found.why["int8"] == f"{verdict} against its own fp32"


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Verdict)), st.floats(0.1, 10), st.integers(1, 2000),
                  st.sampled_from(["", "too far"])),
        max_size=6,
    )
)  # fmt: skip
def test_for_any_offers(drawn: list[tuple[Verdict, float, int, str]]) -> None:
    offers = [offer(f"o{n}", *one[:3], missing=one[3]) for n, one in enumerate(drawn)]
    found = choose(FP32, offers)
    taken = {one.name: one for one in offers}.get(found.name)
    assert set(found.why) == {"fp32", *(one.name for one in offers)}
    if taken is not None:
        assert not taken.missing
        assert taken.comparison.verdict in (Verdict.FASTER, Verdict.EQUIVALENT)
