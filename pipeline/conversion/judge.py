"""What each file is worth: its error against torch in every runtime, and its speed."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import Model, digest_of
from pipeline.bench.arms import Arm
from pipeline.bench.measure import measure
from pipeline.bench.records import Level, Record
from pipeline.bench.settings import SessionSettings
from pipeline.board.board import LocalBoard, closing
from pipeline.board.runtimes import python_for
from pipeline.conversion.make import BASELINE, Entry
from pipeline.convert.layout import arranged
from pipeline.data.samples import Samples
from pipeline.errors import BoardUnreachable, Refused, UsageError
from pipeline.inputs.batch import Batch, saved
from pipeline.inputs.ports import Ports
from pipeline.progress import say, working
from pipeline.verify import reference
from pipeline.verify.figures import compare
from pipeline.verify.runs import Job, Run, evaluate, latency_ms, partitions

RUNTIMES = ("ai-edge-litert", "tflite-runtime", "tensorflow")
MOST_SAMPLES = 64
NOISE_SAMPLES = 16
PAIRS = 6
TIMEOUT_S = 600.0
DRIFT_DB = 6.0  # one file, two runtimes: further apart than rounding explains
SOUND_DB = 20.0  # and a file this close to torch is sound whatever another runtime makes of it
BROKEN_DB = 3.0  # below it, and drifting, it is garbage


class Judge:
    """Torch's answers over samples, and everything that is asked of files against them."""

    def __init__(self, model: Model, samples: Samples | None, folder: Path) -> None:
        self.folder = folder
        x = _inputs(model, samples)
        with working("torch reference"):
            self.want = reference.outputs(model, x)
        self.x = x

    def run(self, entries: Sequence[Entry], runtime: str) -> None:
        """Note `{loads, sqnr_db}` of each made file in one runtime, or why it does not run."""
        made = [entry for entry in entries if entry.made is not None]
        try:
            done = self._evaluate(made, runtime)
        except (Refused, BoardUnreachable) as error:  # no Python for it here, or it hung
            for entry in made:
                entry.runtimes[runtime] = {"loads": None, "sqnr_db": None, "why": error.what}
            return
        for entry in made:
            entry.runtimes[runtime] = self._figures(entry, done)

    def _evaluate(self, entries: Sequence[Entry], runtime: str) -> Run:
        jobs = [Job(entry.scheme, entry.path, self._samples(entry)) for entry in entries]
        say(f"{runtime}: load, invoke, compare with torch")
        with working(runtime):
            return evaluate(python_for(runtime), runtime, jobs, self.folder / runtime, TIMEOUT_S)

    def _samples(self, entry: Entry) -> Path:
        assert entry.made is not None
        layout = entry.made.meta["layout"]
        stem = self.folder / f"samples-{digest_of(layout['input'])[:8]}"
        return saved(stem) or arranged(self.x, layout).save(stem)

    def _figures(self, entry: Entry, done: Run) -> dict[str, Any]:
        assert entry.made is not None
        if entry.scheme in done.failures:
            return {"loads": False, "sqnr_db": None, "why": done.failures[entry.scheme]}
        layout = entry.made.meta["layout"]["outputs"]
        found = done.outputs[entry.scheme]
        got = [found[one["name"]].transpose(one["to_torch"]) for one in layout]
        return {"loads": True, "sqnr_db": compare(self.want, got, decides=False)["sqnr_db"]}


def _inputs(model: Model, samples: Samples | None) -> Batch:
    """The user's samples, spread evenly; noise where there are none."""
    if samples is None:
        return Ports.of(model.meta["input"]).draw(NOISE_SAMPLES)
    count = samples.count("train")
    index = np.linspace(0, count - 1, min(MOST_SAMPLES, count))
    return Batch.of(samples.inputs("train", index.round().astype(int)))


def drift(entry: Entry, runtime: str) -> str:
    """Why a file is not to be trusted in a runtime; empty where it is."""
    mine = entry.runtimes[runtime]
    if not mine["loads"]:
        return f"does not run in {runtime}: {mine.get('why', '')}"
    figures = [found["sqnr_db"] for found in entry.runtimes.values() if found["loads"]]
    if mine["sqnr_db"] < min(max(figures) - DRIFT_DB, SOUND_DB):
        return f"{mine['sqnr_db']:g} dB from torch in {runtime}, {max(figures):g} dB elsewhere"
    return ""


def broken(entry: Entry, runtime: str) -> str:
    """Why a file is of no use in a runtime, also to one who asked for just that scheme."""
    why, found = drift(entry, runtime), entry.runtimes[runtime]
    return why if not found["loads"] or found["sqnr_db"] < BROKEN_DB else ""


def race(entries: Sequence[Entry], runtime: str) -> None:
    """Measure entries against the float file, in paired processes of one session on this machine.

    Nothing is kept of the session but the verdicts: a choice of arms for a board is made there. A
    session that other work made invalid is run once more; one that is lost leaves no verdicts.
    """
    baseline = next(entry for entry in entries if entry.scheme == BASELINE)
    others = [entry for entry in entries if entry is not baseline]
    if not others:
        return
    arms = [Arm(entry.scheme, entry.path) for entry in (baseline, *others)]
    settings = SessionSettings(
        "local", runtime=runtime, processes=PAIRS, warmup_ms=50, window_ms=100, sensors=()
    )
    say(f"{runtime}: {', '.join(a.name for a in arms)}, {PAIRS} processes each")
    try:
        record = _session(arms, settings)
    except (Refused, BoardUnreachable) as error:
        say(f"warning: not measured: {error.what}")
        return
    for entry in (baseline, *others):
        row = record.row("latency_p50", entry.scheme)
        entry.runtimes[runtime]["latency_ms"] = None if row is None else row.value / 1e6
        entry.comparison = record.comparison(entry.scheme)


def _session(arms: Sequence[Arm], settings: SessionSettings) -> Record:
    """The record of the first valid session of two; of the second where neither is."""
    for _ in range(2):
        with tempfile.TemporaryDirectory() as results, closing(LocalBoard()) as board:
            record = measure(arms, settings, board, recipe="convert", results=Path(results)).record
        wrong = [one for one in record.cautions if one.level is Level.INVALID]
        if not wrong:
            break
        say(f"warning: the session is INVALID ({wrong[0].kind}: {wrong[0].detail})")
    return record


def times(entry: Entry, runtime: str) -> None:
    """Note a latency in a runtime that runs no race; a figure for orientation."""
    found = entry.runtimes[runtime]
    found["latency_ms"] = None
    if found["loads"]:
        with contextlib.suppress(BoardUnreachable):
            found["latency_ms"] = latency_ms(python_for(runtime), runtime, entry.path, TIMEOUT_S)


def inside(entry: Entry, runtime: str) -> int | None:
    """Delegate partitions of a file in a runtime."""
    try:
        found = partitions(python_for(runtime), runtime, entry.path, TIMEOUT_S)
    except (Refused, UsageError, BoardUnreachable):
        return None
    count: int | None = found["partitions"]
    return count
