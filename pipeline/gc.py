"""What of the store may go: steps not used for long, and artifacts that no step names."""

from __future__ import annotations

import fcntl
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.store import Store, read_json


@dataclass(frozen=True)
class Swept:
    """What went, or would go."""

    steps: int
    artifacts: int
    workdirs: int
    size_bytes: int


def collect(store: Store, *, days: float, dry_run: bool) -> Swept:
    """Delete steps not used for `days`, then artifacts without a step, then idle work folders."""
    oldest = time.time() - days * 86400  # of steps, and of what interrupted ones may resume from
    entries = list(store.root.glob("steps/*/*.json"))
    old = [path for path in entries if path.stat().st_mtime <= oldest]
    kept = {(read_json(path) or {}).get("artifact") for path in set(entries) - set(old)}
    folders = [path for path in store.root.glob("artifacts/*/*") if path.name not in kept]
    works = [path for path in store.root.glob("work/*") if path.stat().st_mtime <= oldest]
    idle = [path for path in works if _is_idle(path)]
    size = sum(f.stat().st_size for d in [*folders, *idle] for f in d.rglob("*") if f.is_file())
    if not dry_run:
        for path in old:
            path.unlink(missing_ok=True)
        for folder in [*folders, *idle]:
            shutil.rmtree(folder, ignore_errors=True)
    return Swept(len(old), len(folders), len(idle), size)


def _is_idle(work: Path) -> bool:
    try:
        with (work / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
