"""Where things live: XDG folders, all moved together by SECATEUR_HOME."""

from __future__ import annotations

import os
from pathlib import Path

_DEFAULTS = {"cache": ".cache", "config": ".config", "state": ".local/state"}


def _folder(kind: str) -> Path:
    if home := os.environ.get("SECATEUR_HOME"):
        return Path(home).expanduser().resolve() / kind
    base = os.environ.get(f"XDG_{kind.upper()}_HOME")
    return (Path(base) if base else Path.home() / _DEFAULTS[kind]) / "secateur"


def cache_dir() -> Path:
    """Everything that can be made again: the store, data sets, runtimes."""
    return _folder("cache")


def config_dir() -> Path:
    """The user's lab file and their own targets and recipes."""
    return _folder("config")


def state_dir() -> Path:
    """Logs."""
    return _folder("state")


def shipped(kind: str) -> Path:
    """Our own `targets` or `recipes`: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parent
    beside = package.parent / kind
    return beside if beside.is_dir() else package / "shipped" / kind


def search_path(kind: str) -> list[Path]:
    """Folders that may hold `targets` or `recipes`: the user's first, then ours."""
    return [config_dir() / kind, Path.cwd() / kind, shipped(kind)]
