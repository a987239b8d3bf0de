"""The board's condition as raw texts; the host parses them."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import time

from . import clocks, sensors
from .protocol import Channel
from .texts import read

FILES = (
    "/proc/loadavg",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/swaps",
    "/proc/device-tree/model",
    "/etc/os-release",
    "/sys/class/dmi/id/product_name",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/cpufreq/policy*/affected_cpus",
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_cur_freq",
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_min_freq",
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq",
    "/sys/devices/system/cpu/cpufreq/policy*/cpuinfo_max_freq",
    "/sys/devices/system/cpu/cpufreq/policy*/stats/time_in_state",
    "/sys/class/thermal/thermal_zone*/type",
    "/sys/class/thermal/thermal_zone*/temp",
    "/sys/class/thermal/cooling_device*/type",
    "/sys/class/thermal/cooling_device*/cur_state",
    "/sys/class/hwmon/hwmon*/name",
    "/sys/class/hwmon/hwmon*/in0_lcrit_alarm",
    "/proc/sys/kernel/random/boot_id",
)
FIRST_LINES = ("/proc/stat",)
COMMANDS = ("vcgencmd get_throttled",)
COMMAND_TIMEOUT_S = 5


def send(channel: Channel, when: str, root: str) -> None:
    """Send `facts`: {path or command: text}. What the board does not have is not in it."""
    channel.send(
        "facts",
        when=when,
        t_ns=time.perf_counter_ns(),
        time_s=time.time(),
        clocks=clocks.together(),
        texts=texts(root),
        sensors=sensors.present(root),
    )


def texts(root: str) -> dict[str, str]:
    """Files below `root` (a prefix, "" for the board itself) by their path, and command output."""
    found = {"uname": " ".join(os.uname())}
    for pattern in (*FILES, *FIRST_LINES):
        for path in sorted(glob.glob(root + pattern)):
            text = read(path)
            if text is not None:
                name = path[len(root) :]
                found[name] = text.partition("\n")[0] if name in FIRST_LINES else text
    for command in COMMANDS:
        text = output(command)
        if text is not None:
            found[command] = text
    return found


def output(command: str) -> str | None:
    """Stdout of a command, None when there is no such command or it fails."""
    name, *arguments = command.split()
    program = shutil.which(name)
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace")
