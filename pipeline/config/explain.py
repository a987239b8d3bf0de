"""Problems of a TOML file in the user's words, all of them at once."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pipeline.config.base import Config
from pipeline.errors import UsageError

C = TypeVar("C", bound=Config)


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; UsageError with line and column when it is not one."""
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=path) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"not valid TOML: {error}", where=path) from error


def parse(kind: type[C], table: Mapping[str, Any], folder: Path) -> tuple[C | None, list[str]]:
    """Validate one table; relative paths in it start at `folder`. Problems come as lines."""
    try:
        return kind.model_validate(dict(table), context={"folder": folder}), []
    except ValidationError as error:
        return None, [_line(kind, problem) for problem in error.errors()]


def refuse(path: Path, problems: list[str]) -> None:
    """Raise what was found, one problem a line; nothing where there is none."""
    if not problems:
        return
    if len(problems) == 1:
        raise UsageError(problems[0], where=path)
    raise UsageError("\n  ".join([f"{len(problems)} problems", *problems]), where=path)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint: the nearest known word, or all of them."""
    known = list(known)
    near = difflib.get_close_matches(word, known, 1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"


def _line(kind: type[Config], problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or kind.__name__
    if problem["type"] == "extra_forbidden":
        fields = _fields_at(kind, problem["loc"][:-1])
        return f"{where}: unknown key; {did_you_mean(str(problem['loc'][-1]), fields)}"
    if problem["type"] == "missing":
        return f"{where}: missing"
    got = repr(problem["input"])
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" + (f" (got {got})" if len(got) < 60 and got not in message else "")


def _fields_at(kind: type[Config], location: tuple[Any, ...]) -> list[str]:
    for part in location:
        if part not in kind.model_fields:
            continue  # a list's number or a dict's key: of the type found before it
        annotation = kind.model_fields[part].annotation
        inner = [a for a in _types_in(annotation) if issubclass(a, Config)]
        if not inner:
            return []
        kind = inner[0]
    return [field.alias or name for name, field in kind.model_fields.items()]


def _types_in(annotation: Any) -> list[type]:
    if isinstance(annotation, type):
        return [annotation]
    return [t for part in getattr(annotation, "__args__", ()) for t in _types_in(part)]
