"""Real sessions whose outcome is known: a file against itself, a pruned one, a clock four times
as slow.

A virtual board's clock counts instructions (`-icount shift=0`: 1 ns each). With `shift=2` each
takes 4 ns, so the same file on two machines has a ratio of 4. Only this benchmark makes such a
machine: its counts would be wrong everywhere else.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from pipeline.bench.files import bench_files
from pipeline.bench.records import Verdict
from pipeline.bench.results import Stored, read_raw
from pipeline.board.virtual import qemu, up
from pipeline.board.virtual.host import require
from pipeline.board.virtual.image import home
from pipeline.board.virtual.machine import Machine
from pipeline.config.target import load
from pipeline.errors import Refused
from pipeline.onboard import opened
from pipeline.paths import cache_dir

ROOT = Path(__file__).resolve().parents[3]
NET = "pipeline.models.resnet8:resnet8"
SHAPE = "1,1,28,28"
BOARD, SLOW = "verdicts-x1", "verdicts-x4"
PAIRS = 6


def run(folder: Path, sessions: int) -> str:
    """All of it, as Markdown. Machines end with it; records stay in `folder`."""
    dense, small = nets(folder)
    same = folder / "same.tflite"
    shutil.copyfile(dense, same)
    lines = [*virtual(folder, dense, same, small), *here(folder, dense, same, sessions)]
    return "\n".join(["| session | outcome |", "| --- | --- |", *lines])


def nets(folder: Path) -> tuple[Path, Path]:
    """ResNet-8 with random weights in float, whole and with half of its channels."""
    dense, small = folder / "dense.tflite", folder / "small.tflite"
    if not small.exists():
        _secateur("convert", "--model", NET, "--input", SHAPE, "--scheme", "fp32",
                  "--out", folder / "dense")  # fmt: skip
        _secateur("prune", "--model", NET, "--input", SHAPE, "--ratio", "0.5",
                  "--out", folder / "half")  # fmt: skip
        _secateur("convert", "--model", folder / "half", "--scheme", "fp32",
                  "--out", folder / "small")  # fmt: skip
        for path in (dense, small):
            shutil.copyfile(next((folder / path.stem).rglob("*.tflite")), path)
    return dense, small


def here(folder: Path, dense: Path, same: Path, sessions: int) -> Iterator[str]:
    """A file against a copy of itself on this machine, whatever else it is busy with."""
    counts = dict.fromkeys(Verdict, 0)
    for number in range(sessions):
        results = folder / "local" / str(number)
        done = _read(results) or _bench([dense, same], "local", results)
        counts[Verdict(done["comparisons"][0]["verdict"])] += 1
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        print(f"A/A on this machine: {told}", file=sys.stderr, flush=True)
    yield f"| this machine, A/A, {sessions} sessions of {PAIRS} pairs | {told} |"


def virtual(folder: Path, dense: Path, same: Path, small: Path) -> Iterator[str]:
    """Instruction counts: equal files, a pruned one, and the same one by another clock."""
    try:
        require()
    except Refused as problem:
        yield f"| virtual boards | not measured: {problem.what} |"
        return
    with machines():
        for title, files in (("A/A", (dense, same)), ("A/B, half the channels", (dense, small))):
            stored = _session(files, BOARD, folder / "virtual")
            found = stored.record.comparisons[0]
            yield f"| {BOARD}, {title} | {found.verdict}, {_ratio(found.ratio, found.interval)} |"
        arms = [_samples(_session([dense], name, folder / "virtual")) for name in (BOARD, SLOW)]
    path = folder / "clock.json"
    path.write_text(json.dumps(dict(zip("ab", arms, strict=True))))
    found_ = json.loads(_secateur("verdict", path, "--json"))
    ratio = _ratio(found_["ratio"], found_["interval"])
    yield f"| {SLOW} / {BOARD}, one file | {found_['verdict']}, {ratio} |"


def _ratio(ratio: float, interval: Sequence[float] | None) -> str:
    assert interval is not None
    return f"{ratio:.5f} [{interval[0]:.5f}, {interval[1]:.5f}]"


@contextmanager
def machines() -> Iterator[None]:
    """Two new machines in a home of their own, which ends with them."""
    made, own = [home() / "images", cache_dir() / "wheels"], FOLDER_HOME
    shutil.rmtree(own, ignore_errors=True)
    with mock.patch.dict(os.environ, SECATEUR_HOME=str(own)):
        home().mkdir(parents=True)
        for folder, place in zip(made, (home() / "images", cache_dir() / "wheels"), strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            place.symlink_to(folder)
        try:
            up(BOARD)
            up(SLOW)
            Machine(SLOW).stop()  # its snapshot holds the other clock: boot its disk
            with mock.patch.object(qemu, "command", _slow):
                up(SLOW)
            yield
        finally:
            for name in (BOARD, SLOW):
                Machine(name).stop()
            shutil.rmtree(own, ignore_errors=True)


FOLDER_HOME = ROOT / "build" / "benchmark-verdicts" / "home"
_COMMAND = qemu.command


def _slow(*args: object, **options: object) -> list[str]:
    words = _COMMAND(*args, **options)  # type: ignore[arg-type]
    return ["shift=2" if word == "shift=0" else word for word in words]


def _session(files: Sequence[Path], machine: str, results: Path) -> Stored:
    target = load("virtual-arm64", flags={"processes": 4}, host=machine)
    with opened(target) as (board, settings):
        return bench_files(files, settings, board, results=results)


def _samples(stored: Stored) -> list[list[int]]:
    return [e["samples_ns"] for e in read_raw(stored.folder) if e["event"] == "process"]


def _bench(files: Sequence[Path], target: str, results: Path) -> dict[str, object]:
    text = _secateur("bench", *files, "--target", target, "--window-ms", "100", "--warmup-ms",
                     "100", "--processes", PAIRS, "--results", results, "--json")  # fmt: skip
    return dict(json.loads(text)["record"])


def _read(results: Path) -> dict[str, object] | None:
    """A session that an earlier start of the benchmark measured."""
    found = sorted(results.glob("*/record.json"))
    return json.loads(found[-1].read_text()) if found else None


def _secateur(*words: object) -> str:
    command = [sys.executable, "-P", "-c", "from pipeline.cli import main; main()"]
    done = subprocess.run(
        [*command, *map(str, words)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return done.stdout
