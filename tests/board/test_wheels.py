"""Which wheels a Python takes: by its version, binary interface, machine and libc, never more."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.board.interpreter import Interpreter, interpreters
from pipeline.board.shell import Shell
from pipeline.board.wheels import PUBLISHED, Choice, choose, platforms
from pipeline.errors import Refused
from tests.agent import boards

BOTH = ("ai-edge-litert", "tflite-runtime")
MACHINES = ("aarch64", "armv7l", "armv6l", "x86_64", "riscv64", "i686")


def python(
    minor: int, machine: str = "aarch64", libc: str = "glibc 2.36", **packages: str
) -> Interpreter:
    name, _, version = libc.partition(" ")
    named = {key.replace("_", "-"): value for key, value in packages.items()}
    return Interpreter(
        f"/usr/bin/python3.{minor}", (3, minor), "cpython", f"cp3{minor}", machine,
        (name, version), named,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "pins"),
    [
        (python(11), ("ai-edge-litert==2.3.0", "numpy==2.4.6")),  # Bookworm
        (python(13, libc="glibc 2.41"), ("ai-edge-litert==2.3.0", "numpy==2.4.6")),  # Trixie
        (python(10, libc="glibc 2.35"), ("ai-edge-litert==2.3.0", "numpy==2.2.6")),  # Ubuntu 22.04
        (python(12, libc="glibc 2.39"), ("ai-edge-litert==2.3.0", "numpy==2.4.6")),  # Ubuntu 24.04
        (python(9, libc="glibc 2.31"), ("ai-edge-litert==2.1.0", "numpy==2.0.2")),  # Bullseye
        (python(11, "armv7l", numpy="1.24.2"), ("tflite-runtime==2.14.0",)),  # 32-bit Bookworm
    ],
)
def test_images_that_people_have(one: Interpreter, pins: tuple[str, ...]) -> None:
    assert choose([one], BOTH, board="b").pins == pins


def test_the_older_runtime_gets_the_older_numpy() -> None:
    pins = choose([python(11)], ["tflite-runtime"], board="b").pins
    assert pins == ("tflite-runtime==2.14.0", "numpy==1.26.4")


@pytest.mark.parametrize(
    ("one", "said", "fix"),
    [
        (python(13, "armv7l"), "Python 3.13 on armv7l, glibc 2.36", "3.9, 3.10, 3.11"),
        (python(13, "armv7l"), "no wheel of", "or a 64-bit one"),
        (python(11, "armv7l"), "no wheel of", "apt install python3-numpy"),
        (python(11, "armv7l", numpy="2.1.0"), "no wheel of", "numpy 1.23 to 1.26"),
        (python(12, libc="musl"), "on aarch64, musl", "use an image with glibc"),
        (python(8), "too old, the agent needs Python 3.9", "newer image"),
        (python(14), "Python 3.14 on aarch64", "with Python 3.9, 3.10, 3.11, 3.12, 3.13"),
        (python(11, libc="glibc 2.24"), "glibc 2.24", "glibc 2.27 or newer"),
        (python(11, "riscv64"), "on riscv64", "wheels exist for aarch64, armv7l, x86_64"),
        (python(11, "armv6l"), "on armv6l", "wheels exist for aarch64, armv7l, x86_64"),
        (replace(python(13), abi="cp313t"), "Python 3.13t", "3.13"),
    ],
)
def test_where_nothing_fits_it_says_what_would(one: Interpreter, said: str, fix: str) -> None:
    with pytest.raises(Refused) as caught:
        choose([one], BOTH, board="the pi")
    assert said in str(caught.value)
    assert "the pi" in str(caught.value)
    assert fix in caught.value.fix


def test_no_python_at_all() -> None:
    with pytest.raises(Refused, match="no Python 3") as caught:
        choose([], BOTH, board="b")
    assert "apt install python3" in caught.value.fix


def test_a_runtime_that_the_image_came_with_is_used_as_it_is() -> None:
    one = python(12, "armv7l", ai_edge_litert="2.0.0", numpy="1.26.4")
    assert choose([one], BOTH, board="b") == Choice("ai-edge-litert", one, ())


def test_a_second_python_is_taken_where_the_first_has_no_wheel() -> None:
    choice = choose([python(14), python(11)], BOTH, board="b")
    assert choice.python.version == (3, 11)


pythons = st.builds(
    python,
    st.integers(6, 15),
    st.sampled_from(MACHINES),
    st.one_of(st.integers(17, 45).map(lambda n: f"glibc 2.{n}"), st.sampled_from(["musl", "?"])),
)


@given(st.lists(pythons, max_size=4))
def test_what_is_chosen_was_published_for_just_this_python(found: list[Interpreter]) -> None:
    try:
        choice = choose(found, BOTH, board="b")
    except Refused as problem:
        assert problem.fix
        assert not any(fits(one, p) for one in PUBLISHED for p in found if p.machine != "armv7l")
        return
    assert choice.python in found
    versions = [f"{one.runtime}=={one.version}" for one in PUBLISHED if fits(one, choice.python)]
    assert choice.pins[0] in versions
    numpy = dict(pin.split("==") for pin in choice.pins)["numpy"]
    assert numpy.startswith("1.") == (choice.runtime == "tflite-runtime")
    first = next(
        p for p in found if any(fits(o, p) for o in PUBLISHED if o.runtime == choice.runtime)
    )
    assert choice.python == first
    tags = platforms(choice.python)
    assert all(tag.endswith(f"_{choice.python.machine}") for tag in tags)
    assert max(int(tag.split("_")[2]) for tag in tags[:-1]) == choice.python.glibc[1]  # type: ignore[index]


def fits(one, found: Interpreter) -> bool:  # type: ignore[no-untyped-def]
    oldest, glibc = one.glibc.get(found.machine), found.glibc
    return bool(oldest and glibc and glibc >= oldest and found.version in one.pythons)


def test_every_python_here_describes_itself(shell: Shell, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Also one that is too old for us: it must be able to say so."""
    root = Path.home() / ".pyenv/versions"
    old = sorted(root.glob("3.[678].*/bin/python3"))
    for number, path in enumerate([*old, *boards.interpreters().values()]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "python3").symlink_to(path)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        found = interpreters(shell)[0]
        assert found.abi.startswith(f"cp3{found.version[1]}")
        assert found.libc[0] in ("glibc", "musl")
    assert found.machine in MACHINES
    assert any(p.version == sys.version_info[:2] for p in interpreters(shell))
