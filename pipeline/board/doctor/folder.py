"""Checks of our folder on the board: writable, persistent, executable, with space."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from pipeline.board.doctor.finding import Finding
from pipeline.board.facts import Texts

VOLATILE = {
    "tmpfs": "lives in RAM", "ramfs": "lives in RAM",
    "overlay": "is an overlay, whose upper layer is often lost at a restart",
    "squashfs": "is read-only by its kind", "aufs": "is an overlay",
}  # fmt: skip
WITHOUT_LINKS = ("vfat", "exfat", "msdos")
NEEDS_MB, LIKES_MB = 200, 500
ELSEWHERE = "set `root` in the lab file to a folder on another disk"


def folder(texts: Texts) -> Iterator[Finding]:
    """Whether the agent, runtimes and releases can be kept where the target says."""
    place, kind, options = mount(texts)
    root = texts.get("root", "").strip()
    if said := texts.get("write", "").strip():
        yield _not_writable(root, said, options)
        return
    yield Finding("folder", "ok", f"{root} is writable ({kind or 'unknown kind'} on {place})")
    yield _persistent(root, place, kind)
    if kind in WITHOUT_LINKS or texts.get("symlink", "").strip():
        said = f"{kind or 'the file system'} knows no symbolic links: publishing cannot work"
        yield Finding("links", "warn", said, f"{ELSEWHERE}, such as one with ext4")
    if "noexec" in options or texts.get("execute", "").strip():
        fix = f"{ELSEWHERE}, or: sudo mount -o remount,exec {place}"
        said = f"{place} is mounted noexec: a runtime's libraries cannot be loaded from it"
        yield Finding("execute", "fail", said, fix)
    yield _space(texts.get("df", ""))


def mount(texts: Texts) -> tuple[str, str, tuple[str, ...]]:
    """(mount point, file system, options) of the folder; the last and longest that holds it."""
    place = PurePosixPath(texts.get("place", "/").strip() or "/")
    best: tuple[str, str, tuple[str, ...]] = ("/", "", ())
    for line in texts.get("/proc/mounts", "").splitlines():
        words = line.split()
        if len(words) > 3 and place.is_relative_to(words[1].replace("\\040", " ")):
            found = (words[1].replace("\\040", " "), words[2], tuple(words[3].split(",")))
            best = found if len(found[0]) >= len(best[0]) else best
    return best


def _not_writable(root: str, said: str, options: tuple[str, ...]) -> Finding:
    if "ro" in options or "read-only" in said.lower():
        fix = f"{ELSEWHERE}, or: sudo mount -o remount,rw the one that holds it"
        return Finding("folder", "fail", f"{root} is on a read-only file system", fix)
    reason = said.rsplit("\n", 1)[-1].rsplit(": ", 1)[-1]
    fix = "set `root` in the lab file to a folder that this user may write"
    return Finding("folder", "fail", f"{root} cannot be written: {reason}", fix)


def _persistent(root: str, place: str, kind: str) -> Finding:
    if kind in VOLATILE:
        said = f"{root}: {kind} on {place} {VOLATILE[kind]}; all of it is sent again after that"
        return Finding("persistent", "warn", said, ELSEWHERE)
    return Finding("persistent", "ok", f"{kind or 'its file system'} outlives a restart")


def _space(df: str) -> Finding:
    numbers = [int(word) for word in df.split() if word.isdigit()]
    if len(numbers) < 3:
        return Finding("space", "warn", "df does not tell", "see that there are 500 MB")
    free = numbers[2] / 1000
    said = f"{free:,.0f} MB free"
    if free < NEEDS_MB:
        return Finding(
            "space", "fail", f"{said}; a runtime needs {NEEDS_MB} MB", f"free some, or {ELSEWHERE}"
        )
    return Finding(
        "space", "ok" if free >= LIKES_MB else "warn", said, "" if free >= LIKES_MB else "free some"
    )
