"""What every test has: folders of its own, and no settings from outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.virtual import virtual_board, virtual_home  # noqa: F401

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: waiting threads do not spin

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Few and long ones first: at the end they would keep one core waiting.

    Those are the virtual board's, and the whole runs that stand in this folder itself.
    """
    items.sort(key=_is_short)


def _is_short(item: pytest.Item) -> bool:
    return item.get_closest_marker("virtual") is None and item.path.parent != Path(__file__).parent


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("home")
    for name in [n for n in os.environ if n.startswith("SECATEUR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SECATEUR_HOME", str(folder))
    return folder
