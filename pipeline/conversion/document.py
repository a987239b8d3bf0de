"""The whole of a conversion: make, judge, choose, and the document that tells it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pipeline import single
from pipeline.artifacts import MANIFEST, Deployable, Model
from pipeline.bench.choice import Choice, Offer, choose
from pipeline.bench.records import Verdict
from pipeline.conversion.judge import RUNTIMES, Judge, broken, drift, inside, race, times
from pipeline.conversion.make import AUTO, BASELINE, Entry, Wanted, entries
from pipeline.convert.audit import audit
from pipeline.convert.layout import given
from pipeline.data.samples import Samples
from pipeline.errors import Refused, UsageError
from pipeline.inputs.ports import Ports
from pipeline.progress import say

SECOND = "tensorflow"  # a runtime to tell a broken file from a broken kernel


def convert(model: Model, samples: Samples | None, wanted: Wanted, out: Path) -> dict[str, Any]:
    """Convert, certify in every runtime, measure against fp32, and leave the chosen file in `out`.

    Raises:
        UsageError: `out` is something else's folder.
        Refused: no file could be made, or the one asked for does not run where it is to run.
    """
    if out.exists() and not (out / MANIFEST).is_file():
        raise UsageError("exists and is not an artifact", where=out, fix="name another --out")
    with single.workdir(out.resolve().parent) as work:
        tried = entries(model, samples, wanted, work.scratch)
        judge = Judge(model, samples, work.scratch)
        _examine(tried, judge, wanted)
        asked = (BASELINE, wanted.scheme)
        racing = [e for e in tried if e.made and (not e.missing or e.scheme in asked)]
        race(racing, wanted.runtime)
        chosen, choice = _chosen(tried, wanted)
        for runtime in RUNTIMES:
            if runtime not in chosen.runtimes:
                judge.run([chosen], runtime)
            if "latency_ms" not in chosen.runtimes[runtime]:
                times(chosen, runtime)
        partitions = inside(chosen, wanted.runtime)
        assert chosen.made is not None
        if out.exists():
            shutil.rmtree(out)
        chosen.made.path.rename(out)
        path = out / chosen.made.meta["file"]
        found = _document(path, tried, chosen, choice, partitions, wanted)
        return {**found, "inputs": _inputs(model, chosen.made)}


def _examine(tried: list[Entry], judge: Judge, wanted: Wanted) -> None:
    """Run every file where it is to run, and note what cannot be taken and why."""
    judge.run(tried, wanted.runtime)
    doubtful = [one for one in tried if one.made and drift_possible(one, wanted)]
    if doubtful:
        judge.run(doubtful, next(r for r in (SECOND, *RUNTIMES) if r != wanted.runtime))
    for one in tried:
        if one.made is None:
            continue
        one.sqnr_db = one.runtimes[wanted.runtime]["sqnr_db"]
        one.missing = drift(one, wanted.runtime)
        over = one.sqnr_db is not None and one.sqnr_db < wanted.min_sqnr_db
        if over and not one.missing and wanted.scheme == AUTO:
            one.missing = f"{one.sqnr_db:g} dB, the budget is {wanted.min_sqnr_db:g} dB"
        if one.missing and wanted.scheme != AUTO:
            say(f"warning: {one.scheme}: {one.missing}")
        if one.scheme in (BASELINE, wanted.scheme) and (why := broken(one, wanted.runtime)):
            fix = "use another --scheme or --runtime; --scheme auto finds one that works"
            raise Refused(why, where=one.scheme, fix=fix)


def drift_possible(one: Entry, wanted: Wanted) -> bool:
    """Whether a second runtime has to say if the file or this runtime is to blame."""
    found = one.runtimes[wanted.runtime]
    return bool(found["loads"]) and found["sqnr_db"] < wanted.min_sqnr_db


def _chosen(tried: list[Entry], wanted: Wanted) -> tuple[Entry, Choice]:
    offers = [Offer(e.scheme, e.size_bytes, e.comparison, e.missing) for e in tried]
    baseline, *others = offers
    found = choose(baseline, others)
    by_name = {entry.scheme: entry for entry in tried}
    if wanted.scheme == AUTO:
        return by_name[found.name], found
    asked = by_name[wanted.scheme]
    if asked.comparison is not None and asked.comparison.verdict is Verdict.SLOWER:
        say(f"warning: {asked.scheme} is SLOWER than its own fp32"
            f" (x{asked.comparison.ratio:.3g}): see --scheme auto")  # fmt: skip
    return asked, Choice(
        asked.scheme, {**found.why, BASELINE: "the baseline", asked.scheme: "asked for"}
    )


def _document(
    path: Path, tried: list[Entry], chosen: Entry, choice: Choice, partitions: int | None,
    wanted: Wanted,
) -> dict[str, Any]:  # fmt: skip
    found = audit(path)
    floating = next(entry for entry in tried if entry.scheme == BASELINE)
    figures = [r["sqnr_db"] for r in chosen.runtimes.values() if r["sqnr_db"] is not None]
    return {
        "tflite": str(path),
        "scheme": chosen.scheme,
        "size_bytes": found.size_bytes,
        "sqnr_db": {"float": floating.sqnr_db, "int8": chosen.sqnr_db},
        "ops": found.operators,
        "float_ops": sum(found.float_operators.values()),
        "transposes": found.transposes,
        "partitions": partitions,
        "runtimes": chosen.runtimes,
        "runtime": wanted.runtime,
        "spread_db": round(max(figures) - min(figures), 2),
        "tried": [row for entry in tried for row in _rows(entry, chosen, choice)],
    }


def _inputs(model: Model, made: Deployable) -> list[dict[str, Any]]:
    """Each input as the model has it, and as the file does: int64 is int32 there."""
    held = {port["name"]: port for port in made.meta["inputs"]}
    pairs = zip(Ports.of(model.meta["input"]), given(made.meta["layout"]), strict=True)
    return [
        {
            "name": port.name or "x", "shape": [1, *port.shape], "dtype": port.dtype,
            "file": held.get(name, made.meta["inputs"][0]),
        }
        for port, (name, _) in pairs
    ]  # fmt: skip


def _rows(entry: Entry, chosen: Entry, choice: Choice) -> list[dict[str, Any]]:
    """A scheme's own search, then the scheme itself with its speed."""
    meta = {} if entry.made is None else entry.made.meta
    search = [
        {"scheme": entry.scheme, **row, "why": f"within {entry.scheme}: {row['why']}"}
        for row in meta.get("tried", [])
        if not row["kept"]
    ]
    compared = entry.comparison
    return [*search, {
        "scheme": entry.scheme,
        "variant": meta.get("variant"),
        "size_bytes": entry.size_bytes or None,
        "sqnr_db": entry.sqnr_db,
        "latency_ratio": None if compared is None else round(compared.ratio, 4),
        "interval": None if compared is None else compared.interval,
        "verdict": None if compared is None else compared.verdict,
        "kept": entry is chosen,
        "why": choice.why.get(entry.scheme, entry.missing),
    }]  # fmt: skip
