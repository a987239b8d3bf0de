"""What the agent read before and after the processes, as a machine and the state it was in."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.bench.records import Conditions, Machine
from pipeline.bench.results import Event
from pipeline.board.facts import Texts, parse
from pipeline.board.pack import packed


def texts_of(events: Sequence[Event], when: str) -> Texts:
    """What the agent read `before` or `after` the processes; empty if it did not."""
    found = [e["texts"] for e in events if e["event"] == "facts" and e.get("when") == when]
    return dict(found[-1]) if found else {}


def machine(events: Sequence[Event], target: str, runtime: str) -> Machine:
    """Who measured; a machine that does not tell its name has its target's."""
    texts = texts_of(events, "before")
    facts = parse(texts)
    told = next((e["runtime"] for e in events if e["event"] == "process" and "runtime" in e), "")
    hello = next((e for e in events if e["event"] == "hello"), {})
    _, host, *_ = (*texts.get("uname", "").split(), None, None)
    return Machine(
        name=host or target,
        model=facts.board,
        cpu=facts.cpu_model,
        cpus=facts.cpus,
        os=facts.os_name,
        kernel=facts.kernel,
        runtime=runtime,
        runtime_version=str(told).removeprefix(runtime).strip() or None,
        python=hello.get("python"),
        agent=packed().digest,
    )


def conditions(texts: Texts) -> Conditions:
    """The state of the machine at one moment; what it does not tell is None, never 0."""
    facts = parse(texts)
    busy, idle = _ticks(texts.get("/proc/stat", ""))
    return Conditions(
        load_1min=facts.load_1min,
        governors=dict(facts.governors) or None,
        clock_mhz=dict(facts.clock_mhz) or None,
        temperature_c=dict(facts.temperature_c) or None,
        memory_available_kib=facts.memory_available_kib,
        swap_used_kib=facts.swap_used_kib,
        throttled=None if facts.throttled is None else facts.throttled.word,
        busy_ticks=busy,
        idle_ticks=idle,
    )


def _ticks(stat: str) -> tuple[int | None, int | None]:
    """Ticks since boot over all CPUs: (all others, idle or waiting for a disk); proc(5), stat."""
    line = re.search(r"^cpu +([\d ]+)$", stat, re.MULTILINE)
    if line is None:
        return None, None
    ticks = [int(part) for part in line[1].split()][:8]
    idle = sum(ticks[3:5])
    return sum(ticks) - idle, idle
