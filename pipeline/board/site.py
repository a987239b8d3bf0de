"""A runtime's wheels as one archive for a board's Python: fetched and unpacked on this machine."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.artifacts import digest_of, write_atomic
from pipeline.board.wheels import Choice, platforms
from pipeline.errors import Refused
from pipeline.paths import cache_dir
from pipeline.progress import say, working

# Nothing that we run imports these, and they are more than half of the bytes.
LEFT_OUT = ("ai_edge_litert/libLiteRtWebGpuAccelerator.so", "numpy/*/tests/*")
_FETCHING = threading.Lock()  # several boards at once want the same wheels


def packed(choice: Choice) -> Path:
    """The wheels of a choice as one archive in the cache, made when it is not there yet."""
    python = choice.python
    about = {"pins": sorted(choice.pins), "abi": python.abi, "platforms": platforms(python),
             "left_out": LEFT_OUT}  # fmt: skip
    path = cache_dir() / "wheels" / f"{choice.runtime}-{digest_of(about)[:16]}.tar.gz"
    with working("wheels"), _FETCHING:
        if path.is_file():
            return path
        say(f"fetching {', '.join(choice.pins)} for {python}")
        with tempfile.TemporaryDirectory(prefix="secateur-wheels-") as name:
            wheels = _download(choice, Path(name))
            write_atomic(path, _archive(wheels, Path(name) / "site"))
    return path


def _download(choice: Choice, folder: Path) -> list[Path]:
    """The wheels by pip, for the board's Python and not for ours."""
    python = choice.python
    tags = [word for tag in platforms(python) for word in ("--platform", tag)]
    version = "{}.{}".format(*python.version)
    command = [
        sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps",
        "--only-binary=:all:", "--disable-pip-version-check", "--implementation", "cp",
        "--abi", python.abi, "--python-version", version, *tags, "--dest", str(folder),
        *choice.pins,
    ]  # fmt: skip
    # Constraints of this machine's environment are none of the board's.
    environment = {**os.environ, "PIP_CONSTRAINT": os.devnull}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).rsplit("\n", 1)[-1]
        raise Refused(
            f"wheels cannot be fetched: {said[:300]}", where=" ".join(choice.pins),
            fix="see that pip reaches a package index from this machine (the board needs none)",
        )  # fmt: skip
    return sorted(folder.glob("*.whl"))


def _archive(wheels: Sequence[Path], site: Path) -> bytes:
    """All wheels unpacked into one folder, as a tar whose bytes depend on the wheels alone."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)  # noqa: S202 (pip has checked where it came from)
    files = sorted(path for path in site.rglob("*") if path.is_file())
    raw = site.with_suffix(".tar")
    with tarfile.open(raw, "w") as tar:
        for path in files:
            name = path.relative_to(site)
            if not any(name.match(pattern) for pattern in LEFT_OUT):
                tar.add(path, str(name), filter=_plain)
    shutil.rmtree(site)
    return gzip.compress(raw.read_bytes(), compresslevel=6, mtime=0)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """No owner and no time of this machine."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.name.endswith(".so") else 0o644
    return entry
