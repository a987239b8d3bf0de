"""Stub meters: known power in, raw texts out, with the errors that their data sheets allow.

Time is simulated, all else is real: a SCPI meter is asked by the host's own driver and sampling
loop, through a line that answers, drops and delays; a sensor's rows are those the agent sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.board.meters.sampler import sample
from pipeline.board.meters.scpi import Scpi
from tests.benchmarks.energy.power import END_S, Floats, Power

Chance = np.random.Generator
Event = dict[str, Any]
BOARD_NS = 40 * 86400 * 10**9
TAUS = 0.1 * 4.0 ** np.arange(6)
WRAP_UJ = 262_143_328_850
IDN = "STUB,METER,0,1"


@dataclass
class Errors:
    """Reading = round((1 + gain) * mean power + offset + noise), in bounds as a lab file states."""

    gain: float
    offset_w: float
    white_w: float
    wander_w: float
    resolution_w: float
    averaging_s: float
    basis: str
    drops: float
    actual: tuple[float, float] = (0.0, 0.0)
    _state: Floats = field(default_factory=lambda: np.zeros(len(TAUS)))
    _last: float = -1e9

    def drawn(self, chance: Chance) -> Errors:
        """Gain and offset as the bounds say: flat between limits, or normal with k = 2."""
        flat = self.basis == "limits"
        unit = chance.uniform(-1, 1, 2) if flat else chance.normal(0, 0.5, 2)
        self.actual = (self.gain * unit[0], self.offset_w * unit[1])
        return self

    def reading(self, power: Power, at_s: float, chance: Chance) -> float:
        """Watts shown at a time; times must not go back."""
        true = float(power.mean(np.array([at_s]), self.averaging_s)[0])
        gain, offset = self.actual
        noise = self.white_w * chance.standard_normal() + self._wander(at_s, chance)
        shown = true * (1 + gain) + offset + noise
        return round(shown / self.resolution_w) * self.resolution_w

    def _wander(self, at_s: float, chance: Chance) -> float:
        """1/f noise as a sum of relaxations, from a tenth of a second to two minutes."""
        keep = np.exp(-(at_s - self._last) / TAUS)
        self._last = at_s
        fresh = np.sqrt(1 - keep**2) * chance.standard_normal(len(TAUS))
        self._state = keep * self._state + fresh
        return self.wander_w * float(self._state.sum())


def spread(chance: Chance, low: float, high: float) -> float:
    """Log-uniform between two bounds: every order of magnitude alike."""
    return float(np.exp(chance.uniform(np.log(low), np.log(high))))


def times(chance: Chance, interval_s: float) -> Iterator[float]:
    """When the agent reads a sensor: at random around its interval."""
    at = 0.0
    while at < END_S:
        yield at
        at += interval_s * (0.5 + chance.random())


def _stated(errors: Errors) -> dict[str, Any]:
    names = ("gain", "offset_w", "resolution_w", "averaging_s", "basis")
    return {name: getattr(errors, name) for name in names}


def on_board(
    sensor: str, about: dict[str, str], text: Callable[[float], str]
) -> Callable[[Power, Chance, Errors, float], tuple[list[Event], dict[str, Any]]]:
    """A sensor of the board whose power is written by `text`."""

    def read(
        power: Power, chance: Chance, errors: Errors, interval_s: float
    ) -> tuple[list[Event], dict[str, Any]]:
        rows = [
            [BOARD_NS + round(at * 1e9), text(errors.reading(power, at, chance))]
            for at in times(chance, interval_s)
            if chance.random() >= errors.drops
        ]
        event = {"event": "readings", "sensor": sensor, "channel": sensor, "about": about}
        return [{**event, "rows": rows}], {sensor: _stated(errors)}

    return read


def volts_amperes(watts: float) -> str:
    """INA3221: mV and mA; the supply sags a little under load."""
    volts = 5.1 - 0.01 * watts
    return f"{volts * 1000:.0f} {watts / volts * 1000:.3f}"


def pmic_text(watts: float) -> str:
    """Two converters that share the power, and a rail that tells no current."""
    return (
        f" VDD_CORE_A current(7)={0.7 * watts / 0.8:.8f}A\n 3V3_SYS_A current(1)="
        f"{0.3 * watts / 3.3:.8f}A\n VDD_CORE_V volt(15)=0.80000000V\n"
        " 3V3_SYS_V volt(9)=3.30000000V\n EXT5V_V volt(24)=5.10000000V\n"
    )


def rapl(
    power: Power, chance: Chance, errors: Errors, interval_s: float
) -> tuple[list[Event], dict[str, Any]]:
    """A counter that integrates by itself, shortly before it wraps; a gain error, no noise."""
    start = WRAP_UJ - 20_000_000
    rows = []
    for at in times(chance, interval_s):
        joules = float(power.until(np.array([at]))[0]) * (1 + errors.actual[0])
        counted = start + round(joules * 1e6 / 61) * 61
        if chance.random() >= errors.drops:
            rows.append([BOARD_NS + round(at * 1e9), str(counted % WRAP_UJ)])
    about = {"name": "package-0", "max_energy_range_uj": str(WRAP_UJ)}
    event = {"event": "readings", "sensor": "rapl", "channel": "rapl", "about": about}
    return [{**event, "rows": rows}], {"rapl": {"gain": errors.gain, "basis": errors.basis}}


class Line:
    """A SCPI meter on a line, in simulated time: it answers, is late, or drops an answer."""

    def __init__(self, power: Power, chance: Chance, errors: Errors) -> None:
        self.now_s = 0.0
        self._power, self._chance, self._errors = power, chance, errors
        self._answers: list[str] = []

    def write(self, text: str) -> None:
        """Take a query; the power is that of the moment when it arrives."""
        self.now_s += self._chance.uniform(0.0005, 0.002)
        if text == "*IDN?":
            self._answers.append(IDN)
        elif text == "MEAS:POW?" and self._chance.random() >= self._errors.drops:
            self._answers.append(
                f"{self._errors.reading(self._power, self.now_s, self._chance):+.6E}"
            )
        self.now_s += self._chance.uniform(0.0005, 0.002)

    def read_line(self, timeout_s: float) -> str:
        """The next answer, or the time is over."""
        if not self._answers:
            self.now_s += timeout_s
            raise TimeoutError
        return self._answers.pop(0)

    def discard(self) -> None:
        """Nothing is left over."""
        self._answers.clear()

    def close(self) -> None:
        """Nothing to close."""


def scpi(
    power: Power, chance: Chance, errors: Errors, interval_s: float
) -> tuple[list[Event], dict[str, Any]]:
    """A meter of the host's, whose clock is off and runs at another rate than the board's."""
    offset_s, skew = chance.uniform(-1e6, 1e6), chance.normal(0, 3e-5)

    def host_ns(board_s: float) -> int:
        return round((board_s + offset_s + skew * board_s) * 1e9)

    line = Line(power, chance, errors)
    meter = Scpi(line, where="stub", query=["MEAS:POW?"], timeout_s=0.3)
    meter._name = IDN

    def wait(seconds: float) -> bool:
        line.now_s += seconds
        return line.now_s > END_S

    rows, missed = sample(meter, interval_s, wait, now_ns=lambda: host_ns(line.now_s))
    event = {"event": "metered", "sensor": "scpi", "channel": "meter", "about": {"name": IDN},
             "stated": {**_stated(errors), "scope": "board input"}, "missed": missed,
             "rows": [list(row) for row in rows], "problems": [],
             "pings": list(_pings(chance, host_ns))}  # fmt: skip
    return [event], {}


def _pings(chance: Chance, host_ns: Callable[[float], int]) -> Iterator[list[int]]:
    """Round trips of a millisecond to some tens, longer one way than the other."""
    base = chance.uniform(0.0003, 0.01, 2)
    for sent in np.arange(0.2, END_S - 0.5, 0.5):
        out, back = base + chance.exponential(0.005, 2)
        answered = BOARD_NS + round((sent + out) * 1e9)
        yield [host_ns(sent), answered, host_ns(sent + out + back)]


Read = Callable[[Power, Chance, Errors, float], tuple[list[Event], dict[str, Any]]]
INA226 = {"name": "ina226", "shunt_resistor": "10000"}


def meters(chance: Chance) -> dict[str, tuple[Read, Errors, float]]:
    """{name: (how it is read, its errors, its interval)}, each anew from wide ranges."""

    def errors(
        steps: tuple[float, float], basis: str, averaging_s: float = 0.0, drops: float = 0.0
    ) -> Errors:
        return Errors(
            gain=spread(chance, 0.001, 0.03), offset_w=spread(chance, 0.0005, 0.02),
            white_w=spread(chance, 0.001, 0.05),
            wander_w=spread(chance, 0.0003, 0.01) * (chance.random() < 0.7),
            resolution_w=spread(chance, *steps), averaging_s=averaging_s, basis=basis, drops=drops,
        )  # fmt: skip

    every = spread(chance, 0.03, 0.2)
    return {
        "INA226": (
            on_board("hwmon", INA226, lambda watts: f"{watts * 1e6:.0f}"),
            errors((0.001, 0.025), "limits", averaging_s=0.035), every,
        ),
        "INA3221": (
            on_board("ina3221", {"label": "VDD_IN"}, volts_amperes),
            errors((0.005, 0.05), "limits", averaging_s=0.002), every,
        ),
        "PMIC": (
            on_board("pmic", {"name": "pmic"}, pmic_text),
            errors((0.0005, 0.005), "limits", drops=0.02), max(0.1, every),
        ),
        "RAPL": (rapl, errors((0.001, 0.001), "limits"), every),
        "SCPI": (scpi, errors((1e-5, 1e-3), "k2", averaging_s=0.02, drops=0.01), every),
        "SCPI, slow": (scpi, errors((1e-4, 0.01), "k2", drops=0.03), spread(chance, 0.1, 0.25)),
    }  # fmt: skip
