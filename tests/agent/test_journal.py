"""Settings come back byte for byte, at the end and after kill -9, on a sysfs of plain files."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.agent.journal import NAME, Journal, opened
from pipeline.board.pack import SOURCE
from tests.agent import boards
from tests.agent.test_process import HANG

ROOT = Path(__file__).parents[2]
POLICIES = "sys/devices/system/cpu/cpufreq"


@pytest.fixture
def root(tmp_path):
    for policy, governor in (("policy0", "ondemand\n"), ("policy4", "powersave\n")):
        folder = tmp_path / "root" / POLICIES / policy
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(governor)
    return tmp_path / "root"


def governors(root):
    return [p.read_text() for p in sorted(root.glob(f"{POLICIES}/*/scaling_governor"))]


def settings(root, tmp_path, governor="performance"):
    return {"root": str(root), "state": str(tmp_path / "state"), "governor": governor}


def test_the_governor_is_set_for_the_workers_and_restored_after(python, start, root, tmp_path):
    seen = tmp_path / "seen"
    path = root / POLICIES / "policy4" / "scaling_governor"
    body = f"open({str(seen)!r}, 'w').write(open({str(path)!r}).read())\nraise ValueError('x')"
    site = boards.fake_runtime(tmp_path / "site", body)
    agent = start(python)
    agent.send(boards.failing(site, **settings(root, tmp_path)))
    assert agent.events()[-1] == {"event": "done"}
    assert seen.read_text() == "performance"
    assert governors(root) == ["ondemand\n", "powersave\n"]
    assert not (tmp_path / "state" / NAME).exists()


def hanging(python, start, root, tmp_path, home):
    """An agent at work with changed settings, its worker and its guard beside it."""
    agent = start(python)
    site = boards.fake_runtime(tmp_path / "site", HANG)
    agent.send(boards.failing(site, **settings(root, tmp_path)))
    assert boards.eventually(lambda: len(boards.running(str(home))) == 3)
    return agent


def guards(home):
    marked = [pid for pid in boards.running("--guard") if pid in boards.running(str(home))]
    assert len(marked) == 1
    return marked[0]


def test_after_kill_9_the_settings_come_back_by_themselves(python, start, root, tmp_path, home):
    agent = hanging(python, start, root, tmp_path, home)
    assert governors(root) == ["performance", "performance"]
    agent.process.kill()
    agent.process.wait()
    assert boards.eventually(lambda: governors(root) == ["ondemand\n", "powersave\n"])
    assert boards.eventually(lambda: not boards.running(str(home)))
    assert not (tmp_path / "state" / NAME).exists()


def test_if_the_guard_is_killed_too_the_next_agent_restores(python, start, root, tmp_path, home):
    agent = hanging(python, start, root, tmp_path, home)
    os.kill(guards(home), signal.SIGKILL)
    agent.process.kill()
    agent.process.wait()
    assert governors(root) == ["performance", "performance"]
    after = start(python)
    after.send(boards.spec("facts", **settings(root, tmp_path, governor=None)))
    assert [e["event"] for e in after.events()] == ["facts", "done"]
    assert governors(root) == ["ondemand\n", "powersave\n"]


def test_a_cancelled_agent_restores_before_it_leaves(start, root, tmp_path, home):
    agent = hanging(sys.executable, start, root, tmp_path, home)
    agent.process.terminate()
    assert agent.process.wait() == 130
    assert governors(root) == ["ondemand\n", "powersave\n"]


def test_a_board_without_governors_refuses_to_set_one(python, start, tmp_path):
    agent = start(python)
    agent.send(boards.spec("inspect", "a", **settings(tmp_path, tmp_path)))
    assert "no cpufreq governor" in agent.until("refused")["reason"]


def test_the_old_value_is_on_disk_before_the_setting_changes(root, tmp_path):
    setting = f"/{POLICIES}/policy0/scaling_governor"
    journal = Journal(str(tmp_path / "state"), str(root))
    (root / setting[1:]).chmod(0o644)
    journal.change(setting, "performance")
    journal.change(setting, "powersave")
    noted = json.loads((tmp_path / "state" / NAME).read_text())
    assert noted == {"boot": "", "old": {setting: "ondemand\n"}}
    journal.restore()
    journal.close()
    assert governors(root)[0] == "ondemand\n"


def test_a_living_agents_settings_are_left_alone(root, tmp_path):
    setting = f"/{POLICIES}/policy0/scaling_governor"
    state = str(tmp_path / "state")
    with opened(state, str(root)) as first:
        first.change(setting, "performance")
        with opened(state, str(root)) as second:
            assert governors(root)[0] == "performance"
            with pytest.raises(RuntimeError, match="another measurement"):
                second.change(setting, "powersave")
        assert governors(root)[0] == "performance"
    assert governors(root)[0] == "ondemand\n"


def test_a_setting_that_went_away_does_not_stop_the_others(root, tmp_path):
    with opened(str(tmp_path / "state"), str(root)) as journal:
        for policy in ("policy0", "policy4"):
            journal.change(f"/{POLICIES}/{policy}/scaling_governor", "performance")
        (root / POLICIES / "policy0" / "scaling_governor").unlink()
    assert governors(root) == ["powersave\n"]
    assert "policy0" in (tmp_path / "state" / NAME).read_text()


BOOT = "proc/sys/kernel/random/boot_id"


def left(root, tmp_path, boot="one\n"):
    """A journal that an agent left: its changes stand, and nobody holds the lock."""
    (root / BOOT).parent.mkdir(parents=True)
    (root / BOOT).write_text(boot)
    journal = Journal(str(tmp_path / "state"), str(root))
    journal.change(f"/{POLICIES}/policy0/scaling_governor", "performance")
    journal.close()
    return Journal(str(tmp_path / "state"), str(root))


def test_what_another_boot_left_is_forgotten_not_restored(root, tmp_path):
    journal = left(root, tmp_path)
    (root / BOOT).write_text("two\n")
    (root / POLICIES / "policy0" / "scaling_governor").write_text("schedutil\n")
    assert journal.recover() == {}
    assert governors(root)[0] == "schedutil\n"
    assert not (tmp_path / "state" / NAME).exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"boot": 1}', '{"boot": "", "old": 3}'])
def test_a_torn_journal_is_put_aside_and_stops_nobody(root, tmp_path, content):
    journal = left(root, tmp_path)
    (tmp_path / "state" / NAME).write_text(content)
    assert journal.recover() == {}
    assert (tmp_path / "state" / (NAME + ".corrupt")).read_text() == content
    with opened(str(tmp_path / "state"), str(root)) as again:
        again.change(f"/{POLICIES}/policy4/scaling_governor", "performance")
    assert governors(root)[1] == "powersave\n"


def test_the_journals_text_alone_restores_and_says_what(root, tmp_path):
    """As `secateur doctor` runs it, with no agent on the board."""
    target = tmp_path / "setting"
    target.write_text("ondemand\n")
    journal = Journal(str(tmp_path / "state"), "")
    journal.change(str(target), "performance")
    journal.close()
    source = (SOURCE / "journal.py").read_text()
    command = [sys.executable, "-I", "-c", source, str(tmp_path / "state")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"restored": {str(target): "ondemand\n"}, "left": {}}
    assert target.read_text() == "ondemand\n"


CHANGER = """
import sys
sys.path.insert(0, sys.argv[1])
from pipeline.agent.journal import Journal
journal = Journal(sys.argv[2], sys.argv[3])
paths = sys.argv[4:]
while True:
    for value in ("performance", "powersave", "userspace"):
        for path in paths:
            journal.change(path, value)
    journal.restore()
"""


@pytest.mark.parametrize("seed", range(12))
def test_kill_9_at_any_moment_loses_no_setting(root, tmp_path, seed):
    """Changes and restores in a loop; the kill comes at a seeded moment in the midst of them."""
    paths = [f"/{POLICIES}/{policy}/scaling_governor" for policy in ("policy0", "policy4")]
    folder = str(tmp_path / "state")
    command = [sys.executable, "-c", CHANGER, str(ROOT), folder, str(root), *paths]
    changer = subprocess.Popen(command)
    assert boards.eventually(lambda: (tmp_path / "state").exists())
    time.sleep(random.Random(seed).uniform(0, 0.05))
    changer.kill()
    changer.wait()
    Journal(folder, str(root)).recover()
    assert governors(root) == ["ondemand\n", "powersave\n"]
    assert not (tmp_path / "state" / NAME).exists()
