"""What OpenSSH would do for a host, asked of `ssh -G`, which alone knows aliases and Include."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import Refused, UsageError

CONNECT_S = 10.0
ASK_S = 10.0
URI = re.compile(r"(?:ssh://)?(?:(?P<user>.+)@)?(?P<host>\[[^\]]+\]|[^:@]+)(?::(?P<port>\d+))?/?")


@dataclass(frozen=True)
class Overrides:
    """Settings of ours that win over the user's configuration. None: theirs holds.

    `config` is another file than ~/.ssh/config; "none" reads no file at all. `jump` is a
    ProxyJump; "none" goes straight.
    """

    user: str | None = None
    port: int | None = None
    identity: Path | None = None
    known_hosts: Path | None = None
    config: Path | str | None = None
    jump: str | None = None

    def flags(self) -> list[str]:
        """As flags of `ssh`."""
        flags = ["-F", str(self.config)] if self.config is not None else []
        options = {
            "User": self.user,
            "Port": self.port,
            "IdentityFile": _quoted(self.identity),
            "IdentitiesOnly": self.identity and "yes",
            "UserKnownHostsFile": _quoted(self.known_hosts),
            "GlobalKnownHostsFile": self.known_hosts and "none",
            "ProxyJump": self.jump,
        }
        named = [f"{name}={value}" for name, value in options.items() if value is not None]
        return flags + [word for option in named for word in ("-o", option)]


@dataclass(frozen=True)
class HostConfig:
    """One host as OpenSSH would reach it."""

    alias: str
    host: str
    port: int
    user: str
    key_name: str  # under which known_hosts knows it
    identities: tuple[Path, ...]
    identities_only: bool
    agent: Path | None
    known_hosts: tuple[Path, ...]  # the user's first
    jumps: tuple[str, ...]  # in the order in which they are passed
    proxy_command: str | None
    connect_s: float

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.user}@{self.alias}"


def resolve(alias: str, overrides: Overrides) -> HostConfig:
    """Ask `ssh -G`.

    Raises:
        UsageError: not a host's name, or the user's configuration is wrong.
        Refused: there is no `ssh` here.
    """
    if not alias.strip():
        raise UsageError("no host is named", fix="give `[user@]host`, or an alias of ssh_config")
    options = _options(_ask(alias, overrides), alias)
    tokens = _tokens(options, alias)
    jumps = _last(options, "proxyjump")
    command = _last(options, "proxycommand")
    connect_s = _last(options, "connecttimeout")
    return HostConfig(
        alias=alias.rpartition("@")[2].removeprefix("ssh://"),
        host=tokens["h"],
        port=int(tokens["p"]),
        user=tokens["r"],
        key_name=tokens["K"],
        identities=tuple(_path(text, tokens) for text in options.get("identityfile", [])),
        identities_only=_last(options, "identitiesonly") == "yes",
        agent=_agent(options.get("identityagent", [""])[-1], tokens),
        known_hosts=_known_hosts(options, tokens),
        jumps=tuple(jumps.split(",")) if jumps else (),
        proxy_command=_expanded(command, tokens) if command else None,
        connect_s=float(connect_s) if connect_s else CONNECT_S,
    )


def hop(address: str) -> tuple[str, str | None, int | None]:
    """(host, user, port) of one jump, `[user@]host[:port]` or `ssh://...` (ssh_config(5))."""
    found = URI.fullmatch(address)
    if found is None:
        raise UsageError("no ProxyJump address", where=address, fix="write `[user@]host[:port]`")
    port = found["port"]
    return found["host"].strip("[]"), found["user"], int(port) if port else None


def _ask(alias: str, overrides: Overrides) -> str:
    command = ["ssh", *overrides.flags(), "-G", "--", alias]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ASK_S
        )
    except FileNotFoundError:
        raise Refused("there is no `ssh` here", fix="`apt install openssh-client`") from None
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"`ssh -G` gives no answer within {ASK_S:g} s",
            where=alias,
            fix="see whether a `Match exec` of your SSH configuration hangs",
        ) from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "Pseudo-terminal" not in line]
        raise UsageError(
            f"ssh does not take it: {said[0] if said else 'no reason given'}",
            where=alias,
            fix=f"see what `{shlex.join(command)}` says",
        )
    return done.stdout


def _options(text: str, alias: str) -> dict[str, list[str]]:
    """{keyword: values} of lines `keyword value`."""
    options: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        options.setdefault(name, []).append(value)
    if not options.get("hostname"):
        raise UsageError("`ssh -G` names no host", where=alias, fix="give `[user@]host`")
    return options


def _last(options: Mapping[str, Sequence[str]], name: str) -> str:
    """A value, "" when it is not set or set to none."""
    value = options.get(name, [""])[-1]
    return "" if value.lower() == "none" else value


def _tokens(options: Mapping[str, Sequence[str]], alias: str) -> dict[str, str]:
    """The TOKENS of ssh_config(5) that paths and commands use; `K` is ours: the known host."""
    host, port = _last(options, "hostname"), _last(options, "port")
    name = _last(options, "hostkeyalias")
    by_port = host.lower() if port == "22" else f"[{host.lower()}]:{port}"
    return {
        "%": "%",
        "d": str(Path.home()),
        "h": host,
        "i": str(os.getuid()),
        "K": name or by_port,
        "k": name or host,
        "n": alias,
        "p": port,
        "r": _last(options, "user"),
        "u": getpass.getuser(),
    }


def _expanded(text: str, tokens: Mapping[str, str]) -> str:
    return re.sub(r"%(.)", lambda found: tokens.get(found[1], found[0]), text)


def _path(text: str, tokens: Mapping[str, str]) -> Path:
    return Path(os.path.expandvars(_expanded(text, tokens))).expanduser()


def _agent(text: str, tokens: Mapping[str, str]) -> Path | None:
    """Socket of the agent: the configured one, else the environment's."""
    if text.lower() == "none":
        return None
    if text in ("", "SSH_AUTH_SOCK"):
        text = os.environ.get("SSH_AUTH_SOCK", "")
    return _path(text, tokens) if text else None


def _known_hosts(
    options: Mapping[str, Sequence[str]], tokens: Mapping[str, str]
) -> tuple[Path, ...]:
    texts = (_last(options, "userknownhostsfile"), _last(options, "globalknownhostsfile"))
    return tuple(_path(word, tokens) for text in texts for word in _words(text))


def _words(text: str) -> list[str]:
    """File names of one line; `ssh -G` quotes none, so a name with spaces is one that exists."""
    words, found = text.split(" "), []
    while words and words[0]:
        ends = range(len(words), 1, -1)
        end = next((n for n in ends if Path(" ".join(words[:n])).expanduser().exists()), 1)
        found.append(" ".join(words[:end]))
        words = words[end:]
    return found


def _quoted(path: Path | None) -> str | None:
    """A path as a value in an SSH configuration."""
    return None if path is None else '"' + str(path).replace("%", "%%") + '"'
