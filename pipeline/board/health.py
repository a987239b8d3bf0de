"""The check of a release in its place: loaded by a runtime of the board, and run once.

It brings no runtime: where the board has none, that is what it says. It takes no lease either,
so that a release can go out while somebody measures; its agent lies apart from the measuring one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from typing import Any

from pipeline.board import session
from pipeline.board.interpreter import OLDEST, Interpreter, interpreters
from pipeline.board.pack import packed
from pipeline.board.pair import STEPS, STEPS_ACROSS, arm, outcome
from pipeline.board.shell import Shell
from pipeline.board.slots import Standing
from pipeline.board.upload import upload
from pipeline.errors import Refused

STAGE_S = 12.0
ABSENT = ("has no module", "ImportError", "PackageNotFoundError")
BRING = "a measurement there brings one"


@dataclass(frozen=True)
class Health:
    """Checks releases on one board: `work` is our folder there, `runtimes` are wanted in order.

    `also`: Pythons that are not on the board's PATH.
    """

    shell: Shell
    work: PurePosixPath
    runtimes: Sequence[str]
    also: Sequence[str] = ()

    def __call__(self, place: PurePosixPath, one: Standing) -> str:
        """What the check found, or why there was none. Raises Refused: it does not run right."""
        about = (one.manifest or {}).get("about") or {}
        asked = about.get("check") or {}
        if "file" not in asked:
            return f"not health-checked: {asked.get('none', 'it came without a pair to check')}"
        reason = f"the board has no runtime ({BRING})"
        for python, runtime, site in self._ways():
            found = self._run(python, runtime, site, place, about)
            if "within" in found:
                return self._judged(one, found)
            reason = str(found["reason"])
            if not any(word in reason for word in ABSENT):
                raise self._ill(one, f"does not run there: {reason}")
        return f"not health-checked: {reason}"

    def _ways(self) -> Iterator[tuple[Interpreter, str, list[str]]]:
        """Every Python and runtime of the board that may fit together, the wanted ones first."""
        listed = self.shell.run('[ ! -d "$1" ] || ls "$1"', str(self.work / "sites")).split()
        sites = [name for name in listed if not name.endswith((".part", ".gz"))]
        found = interpreters(self.shell, *self.also)
        pythons = [one for one in found if one.version >= OLDEST]
        for runtime in self.runtimes:
            for python in pythons:
                if {runtime, "numpy"} <= set(python.packages):
                    yield python, runtime, []
                for name in sites:
                    if name.startswith(f"{runtime}-"):
                        yield python, runtime, [str(self.work / "sites" / name)]

    def _run(
        self, python: Interpreter, runtime: str, site: list[str], place: PurePosixPath,
        about: dict[str, Any],
    ) -> dict[str, Any]:  # fmt: skip
        agent = packed()
        program = self.work / "check" / agent.path.name
        upload(self.shell, agent.path, program)
        asked, silence_s = about["check"], STAGE_S * self.shell.patience
        same = asked["runtime"].split()[0] == runtime
        model, pair = str(place / about["model"]["file"]), str(place / asked["file"])
        spec = {
            "protocol": session.PROTOCOL, "job": "check", "runtime": runtime, "site": site,
            "process_timeout_s": silence_s,
            "arms": [arm(model, pair, make=False, steps=STEPS if same else STEPS_ACROSS)],
        }  # fmt: skip
        events = session.run(
            PurePath(python.path), spec, transport=self.shell.transport, program=program,
            timeout_s=10 * silence_s, silence_s=silence_s,
        )  # fmt: skip
        return outcome(events)

    def _judged(self, one: Standing, found: dict[str, Any]) -> str:
        if not found["within"]:
            raise self._ill(one, f"answers otherwise than here, by {found['worst']:.3g}")
        return f"runs in {found['runtime']}, off by {found['worst']:.3g}"

    def _ill(self, one: Standing, what: str) -> Refused:
        return Refused(
            f"release {one.digest[:12]} {what}",
            where=self.shell.name,
            fix="see that the model fits this board's runtime: `secateur bench` runs it there",
        )
