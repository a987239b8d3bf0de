"""The Pythons of a board, as they describe themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.board.pack import SOURCE
from pipeline.board.shell import Shell
from pipeline.errors import Refused

OLDEST = (3, 9)
NAMES = ("python3", *(f"python3.{minor}" for minor in (13, 12, 11, 10, 9)))
ASK = """
code=$1; shift
for name in "$@"; do
  beat
  path=$(command -v "$name") && "$path" -I -c "$code" 2> /dev/null || :
done
"""


@dataclass(frozen=True)
class Interpreter:
    """One Python: `abi` such as cp311, `machine` of its own program, `libc` (name, version)."""

    path: str
    version: tuple[int, int]
    implementation: str
    abi: str
    machine: str
    libc: tuple[str, str]
    packages: Mapping[str, str]

    @property
    def glibc(self) -> tuple[int, int] | None:
        """Version of the GNU C library; None for any other."""
        name, version = self.libc
        parts = version.split(".")
        return (int(parts[0]), int(parts[1])) if name == "glibc" and len(parts) > 1 else None

    def __str__(self) -> str:
        """As errors and tables name it."""
        libc = " ".join(self.libc).strip()
        name = "Python" if self.implementation == "cpython" else self.implementation
        suffix = self.abi.lstrip("cp0123456789")
        return f"{name} {self.version[0]}.{self.version[1]}{suffix} on {self.machine}, {libc}"


def interpreters(shell: Shell, *also: str) -> list[Interpreter]:
    """Every Python 3 that the board's PATH has, `also` these; the one it calls `python3` first."""
    source = (SOURCE / "probe.py").read_text()
    lines = shell.run(ASK, source, *NAMES, *also).splitlines()
    found = [described(json.loads(line)) for line in lines if line.startswith("{")]
    return list({one.path: one for one in found}.values())


def recent(pythons: Sequence[Interpreter], *, board: str) -> Interpreter:
    """The first that can run the agent. Raises Refused: there is none."""
    for one in pythons:
        if one.version >= OLDEST and one.implementation == "cpython":
            return one
    if pythons:
        what = f"{pythons[0]} is too old, the agent needs Python 3.9"
        raise Refused(what, where=board, fix="use a newer image: Raspberry Pi OS Bookworm has 3.11")
    fix = "install one on the board, e.g. `sudo apt install python3`"
    raise Refused("there is no Python 3 on the board's PATH", where=board, fix=fix)


def described(about: Mapping[str, Any]) -> Interpreter:
    """An interpreter from what the probe printed."""
    major, minor = about["version"][:2]
    name, version = about["libc"]
    return Interpreter(
        about["path"], (major, minor), about["implementation"], about["abi"], about["machine"],
        (name, version), about["packages"],
    )  # fmt: skip
