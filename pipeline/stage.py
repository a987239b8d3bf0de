"""A stage: a function from artifacts to an artifact, declared with the types it takes and gives."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.artifacts import Artifact
from pipeline.config.base import Config

Run = Callable[..., Artifact]


@dataclass(frozen=True)
class Stage:
    """A declared stage. `roles` are the artifacts it takes by name; the first is the main input.

    `together`: under torchrun every process takes part in it, not the first alone.
    """

    name: str
    version: int
    tools: tuple[str, ...]
    run: Run
    config: type[Config]
    roles: dict[str, type[Artifact]]
    optional: frozenset[str]
    gives: type[Artifact]
    wants_data: bool
    together: bool

    @property
    def main(self) -> str | None:
        """The role that takes the step before; None for a stage that starts a line."""
        return next(iter(self.roles), None)


STAGES: dict[str, Stage] = {}


def stage(
    *, version: int, tools: tuple[str, ...] = (), together: bool = False
) -> Callable[[Run], Run]:
    """Declare a stage from its signature.

    Artifact-typed parameters are roles, `cfg` is its config, `data` the recipe's data and `work`
    its folders. `tools` are distributions whose version is part of every key. The body imports
    what it needs.
    """

    def declare(run: Run) -> Run:
        hints = typing.get_type_hints(run)
        roles, optional = {}, set()
        for name in inspect.signature(run).parameters:
            kinds = [k for k in (typing.get_args(hints[name]) or (hints[name],)) if _is_artifact(k)]
            if kinds:
                roles[name] = kinds[0]
                if type(None) in typing.get_args(hints[name]):
                    optional.add(name)
        STAGES[run.__name__] = Stage(
            run.__name__, version, tools, run, hints["cfg"], roles, frozenset(optional),
            hints["return"], "data" in hints, together,
        )  # fmt: skip
        return run

    return declare


def _is_artifact(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Artifact)
