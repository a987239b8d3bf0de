"""The benchmark's own environment: timm, torchvision and the other converters beside our torch."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

PACKAGES = (
    "torchvision==0.28.0", "timm==1.0.31",
    "onnx2tf==1.28.8", "onnx-graphsurgeon==0.5.8", "sng4onnx==2.0.1", "tf-keras==2.21.0",
    "litert-torch==0.10.0", "litert-converter==0.5.0", "ai-edge-quantizer==0.10.0",
    "multipledispatch==1.0.0",
    "torchao==0.18.0", "jax==0.10.2", "jaxlib==0.10.2", "jaxtyping==0.3.11", "wadler-lindig==0.1.8",
    "opt-einsum==3.4.0",
)  # fmt: skip


def python(folder: Path) -> Path:
    """The interpreter of an environment that also sees the packages of the one that runs this.

    Everything is installed without its dependencies, or it would bring a second torch.
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
