"""All checks of a board in their order; a check that fails hides none of the later ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.board.doctor.finding import Finding
from pipeline.board.doctor.folder import folder
from pipeline.board.doctor.gather import gather
from pipeline.board.doctor.left import settings
from pipeline.board.doctor.machine import machine
from pipeline.board.doctor.sensors import meter, sensors
from pipeline.board.facts import Texts, parse
from pipeline.board.interpreter import Interpreter, interpreters, recent
from pipeline.board.open import called, open_transport
from pipeline.board.shell import Shell
from pipeline.board.wheels import choose
from pipeline.config.target import Target
from pipeline.errors import BoardUnreachable, Refused, SecateurError

LEASES = "/tmp"  # noqa: S108 (where the agent's lease is)


def examine(target: Target) -> list[Finding]:
    """Look at a target's board, and restore what a killed measurement left.

    Nothing else on it is changed but that our folder is made.

    Raises UsageError: no such host, or none given.
    """
    name = called(target)
    try:
        with open_transport(target) as transport:
            shell = Shell(transport, name)
            texts = gather(shell, target.root)
            pythons = interpreters(shell)
            left = settings(shell, pythons)
    except (BoardUnreachable, Refused) as problem:
        return [Finding("connection", "fail", _line(problem), problem.fix, problem.exit_code)]
    lab = target.lab
    wiring = {name: stated.model_dump(exclude_none=True) for name, stated in lab.sensors.items()}
    found = findings(texts, pythons, target.file.runtimes, name=name, wiring=wiring)
    found += [left] if left else []
    return [*found, *([meter(lab.meter.model_dump(exclude_none=True))] if lab.meter else [])]


def findings(
    texts: Texts,
    pythons: Sequence[Interpreter],
    runtimes: Sequence[str],
    *,
    name: str,
    wiring: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Finding]:
    """What a board's answers mean."""
    facts = parse(texts)
    system = ", ".join(part for part in (facts.board, facts.os_name, facts.kernel) if part)
    return [
        Finding("connection", "ok", f"{name}: {system or 'answers'}"),
        *_tools(texts),
        *_python(pythons, runtimes, name),
        *folder(texts),
        *machine(texts),
        *sensors(texts, wiring or {}),
    ]


def _tools(texts: Texts) -> Iterator[Finding]:
    if missing := texts.get("tools", "").split():
        fix = "install coreutils, or a busybox that has them"
        yield Finding("tools", "fail", f"there is no {', '.join(missing)}", fix)
    if texts.get("tmp", "").strip() != "yes":
        said = f"{LEASES} cannot be written: the board cannot be reserved"
        yield Finding("tools", "fail", said, "on the board: sudo chmod 1777 /tmp")


def _python(
    pythons: Sequence[Interpreter], runtimes: Sequence[str], name: str
) -> Iterator[Finding]:
    try:
        yield Finding("python", "ok", str(recent(pythons, board=name)))
        choice = choose(pythons, runtimes, board=name)
        pins = ", ".join(choice.pins) or "in the board's own Python"
        yield Finding("runtime", "ok", f"{choice.runtime} ({pins})")
    except Refused as problem:
        check = "runtime" if pythons and "wheel" in problem.what else "python"
        yield Finding(check, "fail", problem.what, problem.fix)


def _line(problem: SecateurError) -> str:
    return problem.what if problem.where is None else f"{problem.where}: {problem.what}"
