"""A worker that dies, hangs or fails is an event; whoever dies leaves no process behind."""

import os
import signal
from pathlib import Path

import pytest

from tests.agent import boards

HANG = "import time\nwhile True: time.sleep(60)"


def failure(start, python, site, **settings):
    agent = start(python)
    agent.send(boards.failing(site, **settings))
    events = agent.events()
    assert events[-1] == {"event": "done"}, agent.process.stderr.read()
    return next(e for e in events if e["event"] == "failed")


def test_an_abort_is_a_failure_with_its_signal_and_last_words(python, start, tmp_path):
    body = "import os, sys\nprint('tensor arena overflow', file=sys.stderr, flush=True)\nos.abort()"
    failed = failure(start, python, boards.fake_runtime(tmp_path / "site", body))
    assert failed["signal"] == signal.SIGABRT
    assert failed["reason"] == "tflite-runtime died with SIGABRT"
    assert "tensor arena overflow" in failed["stderr"]
    assert failed["arm"] == "arm0"


def test_an_exception_is_a_failure_with_its_message(python, start, tmp_path):
    site = boards.fake_runtime(tmp_path / "site", "raise RuntimeError('kernel  of\\nversion 7')")
    failed = failure(start, python, site)
    assert failed["reason"] == "RuntimeError: kernel of version 7"
    assert failed["signal"] is None
    assert "Traceback" in failed["stderr"]


def test_a_runtime_that_leaves_by_itself_is_a_failure(python, start, tmp_path):
    site = boards.fake_runtime(tmp_path / "site", "import os\nos._exit(7)")
    assert "exit code 7" in failure(start, python, site)["reason"]


def test_a_missing_runtime_names_the_interpreter(python, start, tmp_path):
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").touch()
    reason = failure(start, python, tmp_path)["reason"]
    assert reason.endswith("has no module tflite_runtime")


def test_a_worker_that_hangs_is_ended(python, start, tmp_path):
    site = boards.fake_runtime(tmp_path / "site", HANG)
    failed = failure(start, python, site, process_timeout_s=0.5)
    assert "no result within 0.5 s" in failed["reason"]


def test_a_cpu_that_is_not_there_is_a_failure(python, start, tmp_path):
    site = boards.fake_runtime(tmp_path / "site", HANG)
    assert "affinity [4000]" in failure(start, python, site, affinity=[4000])["reason"]


def test_one_failure_does_not_stop_the_others(python, start, tmp_path):
    site = boards.fake_runtime(tmp_path / "site", "import os\nos.abort()")
    agent = start(python)
    agent.send(boards.failing(site, order=[0, 0, 0]))
    failed = [e["index"] for e in agent.events() if e["event"] == "failed"]
    assert failed == [0, 1, 2]


@pytest.fixture
def hanging(start, tmp_path, home):
    """Starts an agent whose worker hangs, once that worker is known to run."""

    def starter(python):
        alive = tmp_path / "alive"
        body = f"import os\nopen({str(alive)!r}, 'w').write(str(os.getpid()))\n{HANG}"
        agent = start(python)
        agent.send(boards.failing(boards.fake_runtime(tmp_path / "site", body)))
        assert boards.eventually(lambda: alive.exists() and alive.read_text() != "")
        assert int(alive.read_text()) in boards.running(str(home))
        return agent

    return starter


def _gone(home: Path) -> bool:
    return boards.eventually(lambda: not boards.running(str(home)))


def test_kill_9_of_the_agent_ends_its_worker(python, hanging, home):
    agent = hanging(python)
    agent.process.kill()
    agent.process.wait()
    assert _gone(home)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_agent_and_worker(python, hanging, home, number):
    agent = hanging(python)
    os.kill(agent.process.pid, number)
    assert agent.process.wait() == 130
    assert _gone(home)


def test_the_end_of_stdin_ends_agent_and_worker(python, hanging, home):
    agent = hanging(python)
    agent.process.stdin.close()
    assert agent.process.wait() == 130
    assert _gone(home)


def test_the_line_cancel_ends_agent_and_worker(python, hanging, home):
    agent = hanging(python)
    agent.process.stdin.write(b"cancel\n")
    agent.process.stdin.flush()
    assert agent.process.wait() == 130
    assert _gone(home)


def test_a_host_that_stops_reading_ends_agent_and_worker(python, hanging, home):
    agent = hanging(python)
    agent.process.stdout.close()
    assert _gone(home)
