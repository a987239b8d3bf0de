"""The host's side of a session: whatever happens, a clear error and no process left behind."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.board import session
from pipeline.errors import BoardUnreachable, Refused
from tests.agent import boards
from tests.agent.test_process import HANG

PYTHON = Path(sys.executable)
HELLO = """#!/bin/sh
digest=$(sha256sum "$2" | cut -d" " -f1)
printf '{"event":"hello","magic":"secateur-agent","protocol":%s,"agent":"%s"}\\n' PROTOCOL "$digest"
"""


def script(tmp_path, text):
    """An executable that takes the place of the interpreter."""
    path = tmp_path / "python"
    path.write_text(text)
    path.chmod(0o755)
    return path


def hanging(tmp_path):
    return boards.failing(boards.fake_runtime(tmp_path / "site", HANG))


def none_left(home):
    return boards.eventually(lambda: not boards.running(str(home)))


def error(kind, python, spec=None, **settings):
    settings = {"timeout_s": 30, **settings}
    with pytest.raises(kind) as caught:
        session.run(python, spec or boards.spec("facts"), **settings)
    assert 1 <= len(str(caught.value).splitlines()) <= 2
    assert "fix:" in str(caught.value)
    return str(caught.value)


def test_events_come_back_and_go_to_the_callback_as_they_come():
    seen = []
    events = session.run(PYTHON, boards.spec("facts"), timeout_s=30, on_event=seen.append)
    assert [e["event"] for e in events] == ["hello", "facts", "done"]
    assert [e for e in seen if e["event"] != "heartbeat"] == events


def test_a_failed_worker_is_an_event_not_an_error(tmp_path):
    spec = boards.failing(boards.fake_runtime(tmp_path / "site", "import os\nos.abort()"))
    events = session.run(PYTHON, spec, timeout_s=30)
    assert boards.kinds(events) == ["hello", "facts", "failed", "facts", "done"]


def test_a_refused_spec_is_refused_with_the_agents_reason():
    assert "no arms" in error(Refused, PYTHON, boards.spec("measure"))


def test_an_interpreter_that_is_not_there_is_named():
    assert "/no/python" in error(BoardUnreachable, Path("/no/python"))


def test_a_python_that_is_too_old_says_so():
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(root.glob("versions/3.[678].*/bin/python"))
    if not found:
        pytest.skip("no Python 3.6 to 3.8 here: `pyenv install 3.8` gives one")
    for old in found:
        assert "too old for the agent, it needs 3.9" in error(BoardUnreachable, old)


def test_a_program_that_is_no_python_is_not_our_agent(tmp_path):
    assert "not as our agent" in error(BoardUnreachable, script(tmp_path, "#!/bin/sh\necho hi\n"))
    assert "exit code 1" in error(BoardUnreachable, Path("/bin/false"))


def test_another_protocol_or_other_code_is_refused(tmp_path):
    other = script(tmp_path, HELLO.replace("PROTOCOL", "2") + "sleep 60\n")
    assert "speaks protocol 2" in error(Refused, other)
    forged = script(tmp_path, HELLO.replace("PROTOCOL", "1").replace('"$2"', "/dev/null"))
    assert "agent e3b0c44298fc" in error(Refused, forged)


def test_silence_is_an_error_although_the_process_lives(tmp_path, home):
    silent = script(tmp_path, HELLO.replace("PROTOCOL", "1") + "sleep 60\n")
    assert "silent too long" in error(BoardUnreachable, silent, silence_s=0.3)
    assert none_left(home)


def test_the_time_limit_ends_agent_and_worker(tmp_path, home):
    text = error(BoardUnreachable, PYTHON, hanging(tmp_path), timeout_s=1.0)
    assert "time limit" in text
    assert none_left(home)


def test_kill_9_of_the_agent_is_an_error_with_its_signal(tmp_path, home):
    def kill_the_agent():
        assert boards.eventually(lambda: len(boards.running(str(home))) == 2)
        agent = min(boards.running(str(home)))
        os.kill(agent, signal.SIGKILL)

    killer = threading.Thread(target=kill_the_agent)
    killer.start()
    text = error(BoardUnreachable, PYTHON, hanging(tmp_path))
    killer.join()
    assert "SIGKILL" in text
    assert none_left(home)


HOST = """
import json, signal, sys
from pathlib import Path
from pipeline.board import session
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a shell's background job
session.run(Path(sys.executable), json.loads(sys.argv[1]), timeout_s=60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_host_that_is_stopped_leaves_nothing_running(tmp_path, home, number):
    command = [sys.executable, "-c", HOST, json.dumps(hanging(tmp_path))]
    host = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert boards.eventually(lambda: len(boards.running(str(home / "cache"))) == 2)
    host.send_signal(number)
    said = host.communicate()[1]
    assert none_left(home / "cache")
    if number == signal.SIGINT:
        assert "KeyboardInterrupt" in said
