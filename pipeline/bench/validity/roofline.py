"""A latency below multiply-accumulates over the processor's peak is a bug, not a result.

Peaks are multiply-accumulates a cycle of one core: lanes of the widest multiply-add times the pipes
that take one (Arm software optimisation guides for the cores named here; Intel and AMD
optimisation manuals). Where a core is unknown the widest of its family is taken: a floor that is
too low misses a bug, one that is too high would refuse a result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.bench.records import Caution, Level
from pipeline.bench.session_warnings import SessionWarning
from pipeline.bench.validity import limits
from pipeline.bench.validity.clock import measured_mhz
from pipeline.bench.validity.evidence import Evidence, Process, caution
from pipeline.board.cpu import Cpu
from pipeline.convert.macs import Macs


@dataclass(frozen=True)
class Peak:
    """Multiply-accumulates a cycle and core, by the width of what is multiplied."""

    floating: int
    half: int
    integer: int


ARM_LANES = {"asimd": Peak(4, 4, 8), "neon": Peak(4, 4, 8)}
ARM_PIPES = {
    "Cortex-A7": 1, "Cortex-A35": 1, "Cortex-A53": 1, "Cortex-A55": 1, "Cortex-A57": 2,
    "Cortex-A72": 2, "Cortex-A73": 2, "Cortex-A75": 2, "Cortex-A76": 2, "Cortex-A77": 2,
    "Cortex-A78": 2, "Cortex-A78AE": 2, "Neoverse-N1": 2,
}  # fmt: skip
ARM_WIDEST = 4
X86 = (
    ("amx_int8", Peak(32, 512, 1024)),
    ("avx512_vnni", Peak(32, 64, 128)),
    ("avx512f", Peak(32, 64, 128)),
    ("avx_vnni", Peak(16, 16, 64)),
    ("fma", Peak(16, 16, 64)),
    ("avx2", Peak(16, 16, 64)),
    ("sse2", Peak(8, 8, 32)),
)


def peak(cpu: Cpu, *, emulated: bool = False) -> Peak | None:
    """What a core can do at most; None of an instruction set that we do not know.

    An emulator runs one instruction a cycle, so its pipes are one.
    """
    isa = cpu.isa
    for name, found in X86:
        if name in isa:
            return found
    base = next((lanes for name, lanes in ARM_LANES.items() if name in isa), None)
    if base is None:
        return None
    pipes = max((ARM_PIPES.get(core, ARM_WIDEST) for core in cpu.cores), default=ARM_WIDEST)
    pipes = 1 if emulated else pipes
    integer = 32 if "i8mm" in isa else 16 if "asimddp" in isa else base.integer
    half = 8 if "asimdhp" in isa else base.half
    return Peak(base.floating * pipes, half * pipes, integer * pipes)


def floor_ns(macs: Macs, best: Peak, mhz: float, cores: int) -> float:
    """The least time that any program needs for so many multiply-accumulates."""
    floating = macs.floating / (best.half if macs.half else best.floating)
    return (floating + macs.integer / best.integer) / (cores * mhz) * 1000


def implausible(evidence: Evidence) -> Iterator[Caution]:
    """The fastest inference of each arm against its floor, at the fastest clock that was seen."""
    best, mhz = peak(evidence.cpu, emulated=evidence.settings.emulated), clock_mhz(evidence)
    if best is None or mhz is None:
        return
    cores = min(evidence.settings.threads, evidence.cpus or evidence.settings.threads)
    for arm, processes in evidence.arms.items():
        known = evidence.models.get(arm)
        if known is None or known.macs is None:
            continue
        floor = floor_ns(known.macs, best, mhz, cores)
        process = min(processes, key=_fastest)
        if _fastest(process) < floor:
            said = f"{_fastest(process) / 1e3:.1f} us, but {known.macs.total / 1e6:.2f} M"
            said += f" multiply-accumulates need {floor / 1e3:.1f} us on {cores} core(s) at"
            said += f" {mhz:.0f} MHz"
            yield caution(SessionWarning.IMPLAUSIBLE, Level.INVALID, said, process)


def _fastest(process: Process) -> int:
    return min(process.service)


def clock_mhz(evidence: Evidence) -> float | None:
    """The clock as measured, with a margin; else by cpufreq; else by the target's facts."""
    seen = [mhz for p in evidence.processes for mhz in measured_mhz(p.event)]
    seen += [float(p.event["window_mhz"]) for p in evidence.processes if p.event.get("window_mhz")]
    if seen:
        return max(seen) * limits.CLOCK_MARGIN
    told = [khz for m in evidence.moments for khz in (*m.hardware_khz.values(), *m.khz.values())]
    if told:
        return max(told) / 1000
    return float(evidence.settings.max_mhz) if evidence.settings.max_mhz else None
