"""The floor under a latency: of known cores, at the clock that was measured."""

from __future__ import annotations

import pytest

from pipeline.bench.validity.roofline import Peak, floor_ns, peak
from pipeline.board.cpu import Cpu, cpu
from pipeline.convert.macs import Macs
from tests.benchmarks.validity.boards import KINDS

PI5 = next(kind for kind in KINDS if kind.name == "pi5")


def test_a_pi_5_does_307_int8_and_77_float_giga_macs() -> None:
    best = peak(cpu(PI5.cpuinfo()))
    assert best is not None
    assert best.integer * 4 * 2.4 == pytest.approx(307, abs=1)
    assert best.floating * 4 * 2.4 == pytest.approx(77, abs=1)


def test_the_floor_is_work_over_peak() -> None:
    best = Peak(floating=8, half=16, integer=32)
    assert floor_ns(Macs(integer=32_000_000, floating=0), best, 1000, 1) == pytest.approx(1e6)
    assert floor_ns(Macs(integer=32_000_000, floating=8_000_000), best, 2000, 2) == (
        pytest.approx(5e5)
    )
    assert floor_ns(Macs(0, 16_000_000, half=True), best, 1000, 1) == pytest.approx(1e6)


def test_an_unknown_core_is_taken_for_the_widest_and_an_unknown_isa_for_nothing() -> None:
    known = peak(Cpu(frozenset({"asimd", "asimddp"}), ("Cortex-A55",)))
    unknown = peak(Cpu(frozenset({"asimd", "asimddp"}), ("Arm part 0xd99",)))
    assert known is not None and unknown is not None
    assert unknown.integer == 4 * known.integer
    assert peak(Cpu(frozenset({"rv64gc"}), ())) is None


def test_without_cpuinfo_the_targets_facts_do() -> None:
    assert cpu("", ["asimd"]).isa == {"asimd"}
    assert cpu("Features\t: fp asimd\n", ["asimddp"]).isa == {"fp", "asimd"}


@pytest.mark.parametrize(
    ("flag", "integer"), [("amx_int8", 1024), ("avx512_vnni", 128), ("avx2", 64), ("sse2", 32)]
)
def test_x86_is_told_by_its_widest_feature(flag: str, integer: int) -> None:
    found = peak(Cpu(frozenset({"sse2", flag}), ("AMD EPYC",)))
    assert found is not None and found.integer == integer
