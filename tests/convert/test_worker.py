"""A converter's child process: whatever it does, the parent gets a result or one clear error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from pipeline.convert import worker
from pipeline.errors import Refused

MODULE = "tests.convert.worker_children"


def call(tmp_path: Path, timeout_s: float = 60, **spec: object) -> dict[str, object]:
    return worker.call(MODULE, spec, log=tmp_path / "child.log", timeout_s=timeout_s)


def test_result_comes_back_and_prose_goes_to_the_log(tmp_path: Path) -> None:
    assert call(tmp_path, do="answer", number=21)["double"] == 42
    assert "prose on stdout" in (tmp_path / "child.log").read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["child.log"]


def test_users_folder_is_never_imported_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise SystemExit('the wrong pipeline')")
    monkeypatch.chdir(tmp_path)
    result = call(tmp_path / "work", do="answer", number=1)
    assert str(tmp_path) not in result["path"]
    assert "" not in result["path"]
    assert result["cwd"] == []


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ({"do": "leave", "code": 0}, "exited with code 0 and no result: ERROR: no such operator"),
        ({"do": "leave", "code": 3}, "exited with code 3 and no result: ERROR: no such operator"),
        ({"do": "ramble"}, "no result: error: 'tf.Erf' op is neither a custom op nor a flex op"),
        ({"do": "abort"}, "killed by SIGABRT"),
        ({"do": "fail"}, "ValueError: an operator of no kind"),
        ({"do": "refuse"}, "will not"),
        ({"do": "download"}, "a converter has no network"),
    ],
)
def test_each_bad_end_is_one_refusal(tmp_path: Path, spec: dict[str, object], what: str) -> None:
    with pytest.raises(Refused) as caught:
        call(tmp_path, **spec)
    assert what in caught.value.what
    assert len(str(caught.value).splitlines()) == 2
    assert caught.value.fix
    assert [p.name for p in tmp_path.iterdir()] == ["child.log"]


def test_timeout_kills_the_whole_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(Refused, match="took longer than 5 s"):
        call(tmp_path, do="hang", pids=str(pids), timeout_s=5)
    assert_gone(pids)


def test_jobs_share_what_is_imported_and_nothing_else(tmp_path: Path) -> None:
    first, second = call(tmp_path, do="answer", number=1), call(tmp_path, do="answer", number=2)
    assert first["server"] == second["server"]
    assert first["seen"] == second["seen"] == [None]


def test_a_server_that_was_killed_is_another_one_for_the_next_job(tmp_path: Path) -> None:
    server = call(tmp_path, do="answer", number=1)["server"]
    os.kill(server, signal.SIGKILL)
    assert call(tmp_path, do="answer", number=2)["server"] != server


def test_a_job_that_is_killed_from_outside_says_so(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    killer = threading.Thread(target=lambda: (wait_for(pids.is_file), kill_groups(pids)))
    killer.start()
    with pytest.raises(Refused, match="killed by SIGKILL"):
        call(tmp_path, do="hang", pids=str(pids))
    killer.join()
    assert_gone(pids)


def kill_groups(pids: Path) -> None:
    child = int(pids.read_text().split()[0])
    os.killpg(os.getpgid(child), signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_parent_that_ends_takes_the_child_along(tmp_path: Path, number: signal.Signals) -> None:
    pids = tmp_path / "pids"
    spec = json.dumps({"do": "hang", "pids": str(pids)})
    code = (
        "import json, pathlib; from pipeline.convert import worker;"
        f"worker.call({MODULE!r}, json.loads({spec!r}),"
        f" log=pathlib.Path({str(tmp_path / 'child.log')!r}), timeout_s=60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    wait_for(pids.is_file)
    parent.send_signal(number)
    assert parent.wait() != 0
    child, grandchild = (int(pid) for pid in pids.read_text().split())
    wait_for(lambda: not running(child))
    if number == signal.SIGINT:
        wait_for(lambda: not running(grandchild))
    elif running(grandchild):  # only the child itself dies with a killed parent
        os.kill(grandchild, signal.SIGKILL)


def assert_gone(pids: Path) -> None:
    for pid in pids.read_text().split():
        wait_for(lambda pid=pid: not running(int(pid)))


def running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def wait_for(condition: object) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 30 s")
