"""Which of several quantized files is taken, by its worst output and by all of them."""

from __future__ import annotations

from typing import Any

from pipeline.convert.children.candidates import Candidate, best


def candidate(name: str, worst_db: float, mean_db: float) -> Candidate:
    made: Any = None
    figures = {"sqnr_db": worst_db, "mean_db": mean_db}
    return Candidate(name, "minmax", made, b"", made, figures)


def test_the_most_accurate_is_taken_and_the_first_of_near_equals() -> None:
    first, equal = candidate("minmax", 10, 10), candidate("mse", 10.05, 10.05)
    assert best([first, equal]) is first
    better = candidate("entropy", 12, 12)
    assert best([first, equal, better]) is better


def test_a_gain_in_one_output_must_not_cost_the_others_more() -> None:
    whole, lopsided = candidate("minmax", 3.9, 12), candidate("entropy", 4.2, 5)
    assert best([whole, lopsided]) is whole


def test_what_does_not_run_is_never_taken() -> None:
    dead = Candidate("litert", "minmax", lambda _: b"", b"", None, {"failed": "no kernel"})  # type: ignore[arg-type]
    alive = candidate("tensorflow", -3, -3)
    assert best([dead, alive]) is alive
