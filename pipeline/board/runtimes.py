"""Which interpreter runs which runtime on this machine; tflite-runtime gets a venv of its own.

Its wheels stop at CPython 3.11, and under numpy 2 it dies: neither fits beside the host's tools.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import Refused
from pipeline.paths import cache_dir
from pipeline.progress import say

IN_OUR_OWN = ("ai-edge-litert", "tensorflow")
OLD = "tflite-runtime"
PINS = ("tflite-runtime==2.14.0", "numpy==1.26.4")
OLD_PYTHONS = ("3.11", "3.10", "3.9")
PROBE = "import sys; print('%d.%d' % sys.version_info[:2])"
TRY = "import numpy, tflite_runtime.interpreter"


def python_for(runtime: str) -> Path:
    """Interpreter that has the runtime; makes tflite-runtime's venv when it is not there yet.

    Raises Refused: unknown runtime, no interpreter that fits, or the packages cannot be had.
    """
    if runtime in IN_OUR_OWN:
        return Path(sys.executable)
    if runtime != OLD:
        raise Refused(f"no runtime {runtime!r}", fix=f"use one of {', '.join((*IN_OUR_OWN, OLD))}")
    folder = cache_dir() / "runtimes" / "-".join(p.replace("==", "-") for p in PINS)
    python = folder / "bin" / "python"
    if not _works(python):
        _make(folder)
    return python


def old_python() -> Path:
    """An interpreter that tflite-runtime has wheels for. Raises Refused."""
    for candidate in _candidates():
        if _version(candidate) in OLD_PYTHONS:
            return candidate
    raise Refused(
        f"{OLD} 2.14 has wheels for Python 3.9 to 3.11 only, and none of them is here",
        fix="install one, e.g. `apt install python3.11 python3.11-venv`, or use ai-edge-litert",
    )


def _candidates() -> Iterator[Path]:
    """Our own base interpreter, PATH's, then those a version manager keeps, newest first."""
    yield Path(sys.base_prefix) / "bin" / "python{}.{}".format(*sys.version_info[:2])
    for version in OLD_PYTHONS:
        if found := shutil.which(f"python{version}"):
            yield Path(found)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for version in OLD_PYTHONS:
        yield from sorted(root.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)


def _version(python: Path) -> str | None:
    """`3.11`, or None when it does not start (a shim of a version that is not there)."""
    done = _quiet([str(python), "-I", "-c", PROBE])
    return done.stdout.strip() if done is not None and done.returncode == 0 else None


def _works(python: Path) -> bool:
    """Whether the venv imports its runtime (its base interpreter may have gone since)."""
    done = _quiet([str(python), "-I", "-c", TRY]) if python.exists() else None
    return done is not None and done.returncode == 0


def _quiet(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )
    except (OSError, subprocess.SubprocessError):
        return None


def _make(folder: Path) -> None:
    """Build the venv beside its place and rename it there, so that no half-made one is ever used.

    The venv is only ever used through `bin/python`, which a rename does not hurt.
    """
    if platform.system() != "Linux":
        raise Refused(f"{OLD} has wheels for Linux only", fix="use ai-edge-litert")
    base = old_python()
    folder.parent.mkdir(parents=True, exist_ok=True)
    say(f"{OLD}: making its own environment ({', '.join(PINS)}) under {base}")
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _step([str(base), "-I", "-m", "venv", str(making)], base)
        install = ["-m", "pip", "install", "--quiet", *PINS]
        _step([str(making / "bin" / "python"), "-I", *install], base)
        _place(making, folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _place(making: Path, folder: Path) -> None:
    """Rename into place; when another process was faster and its venv works, keep that one."""
    if _works(folder / "bin" / "python"):
        return
    if folder.exists():
        shutil.rmtree(folder)
    with contextlib.suppress(OSError):
        making.rename(folder)


def _step(command: list[str], base: Path) -> None:
    """Run one command; its last line of stderr is the reason when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).rsplit("\n", 1)[-1]
        raise Refused(
            f"{OLD} cannot be installed: {said[:300]}",
            where=base,
            fix="see that pip reaches a package index and that this Python has venv, or use "
            "ai-edge-litert",
        )
