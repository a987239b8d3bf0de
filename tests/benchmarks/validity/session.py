"""A clean session, synthesised as the agent would tell it: every text and every sample.

The noise is what the project saw on real machines, with room: log-normal jitter with memory
(autocorrelation), spikes, processes that differ by a fraction of a percent, a board that warms up,
ticks that are counted in 10 ms, other work of some per cent, idle pages that trickle to swap.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.bench.plan import session_order
from pipeline.bench.settings import SessionSettings
from pipeline.bench.validity.evidence import Model
from pipeline.bench.validity.roofline import floor_ns, peak
from pipeline.board.cpu import cpu
from pipeline.convert.audit import Port
from pipeline.convert.macs import Macs
from tests.benchmarks.validity.boards import KINDS, Kind
from tests.benchmarks.validity.power import energy_part

TICK_NS = 10_000_000
POLICY = "/sys/devices/system/cpu/cpufreq/policy0"
ZONE = "/sys/class/thermal/thermal_zone0"
COOLER = "/sys/class/thermal/cooling_device0"
HWMON = "/sys/class/hwmon/hwmon1"
PROCESSES, MOST = 10, 400
LOOK_NS = 500_000_000
Event = dict[str, Any]


@dataclass
class Made:
    """A session's events with what was asked of it."""

    kind: Kind
    settings: SessionSettings
    order: list[int]
    models: dict[str, Model]
    floors_ns: dict[str, float]
    events: list[Event] = field(default_factory=list)

    @property
    def looks(self) -> list[Event]:
        """Events that hold texts."""
        return [e for e in self.events if e["event"] in ("facts", "conditions")]

    @property
    def processes(self) -> list[Event]:
        """Events of measured processes."""
        return [e for e in self.events if e["event"] == "process"]


def clean(seed: int, *, regime: str = "burst", kind: Kind | None = None) -> Made:
    """A session without a flaw."""
    chance = random.Random(seed)
    kind = kind or chance.choice(KINDS)
    threads = chance.choice((1, 1, 1, min(4, kind.cpus)))
    affinity = tuple(range(threads)) if chance.random() < 0.3 else ()
    settings = SessionSettings(
        kind.name, threads=threads, affinity=affinity, processes=PROCESSES, regime=regime,
        rate_hz=30.0 if regime == "paced" else None, max_iterations=MOST,
    )  # fmt: skip
    macs = {arm: Macs(round(10 ** chance.uniform(5.5, 8.5)), 0) for arm in ("dense", "small")}
    shape = [1, 96, 96, 3]
    models = {
        arm: Model(
            f"{number}{seed:063x}", [Port("image", shape, "int8", 0.02, -3)], macs[arm]
        )
        for number, arm in enumerate(macs)
    }  # fmt: skip
    return _Board(chance, kind, settings, models).run()


def _hex(chance: random.Random) -> str:
    return f"{chance.randrange(2**60):016x}"


class _Board:
    """Time and counters of one synthetic board."""

    def __init__(
        self, chance: random.Random, kind: Kind, settings: SessionSettings, models: dict[str, Model]
    ) -> None:
        self.chance, self.kind, self.settings = chance, kind, settings
        self.t_ns = chance.randrange(10**11, 10**13)
        self.wall_offset_ns = 1_790_000_000 * 10**9 + chance.randrange(10**15)
        self.slew = chance.gauss(0, 30e-6)
        self.governor = chance.choice(kind.governors)
        self.top_khz = max(kind.clocks_khz, default=chance.randrange(2_500_000, 3_700_000))
        self.states = {khz: chance.randrange(10**5) for khz in kind.clocks_khz}
        self.part_ns: dict[int, float] = dict.fromkeys(kind.clocks_khz, 0.0)
        self.busy_ns, self.idle_ns, self.own_ns = 0.0, 0.0, 5e7
        self.foreign = chance.uniform(0.0, 0.12)
        self.temperature = chance.uniform(38, 55)
        self.warm = self.temperature + chance.uniform(2, 12)
        self.available = kind.memory_kib * chance.uniform(0.4, 0.9)
        self.swap_used = chance.choice((0, 0, chance.randrange(50_000)))
        self.word = chance.choice((0, 0, 0, 0x50000, 0xE0000))
        self.next_look_ns = self.t_ns + LOOK_NS
        order = session_order(2, PROCESSES, chance.randrange(1000))
        best = peak(cpu(kind.cpuinfo()))
        assert best is not None
        mhz = self.top_khz / 1000
        cores = settings.threads
        floors = {a: floor_ns(m.macs or Macs(1, 0), best, mhz, cores) for a, m in models.items()}
        self.made = Made(kind, settings, order, models, floors)
        slow = chance.uniform(2.5, 12)
        self.latency = {arm: max(20_000.0, floors[arm] * slow) for arm in models}
        if settings.regime == "paced":
            rate = min(30.0, 0.4e9 / max(self.latency.values()))
            self.settings = self.made.settings = replace(settings, rate_hz=rate)

    def run(self) -> Made:
        """Facts, every process between two looks, facts."""
        self._emit({"event": "hello", "python": "3.11.2"})
        self._look("facts", when="before")
        for index, arm in enumerate(self.made.order):
            self._advance(0.002e9, 0.3)
            self._look("conditions", index=index)
            self._process(index, list(self.made.models)[arm])
        self._look("conditions", index=len(self.made.order))
        self._look("facts", when="after")
        if self.kind.meter:
            self.made.events += energy_part(self.chance, self.t_ns, self.kind.meter)
        self._emit({"event": "done"})
        return self.made

    def _emit(self, event: Event) -> None:
        self.made.events.append(event)

    def _advance(self, span_ns: float, own_cpus: float, *, full: bool = False) -> None:
        """Let time pass, and counters with it; looks between fall due on their way."""
        left = span_ns
        while left > 0:
            step = min(left, max(1.0, self.next_look_ns - self.t_ns))
            self._pass(step, own_cpus, full)
            left -= step
            if self.t_ns >= self.next_look_ns:
                self._look("conditions")
                self.next_look_ns = self.t_ns + LOOK_NS

    def _pass(self, span_ns: float, own_cpus: float, full: bool) -> None:
        self.t_ns += round(span_ns)
        foreign = self.foreign * self.chance.uniform(0.5, 1.5)
        self.own_ns += own_cpus * span_ns
        self.busy_ns += (own_cpus + foreign) * span_ns
        self.idle_ns += (self.kind.cpus - own_cpus - foreign) * span_ns
        self.temperature += (self.warm - self.temperature) * span_ns / 60e9
        if self.kind.clocks_khz:
            held = full or self.governor == "performance"
            low = min(self.kind.clocks_khz)
            share = 0.0 if held else 0.2
            self.part_ns[self.top_khz] += span_ns * (1 - share)
            self.part_ns[low] += span_ns * share

    def _look(self, event: str, **at: Any) -> None:
        width = round(abs(self.chance.gauss(4000, 2500))) + 800
        clocks = {
            "monotonic_ns": self.t_ns, "width_ns": width,
            "realtime_ns": self.t_ns + self.wall_offset_ns + self.chance.randrange(width),
            "raw_ns": round(self.t_ns * (1 + self.slew)),
            "boottime_ns": self.t_ns + self.chance.randrange(width),
        }  # fmt: skip
        own = {} if event == "facts" else {"own_cpu_ns": round(self.own_ns)}
        if event == "facts":
            at |= {"t_ns": self.t_ns, "time_s": clocks["realtime_ns"] / 1e9}
        self._emit({"event": event, **at, **own, "clocks": clocks, "texts": self._texts()})

    def _texts(self) -> dict[str, str]:
        busy, idle = round(self.busy_ns / TICK_NS), round(self.idle_ns / TICK_NS)
        jitter = self.chance.randrange(-2, 3)
        self.available += self.chance.gauss(0, 0.001) * self.kind.memory_kib
        if self.swap_used and self.chance.random() < 0.02:
            self.swap_used += self.chance.randrange(1, 4)
        texts = {
            "uname": f"Linux board 6.6.31 #1 SMP {'x86_64' if self.kind.virtual else 'aarch64'}",
            "/proc/cpuinfo": self.kind.cpuinfo(),
            "/proc/stat": f"cpu  {50_000 + busy + jitter} 0 900 {10**6 + idle} 300 0 12 7 0 0\n",
            "/proc/meminfo": f"MemTotal:  {self.kind.memory_kib} kB\nMemAvailable:  "
            f"{round(self.available)} kB\nSwapTotal: 102396 kB\n"
            f"SwapFree: {102396 - self.swap_used} kB\n",
            "/proc/vmstat": f"pswpin 0\npswpout {self.swap_used // 4}\npgmajfault 812\n",
            "/sys/devices/system/cpu/online": f"0-{self.kind.cpus - 1}\n",
        }
        if self.kind.thermometer:
            step = 487 if self.kind.firmware else 923
            texts[f"{ZONE}/temp"] = f"{round(self.temperature * 1000 / step) * step}\n"
            texts[f"{ZONE}/type"] = "cpu-thermal\n"
            texts[f"{COOLER}/type"] = "cpufreq-cpu0\n"
            texts[f"{COOLER}/cur_state"] = "0\n"
        if self.kind.firmware:
            texts["vcgencmd get_throttled"] = f"throttled={self.word:#x}\n"
            texts |= {f"{HWMON}/name": "rpi_volt\n", f"{HWMON}/in0_lcrit_alarm": "0\n"}
        return texts | self._cpufreq()

    def _cpufreq(self) -> dict[str, str]:
        if not self.kind.clocks_khz:
            return {}
        return {
            f"{POLICY}/scaling_governor": f"{self.governor}\n",
            f"{POLICY}/scaling_cur_freq": f"{self.top_khz}\n",
            f"{POLICY}/scaling_max_freq": f"{self.top_khz}\n",
            f"{POLICY}/cpuinfo_max_freq": f"{self.top_khz}\n",
            f"{POLICY}/stats/time_in_state": self._time_in_state(),
        }

    def _time_in_state(self) -> str:
        rows = (f"{k} {self.states[k] + int(self.part_ns[k] / TICK_NS)}\n" for k in self.states)
        return "".join(rows)

    def _process(self, index: int, arm: str) -> None:
        chance, threads = self.chance, self.settings.threads
        self._advance(chance.uniform(0.5e9, 0.9e9), 1.0)
        self._advance(self.settings.warmup_ms * 1e6, threads, full=True)
        states = {f"{POLICY}/stats/time_in_state": self._time_in_state()}
        states = states if self.kind.clocks_khz else {}
        before = {"clock_mhz": self._chain(), "states": states}
        begin = self.t_ns
        samples, service, between = self._samples(arm)
        span = sum(service) + between if self.settings.regime != "paced" else 0
        span = span or round(len(samples) / (self.settings.rate_hz or 1) * 1e9)
        self._advance(span, threads, full=True)
        states = {path: self._time_in_state() for path in states}
        after = {"clock_mhz": self._chain(), "states": states}
        cpus = list(self.settings.affinity) or list(range(self.kind.cpus))
        place = {"affinity": cpus, "cpu": chance.choice(cpus)}
        alone = round(span * chance.uniform(0.985, 0.9995))
        fresh = [round(self.latency[arm] * chance.uniform(1.0, 1.15)) for _ in range(10)]
        event = {
            "event": "process", "index": index, "arm": arm, "runtime": "ai-edge-litert 2.3.0",
            "threads": threads, "regime": self.settings.regime,
            "asked_affinity": list(self.settings.affinity) or None,
            "at_begin": place, "at_end": place, "tick_ns": chance.choice((0, 18, 52)),
            "around": {"before": before, "after": after},
            "import_ns": 36_000_000, "load_ns": 700_000, "allocate_ns": 200_000,
            "first_ns": round(self.latency[arm] * 1.6),
            "load_major_faults": chance.randrange(40) if index == 0 else 0,
            "inputs": [{"name": "image", "shape": [1, 96, 96, 3], "dtype": "int8"}],
            "samples_ns": samples, "iterations": len(samples), "warmup_ns": samples[:3],
            "window_t_ns": [begin, self.t_ns],
            "window_wall_ns": self.t_ns - begin + chance.randrange(20_000),
            "usage": {
                "minor_faults": chance.randrange(6), "major_faults": 0,
                "voluntary_switches": chance.randrange(4),
                "involuntary_switches": chance.randrange(4),
                "cpu_ns": alone * threads, "thread_cpu_ns": alone,
            },
            "memory_kib": {"peak": round(50_000 * chance.uniform(0.99, 1.01))},
            "outputs": [
                {"input": _hex(chance), "sha256": _hex(chance), "rich": True} for _ in range(10)
            ],
            "known_ns": fresh[:5], "fresh_ns": fresh[5:],
            "model_sha256": self.made.models[arm].digest,
        }  # fmt: skip
        if self.settings.regime == "paced":
            event["service_ns"] = service
        if self.settings.regime == "sustained":
            zone = {f"{ZONE}/temp": round(self.temperature * 1000)}
            zone = zone if self.kind.thermometer else {}
            steady = True if zone else None
            soak = {"seconds": 41.0, "steady": steady, "first_mc": zone, "last_mc": zone}
            event["soak"] = soak
        self._emit(event)
        self._advance(0.02e9, 0.5)

    def _chain(self) -> float:
        return round(self.top_khz / 1000 * self.chance.gauss(0.999, 0.002), 1)

    def _samples(self, arm: str) -> tuple[list[int], list[int], int]:
        """(as told, inferences alone, time between them) of one window."""
        chance, settings = self.chance, self.settings
        level = self.latency[arm] * math.exp(chance.gauss(0, 0.004))
        paced = settings.regime == "paced"
        if paced:
            count = max(20, round(settings.window_ms * (settings.rate_hz or 1) / 1000))
        else:
            count = max(settings.min_iterations, math.ceil(settings.window_ms * 1e6 / level))
        count = min(count, settings.max_iterations)
        memory, spread = 0.0, chance.uniform(0.002, 0.02)
        service = []
        for _ in range(count):
            memory = 0.6 * memory + chance.gauss(0, spread)
            spike = chance.uniform(1.2, 4) if chance.random() < 0.004 else 1.0
            service.append(max(1, round(level * math.exp(memory) * spike)))
        gap = round(chance.uniform(700, 4000)) * count
        if count < settings.max_iterations:
            gap = max(gap, round(settings.window_ms * 1e6) - sum(service) + 1000)
        waits = [round(abs(chance.gauss(70_000, 20_000))) for _ in service] if paced else []
        told = [s + w for s, w in zip(service, waits, strict=True)] if paced else service
        return told, service, gap
