"""The two ways to bring a model to a board: ours, and paramiko's `put` to the final name.

Each `attempt` raises what the way itself raises; `sent` counts the payload's bytes that it sent.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import paramiko

from pipeline.board import ssh
from pipeline.board.release import Release
from pipeline.board.shell import Shell
from pipeline.board.slots import Hooks, Slot
from pipeline.board.ssh import SSHTransport
from tests.benchmarks.deploy.place import Line, Place, digest
from tests.board.ssh.servers import USER

Between = Callable[[], None]


def counted(transport: SSHTransport, note: Callable[[int], None]) -> None:
    """Have the bytes noted that go into files on the board."""
    put = transport.put

    def counting(data: bytes, path: PurePosixPath, *, offset: int) -> None:
        note(len(data))
        put(data, path, offset=offset)

    transport.put = counting  # type: ignore[method-assign]


class Ours:
    """`secateur push` and `secateur publish`, in one session."""

    kind = "slot"

    def __init__(self, place: Place, line: Line, name: str) -> None:
        self._place, self._line, self.root, self.sent = place, line, place.disk / name, 0
        shutil.copytree(place.template, self.root / "app", symlinks=True)

    @property
    def published(self) -> Path:
        """What an application opens."""
        return self.root / "app" / "current"

    def allowed(self, new: Release) -> set[str]:
        """What may be seen there."""
        return {self._place.old.digest, new.digest}

    def whole(self, new: Release) -> bool:
        """Whether the new one is what stands there, to the last byte."""
        model = self.published / "model.bin"
        return self.published.resolve().name == new.digest and (
            model.read_bytes() == new.files["model.bin"].read_bytes()
        )

    def attempt(self, new: Release, known_hosts: Path, before_publish: Between) -> None:
        """Push and publish; the newest push is the one that becomes current."""
        transport = ssh.connect(
            "127.0.0.1", user=USER, port=self._line.proxy.port, identity=self._place.key,
            known_hosts=known_hosts, config="none",
        )  # fmt: skip
        try:
            counted(transport, self._count)
            slot = Slot(Shell(transport, "board"), PurePosixPath(self.root), "app")
            slot.push(new)
            before_publish()
            slot.publish(None, Hooks())
        finally:
            transport.close()

    def _count(self, size: int) -> None:
        self.sent += size

    def arriving(self) -> Path | None:
        """The file in which the payload's bytes arrive."""
        return next(iter(self.root.glob("app/.push.*/.model.bin.*.part")), None)

    def arrived(self, new: Release) -> Path:
        """The file that a finished transfer has left."""
        return self.root / "app" / "releases" / new.digest / "model.bin"


class Rival:
    """`paramiko.SFTPClient.put` to the final name, everything else at paramiko's defaults."""

    kind = "file"

    def __init__(self, place: Place, line: Line, name: str) -> None:
        self._place, self._line, self.sent = place, line, 0
        self.root = place.disk / f"{name}-rival"
        self.root.mkdir()
        self.published = self.root / "model.bin"
        shutil.copyfile(place.old.files["model.bin"], self.published)

    def allowed(self, new: Release) -> set[str]:
        """What may be seen there."""
        return {digest(self._place.old), digest(new)}

    def whole(self, new: Release) -> bool:
        """Whether the new one is what stands there, to the last byte."""
        return self.published.read_bytes() == new.files["model.bin"].read_bytes()

    def attempt(self, new: Release, known_hosts: Path, before_publish: Between) -> None:
        """Connect, put."""
        key = paramiko.Ed25519Key.from_private_key_file(str(self._place.key))
        before = self.sent
        with paramiko.SSHClient() as client:
            client.load_host_keys(str(known_hosts))
            client.connect("127.0.0.1", self._line.proxy.port, USER, pkey=key,
                           allow_agent=False, look_for_keys=False)  # fmt: skip

            def count(done: int, _: int) -> None:
                self.sent = before + done

            with client.open_sftp() as sftp:
                sftp.put(str(new.files["model.bin"]), str(self.published), callback=count)
        before_publish()

    def arriving(self) -> Path | None:
        """The file in which the payload's bytes arrive."""
        return self.published

    def arrived(self, new: Release) -> Path:
        """The file that a finished transfer has left."""
        return self.published
