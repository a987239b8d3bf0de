"""Slots: whatever happens meanwhile, a reader of `current` sees one whole release."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.board.local import Local
from pipeline.board.release import Release, release
from pipeline.board.shell import Shell
from pipeline.board.slots import Hooks, Slot
from pipeline.errors import BoardUnreachable, Refused
from tests.agent import boards


def made(folder: Path, text: str, size: int = 5000) -> Release:
    """Two files and one below a folder, all of them of this text."""
    place = folder / f"made-{text}"
    (place / "more").mkdir(parents=True, exist_ok=True)
    names = ("model.tflite", "labels.txt", "more/notes.txt")
    for name in names:
        (place / name).write_bytes((text + name).encode() * size)
    return release({name: place / name for name in names}, {"name": text})


def current(slot: Slot) -> Path:
    return Path(slot.folder) / "current"


def now(slot: Slot) -> str:
    link = current(slot)
    return link.readlink().name if link.is_symlink() else ""


def whole(folder: Path) -> str:
    """Digest of the release in a folder, whose every byte has been checked."""
    manifest = (folder / "manifest.json").read_bytes()
    for name, entry in json.loads(manifest)["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"]
    return hashlib.sha256(manifest).hexdigest()


def test_a_push_is_not_seen_until_it_is_published(slot: Slot, tmp_path: Path) -> None:
    one = made(tmp_path, "one")
    slot.push(one)
    assert now(slot) == ""
    assert [(r.digest, r.state) for r in slot.releases()] == [(one.digest, "")]
    assert slot.publish(None, Hooks()).digest == one.digest == whole(current(slot))
    two = made(tmp_path, "two")
    slot.push(two)
    assert now(slot) == one.digest
    slot.publish(two.digest[:8], Hooks())
    assert [r.state for r in slot.releases()] == ["current", "previous"]
    assert slot.releases()[0].size_bytes == sum(p.stat().st_size for p in two.files.values())


def test_rollback_goes_back_step_by_step_and_then_refuses(slot: Slot, tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two", "three"):
        slot.push(made(tmp_path, name))
        digests.append(slot.publish(None, Hooks()).digest)
    for expected in reversed(digests[:-1]):
        assert slot.rollback(Hooks()).digest == expected == now(slot)
    with pytest.raises(Refused, match="no earlier release"):
        slot.rollback(Hooks())
    slot.publish(digests[2], Hooks())
    assert slot.rollback(Hooks()).digest == digests[0]


def test_a_failing_health_command_takes_the_release_back(slot: Slot, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    restart = f"cat current/labels.txt | head -c 3 >> '{seen}'; echo >> '{seen}'"
    slot.push(made(tmp_path, "one"))
    first = slot.publish(None, Hooks(on_publish=restart, health_cmd="true"))
    slot.push(made(tmp_path, "two"))
    with pytest.raises(Refused, match="health_cmd failed with exit code 7: it is ill") as caught:
        slot.publish(None, Hooks(restart, "echo it is ill; exit 7"))
    assert "fix:" in str(caught.value)
    assert now(slot) == first.digest == whole(current(slot))
    assert seen.read_text().split() == ["one", "two", "one"]
    with pytest.raises(Refused, match="no earlier release"):
        slot.rollback(Hooks())


def test_a_first_release_that_fails_leaves_no_current(slot: Slot, tmp_path: Path) -> None:
    slot.push(made(tmp_path, "one"))
    with pytest.raises(Refused, match="on_publish failed"):
        slot.publish(None, Hooks(on_publish="false"))
    assert not os.path.lexists(current(slot))


def test_a_hook_that_hangs_is_ended_and_counts_as_failed(slot: Slot, tmp_path: Path) -> None:
    slot.push(made(tmp_path, "one"))
    hang = f"sleep 1000; echo {tmp_path}"
    with pytest.raises(Refused, match="health_cmd was killed after 1 s"):
        slot.publish(None, Hooks(health_cmd=hang, timeout_s=1))
    assert not boards.running(str(tmp_path))
    assert now(slot) == ""


def test_a_damaged_release_is_not_published_and_a_push_mends_it(slot: Slot, tmp_path: Path) -> None:
    one, two = made(tmp_path, "one"), made(tmp_path, "two")
    slot.push(one)
    slot.publish(None, Hooks())
    place = Path(slot.push(two))
    (place / "labels.txt").write_bytes(b"x" * (place / "labels.txt").stat().st_size)
    with pytest.raises(Refused, match=r"labels\.txt is missing or damaged"):
        slot.publish(None, Hooks())
    assert now(slot) == one.digest
    slot.push(two)
    (place / "manifest.json").unlink()
    with pytest.raises(Refused, match=r"manifest\.json is missing or damaged"):
        slot.publish(two.digest, Hooks())
    slot.push(two)
    assert slot.publish(None, Hooks()).digest == two.digest == whole(current(slot))


def test_a_release_that_is_not_there_is_refused(slot: Slot, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="nothing pushed"):
        slot.publish(None, Hooks())
    slot.push(made(tmp_path, "one"))
    with pytest.raises(Refused, match="no releases begin with zz"):
        slot.publish("zz", Hooks())


def test_old_releases_go_but_not_the_current_and_the_one_before(slot: Slot, tmp_path: Path) -> None:
    first = made(tmp_path, "first", 1)
    slot.push(first)
    slot.publish(None, Hooks())
    pushed = []
    for number in range(8):
        pushed.append(made(tmp_path, f"r{number}", 1))
        os.utime(slot.push(pushed[-1]), (number + 1e9, number + 1e9))
    slot.publish(pushed[0].digest, Hooks())
    left = {one.digest for one in slot.releases()}
    assert {first.digest, pushed[0].digest, pushed[-1].digest} <= left
    assert len(left) <= 6
    assert slot.rollback(Hooks()).digest == first.digest


class Cut(Local):
    """A line that breaks at the n-th call, in the middle of what that call writes."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def _use(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise BoardUnreachable("the line is cut", fix="mend it")

    def exec(self, command, *, timeout_s):  # type: ignore[no-untyped-def]
        self._use()
        return super().exec(command, timeout_s=timeout_s)

    def put(self, data, path, *, offset):  # type: ignore[no-untyped-def]
        if self.left == 0:
            super().put(data[: len(data) // 2], path, offset=offset)
        self._use()
        super().put(data, path, offset=offset)


def test_a_push_that_is_cut_anywhere_is_never_seen_and_a_retry_converges(
    slot: Slot, tmp_path: Path
) -> None:
    one, two = made(tmp_path, "one"), made(tmp_path, "two")
    slot.push(one)
    slot.publish(None, Hooks())
    root, name = slot.folder.parent, slot.folder.name
    for calls in range(200):
        try:
            Slot(Shell(Cut(calls), "cut"), root, name).push(two)
        except BoardUnreachable:
            assert whole(current(slot)) == one.digest
            assert [r.digest for r in slot.releases()] in ([one.digest], [two.digest, one.digest])
            continue
        break
    assert 5 < calls < 190
    assert slot.publish(two.digest, Hooks()).digest == whole(current(slot))
    assert not list(Path(slot.folder).glob(".push.*"))


class Dying(Local):
    """A board whose power goes as a script starts its n-th command: nothing after it happens."""

    def __init__(self, ticks: Path, steps: int) -> None:
        self.ticks, self.steps = ticks, steps
        ticks.write_text("")

    def exec(self, command, *, timeout_s):  # type: ignore[no-untyped-def]
        count = f"echo >> '{self.ticks}'; [ $(wc -l < '{self.ticks}') -lt {self.steps} ]"
        tools = "".join(f'{t}() {{ tick; command {t} "$@"; }}; ' for t in TOOLS)
        script = f"tick() {{ {count} || kill -9 $$; }}; {tools}{command[2]}"
        return super().exec([*command[:2], script, *command[3:]], timeout_s=timeout_s)


def test_a_board_that_dies_anywhere_in_a_publish_is_mended_by_a_retry(
    slot: Slot, tmp_path: Path
) -> None:
    one, two = made(tmp_path, "one", 1), made(tmp_path, "two", 1)
    for each in (one, two):
        slot.push(each)
    slot.publish(one.digest, Hooks())
    for steps in range(1, 60):
        dying = Shell(Dying(tmp_path / "ticks", steps), "dying")
        try:
            Slot(dying, slot.folder.parent, slot.folder.name).publish(two.digest, Hooks())
        except Refused:
            assert whole(current(slot)) in (one.digest, two.digest)
        else:
            break
        assert slot.publish(two.digest, Hooks()).digest == whole(current(slot))
        assert slot.rollback(Hooks()).digest == one.digest == whole(current(slot))
    assert 10 < steps < 55


TOOLS = ("ln", "mv", "rm", "sync", "ls", "sha256sum", "readlink")
READER = """
import hashlib, json, os, sys
link, stop = sys.argv[1:]
seen, count = set(), 0
while not os.path.exists(stop):
    folder = os.path.realpath(link)
    manifest = open(folder + "/manifest.json", "rb").read()
    for name, entry in json.loads(manifest)["files"].items():
        data = open(folder + "/" + name, "rb").read()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"], name
    digest = hashlib.sha256(manifest).hexdigest()
    assert folder.endswith(digest), folder
    seen.add(digest)
    count += 1
print(json.dumps([count, sorted(seen)]))
"""


def test_a_reader_that_never_stops_sees_only_whole_releases(slot: Slot, tmp_path: Path) -> None:
    one, two = made(tmp_path, "one"), made(tmp_path, "two")
    for each in (one, two):
        slot.push(each)
    slot.publish(one.digest, Hooks())
    command = [sys.executable, "-I", "-c", READER, str(current(slot)), str(tmp_path / "stop")]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(5):
            with pytest.raises(Refused, match="health_cmd failed"):
                slot.publish(two.digest, Hooks(health_cmd="sleep 0.1; false"))
            assert now(slot) == one.digest
            slot.push(two)
            slot.publish(two.digest, Hooks(health_cmd="true"))
            slot.rollback(Hooks())
    finally:
        (tmp_path / "stop").touch()
    count, seen = json.loads(reader.communicate(timeout=30)[0])
    assert reader.returncode == 0
    assert count > 20
    assert set(seen) == {one.digest, two.digest}


def test_two_pushes_of_one_release_at_once_end_whole(slot: Slot, tmp_path: Path) -> None:
    one = made(tmp_path, "one", 200_000)
    threads = [threading.Thread(target=slot.push, args=[one]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert slot.publish(None, Hooks()).digest == one.digest == whole(current(slot))
