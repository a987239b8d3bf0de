"""An environment for a benchmark's rivals, beside our own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def python(folder: Path, packages: Sequence[str]) -> Path:
    """The interpreter of an environment that also sees the packages of the one that runs this.

    `packages` are installed without their dependencies, or they would bring a second torch.
    """
    interpreter, ready = folder / "bin" / "python", folder / ".installed"
    if ready.exists() and ready.read_text() == " ".join(packages):
        return interpreter
    print("installing", *packages, "...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    path_file = folder / "lib" / version / "site-packages" / "ours.pth"
    path_file.write_text(sysconfig.get_path("purelib") + "\n")
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--no-deps", *packages]
    subprocess.run(pip, check=True)
    ready.write_text(" ".join(packages))
    return interpreter


def enter(interpreter: Path, module: str) -> None:
    """Go on in the benchmark's own environment, unless this is it."""
    if Path(sys.prefix).resolve() != interpreter.parent.parent.resolve():
        command = [str(interpreter), "-P", "-m", module, *sys.argv[1:]]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
