"""Which of several quantized files is taken, by its worst output and by all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.convert.children.candidates import Candidate, Workbench, best
from tests.convert.test_integer_form import FUNCTIONS, SHAPE, float_file


def candidate(name: str, worst_db: float, mean_db: float) -> Candidate:
    made: Any = None
    figures_db = np.array([worst_db, 2 * mean_db - worst_db])
    powers = np.stack([10 ** (figures_db / 10), np.ones(2)], 1)
    return Candidate(name, "minmax", made, b"", made, folds=[powers])


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


def test_files_are_compared_over_the_folds_that_judged_all_of_them() -> None:
    settled, fresh = candidate("minmax", 10, 10), candidate("litert", 10.5, 10.5)
    settled.folds.append(settled.folds[0] * [[1, 10]])
    assert settled.sqnr_db < 8
    assert best([settled, fresh]) is fresh
    fresh.folds.append(fresh.folds[0] * [[1, 100]])
    assert best([settled, fresh]) is settled


def test_every_sample_judges_and_none_judges_a_range_it_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "float.tflite").write_bytes(float_file(FUNCTIONS["HARD_SWISH"]))
    samples = np.random.default_rng(0).standard_normal((16, *SHAPE[1:])).astype(np.float32)
    samples[5] *= 30  # what it clips shows in the fold it is in, and nowhere else
    bench = Workbench(tmp_path / "float.tflite", samples)
    assert np.array_equal(np.sort(np.concatenate([np.flatnonzero(f) for f in bench.folds])),
                          np.arange(16))  # fmt: skip
    one = bench.candidate("tensorflow minmax", "minmax", bench.tensorflow())
    assert len(one.folds) == 1
    assert bench.settle([one]) is one
    assert len(one.folds) == len(bench.folds)
    each_db = [float(10 * np.log10(signal / error)) for ((signal, error),) in one.folds]
    (hurt,) = [fold for fold, which in enumerate(bench.folds) if which[5]]
    assert each_db[hurt] < min(db for fold, db in enumerate(each_db) if fold != hurt) - 3
