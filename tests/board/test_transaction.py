"""A publish as a transaction: half-done ones are taken back, old ones go, order is no time."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from pipeline.board.local import Local
from pipeline.board.release import Release, release
from pipeline.board.shell import Shell
from pipeline.board.slots import Hooks, Keep, Slot
from pipeline.errors import BoardUnreachable, Refused
from tests.board.test_slots import Dying, current, made, now, whole
from tests.board.test_upload import mounted


def half_done(slot: Slot, tried: str, old: str) -> None:
    """What a power cut between the flip and the end of the health command leaves."""
    folder = Path(slot.folder)
    (folder / ".undo").symlink_to(f"releases/{old}")
    (folder / "current").unlink(missing_ok=True)
    (folder / "current").symlink_to(f"releases/{tried}")


@pytest.fixture
def two(slot: Slot, tmp_path: Path) -> tuple[Release, Release]:
    """Two releases there, the first of them current."""
    one, two = made(tmp_path, "one", 1), made(tmp_path, "two", 1)
    for each in (one, two):
        slot.push(each)
    slot.publish(one.digest, Hooks())
    return one, two


def test_any_command_takes_a_half_done_publish_back(
    slot: Slot, two: tuple[Release, Release], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = two
    seen = tmp_path / "restarted"
    hooks = Hooks(on_publish=f"readlink current >> {seen}")
    commands: list[Callable[[], object]] = [
        lambda: slot.releases(hooks),
        lambda: slot.push(other, hooks),
        lambda: slot.publish("zz", hooks),
        lambda: slot.rollback(hooks),
    ]
    for command in commands:
        half_done(slot, other.digest, one.digest)
        with contextlib.suppress(Refused):  # there is no such release, and none before
            command()
        assert now(slot) == one.digest == whole(current(slot))
        assert not (Path(slot.folder) / ".undo").is_symlink()
        assert f"{other.digest[:12]} was cut short" in capsys.readouterr().err
    assert seen.read_text().split() == [f"releases/{one.digest}"] * len(commands)


def test_a_first_publish_that_was_cut_leaves_nothing_current(slot: Slot, tmp_path: Path) -> None:
    one = made(tmp_path, "one", 1)
    slot.push(one)
    half_done(slot, one.digest, "")
    assert [r.state for r in slot.releases()] == [""]
    assert not os.path.lexists(current(slot))
    assert slot.publish(None, Hooks()).digest == whole(current(slot))


def test_a_retry_of_a_half_done_publish_converges(slot: Slot, two: tuple[Release, Release]) -> None:
    one, other = two
    half_done(slot, other.digest, one.digest)
    assert slot.publish(other.digest, Hooks()).digest == other.digest == now(slot)
    assert slot.rollback(Hooks()).digest == one.digest


def test_a_health_command_that_fails_again_leaves_what_was_current(
    slot: Slot, two: tuple[Release, Release]
) -> None:
    one, _ = two
    with pytest.raises(Refused, match="what was current on the board is so still"):
        slot.publish(one.digest, Hooks(health_cmd="false"))
    assert now(slot) == one.digest


def test_going_back_needs_no_space_on_the_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m") as disk:
        slot = Slot(Shell(Local(), "b"), PurePosixPath(disk), "app")
        one, two = made(tmp_path, "one", 1), made(tmp_path, "two", 1)
        for each in (one, two):
            slot.push(each)
        slot.publish(one.digest, Hooks())
        fill = "cat /dev/zero > ../filler; exit 3"
        with pytest.raises(Refused, match="health_cmd failed with exit code 3"):
            slot.publish(two.digest, Hooks(health_cmd=fill))
        assert now(slot) == one.digest == whole(current(slot))
        (disk / "filler").unlink()
        assert slot.publish(two.digest, Hooks()).digest == now(slot)


def test_a_clock_that_jumps_changes_neither_order_nor_what_stays(
    slot: Slot, tmp_path: Path
) -> None:
    digests = []
    for number, year in enumerate((2040, 2001, 2020, 1990)):
        one = made(tmp_path, f"r{number}", 1)
        place = Path(slot.push(one))
        digests.append(one.digest)
        moment = time.time() + (year - 2026) * 365 * 24 * 3600
        for path in (*Path(slot.folder).rglob("*"), place):
            os.utime(path, (moment, moment), follow_symlinks=False)
    assert [r.digest for r in slot.releases()] == digests[::-1]
    assert slot.publish(None, Hooks()).digest == digests[-1]
    assert [r.digest for r in slot.releases()] == digests[::-1]


def test_releases_are_kept_under_a_number_of_bytes(tmp_path: Path) -> None:
    root = PurePosixPath(tmp_path)
    slot = Slot(Shell(Local(), "b"), root, "app", keep=Keep(count=10, size_mb=1))
    made_of = [made(tmp_path, f"r{n}", 8_000) for n in range(6)]  # some 350 KB each
    for each in made_of[:3]:
        slot.push(each)
        slot.publish(None, Hooks())
    for each in made_of[3:]:
        slot.push(each)
    left = [r.digest for r in slot.releases()]
    kept = {made_of[1].digest, made_of[2].digest, made_of[-1].digest}
    assert kept <= set(left) and len(left) < 6
    assert slot.rollback(Hooks()).digest == made_of[1].digest


def test_old_releases_make_room_on_a_small_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=2m") as disk:
        slot = Slot(Shell(Local(), "b"), PurePosixPath(disk), "app")
        for number in range(6):  # some 350 KB each
            slot.push(made(tmp_path, f"r{number}", 8_000))
            assert slot.publish(None, Hooks()).digest == whole(current(slot))
        assert 2 <= len(slot.releases()) <= 5


def test_hidden_files_of_a_release_stay(slot: Slot, tmp_path: Path) -> None:
    (tmp_path / ".labels").write_text("cat")
    one = release({".labels": tmp_path / ".labels"}, {"name": "hidden"})
    place = Path(slot.push(one))
    os.utime(place / ".labels", (0, 0))
    slot.publish(None, Hooks())
    slot.push(made(tmp_path, "two", 1))
    slot.publish(None, Hooks())
    assert (place / ".labels").read_text() == "cat"


def test_two_commands_at_once_take_turns(slot: Slot, two: tuple[Release, Release]) -> None:
    one, other = two
    if not shutil.which("flock"):
        pytest.skip("NO flock: util-linux has it")
    held = "exec 8>> .lock; flock 8; sleep 1000"
    holder = Local().stream(["sh", "-c", f"cd '{slot.folder}'; {held}"])
    try:
        lock = Path(slot.folder) / ".lock"
        assert lock.exists()
        hasty = Hooks(timeout_s=-19)  # waits 3 s for whoever has it
        while True:
            try:
                slot.publish(other.digest, hasty)
            except Refused as problem:
                assert "under way" in str(problem)
                break
        assert now(slot) in (one.digest, other.digest)
        assert {r.digest for r in slot.releases()} == {one.digest, other.digest}
    finally:
        holder.finish(0)


def test_an_answer_that_does_not_arrive_is_no_success(
    slot: Slot, two: tuple[Release, Release]
) -> None:
    class Mute(Local):
        def exec(self, command, *, timeout_s):  # type: ignore[no-untyped-def]
            done = super().exec(command, timeout_s=timeout_s)
            return type(done)(done.status, b"", done.stderr)

    mute = Slot(Shell(Mute(), "mute"), slot.folder.parent, slot.folder.name)
    for call in (mute.releases, lambda: mute.push(two[1]), lambda: mute.publish(None, Hooks())):
        with pytest.raises(BoardUnreachable, match="its answer did not arrive"):
            call()


def test_power_lost_anywhere_is_mended_by_any_command(
    slot: Slot, two: tuple[Release, Release], tmp_path: Path
) -> None:
    one, other = two
    for steps in range(1, 60):
        dying = Shell(Dying(tmp_path / "ticks", steps), "dying")
        try:
            Slot(dying, slot.folder.parent, slot.folder.name).publish(other.digest, Hooks())
            break
        except (Refused, BoardUnreachable):
            assert whole(current(slot)) in (one.digest, other.digest)
        states = {r.state: r.digest for r in slot.releases()}
        assert states["current"] == now(slot) == whole(current(slot))
        assert not (Path(slot.folder) / ".undo").is_symlink()
        if now(slot) == other.digest:  # it was done, only nobody heard of it
            slot.rollback(Hooks())
    assert 10 < steps < 55
