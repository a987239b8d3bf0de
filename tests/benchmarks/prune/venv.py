"""The benchmark's own environment: torchvision, timm and torch-pruning beside our torch."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

PACKAGES = ("torchvision==0.28.0", "timm==1.0.31", "torch-pruning==1.6.1")


def python(folder: Path) -> Path:
    """The interpreter of an environment that also sees the packages of the one that runs this.

    torchvision is installed without its dependencies, or it would bring a second torch.
    """
    interpreter, ready = folder / "bin" / "python", folder / ".installed"
    if ready.exists() and ready.read_text() == " ".join(PACKAGES):
        return interpreter
    print("installing", *PACKAGES, "...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    path_file = folder / "lib" / version / "site-packages" / "ours.pth"
    path_file.write_text(sysconfig.get_path("purelib") + "\n")
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--no-deps", *PACKAGES]
    subprocess.run(pip, check=True)
    ready.write_text(" ".join(PACKAGES))
    return interpreter
