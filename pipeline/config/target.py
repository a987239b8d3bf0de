"""A target: a kind of board, with every setting resolved for this user's own one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipeline.config.base import Config
from pipeline.config.board import BoardFacts
from pipeline.config.explain import C, parse, read_toml, refuse
from pipeline.config.lab import DEFAULT_ROOT, BoardConfig, LabFile, lab_path
from pipeline.config.search import find
from pipeline.config.settings import RuntimeName, Settings, from_environment, resolve_settings
from pipeline.errors import UsageError

CONNECTION = ("host", "root", "slot", "on_publish", "health_cmd", "keep_releases", "keep_mb")
Origins = Mapping[str, tuple[Any, str]]


class TargetFile(Config):
    """A target file."""

    title: str
    transport: Literal["local", "ssh", "virtual"]
    emulated: bool = Field(default=False, description="its clock counts instructions")
    host: str | None = Field(default=None, description="only where it is the same for everybody")
    runtimes: list[RuntimeName] = Field(min_length=1, description="that exist for it, best first")
    board: BoardFacts | None = None
    measure: Settings = Settings()


@dataclass(frozen=True)
class Target:
    """A target with its settings resolved."""

    name: str
    path: Path
    file: TargetFile
    origins: Origins
    connection: Origins
    lab: BoardConfig = field(default_factory=BoardConfig)

    def setting(self, name: str) -> Any:
        """One resolved setting of the measurement."""
        return self.origins[name][0]

    @property
    def emulated(self) -> bool:
        """Whether its figures are instruction counts."""
        return self.file.emulated

    @property
    def root(self) -> str:
        """Our folder on the board; `~/` is the home of the user who logs in."""
        return str(self.connection["root"][0])

    @property
    def slot(self) -> str:
        """Which of several applications on the board a release is for."""
        return str(self.connection["slot"][0])

    @property
    def on_publish(self) -> str | None:
        """Command of the lab file that makes the application take the new release."""
        return self._command("on_publish")

    @property
    def health_cmd(self) -> str | None:
        """Command of the lab file that fails when the application does not work."""
        return self._command("health_cmd")

    @property
    def keep_releases(self) -> int:
        """How many releases stay in the slot."""
        return int(self.connection["keep_releases"][0])

    @property
    def keep_mb(self) -> int:
        """How much disk the releases of the slot may take, in megabytes."""
        return int(self.connection["keep_mb"][0])

    def require_host(self) -> str:
        """The board's address; of a virtual board, its name.

        Raises:
            UsageError: neither the command line nor the lab file gives one.
        """
        host = self.connection["host"][0]
        if host is None:
            raise UsageError(
                f"no address for {self.name}",
                fix=f"give --host USER@BOARD (make {self.name} HOST=USER@BOARD), or write"
                f' host = "USER@BOARD" under [boards.{self.name}] in {lab_path()}',
            )
        return str(host)

    def check_host(self) -> None:
        """Refuse a board without an address before any work; see `require_host`."""
        if self.file.transport == "ssh":
            self.require_host()

    def _command(self, name: str) -> str | None:
        value: str | None = self.connection[name][0]
        return value


def load(
    name: str,
    *,
    flags: Mapping[str, Any],
    recipe: Settings | None = None,
    host: str | None = None,
) -> Target:
    """Read a target and settle every setting: flag > environment > lab > recipe > target > default.

    `host` is the flag; an address never comes from the environment. That there is one is
    checked by `Target.check_host`.

    Raises:
        UsageError: no such target, problems in one of the files, flags or variables, or a
            host for a target that is on this machine.
    """
    path = find("targets", name)
    problems: list[str] = []
    file = _checked(TargetFile, path)
    lab = _checked(LabFile, lab_path()) if lab_path().is_file() else LabFile()
    board = lab.boards.get(path.stem, BoardConfig())
    layers = [
        ("flag", _part(Settings, flags, problems)),
        ("environment", _part(Settings, from_environment(), problems)),
        (str(lab_path()), board.measure),
        ("recipe", recipe or Settings()),
        (str(path), file.measure),
        (str(path), Settings(runtime=file.runtimes[0])),
    ]
    flag = _part(BoardConfig, {"host": host}, problems)
    refuse(Path("settings"), problems)
    connection = _connection(path, file, flag, board)
    return Target(path.stem, path, file, resolve_settings(layers), connection, board)


def _connection(path: Path, file: TargetFile, flag: BoardConfig, board: BoardConfig) -> Origins:
    if file.transport == "local" and (flag.host or board.host):
        where = "--host" if flag.host else f"{lab_path()}: [boards.{path.stem}]: host"
        raise UsageError(f"'{path.stem}' is on this machine", where=where, fix="leave it out")
    virtual = path.stem if file.transport == "virtual" else None
    layers = [
        ("flag", flag),
        (str(lab_path()), board),
        (str(path), BoardConfig(host=file.host)),
        (
            "default",
            BoardConfig(
                host=virtual, root=DEFAULT_ROOT, slot="default", keep_releases=5, keep_mb=1024
            ),
        ),
    ]
    return {name: _first(name, layers) for name in CONNECTION}


def _first(name: str, layers: list[tuple[str, BoardConfig]]) -> tuple[Any, str]:
    given = ((getattr(layer, name), origin) for origin, layer in layers)
    return next((found for found in given if found[0] is not None), (None, "not given"))


def _checked(kind: type[C], path: Path) -> C:
    value, problems = parse(kind, read_toml(path), path.parent)
    refuse(path, problems)
    assert value is not None
    return value


def _part(kind: type[C], values: Mapping[str, Any], problems: list[str]) -> C:
    given = {name: value for name, value in values.items() if value is not None}
    part, found = parse(kind, given, Path.cwd())
    problems += found
    return part or kind()
