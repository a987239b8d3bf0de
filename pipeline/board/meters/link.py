"""Lines to and from an instrument: a serial port, or a TCP socket (SCPI raw, usually port 5025)."""

from __future__ import annotations

import os
import select
import socket
import termios
import time
from typing import Protocol

from pipeline.errors import BoardUnreachable, UsageError

CONNECT_S = 5.0
TCP = "tcp://"


class Link(Protocol):
    """What an instrument's protocol needs of a line."""

    def write(self, text: str) -> None:
        """Send a line. Raises OSError."""

    def read_line(self, timeout_s: float) -> str:
        """The next line. Raises TimeoutError, OSError (also when the other end closed)."""

    def discard(self) -> None:
        """Forget what has arrived."""

    def close(self) -> None:
        """Close it."""


class Descriptor:
    """A link over a non-blocking descriptor, which is ours from now on."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd, self._arrived = fd, b""

    def write(self, text: str) -> None:
        """Send a line."""
        data = text.encode("ascii") + b"\n"
        while data:
            select.select([], [self._fd], [], CONNECT_S)
            data = data[os.write(self._fd, data) :]

    def read_line(self, timeout_s: float) -> str:
        """The next line without its end."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._arrived:
            ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            self._take()
        line, _, self._arrived = self._arrived.partition(b"\n")
        return line.decode("ascii", errors="replace").strip()

    def discard(self) -> None:
        """Forget what has arrived."""
        while select.select([self._fd], [], [], 0)[0]:
            self._take()
        self._arrived = b""

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)

    def _take(self) -> None:
        data = os.read(self._fd, 4096)
        if not data:
            raise OSError("the other end closed the line")
        self._arrived += data


def connect(port: str, baud: int) -> Descriptor:
    """A link to `/dev/...` or `tcp://host:port`. Raises BoardUnreachable, UsageError."""
    try:
        return Descriptor(_dial(port) if port.startswith(TCP) else _serial(port, baud))
    except (OSError, termios.error) as problem:
        reason = problem.args[-1] if problem.args else problem
        fix = "see `meter.port` in the lab file, the cable, and that you may open it (dialout)"
        raise BoardUnreachable(f"no meter there: {reason}", where=port, fix=fix) from None


def _dial(port: str) -> int:
    host, _, number = port.removeprefix(TCP).rpartition(":")
    connection = socket.create_connection((host, int(number)), timeout=CONNECT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection.detach()


def _serial(port: str, baud: int) -> int:
    """A terminal in raw mode: eight bits, no parity, no echo, no flow control (termios(3))."""
    speed = getattr(termios, f"B{baud}", None)
    if speed is None:
        raise UsageError(f"{baud} is no baud rate", where=port, fix="see `meter.baud`")
    fd = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        _, _, _, _, _, _, characters = termios.tcgetattr(fd)
        flags = termios.CS8 | termios.CREAD | termios.CLOCAL
        termios.tcsetattr(fd, termios.TCSANOW, [0, 0, flags, 0, speed, speed, characters])
        termios.tcflush(fd, termios.TCIOFLUSH)
    except BaseException:
        os.close(fd)
        raise
    return fd
