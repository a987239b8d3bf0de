"""Checks of the machine: clock, heat, load, memory, and what we may change."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.board.doctor.finding import Finding
from pipeline.board.facts import Facts, Texts, parse

WARM_C, BUSY, LITTLE_KIB = 70.0, 0.5, 200_000


def machine(texts: Texts) -> Iterator[Finding]:
    """What the figures of a measurement depend on."""
    facts = parse(texts)
    yield _governor(facts)
    yield _throttling(facts)
    yield from _heat(facts)
    yield _load(facts)
    yield _memory(facts)
    yield privileges(texts)


def privileges(texts: Texts) -> Finding:
    """Whether we may change settings of the board, such as its governor."""
    user = texts.get("user", "").strip() or "this user"
    if texts.get("uid", "").strip() == "0":
        return Finding("privileges", "ok", "root")
    if texts.get("sudo", "").strip() == "yes":
        return Finding("privileges", "ok", f"{user}, with sudo that asks for no password")
    fix = f"on the board: echo '{user} ALL=(ALL) NOPASSWD: ALL' | sudo tee /etc/sudoers.d/secateur"
    return Finding("privileges", "warn", f"{user}, no sudo without a password: settings stay", fix)


def _governor(facts: Facts) -> Finding:
    found = sorted({name for name in facts.governors.values() if name})
    if not found:
        return Finding("governor", "ok", "none: this board has no cpufreq")
    if found == ["performance"]:
        return Finding("governor", "ok", "performance")
    path = "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor"
    fix = f"on the board: echo performance | sudo tee {path}"
    return Finding("governor", "warn", f"{', '.join(found)}: the clock follows the load", fix)


def _throttling(facts: Facts) -> Finding:
    if facts.throttled is None:
        return Finding("throttling", "ok", "the board does not tell")
    if now := facts.throttled.now:
        fix = "use a stronger supply and cable (under-voltage) or cool the board"
        return Finding("throttling", "warn", f"now: {', '.join(now)}", fix)
    if sticky := facts.throttled.sticky:
        fix = "see to supply and cooling; a restart clears what stuck"
        return Finding("throttling", "warn", f"since its start: {', '.join(sticky)}", fix)
    return Finding("throttling", "ok", "none since its start")


def _heat(facts: Facts) -> Iterator[Finding]:
    if facts.temperature_c:
        name, celsius = max(facts.temperature_c.items(), key=lambda item: item[1])
        warm = celsius >= WARM_C
        fix = "cool the board, or wait" if warm else ""
        yield Finding("temperature", "warn" if warm else "ok", f"{celsius:.0f} °C ({name})", fix)


def _load(facts: Facts) -> Finding:
    if facts.load_1min is None:
        return Finding("load", "ok", "the board does not tell")
    busy = facts.load_1min > BUSY
    fix = "stop what runs on it (`top`), or wait" if busy else ""
    return Finding("load", "warn" if busy else "ok", f"{facts.load_1min:.2f} CPUs busy", fix)


def _memory(facts: Facts) -> Finding:
    free = facts.memory_available_kib
    if free is None:
        return Finding("memory", "ok", "the board does not tell")
    little = free < LITTLE_KIB
    fix = "stop what fills it, or it swaps" if little else ""
    return Finding("memory", "warn" if little else "ok", f"{free / 1000:,.0f} MB available", fix)
