"""The image all virtual boards start from: kernel, initrd, root file system and ssh keys.

Built once and kept in the cache under the digest of everything in this package that makes it, so
that a changed build makes a new image.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.board.virtual import modules, packages, rootfs
from pipeline.board.virtual.host import require, run
from pipeline.board.virtual.lock import locked
from pipeline.paths import cache_dir
from pipeline.progress import say, working

SIZE = "2G"  # of the file system; the file is sparse
MAKERS = ("packages.py", "modules.py", "rootfs.py", "image.py")
UNUSED_S = 30 * 86400


@dataclass(frozen=True)
class Image:
    """A built image's folder, named by its key."""

    folder: Path

    @property
    def key(self) -> str:
        """Digest of the build."""
        return self.folder.name

    @property
    def kernel(self) -> Path:
        """The kernel QEMU starts."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """What loads the modules of the disk."""
        return self.folder / "initrd.gz"

    @property
    def root(self) -> Path:
        """The root file system: a raw, sparse ext4 that no machine writes to."""
        return self.folder / "root.ext4"

    @property
    def identity(self) -> Path:
        """The private key that every machine of this image lets in."""
        return self.folder / "identity"

    @property
    def host_key(self) -> str:
        """The machines' public host key: `ssh-ed25519 AAAA...`."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])


def home() -> Path:
    """Where images and machines are kept."""
    return cache_dir() / "virtual-arm64"


def key() -> str:
    """Digest of what makes an image: code, package names, and the guest's own files."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    files = sorted(path for path in rootfs.GUEST.rglob("*") if path.is_file())
    for path in [*(here / name for name in MAKERS), *files]:
        digest.update(f"{path.relative_to(here)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def image() -> Image:
    """The image, built when it is not there yet. Raises Refused."""
    require()
    folder = (home() / "images").resolve() / key()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / "lock", "waiting for another build of the virtual board"):
        if not folder.is_dir():
            _build(folder)
    os.utime(folder)
    return Image(folder)


def _build(folder: Path) -> None:
    started = time.monotonic()
    say("virtual-arm64: building the image once from Debian's packages (about half a minute)")
    making = folder.parent / ".making"  # one at a time: we hold the lock
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    try:
        _make(making)
        shutil.rmtree(making / "apt")
        shutil.rmtree(making / "tree")
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    _forget_old(folder)
    say(f"virtual-arm64: image built in {time.monotonic() - started:.0f} s")


def _make(folder: Path) -> None:
    made, tree = Image(folder), folder / "tree"
    for name in ("identity", "host_key"):
        _keypair(folder / name)
    with working("downloading arm64 packages"):
        files = packages.download(folder / "apt")
    with working(f"unpacking {len(files)} packages"):
        rootfs.unpack(files, tree)
        boot = modules.prune(tree)
    with working("setting up the system"):
        rootfs.settle(tree, made.identity, folder / "host_key")
        rootfs.byte_compile(tree)
        modules.make_initrd(tree, boot, (rootfs.GUEST / "init").read_text(), made.initrd)
        (tree / "boot" / f"vmlinuz-{modules.kernel_version(tree)}").rename(made.kernel)
        rootfs.make_file_system(tree, made.root, SIZE)


def _keypair(path: Path) -> None:
    fix = "see that the cache folder is writable"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "virtual-arm64", "-f", path], fix=fix)


def _forget_old(current: Path) -> None:
    """Delete images of former builds that nobody used for a month."""
    for path in current.parent.iterdir():
        if path.is_dir() and path.stat().st_mtime < time.time() - UNUSED_S:
            shutil.rmtree(path, ignore_errors=True)
