"""Whether a host's key is the one we know: known_hosts as sshd(8) describes it, nothing on trust.

paramiko's own reader knows no patterns, no `@revoked`, and looks at one kind of key only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import paramiko

from pipeline.board.ssh.config import HostConfig
from pipeline.errors import BoardUnreachable

HASHED = "|1|"
SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True)
class Known:
    """One line of a known_hosts file that speaks of the host."""

    path: Path
    line: int
    kind: str
    blob: bytes
    revoked: bool


def known(config: HostConfig) -> list[Known]:
    """Every key that the user's and the system's files hold for a host."""
    return [k for path in config.known_hosts for k in _read(path, config.key_name)]


def preferred(kinds: Sequence[str], lines: Sequence[Known]) -> list[str]:
    """Signature algorithms, those of the keys that we know first: so the server shows one of them.

    Without this a host known by its RSA key would show its Ed25519 key and look changed.
    """
    ours = {name for k in lines for name in SIGNATURES.get(k.kind, (k.kind,))}
    return sorted(kinds, key=lambda kind: kind not in ours)


def check(config: HostConfig, key: paramiko.PKey, lines: Sequence[Known]) -> None:
    """Pass, or raise BoardUnreachable with the fingerprint and the command that accepts it."""
    blob = key.asbytes()
    same = [k for k in lines if k.blob == blob]
    if any(k.revoked for k in same):
        raise BoardUnreachable(
            f"shows a revoked host key ({fingerprint(key)})",
            where=config.label,
            fix=f"do not connect; {same[0].path}:{same[0].line} revokes it",
        )
    if same:
        return
    others = [k for k in lines if not k.revoked]
    if others:
        raise _changed(config, key, others)
    if not any(k.blob == blob and not k.revoked for k in _without_port(config)):
        raise _unknown(config, key)


def fingerprint(key: paramiko.PKey) -> str:
    """`ssh-ed25519 SHA256:...`, as `ssh-keygen -l` writes it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def _unknown(config: HostConfig, key: paramiko.PKey) -> BoardUnreachable:
    return BoardUnreachable(
        f"its host key is not known: {fingerprint(key)}",
        where=config.label,
        fix=f"compare it on the board, then accept it: `{_accept(config, key)}`",
    )


def _changed(config: HostConfig, key: paramiko.PKey, lines: Sequence[Known]) -> BoardUnreachable:
    """Says which line knows another key; a new card in the board is the harmless reason."""
    first = lines[0]
    remove = shlex.join(["ssh-keygen", "-R", config.key_name, "-f", str(first.path)])
    return BoardUnreachable(
        f"its host key is not the one of {first.path}:{first.line} but {fingerprint(key)}: "
        "a new system on the board, or someone between",
        where=config.label,
        fix=f"compare it on the board, then: `{remove} && {_accept(config, key)}`",
    )


def _accept(config: HostConfig, key: paramiko.PKey) -> str:
    """A command that adds this very key, whatever jumps and aliases led to it."""
    files = [path for path in config.known_hosts if path != Path("/dev/null")]
    path = files[0] if files else Path.home() / ".ssh" / "known_hosts"
    line = f"{config.key_name} {key.get_name()} {key.get_base64()}"
    folder = shlex.quote(str(path.parent))
    made = "" if path.parent.is_dir() else f"mkdir -p -m 700 {folder} && "
    return f"{made}echo {shlex.quote(line)} >> {shlex.quote(str(path))}"


def _without_port(config: HostConfig) -> list[Known]:
    """Lines for the bare name, which OpenSSH also takes for another port than 22."""
    if not config.key_name.startswith("["):
        return []
    return [k for path in config.known_hosts for k in _read(path, config.host)]


def _read(path: Path, name: str) -> Iterator[Known]:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or marker not in ("", "@revoked") or words[0].startswith("#"):
            continue
        if _matches(words[0], name):
            yield Known(path, number, words[1], _decoded(words[2]), bool(marker))


def _matches(patterns: str, name: str) -> bool:
    """Whether a line's first field speaks of `name`: hashed, or patterns of which none forbids."""
    if patterns.startswith(HASHED):
        return _hashed(patterns, name)
    found = False
    for pattern in patterns.lower().split(","):
        # fnmatch takes [..] for a set of characters, known_hosts for the name of a port.
        if fnmatchcase(name.lower(), pattern.lstrip("!").replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _hashed(field: str, name: str) -> bool:
    """`|1|salt|HMAC-SHA1(salt, name)`, both in base64."""
    salt, _, digest = field[len(HASHED) :].partition("|")
    made = hmac.new(_decoded(salt), name.encode(), hashlib.sha1).digest()
    return hmac.compare_digest(made, _decoded(digest))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""
