"""Kinds of boards that sessions are synthesised on: what they tell, and how their figures jitter.

Formats are those of tests/captures; values are drawn anew for every session.
"""

from __future__ import annotations

from dataclasses import dataclass

ARM = "processor\t: {n}\nFeatures\t: {isa}\nCPU implementer\t: 0x41\nCPU part\t: {part}\n\n"
X86 = "processor\t: {n}\nmodel name\t: AMD EPYC\nflags\t\t: {isa}\n\n"


@dataclass(frozen=True)
class Kind:
    """`clocks_khz`: the frequencies it has, none where it does not tell; `part` as in cpuinfo."""

    name: str
    cpus: int
    part: str
    isa: str
    clocks_khz: tuple[int, ...]
    memory_kib: int
    governors: tuple[str, ...] = ("ondemand", "performance", "schedutil")
    firmware: bool = False
    thermometer: bool = True
    virtual: bool = False
    meter: str = ""

    def cpuinfo(self) -> str:
        """Text of /proc/cpuinfo."""
        form = X86 if self.virtual else ARM
        return "".join(form.format(n=n, isa=self.isa, part=self.part) for n in range(self.cpus))


KINDS = (
    Kind("pi5", 4, "0xd0b", "fp asimd asimdhp asimddp", (1_500_000, 2_400_000), 8_245_096,
         firmware=True, meter="hwmon"),
    Kind("pi4", 4, "0xd08", "fp asimd crc32", (600_000, 1_500_000, 1_800_000), 3_885_396,
         firmware=True),
    Kind("zero2w", 4, "0xd03", "fp asimd crc32", (600_000, 1_000_000), 427_000, firmware=True),
    Kind("rk3588", 8, "0xd0b", "fp asimd asimdhp asimddp", (408_000, 1_200_000, 2_400_000),
         16_000_000),
    Kind("vm", 2, "", "fpu sse2 avx2 fma", (), 24_684_096, virtual=True, thermometer=False,
         meter="rapl"),
)  # fmt: skip
