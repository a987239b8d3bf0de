"""Releases of a board's slot: pushed unseen, made current in one rename, taken back in one too.

`<root>/<slot>/releases/<digest>/` holds a release, `<root>/<slot>/current` is a symbolic link to
one of them. A reader that resolves the link once and opens files below sees one whole release.
Everything here can be cut at any point and done again. The board needs POSIX sh and sha256sum.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.artifacts import MANIFEST, digest_of
from pipeline.board.release import Release
from pipeline.board.shell import Shell
from pipeline.board.upload import sender, upload
from pipeline.errors import Refused
from pipeline.paths import cache_dir

FUNCTIONS = Path(__file__).with_name("slot.sh").read_text()
KEEP = 5
HOOK_S = 60
PLACE = """
if [ -d "$2" ]; then rm -rf "$1"; else settle "$1"; mv "$1" "$2"; fi
touch "$2"; settle "${2%/*}"
"""
LIST = """
[ -d "$1/releases" ] || exit 0
cd "$1"
now=$(current); last=$(before "$now")
for one in $(ls -1t releases); do
  mark=-; [ "$one" != "$now" ] || mark=current; [ "$one" != "$last" ] || mark=previous
  echo "$one $mark $(cat "releases/$one/manifest.json" 2> /dev/null || :)"
done
"""


@dataclass(frozen=True)
class Hooks:
    """What the lab file has run on the board when a release becomes current."""

    on_publish: str | None = None
    health_cmd: str | None = None
    timeout_s: int = HOOK_S


@dataclass(frozen=True)
class Standing:
    """A release on the board; `manifest` is None where it cannot be read."""

    digest: str
    state: str
    manifest: Mapping[str, Any] | None

    @property
    def size_bytes(self) -> int | None:
        """Bytes of its files."""
        files = (self.manifest or {}).get("files")
        return None if files is None else sum(entry["size_bytes"] for entry in files.values())


class Slot:
    """One application's place on a board."""

    def __init__(self, shell: Shell, root: PurePosixPath, name: str) -> None:
        self._shell, self.folder = shell, root / name

    def push(self, made: Release) -> PurePosixPath:
        """Have a release there whole, as the newest; what is current is not touched.

        Files of a release that is damaged are mended one by one, each by a rename.

        Raises:
            Refused: no space, or the folder cannot be written; nothing half-made stays.
            BoardUnreachable: the line broke; the next attempt goes on where this one ended.
        """
        with self._alone():
            return self._push(made)

    def _push(self, made: Release) -> PurePosixPath:
        place = self.folder / "releases" / made.digest
        making = self.folder / f".push.{made.digest}.{sender()}"
        script = 'mkdir -p "$1"; [ ! -d "$2" ] || echo yes'
        there = self._shell.run(script, str(place.parent), str(place)).strip()
        try:
            self._files(made, place if there else making)
        except Refused:
            self._shell.run('rm -rf "$1"', str(making))
            raise
        script = (
            'cd "$1"; [ -d "$3" ] || { settle "$2"; mv "$2" "$3"; }; touch "$3"; settle "${3%/*}"'
        )
        self._run(script, str(self.folder), str(making), str(place))
        return place

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process of this machine at a time; those of others have files of their own."""
        name = digest_of([self._shell.name, str(self.folder)])[:16]
        path = cache_dir() / "locks" / f"slot-{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _files(self, made: Release, folder: PurePosixPath) -> None:
        for name, path in made.files.items():
            self._file(path, folder / name)
        with tempfile.TemporaryDirectory() as here:
            manifest = Path(here) / MANIFEST
            manifest.write_bytes(made.manifest)
            self._file(manifest, folder / MANIFEST)

    def _file(self, path: Path, remote: PurePosixPath) -> None:
        self._shell.run('mkdir -p "$1"', str(remote.parent))
        upload(self._shell, path, remote)

    def releases(self) -> list[Standing]:
        """What stands there, the newest push first."""
        lines = self._run(LIST, str(self.folder)).splitlines()
        return [_standing(*line.split(" ", 2)) for line in lines]

    def publish(self, wanted: str | None, hooks: Hooks) -> Standing:
        """Make a release current: the newest push, or the one whose digest begins with `wanted`.

        Every byte is checked on the board first. When a hook of the lab file fails, what was
        current before is so again when this returns, also if the line breaks meanwhile.

        Raises:
            Refused: there is no such release, it is damaged, or a hook failed.
        """
        with self._alone():
            return self._activate(self._find(wanted), hooks, "publish")

    def rollback(self, hooks: Hooks) -> Standing:
        """Make current what was so before. Raises Refused: there is nothing before."""
        with self._alone():
            return self._activate(self._earlier(), hooks, "rollback")

    def _earlier(self) -> Standing:
        earlier = [one for one in self.releases() if one.state == "previous"]
        if not earlier:
            fix = "`secateur releases` lists what there is, `secateur publish DIGEST` takes any"
            raise Refused("no earlier release to go back to", where=self.folder, fix=fix)
        return earlier[0]

    def _find(self, wanted: str | None) -> Standing:
        found = [one for one in self.releases() if one.digest.startswith(wanted or "")]
        if found and (wanted is None or len(found) == 1):
            return found[0]
        what = f"{len(found) or 'no'} releases begin with {wanted}" if wanted else "nothing pushed"
        fix = "`secateur push` brings one, `secateur releases` lists them"
        raise Refused(what, where=self.folder, fix=fix)

    def _activate(self, one: Standing, hooks: Hooks, how: str) -> Standing:
        timeout_s = 3 * hooks.timeout_s + 120 + (one.size_bytes or 0) / 2e6
        answer = self._run(
            'trap "" HUP PIPE; cd "$1"; shift; activate "$@"', str(self.folder), one.digest,
            _sums(one), str(hooks.timeout_s), hooks.on_publish or "", hooks.health_cmd or "", how,
            str(KEEP), timeout_s=timeout_s,
        ).strip()  # fmt: skip
        if answer == "done":
            return Standing(one.digest, "current", one.manifest)
        outcome, _, said = answer.partition(" ")
        if outcome == "failed":
            fix = (
                "mend what the command says, then publish again; what was current before is so now"
            )
        else:
            fix = "push it again: that mends it"
        raise Refused(f"release {one.digest[:12]}: {said[:300]}", where=self.folder, fix=fix)

    def _run(self, script: str, *arguments: str, timeout_s: float = 60.0) -> str:
        return self._shell.run(FUNCTIONS + script, *arguments, timeout_s=timeout_s)


def _standing(digest: str, mark: str, manifest: str = "") -> Standing:
    state = "" if mark == "-" else mark
    try:
        return Standing(digest, state, json.loads(manifest))
    except ValueError:
        return Standing(digest, state or "damaged", None)


def _sums(one: Standing) -> str:
    """`sha256 name` lines of a release, its manifest first: that one's digest is its name."""
    files = (one.manifest or {}).get("files", {})
    lines = [f"{one.digest} {MANIFEST}"]
    lines += [f"{entry['sha256']} {name}" for name, entry in files.items()]
    return "\n".join(lines) + "\n"
