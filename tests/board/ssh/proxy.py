"""A TCP proxy that breaks connections at a given byte, as networks do."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

CHUNK = 4096


class Proxy:
    """Forwards to a port of 127.0.0.1 until `limit` bytes have gone `way`: "up" to it, or "down".

    Then it resets the connection ("cut"), or goes on reading nothing and sending nothing, the
    socket open ("hole"). Without a limit it only forwards, at `rate` bytes a second if there is
    one.
    """

    def __init__(self, port: int) -> None:
        self.limit: int | None = None
        self.fault, self.way = "cut", "up"
        self.rate: float | None = None
        self.forwarded = self.returned = 0
        self.broken_at = self.moved_at = 0.0  # by time.monotonic()
        self._target, self._pairs = port, []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def break_after(self, size: int, fault: str, way: str = "up") -> None:
        """From now on each connection breaks after that many bytes more."""
        self.limit, self.fault, self.way = size, fault, way

    def heal(self) -> None:
        """New connections are whole again."""
        self.limit = self.rate = None

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            self._pairs.append((client, server))
            gone = threading.Event()
            for pair in ((client, server, "up"), (server, client, "down")):
                threading.Thread(target=self._pump, args=(*pair, gone), daemon=True).start()

    def _pump(self, source, sink, way: str, gone: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                data = self._whole_part(data, way, gone)
                if self.rate:
                    time.sleep(len(data) / self.rate)
                sink.sendall(data)
                if gone.is_set():
                    break
                self.moved_at = time.monotonic()
                if way == "up":
                    self.forwarded += len(data)
                else:
                    self.returned += len(data)
        if not gone.is_set() or self.fault == "cut":
            self._reset(source, sink)

    def _whole_part(self, data: bytes, way: str, gone: threading.Event) -> bytes:
        """What still goes through of these bytes."""
        if gone.is_set():
            return b""
        if self.limit is None or way != self.way:
            return data
        part = data[: max(0, self.limit)]
        self.limit -= len(data)
        if self.limit <= 0:
            self.broken_at = time.monotonic()
            gone.set()
        return part

    def _reset(self, *sockets: socket.socket) -> None:
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._reset(self._server)
        self._server.close()
        self._accepting.join()
        self.drop()

    def drop(self) -> None:
        """End every connection there is."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._reset(*pair)
            for each in pair:
                each.close()
