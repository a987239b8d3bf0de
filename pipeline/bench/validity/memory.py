"""Rules about memory: swapped, read from the disk again, faulted in, taken by others."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.bench.records import Caution, Level
from pipeline.bench.session_warnings import SessionWarning
from pipeline.bench.validity import limits
from pipeline.bench.validity.evidence import Evidence, Process, caution, median_of

PAGE_KIB = 4
"""The smallest page there is, so pages swapped are at least so much."""


def swapping(evidence: Evidence) -> Iterator[Caution]:
    """Memory went to swap or came from it during the session."""
    used = [m.swap_used_kib for m in evidence.moments if m.swap_used_kib is not None]
    pages = [m.swapped_pages for m in evidence.moments if m.swapped_pages is not None]
    grown = max(used) - used[0] if used else 0
    moved = (pages[-1] - pages[0]) * PAGE_KIB if pages else 0
    kib = max(grown, moved)
    if kib >= limits.SWAP_KIB:
        level = Level.INVALID if kib >= limits.SWAP_BROKEN_KIB else Level.CAUTION
        yield caution(SessionWarning.SWAPPING, level, f"{kib} KiB went through swap")


def disk_reads(evidence: Evidence) -> Iterator[Caution]:
    """Major faults in a window: an inference waited for the disk."""
    reads = [(p.usage("major_faults") or 0, p) for p in evidence.processes]
    count, process = max(reads, key=lambda item: item[0], default=(0, None))
    if count and process is not None:
        often = count / len(process.samples) >= limits.DISK_READS
        level = Level.INVALID if often else Level.CAUTION
        said = f"{count} pages came from the disk in {len(process.samples)} inferences"
        yield caution(SessionWarning.DISK_READS, level, said, process)


def cold_cache(evidence: Evidence) -> Iterator[Caution]:
    """Processes whose file was not in the page cache: their load is slower than the others'.

    The first of a session usually is one; where half of an arm are, its load is that of the disk.
    """
    for arm, processes in evidence.arms.items():
        cold = [p for p in processes if p.event.get("load_major_faults")]
        if not cold:
            continue
        level = Level.CAUTION if 2 * len(cold) >= len(processes) > 1 else Level.NOTE
        said = f"{len(cold)} of {len(processes)} of '{arm}' read it from the disk"
        yield caution(SessionWarning.COLD_CACHE, level, said)


def page_faults(evidence: Evidence) -> Iterator[Caution]:
    """Minor faults: one process far above its siblings, or so many that all figures hold them."""
    for arm, processes in evidence.arms.items():
        rates = {p.index: (p.usage("minor_faults") or 0) / len(p.samples) for p in processes}
        usual = median_of(list(rates.values())) or 0.0
        worst = max(processes, key=lambda p: rates[p.index])
        most = limits.FAULT_FACTOR * usual + limits.FAULTS_PER_INFERENCE
        share = usual * limits.FAULT_NS / (median_of(worst.samples) or 1.0)
        if rates[worst.index] > most:
            said = f"{rates[worst.index]:.0f} page faults an inference, its arm has {usual:.1f}"
            level = _level(worst, rates[worst.index] - usual)
            yield caution(SessionWarning.PAGE_FAULTS, level, said, worst)
        elif share > limits.FAULTS_STORM:
            said = f"'{arm}' has {usual:.0f} page faults an inference"
            yield caution(SessionWarning.PAGE_FAULTS, Level.CAUTION, said)


def _level(process: Process, more: float) -> Level:
    """Invalid where the faults alone move the process's median by more than a few bands."""
    share = more * limits.FAULT_NS / (median_of(process.samples) or 1.0)
    return Level.INVALID if share > limits.SPREAD else Level.CAUTION


def pressure(evidence: Evidence) -> Iterator[Caution]:
    """Memory that others took during the session, or a machine whose memory changed its size."""
    totals = {m.memory_total_kib for m in evidence.moments if m.memory_total_kib}
    if len(totals) > 1:
        said = f"from {max(totals) / 1024:.0f} to {min(totals) / 1024:.0f} MiB"
        yield caution(SessionWarning.MEMORY_CHANGED, Level.INVALID, said)
    free = [m.memory_available_kib for m in evidence.moments if m.memory_available_kib is not None]
    if not free or not totals:
        return
    peaks = [_peak(p) or 0 for p in evidence.processes]
    lost = free[0] - min(free) - max(peaks, default=0)
    if lost > limits.MEMORY_LOST * free[0] or min(free) < limits.MEMORY_LOW * max(totals):
        said = f"available memory fell from {free[0] / 1024:.0f} to {min(free) / 1024:.0f} MiB"
        yield caution(SessionWarning.MEMORY_PRESSURE, Level.CAUTION, said)


def uneven(evidence: Evidence) -> Iterator[Caution]:
    """Peak memory of one process far from that of its siblings."""
    for processes in evidence.arms.values():
        known = [(kib, p) for p in processes if (kib := _peak(p))]
        usual = median_of([kib for kib, _ in known])
        if usual is None or len(known) < 3:
            continue
        kib, process = max(known, key=lambda item: abs(item[0] - usual))
        if abs(kib - usual) > limits.PEAK_SPREAD * usual:
            said = f"its peak was {kib / 1024:.1f} MiB, its arm's is {usual / 1024:.1f}"
            yield caution(SessionWarning.UNEVEN_MEMORY, Level.CAUTION, said, process)


def _peak(process: Process) -> int | None:
    return (process.event.get("memory_kib") or {}).get("peak")
