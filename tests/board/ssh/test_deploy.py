"""Every kind of fault of `make benchmark-deploy`, some of each, over a real sshd."""

from __future__ import annotations

import pytest

from pipeline.board.ssh import wire
from tests.benchmarks.deploy import trial as trials
from tests.benchmarks.deploy.place import opened
from tests.benchmarks.deploy.plan import KINDS, Trial
from tests.board.ssh.servers import program

RESUMED = 1 << 20


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    program()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECATEUR_HOME", str(tmp_path_factory.mktemp("home")))
        with opened(tmp_path_factory.mktemp("deploy") / "place") as place:
            trials.calibrate(place)
            yield place


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_told_in_time_is_never_seen_and_a_retry_converges(
    place, kind, number, monkeypatch
):
    monkeypatch.setattr(wire, "ANSWER_S", 3.0)
    trial = Trial(number, kind, seed=7)
    new = place.payload(trial.chance.randbytes(trial.size), f"new {number}")
    line = trials.one(place, trial, "secateur", new)
    if "skipped" in line:
        pytest.skip(f"NO SMALL DISK: {line['skipped']}")
    assert line["torn"] == 0 and line["looks"] > 1, line
    assert line["converged"], line
    if line["error"]:
        assert line["code"] in (3, 4) and "fix:" in line["error"], line
        assert line["seconds"] <= trials.LIMIT_S, line
    if kind not in ("disk full", "read-only"):
        assert line["resent"] <= RESUMED, line


def test_the_other_client_is_seen_torn_so_the_reader_can_see_it(place):
    trial = Trial(0, "cut", seed=1)
    new = place.payload(bytes(3 << 20), "new")
    assert trials.one(place, trial, "paramiko put", new)["torn"]
