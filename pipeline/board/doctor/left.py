"""Settings that a killed measurement left changed: restored, and told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pipeline.board.doctor.finding import Finding
from pipeline.board.interpreter import Interpreter
from pipeline.board.pack import SOURCE
from pipeline.board.shell import Shell
from pipeline.errors import Refused

ASK = 'python=$1 source=$2; exec "$python" -I -c "$source"'


def settings(shell: Shell, pythons: Sequence[Interpreter]) -> Finding | None:
    """Have the board's own journal restored by its text, which needs no agent there.

    None where no Python of the board can run it.
    """
    able = next((python for python in pythons if python.version >= (3, 9)), None)
    if able is None:
        return None
    try:
        answer = shell.run(ASK, str(able.path), (SOURCE / "journal.py").read_text())
        told: dict[str, dict[str, str]] = json.loads(answer)
    except (Refused, ValueError) as problem:
        fix = "see that its Python works"
        return Finding("settings", "warn", f"the journal cannot be read: {problem}", fix)
    return finding(told)


def finding(told: Mapping[str, Mapping[str, str]]) -> Finding:
    """What the journal said: `restored` and, where that failed, still `left`."""
    if told["left"]:
        fix = "as root on the board: " + "; ".join(
            f"echo {value.strip()} > {path}" for path, value in told["left"].items()
        )
        said = f"a measurement changed {_listed(told['left'])}, or still does"
        return Finding("settings", "warn", said, fix)
    if told["restored"]:
        said = f"restored what a killed measurement left: {_listed(told['restored'])}"
        return Finding("settings", "ok", said)
    return Finding("settings", "ok", "no measurement left any changed")


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{path} (was {value.strip()})" for path, value in values.items())
