"""The first code of a converter's child process; `worker.call` starts it by its path.

It is a script, not a module of the package, so that it works wherever the package stands and
never looks at the folder the user happens to be in.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1  # prctl(2)


def main(module: str, scratch: Path) -> None:
    """Run `module.main(spec)` with the spec in `scratch` and leave its result there, whole."""
    _die_with_parent()
    _cut_network()
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from pipeline.errors import SecateurError

    spec = json.loads((scratch / "spec.json").read_text())
    try:
        result = importlib.import_module(module).main(spec)
    except SecateurError as error:
        result = {"refused": {"what": error.what, "fix": error.fix}}
    draft = scratch / "result.draft"
    draft.write_text(json.dumps(result))
    draft.replace(scratch / "result.json")


def _die_with_parent() -> None:
    """A converter whose parent was killed would go on for minutes (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _cut_network() -> None:
    """Converters fetch samples behind the user's back; here nothing is fetched."""

    def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise OSError("a converter has no network")

    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo"):
        setattr(socket, name, refuse)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
