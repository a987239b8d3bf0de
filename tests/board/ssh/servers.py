"""Real sshds on high ports of 127.0.0.1, with keys and configuration of their own."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

INSTALL = "`apt-get install --no-install-recommends openssh-server openssh-client`"
PRIVILEGE_FOLDER = Path("/run/sshd")
SFTP = "Subsystem sftp internal-sftp"
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
{host_keys}
AuthorizedKeysFile {authorized}
StrictModes no
UsePAM no
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel VERBOSE
"""


def program() -> str:
    """The sshd, by its absolute path as it demands; skips where there is none."""
    found = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if not found or not shutil.which("ssh-keygen"):
        pytest.skip(f"no sshd here: {INSTALL}")
    return found


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Sshd:
    """One sshd; `lines` are added to its configuration, `within` is a command to run it under."""

    def __init__(
        self,
        folder: Path,
        user_key: Path,
        *,
        lines: tuple[str, ...] = (SFTP,),
        kinds: tuple[str, ...] = ("ed25519",),
        within: tuple[str, ...] = (),
    ) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True)
        self.keys = [make_key(folder / f"host_{kind}", kind) for kind in kinds]
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text("".join(self.line(key) for key in self.keys))
        authorized = folder / "authorized_keys"
        shutil.copyfile(f"{user_key}.pub", authorized)
        host_keys = "\n".join(f"HostKey {key}" for key in self.keys)
        text = CONFIG.format(port=self.port, host_keys=host_keys, authorized=authorized)
        self.config = folder / "sshd_config"
        self.config.write_text(text + "\n".join(lines) + "\n")
        self.within, self.log = within, folder / "log"
        self.start()

    def start(self) -> None:
        if os.getuid() == 0:
            PRIVILEGE_FOLDER.mkdir(mode=0o755, exist_ok=True)
        command = [*self.within, program(), "-D", "-e", "-f", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=log, start_new_session=True
            )
        self._wait_until_it_listens()

    def _wait_until_it_listens(self) -> None:
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < end, self.log.read_text()
                time.sleep(0.02)

    def line(self, key: Path) -> str:
        kind, blob, *_ = Path(f"{key}.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {kind} {blob}\n"

    def fingerprint(self) -> str:
        command = ["ssh-keygen", "-l", "-f", f"{self.keys[0]}.pub"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]

    def sessions(self) -> list[int]:
        """The sshd processes that serve a connection."""
        command = ["ps", "-o", "pid=", "--ppid", str(self.process.pid)]
        return [int(w) for w in subprocess.run(command, capture_output=True).stdout.split()]

    def kill_sessions(self) -> None:
        for pid in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        self.kill_sessions()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


USER = getpass.getuser()
