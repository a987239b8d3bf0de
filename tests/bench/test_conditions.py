"""Raw texts of a board as its state; what it does not tell stays missing."""

from __future__ import annotations

from pipeline.bench.conditions import conditions, machine, texts_of
from pipeline.bench.records import Conditions

# Synthesised after proc(5), the kernel's cpufreq and thermal sysfs, and Raspberry Pi's vcgencmd.
POLICY = "/sys/devices/system/cpu/cpufreq/policy0"
PI = {
    "uname": "Linux kitchen 6.6.31+rpt-rpi-2712 #1 SMP PREEMPT Debian 1:6.6.31-1 aarch64",
    "/proc/loadavg": "0.31 0.20 0.10 1/180 4321\n",
    "/proc/cpuinfo": "".join(
        f"processor\t: {n}\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\n" for n in range(4)
    ),
    "/proc/meminfo": "MemTotal: 8245760 kB\nMemAvailable:    7000000 kB\n"
    "SwapTotal:        204784 kB\nSwapFree:         200000 kB\n",
    "/proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian"\n',
    "/proc/stat": "cpu  100 5 50 800 20 3 2 0 0 0",
    f"{POLICY}/scaling_governor": "ondemand\n",
    f"{POLICY}/scaling_cur_freq": "2400000\n",
    "/sys/class/thermal/thermal_zone0/temp": "51250\n",
    "/sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "vcgencmd get_throttled": "throttled=0x50000\n",
}
EVENTS = [
    {"event": "facts", "when": "before", "texts": PI},
    {"event": "process", "index": 0, "arm": "a", "runtime": "tflite-runtime 2.14.0"},
]


def test_a_pi_tells_its_state() -> None:
    assert conditions(PI) == Conditions(
        load_1min=0.31,
        governors={"policy0": "ondemand"},
        clock_mhz={"policy0": 2400.0},
        temperature_c={"cpu-thermal": 51.25},
        memory_available_kib=7_000_000,
        swap_used_kib=4_784,
        throttled=0x50000,
        busy_ticks=160,
        idle_ticks=820,
    )


def test_a_board_that_tells_nothing_has_no_figures() -> None:
    assert conditions({}) == Conditions()
    assert set(Conditions().model_dump().values()) == {None}


def test_garbage_is_not_a_figure() -> None:
    zone = "/sys/class/thermal/thermal_zone0/temp"
    texts = {"/proc/meminfo": "?", "/proc/stat": "intr 1 2", zone: "N/A", "/proc/cpuinfo": "\n"}
    assert conditions(texts) == Conditions()


def test_the_machine_is_named_with_its_software() -> None:
    board = machine(EVENTS, "pi5", "tflite-runtime")
    assert (board.name, board.cpu, board.cpus) == ("kitchen", "Cortex-A76", 4)
    assert board.model == "Raspberry Pi 5 Model B Rev 1.0"
    assert (board.kernel, board.os) == ("6.6.31+rpt-rpi-2712", "Debian GNU/Linux 12 (bookworm)")
    assert board.runtime_version == "2.14.0"
    assert board.agent and len(board.agent) == 64


def test_an_x86_machine_names_its_model() -> None:
    texts = {"/proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC 7B13\n"}
    events = [{"event": "facts", "when": "before", "texts": texts}]
    assert machine(events, "local", "tensorflow").cpu == "AMD EPYC 7B13"


def test_a_silent_agent_leaves_the_targets_name() -> None:
    board = machine([], "pi5", "tensorflow")
    assert (board.name, board.cpu, board.kernel, board.runtime_version) == ("pi5", None, None, None)


def test_the_moment_is_told_apart() -> None:
    assert texts_of(EVENTS, "before") == PI
    assert texts_of(EVENTS, "after") == {}
