"""Which wheels a board's Python takes: a table of what was published, and the choice from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.board.interpreter import OLDEST, Interpreter, recent
from pipeline.errors import Refused

Version = tuple[int, int]


@dataclass(frozen=True)
class Published:
    """One version of a runtime: the Pythons and machines that have a wheel, and what it imports.

    `glibc` is the oldest one each machine's wheel runs on (the manylinux tag); `numpy` the pin by
    Python, "" for any other. tflite-runtime was built against numpy 1 and dies under 2.
    """

    runtime: str
    version: str
    pythons: Sequence[Version]
    glibc: Mapping[str, Version]
    numpy: Mapping[Version | None, str]

    @property
    def numpy_major(self) -> Sequence[int]:
        """Majors of numpy it runs with."""
        return (1,) if self.runtime == "tflite-runtime" else (1, 2)


# As the package index has them, November 2026.
LITERT_GLIBC: Mapping[str, Version] = {"aarch64": (2, 27), "x86_64": (2, 27)}
PUBLISHED = (
    Published(
        "ai-edge-litert", "2.3.0", ((3, 10), (3, 11), (3, 12), (3, 13)), LITERT_GLIBC,
        {(3, 10): "2.2.6", None: "2.4.6"},
    ),
    Published("ai-edge-litert", "2.1.0", ((3, 9),), LITERT_GLIBC, {None: "2.0.2"}),
    Published(
        "tflite-runtime", "2.14.0", ((3, 9), (3, 10), (3, 11)),
        {"aarch64": (2, 34), "armv7l": (2, 34), "x86_64": (2, 17)}, {None: "1.26.4"},
    ),
)  # fmt: skip
WITHOUT_NUMPY = ("armv7l",)  # no wheel of numpy: the board's own has to do


@dataclass(frozen=True)
class Choice:
    """What runs a runtime on a board: a Python, and the wheels it needs beside it.

    No pins: the Python has all of it already.
    """

    runtime: str
    python: Interpreter
    pins: tuple[str, ...]


def choose(pythons: Sequence[Interpreter], runtimes: Sequence[str], *, board: str) -> Choice:
    """The first runtime, under the first Python, that has wheels for it, or has it already.

    Raises:
        Refused: there is none; the message says why, and what would work.
    """
    for runtime in runtimes:
        for python in pythons:
            choice = _by_wheels(python, runtime) or _as_it_is(python, runtime)
            if choice is not None:
                return choice
    raise _none(pythons, runtimes, board)


def platforms(python: Interpreter) -> list[str]:
    """Platform tags (PEP 600) that its libc runs, newest first."""
    assert python.glibc is not None
    newest = python.glibc[1]
    names = [f"manylinux_2_{minor}_{python.machine}" for minor in range(newest, 16, -1)]
    return [*names, f"manylinux2014_{python.machine}"]


def _by_wheels(python: Interpreter, runtime: str) -> Choice | None:
    for one in PUBLISHED:
        if one.runtime == runtime and _fits(one, python):
            pin = f"{runtime}=={one.version}"
            if python.machine not in WITHOUT_NUMPY:
                numpy = one.numpy.get(python.version, one.numpy[None])
                return Choice(runtime, python, (pin, f"numpy=={numpy}"))
            if _numpy_major(python) in one.numpy_major:
                return Choice(runtime, python, (pin,))
    return None


def _fits(one: Published, python: Interpreter) -> bool:
    """Whether it has a wheel of this Python's version, binary interface, machine and libc."""
    oldest = one.glibc.get(python.machine)
    plain = python.implementation == "cpython" and python.abi == "cp{}{}".format(*python.version)
    if oldest is None or python.glibc is None:
        return False
    return plain and python.version in one.pythons and python.glibc >= oldest


def _as_it_is(python: Interpreter, runtime: str) -> Choice | None:
    """What the image came with: some have a runtime built for them (Yocto, JetPack)."""
    there = python.version >= OLDEST and {runtime, "numpy"} <= set(python.packages)
    return Choice(runtime, python, ()) if there else None


def _numpy_major(python: Interpreter) -> int | None:
    version = python.packages.get("numpy", "")
    return int(version.partition(".")[0]) if version else None


def _none(pythons: Sequence[Interpreter], runtimes: Sequence[str], board: str) -> Refused:
    python = recent(pythons, board=board)
    return Refused(
        f"{python}: no wheel of {' or '.join(runtimes)} fits", where=board,
        fix=_way_out(python, runtimes),
    )  # fmt: skip


def _way_out(python: Interpreter, runtimes: Sequence[str]) -> str:
    """What to change on the board, the nearest thing first."""
    known = [one for one in PUBLISHED if one.runtime in runtimes]
    fitting = [one for one in known if python.machine in one.glibc]
    if not fitting:
        machines = sorted({machine for one in known for machine in one.glibc})
        return f"wheels exist for {', '.join(machines) or 'none of them'}; use such a board"
    if python.glibc is None:
        return "use an image with glibc (Debian, Ubuntu, Raspberry Pi OS), not with musl"
    usable = [one for one in fitting if python.glibc >= one.glibc[python.machine]]
    if not usable:
        least = min(one.glibc[python.machine] for one in fitting)
        return f"use a newer image: the wheels need glibc {least[0]}.{least[1]} or newer"
    if any(python.version in one.pythons for one in usable) and python.machine in WITHOUT_NUMPY:
        return "install numpy 1.23 to 1.26 on the board: `sudo apt install python3-numpy`"
    versions = sorted({version for one in usable for version in one.pythons})
    names = ", ".join(f"3.{minor}" for _, minor in versions)
    also = ", or a 64-bit one" if python.machine in WITHOUT_NUMPY else ""
    return f"there are wheels for {python.machine} with Python {names}: use such an image{also}"
