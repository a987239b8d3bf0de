"""A regime is a setting like any other; a rate asks for the paced one."""

from __future__ import annotations

import pytest

from pipeline.config.settings import Settings, resolve_settings
from pipeline.errors import UsageError


def resolved(**layers: Settings) -> dict[str, object]:
    return {name: value for name, (value, _) in resolve_settings(list(layers.items())).items()}


def test_as_fast_as_it_goes_is_the_default_and_the_governor_is_left_alone() -> None:
    found = resolved()
    assert (found["regime"], found["rate_hz"], found["governor"]) == ("burst", None, None)


def test_a_rate_alone_paces() -> None:
    assert resolved(flag=Settings(rate_hz=30))["regime"] == "paced"
    assert resolve_settings([("lab", Settings(rate_hz=30))])["regime"] == ("paced", "lab")


def test_a_regime_that_somebody_asked_for_stays() -> None:
    found = resolved(flag=Settings(regime="sustained"), target=Settings(rate_hz=30))
    assert found["regime"] == "sustained"


def test_a_pace_without_a_rate_is_refused_with_the_fix() -> None:
    with pytest.raises(UsageError, match="no rate") as refused:
        resolved(flag=Settings(regime="paced"))
    assert "--rate-hz" in (refused.value.fix or "")
