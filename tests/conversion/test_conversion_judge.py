"""When a file is not to be trusted in a runtime, and what is chosen of what is left."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.bench.records import Comparison, Verdict
from pipeline.conversion.document import _chosen
from pipeline.conversion.judge import broken, drift
from pipeline.conversion.make import Entry, Wanted
from pipeline.errors import Refused

HERE, THERE = "tflite-runtime", "ai-edge-litert"


def entry(scheme: str, here: Any, there: float | None = None) -> Entry:
    runtimes: dict[str, Any] = {HERE: {"loads": True, "sqnr_db": here}}
    if isinstance(here, str):
        runtimes[HERE] = {"loads": False, "sqnr_db": None, "why": here}
    if there is not None:
        runtimes[THERE] = {"loads": True, "sqnr_db": there}
    return Entry(scheme, sqnr_db=runtimes[HERE]["sqnr_db"], runtimes=runtimes)


@pytest.mark.parametrize(
    ("here", "there", "drifts", "useless"),
    [
        (-0.2, 38.0, True, True),  # a per-channel hybrid kernel that the runtime lacks
        (4.3, 12.2, True, False),
        (11.9, 12.2, False, False),
        (22.0, 31.0, False, False),
        (1.5, None, False, False),  # as bad in every runtime: the scheme's fault, not the kernel's
        ("killed by SIGABRT", None, True, True),
    ],
)
def test_one_file_two_runtimes(here: Any, there: Any, drifts: bool, useless: bool) -> None:
    found = entry("dynamic", here, there)
    assert bool(drift(found, HERE)) is drifts
    assert bool(broken(found, HERE)) is useless


def compared(scheme: str, verdict: Verdict, ratio: float, missing: str = "") -> Entry:
    made = entry(scheme, 30.0)
    made.missing = missing
    made.comparison = Comparison(
        arm=scheme, baseline="fp32", ratio=ratio, interval=None, bootstrap=None, pairs=6,
        verdict=verdict, pairs_needed=None,
    )  # fmt: skip
    return made


def wanted(scheme: str) -> Wanted:
    return Wanted(scheme, HERE, "best", 32, 15)


def test_auto_takes_the_fastest_within_the_budget_and_never_a_slower_one() -> None:
    slow, over = (
        compared("int8", Verdict.SLOWER, 2.6),
        compared("dynamic", Verdict.FASTER, 0.3, "3 dB, the budget is 15 dB"),
    )
    fast = compared("mixed", Verdict.FASTER, 0.5)
    assert _chosen([entry("fp32", 120.0), slow, over, fast], wanted("auto"))[0] is fast
    assert _chosen([entry("fp32", 120.0), slow, over], wanted("auto"))[0].scheme == "fp32"


def test_a_scheme_asked_for_is_given_and_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    slow = compared("int8", Verdict.SLOWER, 2.6)
    assert _chosen([entry("fp32", 120.0), slow], wanted("int8"))[0] is slow
    assert "SLOWER than its own fp32 (x2.6)" in capsys.readouterr().err


def test_a_scheme_that_the_runtime_lacks_is_refused_with_the_way_out() -> None:
    from pipeline.conversion.document import _examine

    class Judged:
        def run(self, entries: list[Entry], runtime: str) -> None:
            for one in entries:
                good = one.scheme == "fp32" or runtime != HERE
                one.runtimes[runtime] = {"loads": True, "sqnr_db": 90.0 if good else -0.2}

    tried = [Entry("fp32", made=object()), Entry("dynamic", made=object())]  # type: ignore[arg-type]
    with pytest.raises(Refused, match=r"dynamic: -0.2 dB from torch in tflite-runtime") as caught:
        _examine(tried, Judged(), wanted("dynamic"))  # type: ignore[arg-type]
    assert "--scheme auto" in caught.value.fix
