"""A TCP proxy that breaks connections at a given byte, as networks do."""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class Proxy:
    """Forwards to a port of 127.0.0.1 until `limit` bytes have come from the client.

    Then it resets the connection ("cut"), or goes on reading nothing and sending nothing, the
    socket open ("hole"). Without a limit it only forwards.
    """

    def __init__(self, port: int) -> None:
        self.limit: int | None = None
        self.fault = "cut"
        self.forwarded = 0
        self.broken_at = 0.0  # by time.monotonic()
        self._target, self._pairs = port, []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def break_after(self, size: int, fault: str) -> None:
        """From now on each connection breaks after that many bytes more."""
        self.limit, self.fault = size, fault

    def heal(self) -> None:
        """New connections are whole again."""
        self.limit = None

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._pairs.append((client, server))
            gone = threading.Event()
            for pump in (self._up, self._down):
                threading.Thread(target=pump, args=(client, server, gone), daemon=True).start()

    def _up(self, client, server, gone) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(4096):
                if self.limit is not None:
                    self.limit -= len(data)
                    if self.limit <= 0:
                        gone.set()
                        self.broken_at = time.monotonic()
                        break
                server.sendall(data)
                self.forwarded += len(data)
        if not gone.is_set() or self.fault == "cut":
            self._reset(client, server)

    def _down(self, client, server, gone) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(4096):
                if gone.is_set():
                    return
                client.sendall(data)
            self._reset(client, server)

    def _reset(self, *sockets: socket.socket) -> None:
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._reset(self._server)
        self._server.close()
        self._accepting.join()
        for pair in self._pairs:
            self._reset(*pair)
            for each in pair:
                each.close()
