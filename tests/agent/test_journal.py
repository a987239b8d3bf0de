"""Settings come back byte for byte, at the end and after kill -9, on a sysfs of plain files."""

import json
import sys

import pytest

from pipeline.agent.journal import NAME, Journal, opened
from tests.agent import boards
from tests.agent.test_process import HANG

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


def test_after_kill_9_the_next_agent_restores(python, start, root, tmp_path, home):
    site = boards.fake_runtime(tmp_path / "site", HANG)
    agent = start(python)
    agent.send(boards.failing(site, **settings(root, tmp_path)))
    assert boards.eventually(lambda: len(boards.running(str(home))) == 2)
    agent.process.kill()
    agent.process.wait()
    assert governors(root) == ["performance", "performance"]
    after = start(python)
    after.send(boards.spec("facts", **settings(root, tmp_path, governor=None)))
    assert [e["event"] for e in after.events()] == ["facts", "done"]
    assert governors(root) == ["ondemand\n", "powersave\n"]


def test_a_cancelled_agent_restores_before_it_leaves(start, root, tmp_path, home):
    agent = start(sys.executable)
    site = boards.fake_runtime(tmp_path / "site", HANG)
    agent.send(boards.failing(site, **settings(root, tmp_path)))
    assert boards.eventually(lambda: len(boards.running(str(home))) == 2)
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
    assert json.loads((tmp_path / "state" / NAME).read_text()) == {setting: "ondemand\n"}
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
