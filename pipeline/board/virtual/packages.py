"""Debian's arm64 packages, through this machine's own apt: its sources, keys and proxies.

apt keeps its lists, cache and status in a folder of ours, so that it needs no root and the machine
learns nothing of a second architecture.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.board.virtual.host import run

# libstdc++6: TensorFlow Lite's wheels need it, and nothing else here pulls it in.
NAMES = (
    "base-files", "base-passwd", "bash", "busybox-static", "coreutils", "dash", "findutils",
    "grep", "gzip", "hostname", "iproute2", "kmod", "libc-bin", "libstdc++6", "linux-image-arm64",
    "mawk", "mount", "openssh-server", "procps", "python3", "sed", "tar", "util-linux",
)  # fmt: skip
# What the host does to its own system after an update is no business of ours.
DROPPED = ("APT::Update", "APT::Architecture", "DPkg::", "Dir::State", "Dir::Cache")
FIX = "this machine's apt sources must offer Debian's main section for arm64; see `apt-get update`"


def download(folder: Path) -> list[Path]:
    """Fetch the guest's packages and all they depend on; their files. Raises Refused."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    dump = run(["apt-config", "dump", "--format", '%F "%v";%n'], fix="repair apt")
    settings = folder / "apt.conf"
    settings.write_text(configuration(folder, dump))
    env = {"APT_CONFIG": str(settings)}
    run(["apt-get", "update", "-qq"], env=env, fix=FIX)
    run(["apt-get", "install", "-y", "-qq", "--download-only", *NAMES], env=env, fix=FIX)
    return sorted((folder / "cache/archives").glob("*.deb"))


def configuration(folder: Path, dump: str) -> str:
    """The machine's apt configuration (`dump`), turned to arm64 and to our own folder."""
    kept = [line for line in dump.splitlines() if not line.startswith(DROPPED)]
    ours = {
        "APT::Architecture": "arm64",
        "APT::Architectures::": "arm64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::main": "/dev/null",  # both are in the dump already
        "Dir::Etc::parts": "/dev/null",
        "Dir::State": folder,
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
    }
    return "\n".join([*kept, *(f'{name} "{value}";' for name, value in ours.items())]) + "\n"
