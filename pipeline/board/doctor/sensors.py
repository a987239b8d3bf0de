"""Checks of what energy needs: the board's own power sensors, and a meter beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.board.doctor.finding import Finding
from pipeline.board.energy.kinds import pmic
from pipeline.board.energy.kinds.hwmon import KNOWN
from pipeline.board.facts import Texts
from pipeline.board.meters import opened
from pipeline.errors import SecateurError

CHIP = re.compile(r"(/sys/(?:class|bus/i2c)/\S*hwmon\d+)/name")
ZONE = re.compile(r"(/sys/class/powercap/intel-rapl:\d+)/name")
UNWIRED = ("", "NC")
FIX = "for energy, wire an INA226 or the like to the supply; all else is measured without"


def sensors(texts: Texts, wiring: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """What is there, with the scope that its figures will have."""
    found = [*_chips(texts), *_pmic(texts), *_zones(texts)]
    hidden = [zone for zone in _packages(texts) if not texts.get(f"{zone}/energy_uj", "").strip()]
    if found:
        named = [_scoped(name, wiring) for name in dict.fromkeys(found)]
        yield Finding("sensors", "ok", ", ".join(named))
    elif not hidden:
        yield Finding("sensors", "warn", "no power sensor: no energy rows", FIX)
    if hidden:
        fix = f"on the board: sudo chmod a+r {hidden[0]}/energy_uj (until it restarts)"
        yield Finding("sensors", "warn", "rapl is there, but only root may read it", fix)


def meter(config: Mapping[str, Any]) -> Finding:
    """The meter of the lab file: who answers, and one reading."""
    try:
        found = opened(config)
    except SecateurError as problem:
        return Finding("meter", "fail", f"{config['port']}: {problem.what}", problem.fix)
    try:
        said = f"{found.identity()} reads {found.read()}, as {config['scope']}"
    finally:
        found.close()
    return Finding("meter", "ok", said)


def _scoped(name: str, wiring: Mapping[str, Mapping[str, Any]]) -> str:
    words = name.split()
    stated = next((wiring[word] for word in reversed(words) if word in wiring), {})
    if not stated.get("use", True):
        return f"{name} (off)"
    return f"{name} ({stated['scope']})" if "scope" in stated else name


def _chips(texts: Texts) -> Iterator[str]:
    for folder in (m[1] for path in texts if (m := CHIP.fullmatch(path))):
        name = texts[f"{folder}/name"].strip()
        if name in KNOWN and {f"{folder}/power1_input", f"{folder}/in1_input"} & set(texts):
            yield name
        elif name == "ina3221":
            on = [n for n in (1, 2, 3) if texts.get(f"{folder}/in{n}_enable", "1").strip() != "0"]
            labels = [texts.get(f"{folder}/in{n}_label", "").strip() for n in on]
            wired = [label for label in labels if label not in UNWIRED]
            yield from (f"ina3221 {label}" for label in wired or ["without labels"])


def _pmic(texts: Texts) -> Iterator[str]:
    count = len(pmic.converters(texts.get("vcgencmd pmic_read_adc", "")))
    if count:
        yield f"pmic, {count} converters"


def _zones(texts: Texts) -> Iterator[str]:
    for zone in _packages(texts):
        if texts.get(f"{zone}/energy_uj", "").strip():
            yield f"rapl {texts[f'{zone}/name'].strip()}"


def _packages(texts: Texts) -> list[str]:
    zones = [m[1] for path in texts if (m := ZONE.fullmatch(path))]
    return [zone for zone in zones if texts[f"{zone}/name"].startswith("package")]
