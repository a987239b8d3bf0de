"""Facts of the shipped boards: each has a source, and none contradicts another."""

from __future__ import annotations

import pytest

from pipeline.config.board import BoardFacts, System
from pipeline.config.search import available
from pipeline.config.target import Target, load

BOARDS = ("rpi5", "rpi4", "rpi3b", "rpi-zero2w", "jetson-orin-nano", "rk3588", "imx8mp")
DOT_PRODUCT = {
    "cortex-a53": False,
    "cortex-a72": False,
    "cortex-a55": True,
    "cortex-a76": True,
    "cortex-a78ae": True,
}
AARCH64 = {"ai-edge-litert": ("3.10", "3.11", "3.12", "3.13", "3.14"),
           "tflite-runtime": ("3.9", "3.10", "3.11")}  # fmt: skip
WHEELS = {"aarch64": AARCH64, "armv7l": {"tflite-runtime": AARCH64["tflite-runtime"]}}


def with_facts() -> list[str]:
    return [name for name in available("targets") if load(name, flags={}).file.board]


def facts(name: str) -> BoardFacts:
    found = load(name, flags={}).file.board
    assert found
    return found


def runtimes_for(system: System) -> set[str]:
    return {r for r, pythons in WHEELS[system.machine].items() if system.python in pythons}


def test_all_common_boards_are_there() -> None:
    assert set(BOARDS) <= set(with_facts())


@pytest.mark.parametrize("name", with_facts())
def test_each_fact_has_a_document(name: str) -> None:
    sources = " ".join(facts(name).sources)
    for cluster in facts(name).cluster:
        assert cluster.cpu.split("-")[1].upper() in sources.upper()
    assert all(len(source) > 30 for source in facts(name).sources)


@pytest.mark.parametrize("name", with_facts())
def test_dot_product_follows_from_the_cpu(name: str) -> None:
    found = facts(name)
    assert ("asimddp" in found.isa) == all(DOT_PRODUCT[c.cpu] for c in found.cluster)


@pytest.mark.parametrize("name", BOARDS)
def test_runtimes_are_those_that_have_a_wheel_for_a_usual_system(name: str) -> None:
    file = load(name, flags={}).file
    usual = [runtimes_for(system) for system in facts(name).system]
    assert all(usual), "a usual system without any runtime"
    assert set(file.runtimes) == set.union(*usual)
    assert file.runtimes[0] == "ai-edge-litert", "it has the faster int8 kernels"


@pytest.mark.parametrize("name", with_facts())
def test_pinned_cpus_exist_and_are_of_one_type(name: str) -> None:
    target: Target = load(name, flags={})
    numbered = [c.cpu for c in facts(name).cluster for _ in range(c.cores)]
    assert len({numbered[cpu] for cpu in target.setting("affinity")}) <= 1
