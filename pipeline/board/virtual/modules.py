"""The guest kernel's modules: which stay, in which order they load, and the initrd that loads them.

Debian's kernel has virtio and ext4 as modules, so there is an initrd: busybox and these.
"""

from __future__ import annotations

import lzma
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from pipeline.board.virtual.host import run, search_path
from pipeline.errors import Refused

BOOT = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "crc32c_generic", "ext4")
# For what tests do to a board: networks that lose and delay, odd file systems, slow disks.
USEFUL = (
    "sch_netem", "sch_tbf", "sch_ingress", "cls_u32", "act_mirred", "ifb", "overlay", "loop",
    "zram", "vfat", "nls_ascii", "nls_cp437", "i2c_dev",
)  # fmt: skip
REPAIR = "run it again; if it fails again, report it"


def dependencies(text: str) -> dict[str, list[str]]:
    """{module name: files to load for it, in order} of depmod's `modules.dep`."""
    found = {}
    for line in text.splitlines():
        path, _, needs = line.partition(":")
        found[name_of(path)] = [*reversed(needs.split()), path]
    return found


def name_of(path: str) -> str:
    """The kernel's name of a module file: `virtio-rng.ko.xz` is `virtio_rng`."""
    return PurePosixPath(path).name.split(".ko")[0].replace("-", "_")


def closure(names: Iterable[str], needs: Mapping[str, list[str]]) -> list[str]:
    """Files of these modules and of all they need, each once, in the order to load them.

    A name that is not there is left out: it may be built into this kernel.
    """
    return list(dict.fromkeys(path for name in names for path in needs.get(name, [])))


def prune(root: Path) -> list[Path]:
    """Delete the modules that no virtual board needs; the files the initrd loads, in order."""
    version = kernel_version(root)
    folder = root / "usr/lib/modules" / version
    run(["depmod", "-b", root, version], fix=REPAIR)
    needs = dependencies((folder / "modules.dep").read_text())
    boot = closure(BOOT, needs)
    kept = {*boot, *closure(USEFUL, needs)}
    for path in folder.rglob("*.ko*"):
        if path.relative_to(folder).as_posix() not in kept:
            path.unlink()
    run(["depmod", "-b", root, version], fix=REPAIR)
    return [folder / path for path in boot]


def kernel_version(root: Path) -> str:
    """The release of the one kernel of the image."""
    return next((root / "usr/lib/modules").iterdir()).name


def make_initrd(root: Path, boot: list[Path], init: str, to: Path) -> None:
    """Write a gzipped cpio archive with busybox, the modules and an init (`@MODULES@` in it)."""
    tree = to.with_suffix(".d")
    for name in ("bin", "lib", "proc", "sys", "dev", "mnt"):
        (tree / name).mkdir(parents=True)
    shutil.copy(root / "usr/bin/busybox", tree / "bin/busybox")
    (tree / "bin/sh").symlink_to("busybox")
    names = [name_of(path.name) + ".ko" for path in boot]
    for path, name in zip(boot, names, strict=True):
        (tree / "lib" / name).write_bytes(_plain(path))
    (tree / "init").write_text(init.replace("@MODULES@", " ".join(names)))
    (tree / "init").chmod(0o755)
    pack = "find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | gzip -1"
    with to.open("wb") as stream:
        done = subprocess.run(
            ["sh", "-c", pack], cwd=tree, stdout=stream, stderr=subprocess.PIPE, text=True,
            env={"PATH": search_path()},
        )  # fmt: skip
    if done.stderr:
        raise Refused(done.stderr.strip()[:300], where="cpio", fix="free some space")
    shutil.rmtree(tree)


def _plain(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data
