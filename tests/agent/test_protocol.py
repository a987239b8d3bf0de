"""The wire, under every Python: hello, refusals, and stdout that stays the protocol's own."""

import hashlib
import json
import threading

from pipeline.agent import protocol
from pipeline.board import session
from pipeline.board.pack import packed
from tests.agent import boards


def test_host_and_agent_speak_of_the_same_protocol():
    assert (session.MAGIC, session.PROTOCOL) == (protocol.MAGIC, protocol.PROTOCOL)


def test_hello_names_protocol_and_the_code_that_runs(python, start):
    hello = start(python).hello
    assert hello["magic"] == "secateur-agent"
    assert hello["protocol"] == 1
    assert hello["agent"] == hashlib.sha256(packed().path.read_bytes()).hexdigest()


def test_facts_are_raw_texts_and_what_is_missing_is_absent(python, start, tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "loadavg").write_text("0.50 0.40 0.30 1/100 42\n")
    (tmp_path / "proc" / "stat").write_text("cpu  1 2 3 4\ncpu0 1 2 3 4\n")
    agent = start(python)
    agent.send(boards.spec("facts", root=str(tmp_path)))
    facts, done = agent.events()
    files = {name: text for name, text in facts["texts"].items() if name.startswith("/")}
    assert files == {"/proc/loadavg": "0.50 0.40 0.30 1/100 42\n", "/proc/stat": "cpu  1 2 3 4"}
    assert facts["sensors"] == {}
    assert done == {"event": "done"}
    assert agent.process.wait() == 0


def test_a_wrong_spec_is_refused_with_its_reason(python, start):
    wrong = {
        "protocol 99": boards.spec("facts") | {"protocol": 99},
        "job 'dance'": boards.spec("dance"),
        "no arms": boards.spec("measure"),
        "order names arm 7": boards.spec("measure", "a", order=[7]),
        "sensor 'crystal'": boards.spec("inspect", "a", sensors=["crystal"]),
    }
    for reason, spec in wrong.items():
        agent = start(python)
        agent.send(spec)
        assert reason in agent.until("refused").get("reason", "")
        assert agent.process.wait() == 2


def test_a_spec_that_is_not_json_is_refused(python, start):
    agent = start(python)
    agent.process.stdin.write(b"{nonsense\n")
    agent.process.stdin.flush()
    assert "not JSON" in agent.until("refused")["reason"]


def test_what_libraries_print_never_enters_the_protocol(python, start, tmp_path):
    body = "import os, sys\nos.write(1, b'INFO: loud\\n' * 1000)\nprint('loud')\nsys.exit('bye')"
    agent = start(python)
    agent.send(boards.failing(boards.fake_runtime(tmp_path / "site", body)))
    events = agent.events()
    assert boards.kinds(events) == ["facts", "failed", "facts", "done"]
    assert "INFO: loud" in next(e for e in events if e["event"] == "failed")["stderr"]


def test_events_of_threads_that_send_at_once_stay_whole_lines(tmp_path):
    path = tmp_path / "wire"
    with path.open("wb") as stream:
        channel = protocol.Channel(stream.fileno())
        senders = [
            threading.Thread(
                target=lambda n=n: [channel.send("x", n=n, pad="y" * 5000) for _ in "ab"]
            )
            for n in range(8)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(line["n"] for line in lines) == sorted([*range(8)] * 2)
