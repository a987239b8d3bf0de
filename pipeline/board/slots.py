"""Releases of a board's slot: pushed unseen, made current in one rename, taken back in one too.

`<root>/<slot>/releases/<digest>/` holds a release, `<root>/<slot>/current` is a symbolic link to
one of them. A reader that resolves the link once and opens files below sees one whole release.
Everything here can be cut at any point, by a lost line or by lost power, and done again: the next
command finds what is half-done and takes it back. The board needs POSIX sh and sha256sum.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.artifacts import MANIFEST
from pipeline.board.alone import alone
from pipeline.board.leaving import left
from pipeline.board.release import Release
from pipeline.board.shell import Shell
from pipeline.board.upload import sender, upload
from pipeline.errors import BoardUnreachable, Refused

FUNCTIONS = Path(__file__).with_name("slot.sh").read_text()
HOOK_S = 60
AS_BEFORE = "what was current on the board is so still"
UNSURE = "the board goes on by itself: the new release is current, or the one before it"
START = """
folders "$1/releases"; begin "$@"; shift 4
room "$2" "$3"
if [ -d "releases/$1" ]; then echo there; else echo new; fi
"""
PLACE = """
begin "$@"; shift 4
if [ -d "releases/$1" ]; then :; else settle "$2"; mv "$2" "releases/$1"; fi
settle releases
pushed "$1"
rm -rf .push.*."$3"
abandoned
"""
LIST = """
[ -d "$1/releases" ] || { echo end; exit 0; }
if [ "$2" -gt 0 ]; then
  begin "$@"
else
  trap "" HUP PIPE; cd "$1"
  if [ ! -w . ]; then :
  elif lock 0; then mend "$3" "$4"
  else note "a push or publish is under way"; fi
fi
now=$(current); last=$(before "$now")
for one in $(newest); do
  mark=-; [ "$one" != "$now" ] || mark=current; [ "$one" != "$last" ] || mark=previous
  echo "$one $mark $(cat "releases/$one/manifest.json" 2> /dev/null || :)"
done
echo end
"""
NOW = 'cd "$1"; current'


@dataclass(frozen=True)
class Hooks:
    """What the lab file has run on the board when a release becomes current."""

    on_publish: str | None = None
    health_cmd: str | None = None
    timeout_s: int = HOOK_S


@dataclass(frozen=True)
class Keep:
    """How many releases stay, and how much disk they may take.

    The current one, the one before it and the newest push stay in any case.
    """

    count: int = 5
    size_mb: int = 1024

    @property
    def words(self) -> tuple[str, str]:
        """For the board's shell: how many, and KiB."""
        return str(self.count), str(self.size_mb * 1000_000 // 1024)


@dataclass(frozen=True)
class Standing:
    """A release on the board; `manifest` is None where it cannot be read.

    `health` is what its check on the board said, where there was one.
    """

    digest: str
    state: str
    manifest: Mapping[str, Any] | None
    health: str = ""

    @property
    def size_bytes(self) -> int | None:
        """Bytes of its files."""
        files = (self.manifest or {}).get("files")
        return None if files is None else sum(entry["size_bytes"] for entry in files.values())


Check = Callable[[PurePosixPath, Standing], str]


class Slot:
    """One application's place on a board.

    `check` runs a release in its place before it becomes current, and says what it found.
    """

    def __init__(
        self, shell: Shell, root: PurePosixPath, name: str, *, keep: Keep = Keep(),
        check: Check | None = None,
    ) -> None:  # fmt: skip
        self._shell, self.folder = shell, root / name
        self._keep, self._check = keep, check

    def push(self, made: Release, hooks: Hooks = Hooks()) -> PurePosixPath:
        """Have a release there whole, as the newest; what is current is not touched.

        Files of a release that is damaged are mended one by one, each by a rename.

        Raises:
            Refused: no space, or the folder cannot be written; nothing half-made stays.
            BoardUnreachable: the line broke; the next attempt goes on where this one ended.
        """
        with self._alone(), left(AS_BEFORE):
            return self._push(made, hooks)

    def _push(self, made: Release, hooks: Hooks) -> PurePosixPath:
        place = self.folder / "releases" / made.digest
        making = self.folder / f".push.{made.digest}.{sender()}"
        size_kib = str(made.size_bytes // 1024 + 64)
        answer = self._begin(START, hooks, made.digest, size_kib, self._keep.words[1]).strip()
        if answer not in ("there", "new"):
            raise self._shell.silent()
        try:
            self._files(made, place if answer == "there" else making)
        except Refused:
            with contextlib.suppress(Refused):  # on a disk that became read-only it stays
                self._shell.run('rm -rf "$1"', str(making))
            raise
        self._begin(PLACE, hooks, made.digest, str(making), sender())
        return place

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """One process of this machine at a time; those of others have files of their own."""
        return alone(f"{self._shell.name} {self.folder}")

    def _files(self, made: Release, folder: PurePosixPath) -> None:
        for name, path in made.files.items():
            upload(self._shell, path, folder / name)
        with tempfile.TemporaryDirectory() as here:
            manifest = Path(here) / MANIFEST
            manifest.write_bytes(made.manifest)
            upload(self._shell, manifest, folder / MANIFEST)

    def releases(self, hooks: Hooks = Hooks()) -> list[Standing]:
        """What stands there, the newest push first; what a cut left half-done is taken back."""
        return self._list(hooks, wait_s=0)

    def _list(self, hooks: Hooks, wait_s: int | None = None) -> list[Standing]:
        *lines, last = self._begin(LIST, hooks, wait_s=wait_s).splitlines() or [""]
        if last != "end":
            raise self._shell.silent()
        return [_standing(*line.split(" ", 2)) for line in lines]

    def publish(self, wanted: str | None, hooks: Hooks) -> Standing:
        """Make a release current: the newest push, or the one whose digest begins with `wanted`.

        Every byte is checked on the board first, then the release is run in its place. When that
        or a hook of the lab file fails, what was current before is so when this returns, and also
        if the line breaks meanwhile.

        Raises:
            Refused: there is no such release, it is damaged, it does not run, or a hook failed.
            BoardUnreachable: the line broke; the message says what that leaves.
        """
        with self._alone():
            with left(AS_BEFORE):
                one = self._find(wanted, hooks)
                health = self._healthy(one, hooks)
            return replace(self._activate(one, hooks, "publish"), health=health)

    def _healthy(self, one: Standing, hooks: Hooks) -> str:
        """What the check in its place says; only bytes that are whole are run."""
        if self._check is None:
            return ""
        script = 'begin "$@"; shift 4; damage "$@"'
        if wrong := self._begin(script, hooks, one.digest, _sums(one)).strip():
            raise self._damaged(one, wrong)
        return self._check(self.folder / "releases" / one.digest, one)

    def rollback(self, hooks: Hooks) -> Standing:
        """Make current what was so before. Raises Refused: there is nothing before."""
        with self._alone():
            with left(AS_BEFORE):
                one = self._earlier(hooks)
            return self._activate(one, hooks, "rollback")

    def _earlier(self, hooks: Hooks) -> Standing:
        earlier = [one for one in self._list(hooks) if one.state == "previous"]
        if not earlier:
            fix = "`secateur releases` lists what there is, `secateur publish DIGEST` takes any"
            raise Refused("no earlier release to go back to", where=self.folder, fix=fix)
        return earlier[0]

    def _find(self, wanted: str | None, hooks: Hooks) -> Standing:
        found = [one for one in self._list(hooks) if one.digest.startswith(wanted or "")]
        if found and (wanted is None or len(found) == 1):
            return found[0]
        what = f"{len(found) or 'no'} releases begin with {wanted}" if wanted else "nothing pushed"
        fix = "`secateur push` brings one, `secateur releases` lists them"
        raise Refused(what, where=self.folder, fix=fix)

    def _activate(self, one: Standing, hooks: Hooks, how: str) -> Standing:
        words = (one.digest, _sums(one), str(hooks.timeout_s), hooks.on_publish or "",
                 hooks.health_cmd or "", how, *self._keep.words)  # fmt: skip
        script = 'begin "$@"; shift 4; activate "$@"'
        fix = "`secateur releases` says which; run this again, that settles it"
        with left(UNSURE, fix, refused=self._now):
            answer = self._begin(script, hooks, *words).strip()
            if answer.partition(" ")[0] not in ("done", "damaged", "failed"):
                raise self._shell.silent()
        if answer == "done":
            return Standing(one.digest, "current", one.manifest)
        with left(AS_BEFORE):
            outcome, _, said = answer.partition(" ")
            if outcome == "damaged":
                raise self._damaged(one, said)
            fix = "mend what the command says, then publish again"
            what = f"release {one.digest[:12]}: {said[:300]}"
            raise Refused(what, where=self.folder, fix=fix)

    def _damaged(self, one: Standing, said: str) -> Refused:
        what = f"release {one.digest[:12]}: {said}"
        return Refused(what, where=self.folder, fix="push it again: that mends it")

    def _now(self) -> str:
        """Which release is current, after a script that did not come to its end."""
        try:
            now = self._run(NOW, str(self.folder)).strip()
        except (Refused, BoardUnreachable):
            return "which release is current is not known"
        return f"current is {now[:12]}" if now else "no release is current"

    def _begin(self, script: str, hooks: Hooks, *arguments: str, wait_s: int | None = None) -> str:
        """Run a script of the slot that may have to wait for another, and take back first."""
        wait_s = 3 * hooks.timeout_s + 60 if wait_s is None else wait_s
        words = (str(self.folder), str(wait_s), str(hooks.timeout_s), hooks.on_publish or "")
        return self._run(script, *words, *arguments)

    def _run(self, script: str, *arguments: str) -> str:
        return self._shell.run(FUNCTIONS + script, *arguments)


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
