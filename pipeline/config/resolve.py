"""From `module:function` to the function, and to a digest of the source behind it."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.artifacts import digest_of, file_digest
from pipeline.errors import UsageError


def add_folder(folder: Path) -> None:
    """Let the user's modules be imported. Appended, so that no folder of theirs shadows ours."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def importable(reference: str) -> str:
    """`folder/net.py:build` as `net:build`, its folder added; anything else as it is.

    Raises:
        UsageError: there is no such file, or an installed module has its name.
    """
    file, colon, name = reference.rpartition(":")
    path = Path(file)
    if not colon or path.suffix != ".py":
        return reference
    if not path.is_file():
        raise UsageError("no such file", where=file, fix="name the file that has the function")
    add_folder(path.resolve().parent)
    found = importlib.util.find_spec(path.stem)
    if found is None or found.origin is None or not path.samefile(found.origin):
        raise UsageError(f"'{path.stem}' is the name of another module", fix="rename the file")
    return f"{path.stem}:{name}"


def resolve(reference: str) -> Any:
    """Import what `module:function` names.

    Raises:
        UsageError: the module or the name in it does not exist, or importing it fails.
    """
    module_name, _, name = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UsageError(
            f"cannot import module '{module_name}': {type(error).__name__}: {error}",
            where=reference,
            fix="put the module beside the recipe, or install it into this environment",
        ) from error
    try:
        return getattr(module, name)
    except AttributeError:
        raise UsageError(f"module '{module_name}' has no '{name}'", where=reference) from None


def source_digest(reference: str) -> str:
    """Digest of the module's source and of all first-party modules it imports, at any depth.

    Installed packages are left out: they are pinned by version, not by content.
    """
    return digest_of({n: file_digest(p) for n, p in _first_party(reference.partition(":")[0])})


def _first_party(module: str) -> Iterator[tuple[str, Path]]:
    todo, seen = [module], set()
    while todo:
        name = todo.pop()
        path = _source_of(name)
        if name in seen or path is None:
            continue
        seen.add(name)
        yield name, path
        todo += _imports(path, name)


def _source_of(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin)
    installed = [Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib", "stdlib")]
    return None if any(path.is_relative_to(folder) for folder in installed) else path


def _imports(path: Path, module: str) -> Iterator[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
