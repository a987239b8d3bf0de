"""The host's side of a reader: start it, stop it, count what it saw that was never published."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.benchmarks.deploy import reader

SOURCE = Path(reader.__file__).read_text()


class Watch:
    """A reader in a process of its own; `allowed` are the digests that may be seen."""

    def __init__(self, kind: str, path: Path, allowed: set[str]) -> None:
        self.allowed = allowed
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", SOURCE, kind, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._child.stdout is not None
        self._first = self._child.stdout.readline().strip()  # it looks before anything happens

    def stop(self) -> dict[str, object]:
        """How often it looked, and what it saw that it must not see."""
        told, _ = self._child.communicate("stop", timeout=60)
        *seen, last = [self._first, *told.splitlines()]
        wrong = [line for line in seen if line not in self.allowed]
        return {"looks": int(last.split()[1]), "changes": len(seen) - 1, "torn": len(wrong),
                "saw": wrong[:3]}  # fmt: skip
