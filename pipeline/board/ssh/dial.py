"""The way to a host's port: TCP, or the program that the user's ProxyCommand names."""

from __future__ import annotations

import errno
import os
import queue
import socket
import subprocess
import threading
import time
from typing import Any

from pipeline.board.ssh.config import HostConfig
from pipeline.errors import BoardUnreachable

REASONS = {
    errno.ECONNREFUSED: "nothing listens on port {port}",
    errno.EHOSTUNREACH: "there is no way to it",
    errno.ENETUNREACH: "its network cannot be reached",
}
FIX = "see that the board is on, on the network, and that its sshd listens there"


def dial(config: HostConfig) -> Any:
    """A connected socket. Raises BoardUnreachable within ConnectTimeout (ours: 10 s)."""
    if config.proxy_command:
        return ProxyProgram(config.proxy_command)
    deadline = time.monotonic() + config.connect_s
    problem: OSError = TimeoutError()
    for family, address in _addresses(config):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            return _connected(family, address, left)
        except OSError as failed:
            problem = failed
    raise _unreachable(config, problem)


def _connected(family: int, address: Any, timeout_s: float) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.settimeout(timeout_s)
        made.connect(address)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        made.close()
        raise
    return made


def _addresses(config: HostConfig) -> list[tuple[int, Any]]:
    """Every address of the name; in a thread, since a resolver knows no timeout."""
    found: queue.Queue[list[Any] | OSError] = queue.Queue()

    def look() -> None:
        try:
            found.put(socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM))
        except OSError as problem:
            found.put(problem)

    threading.Thread(target=look, name="resolve", daemon=True).start()
    try:
        answer = found.get(timeout=config.connect_s)
    except queue.Empty:
        answer = TimeoutError()
    if isinstance(answer, OSError):
        raise _unreachable(config, answer)
    return [(family, address) for family, _, _, _, address in answer]


def _unreachable(config: HostConfig, problem: OSError) -> BoardUnreachable:
    at = config.host if config.port == 22 else f"{config.host}:{config.port}"
    if isinstance(problem, socket.gaierror):
        what, fix = f"no address for {config.host}", "see its spelling, or name its IP address"
    elif isinstance(problem, TimeoutError):
        what, fix = f"{at} gives no answer within {config.connect_s:g} s", FIX
    else:
        reason = REASONS.get(problem.errno or 0, problem.strerror or str(problem))
        what, fix = f"{at}: " + reason.format(port=config.port), FIX
    return BoardUnreachable(what, where=config.label, fix=fix)


class ProxyProgram:
    """A child whose stdin and stdout are one socket to us; it ends with it."""

    def __init__(self, command: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._child = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                start_new_session=True,
            )
        self._socket = ours

    def recv(self, size: int) -> bytes:
        """As a socket."""
        return self._socket.recv(size)

    def send(self, data: bytes) -> int:
        """As a socket."""
        return self._socket.send(data)

    def settimeout(self, timeout_s: float) -> None:
        """As a socket."""
        self._socket.settimeout(timeout_s)

    def close(self) -> None:
        """Close our end, and see the child gone."""
        self._socket.close()
        try:
            self._child.wait(1)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, 9)
            self._child.wait()
