"""What the doctor says of boards that were made up of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.agent.journal import Journal, state_folder
from pipeline.board.doctor.examine import examine, findings
from pipeline.board.doctor.finding import Finding
from pipeline.board.doctor.gather import gather
from pipeline.board.doctor.left import finding
from pipeline.board.interpreter import Interpreter
from pipeline.board.shell import Shell
from pipeline.config.target import load
from tests.board.test_wheels import python

BOOKWORM = python(11)
GOOD = {
    "root": "/home/pi/.local/share/secateur",
    "place": "/home/pi/.local/share/secateur",
    "df": "/dev/mmcblk0p2 30000000 9000000 20000000 31% /",
    "/proc/mounts": "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\ntmpfs /run tmpfs rw 0 0\n",
    "uid": "1000",
    "user": "pi",
    "sudo": "yes",
    "tmp": "yes",
    "uname": "Linux pi 6.6.31 #1 aarch64",
    "/proc/loadavg": "0.05 0.1 0.1 1/100 1",
    "/proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable:    7000000 kB\n",
    "/proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "performance\n",
    "/sys/class/thermal/thermal_zone0/temp": "45000",
    "/sys/class/hwmon/hwmon3/name": "ina226",
    "/sys/class/hwmon/hwmon3/power1_input": "5000000",
    "vcgencmd get_throttled": "throttled=0x0",
}


RUNTIMES = ["ai-edge-litert", "tflite-runtime"]


def said(
    changes: dict[str, str], pythons: Sequence[Interpreter] = (BOOKWORM,)
) -> dict[str, Finding]:
    found = findings({**GOOD, **changes}, pythons, RUNTIMES, name="pi@rpi")
    return {one.check: one for one in found}


def test_a_good_board_has_nothing_to_mend() -> None:
    found = said({})
    assert {one.state for one in found.values()} == {"ok"}
    assert "Raspberry Pi 5 Model B Rev 1.0" in found["connection"].said
    assert "ai-edge-litert==2.3.0" in found["runtime"].said


@pytest.mark.parametrize(
    ("changes", "check", "state", "words", "fix"),
    [
        ({"/proc/mounts": "overlay / overlay rw,lowerdir=/a 0 0"}, "persistent", "warn",
         "overlay on / is an overlay", "root"),
        ({"/proc/mounts": "tmpfs /home tmpfs rw 0 0"}, "persistent", "warn",
         "tmpfs on /home lives in RAM", "root"),
        ({"/proc/mounts": "/dev/sda1 /home vfat rw 0 0",
          "symlink": "ln: Operation not permitted"}, "links", "warn", "vfat knows no", "ext4"),
        ({"/proc/mounts": "/dev/sda1 /home ext4 rw,noexec 0 0"}, "execute", "fail",
         "/home is mounted noexec", "remount,exec"),
        ({"write": "mkdir: Read-only file system", "/proc/mounts": "/dev/x / ext4 ro 0 0"},
         "folder", "fail", "read-only file system", "remount,rw"),
        ({"write": "mkdir: cannot create: Permission denied"}, "folder", "fail",
         "Permission denied", "may write"),
        ({"df": "/dev/x 1000000 950000 50000 95% /"}, "space", "fail", "50 MB free", "free some"),
        ({"df": "/dev/x 1000000 600000 400000 60% /"}, "space", "warn", "400 MB free", "free some"),
        ({"/sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "ondemand\n"}, "governor",
         "warn", "ondemand", "tee /sys/devices"),
        ({"vcgencmd get_throttled": "throttled=0x50005"}, "throttling", "warn",
         "now: under-voltage, throttled", "supply"),
        ({"vcgencmd get_throttled": "throttled=0x20000"}, "throttling", "warn",
         "since its start: frequency capped", "cooling"),
        ({"/sys/class/thermal/thermal_zone0/temp": "78000"}, "temperature",
         "warn", "78 °C", "cool"),
        ({"/proc/loadavg": "1.70 1 1 1/1 1"}, "load", "warn", "1.70 CPUs", "top"),
        ({"/proc/meminfo": "MemAvailable:   90000 kB\n"}, "memory", "warn", "90 MB", "swap"),
        ({"/sys/class/hwmon/hwmon3/name": "cpu_thermal"}, "sensors", "warn", "no power", "INA226"),
        ({"sudo": ""}, "privileges", "warn", "pi, no sudo without a password", "sudoers"),
        ({"tools": "sha256sum\n"}, "tools", "fail", "no sha256sum", "busybox"),
        ({"tmp": ""}, "tools", "fail", "/tmp cannot be written", "chmod"),
    ],
)  # fmt: skip
def test_each_thing_that_ails_is_named_with_its_fix(
    changes: dict[str, str], check: str, state: str, words: str, fix: str
) -> None:
    found = said(changes)[check]
    assert found.state == state
    assert words in found.said
    assert fix in found.fix


def test_what_a_board_does_not_tell_is_not_held_against_it() -> None:
    silent = {name: "" for name in GOOD if name.startswith(("/proc/l", "/proc/mem", "/sys", "vc"))}
    states = {check: one.state for check, one in said(silent).items()}
    assert {check for check, state in states.items() if state != "ok"} == {"sensors"}


def test_root_needs_no_sudo() -> None:
    assert said({"uid": "0", "sudo": ""})["privileges"].said == "root"


def test_python_and_runtime_are_told_apart() -> None:
    assert "no Python 3" in said({}, [])["python"].said
    assert said({}, [python(7)])["python"].state == "fail"
    found = said({}, [python(13, "armv7l")])
    assert (found["python"].state, found["runtime"].state) == ("ok", "fail")
    assert "64-bit" in found["runtime"].fix


def test_the_questions_are_answered_by_a_real_shell(shell: Shell, tmp_path: Path) -> None:
    texts = gather(shell, str(tmp_path / "new root"))
    assert texts["write"] == texts["symlink"] == texts["execute"] == ""
    assert texts["place"].strip() == str(tmp_path.resolve())
    assert len(texts["df"].split()) >= 6
    assert "/proc/mounts" in texts and "/proc/meminfo" in texts
    assert list(tmp_path.glob(".secateur*")) == []


def test_a_folder_below_a_file_cannot_be_written(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "Not a directory" in gather(shell, str(tmp_path / "file/x"))["write"]


def test_this_machine_can_measure() -> None:
    states = {one.check: one.state for one in examine(load("local", flags={}))}
    assert states["connection"] == states["folder"] == "ok"
    assert "privileges" in states


def test_what_a_killed_measurement_left_is_restored_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    setting = tmp_path / "scaling_governor"
    setting.write_text("ondemand\n")
    journal = Journal(state_folder(None), "")
    journal.change(str(setting), "performance")
    journal.close()
    (found,) = [one for one in examine(load("local", flags={})) if one.check == "settings"]
    assert "restored" in found.said and f"{setting} (was ondemand)" in found.said
    assert setting.read_text() == "ondemand\n"


def test_what_cannot_be_restored_is_told_with_the_command() -> None:
    found = finding({"restored": {}, "left": {"/sys/g": "ondemand\n"}})
    assert found.state == "warn"
    assert found.fix == "as root on the board: echo ondemand > /sys/g"
