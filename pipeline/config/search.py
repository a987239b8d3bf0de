"""Find a recipe or a target by name or path, and list them with their first lines."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.explain import did_you_mean
from pipeline.errors import UsageError
from pipeline.paths import search_path


def find(kind: str, name: str) -> Path:
    """Path of a `targets` or `recipes` file, by path or by bare name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    if name.endswith(".toml"):
        if Path(name).is_file():
            return Path(name).resolve()
        raise UsageError("no such file", where=name, fix=f"check the path; {_known(kind, name)}")
    known = available(kind)
    if name in known:
        return known[name]
    raise UsageError(f"no {kind[:-1]} '{name}'", fix=did_you_mean(name, known))


def available(kind: str) -> dict[str, Path]:
    """{name: path} of all `targets` or `recipes`; a user's file hides ours of the same name."""
    found: dict[str, Path] = {}
    for folder in search_path(kind):
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path.resolve())
    return dict(sorted(found.items()))


def description(path: Path) -> str:
    """What a file is for: its first line, a comment."""
    with path.open() as stream:
        return stream.readline().lstrip("# ").strip()


def _known(kind: str, name: str) -> str:
    return did_you_mean(Path(name).stem, available(kind))
