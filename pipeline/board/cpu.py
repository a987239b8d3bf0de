"""What a board's processor is, for the bounds of what it can do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.board import facts


@dataclass(frozen=True)
class Cpu:
    """Features of the instruction set as the kernel names them, and the cores by their names."""

    isa: frozenset[str]
    cores: tuple[str, ...]


UNKNOWN = Cpu(frozenset(), ())


def cpu(cpuinfo: str, fallback: Iterable[str] = ()) -> Cpu:
    """From /proc/cpuinfo (x86 `flags`, Arm `Features`), where it tells; else the target's facts."""
    lines = re.findall(r"^(?:flags|Features)[ \t]*: ?(.*)$", cpuinfo, re.MULTILINE)
    told = frozenset(word for line in lines for word in line.split())
    cores = (facts.cpu_model(cpuinfo) or "").split(" + ")
    return Cpu(told or frozenset(fallback), tuple(core for core in cores if core))
