"""QEMU's control socket: JSON lines, one command at a time (QEMU Machine Protocol)."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.errors import BoardUnreachable

FORWARD = re.compile(r"TCP\[HOST_FORWARD\]\s+\S+\s+127\.0\.0\.1\s+(\d+)\s")


class Qmp:
    """A connection to one machine's QEMU. Raises BoardUnreachable: not there, or it refuses."""

    def __init__(self, path: Path, *, timeout_s: float = 60) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        try:
            _connect(self._socket, path)
            self._lines = self._socket.makefile("rw", encoding="utf-8")
            self._lines.readline()
        except OSError as problem:
            self._socket.close()
            raise self._lost(str(problem)) from None
        self.command("qmp_capabilities")

    def __enter__(self) -> Qmp:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._socket.close()

    def command(self, name: str, /, **arguments: object) -> Any:
        """Run one command; what it returns. Events that come in between are passed over."""
        try:
            self._lines.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
            self._lines.flush()
            while line := self._lines.readline():
                answer = json.loads(line)
                if "error" in answer:
                    raise self._lost(f"{name}: {answer['error']['desc']}")
                if "return" in answer:
                    return answer["return"]
        except OSError as problem:
            raise self._lost(f"{name}: {problem}") from None
        raise self._lost(f"{name}: the connection was closed")

    def monitor(self, line: str) -> str:
        """Run one line of the human monitor; what it prints."""
        return str(self.command("human-monitor-command", **{"command-line": line}))

    def save(self, tag: str) -> None:
        """Keep memory, devices and disk inside the disk's file, under a name."""
        if said := self.monitor(f"savevm {tag}").strip():
            raise self._lost(said)

    def port(self) -> int:
        """The port of 127.0.0.1 that leads to the guest's sshd; the system chose it."""
        listed = self.monitor("info usernet")
        if not (found := FORWARD.search(listed)):
            raise self._lost(f"no forwarded port in {listed!r}")
        return int(found[1])

    def quit(self) -> None:
        """End QEMU at once, as a pulled plug would."""
        self.command("quit")

    def _lost(self, reason: str) -> BoardUnreachable:
        name = self._path.parent.name
        return BoardUnreachable(f"QEMU: {reason}", where=name, fix=f"`secateur board reset {name}`")


def _connect(sock: socket.socket, path: Path) -> None:
    """Connect through the folder's descriptor: the path of a socket may have 108 bytes at most."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sock.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
