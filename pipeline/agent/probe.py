"""What a Python is: printed as one line of JSON, by that Python itself.

Sent as text (`python -c`), before anything is on the board, so it stands alone and keeps to what
Python 3.4 knows: an old one must be able to say that it is old. Words of the kernel (uname) are
no help: a 64-bit kernel runs 32-bit programs. The interpreter's own file tells.
"""

import contextlib
import json
import os
import struct
import sys
import sysconfig

MACHINES = {(2, 62): "x86_64", (2, 183): "aarch64", (2, 243): "riscv64", (1, 3): "i686"}
ARM_32 = (1, 40)


def machine() -> str:
    """Name of the instruction set, from the ELF header of the running program."""
    with open("/proc/self/exe", "rb") as program:
        head = program.read(20)
    kind = (head[4], struct.unpack("<H" if head[5] == 1 else ">H", head[18:20])[0])
    if kind != ARM_32:
        return MACHINES.get(kind, "ELF machine {1} of class {0}".format(*kind))
    if "gnueabihf" not in (sysconfig.get_config_var("SOABI") or "gnueabihf"):
        return "arm without hardware floating point"
    return "armv6l" if os.uname()[4] == "armv6l" else "armv7l"


def libc() -> "list[str]":
    """["glibc", "2.36"] or ["musl", ""]; what it is where it is neither."""
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
        return [name, version]
    except (ValueError, OSError):
        there = [name for name in os.listdir("/lib") if name.startswith("ld-musl-")]
        return ["musl" if there else "an unknown libc", ""]


def packages() -> "dict[str, str]":
    """{name: version} of what this Python can import already."""
    try:
        from importlib import metadata
    except ImportError:
        return {}
    found = {}
    for name in ("ai-edge-litert", "tflite-runtime", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def main() -> None:
    """Print what this Python is."""
    suffix = sysconfig.get_config_var("abiflags") or ""
    about = {
        "path": sys.executable,
        "version": list(sys.version_info[:3]),
        "implementation": sys.implementation.name,
        "abi": f"cp{sys.version_info[0]}{sys.version_info[1]}{suffix}",
        "machine": machine(),
        "libc": libc(),
        "packages": packages(),
    }
    print(json.dumps(about))


if __name__ == "__main__":
    main()
