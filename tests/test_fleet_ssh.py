"""A fleet over real sshds: one line falls silent in the middle, the others are measured."""

from __future__ import annotations

from pathlib import Path

from pipeline.bench.files import bench_files
from pipeline.bench.results import Stored
from pipeline.bench.settings import SessionSettings
from pipeline.board import ssh
from pipeline.board.board import closing
from pipeline.board.remote import RemoteBoard
from pipeline.errors import BoardUnreachable
from pipeline.fleet import Job, together
from tests.bench.models import write_dense
from tests.board.ssh.conftest import make_proxy, make_sshd, user_key
from tests.board.ssh.proxy import Proxy
from tests.board.ssh.servers import SFTP, USER, Sshd

__all__ = ["make_proxy", "make_sshd", "user_key"]


def job(server: Sshd, key: Path, model: Path, folder: Path, proxy: Proxy | None = None) -> Job:
    settings = SessionSettings("there", processes=2, warmup_ms=5, window_ms=20)

    def measured() -> Stored:
        transport = ssh.connect(
            "127.0.0.1", user=USER, port=server.port, identity=key, config="none",
            known_hosts=server.known_hosts,
        )  # fmt: skip
        with closing(RemoteBoard(transport, str(folder / "root"), name=folder.name)) as board:
            if proxy:
                proxy.break_after(0, "hole")
            return bench_files([model], settings, board, results=folder / "results")

    return measured


def test_a_line_that_falls_silent_costs_its_own_board_only(
    make_sshd, make_proxy, user_key, tmp_path: Path
) -> None:
    model = write_dense(tmp_path / "small.tflite", width=16)
    jobs: dict[str, Job] = {}
    for name in ("one", "hole", "two"):
        lease = f"SetEnv SECATEUR_LEASE={tmp_path / name}.lease"  # each a board of its own
        server, proxy = make_sshd(name, lines=(SFTP, lease)), None
        if name == "hole":
            proxy = make_proxy(server)
            server.port = proxy.port
            server.known_hosts.write_text(server.line(server.keys[0]))
        jobs[name] = job(server, user_key, model, tmp_path / f"board-{name}", proxy)
    found = {o.board: o for o in together(jobs, lambda _: None)}
    assert [o.exit_code for o in found.values()] == [0, 3, 0]
    assert isinstance(found["hole"].error, BoardUnreachable)
