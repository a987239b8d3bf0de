"""Who we are to a board: keys of the agent and of the identity files, in OpenSSH's order."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import paramiko
from paramiko.agent import AgentSSH

from pipeline.board.ssh.config import HostConfig
from pipeline.errors import BoardUnreachable

AGENT_S = 15.0
METHOD = "publickey"


@dataclass(frozen=True)
class Candidate:
    """A key to offer; `load` opens it only when its turn comes."""

    name: str
    load: Callable[[], paramiko.PKey]


class Agent(AgentSSH):  # type: ignore[misc]
    """The agent behind a socket of our choice; paramiko's own takes SSH_AUTH_SOCK alone."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        conn = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        conn.settimeout(AGENT_S)
        try:
            conn.connect(str(path))
            self._connect(conn)
        except (OSError, paramiko.SSHException):
            conn.close()

    def close(self) -> None:
        """End the exchange with the agent."""
        self._close()


def log_in(transport: paramiko.Transport, config: HostConfig) -> None:
    """Authenticate.

    Raises:
        BoardUnreachable: it names what was offered, and what to do.
        SSHException: the line broke.
    """
    if _without_key(transport, config):
        return
    agent = Agent(config.agent) if config.agent else None
    tried: list[str] = []
    try:
        for candidate in _candidates(config, agent):
            tried.append(_offered(transport, config, candidate))
            if transport.is_authenticated():
                return
            if not transport.is_active():
                break
    finally:
        if agent:
            agent.close()
    if len(tried) == 1 and not transport.is_active():
        raise paramiko.SSHException("the line broke during the login")
    raise _refused(transport, config, tried)


def _without_key(transport: paramiko.Transport, config: HostConfig) -> bool:
    """Some small systems let a user in without any; the answer also says what they would take."""
    try:
        transport.auth_none(config.user)
    except paramiko.BadAuthenticationType as answer:
        if METHOD not in answer.allowed_types:
            raise BoardUnreachable(
                f"takes no keys, only {', '.join(answer.allowed_types)}",
                where=config.label,
                fix="set `PubkeyAuthentication yes` in its sshd_config",
            ) from None
    except paramiko.AuthenticationException as problem:
        _raise_if_slow(problem)
        if not transport.is_active():
            raise
    return bool(transport.is_authenticated())


def _offered(transport: paramiko.Transport, config: HostConfig, candidate: Candidate) -> str:
    """Try one key; returns its name with the reason when it is of no use."""
    try:
        key = candidate.load()
    except paramiko.PasswordRequiredException:
        return f"{candidate.name} (has a passphrase: `ssh-add` it)"
    except TypeError:  # cryptography's word for a key that is encrypted
        return f"{candidate.name} (has a passphrase: `ssh-add` it)"
    except (OSError, ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as problem:
        return f"{candidate.name} (cannot be read: {str(problem)[:60] or type(problem).__name__})"
    try:
        transport.auth_publickey(config.user, key)
    except (paramiko.SSHException, OSError) as problem:
        _raise_if_slow(problem)
    return candidate.name


def _raise_if_slow(problem: Exception) -> None:
    """No answer is another failure than a refusal."""
    if "timeout" in str(problem).lower():
        raise TimeoutError from None


def _candidates(config: HostConfig, agent: Agent | None) -> Iterator[Candidate]:
    """The agent's keys that are named in the configuration, its others, then the files."""
    files = [path for path in config.identities if path.is_file()]
    named = {_public(path) for path in config.identities} - {b""}
    held = list(agent.get_keys()) if agent else []
    first = [key for key in held if key.asbytes() in named]
    others = [] if config.identities_only else [key for key in held if key not in first]
    for key in first + others:
        yield Candidate(f"agent's {key.comment or key.get_name()}", partial(_itself, key))
    in_agent = {key.asbytes() for key in held}
    for path in files:
        if _public(path) not in in_agent:
            yield Candidate(str(path), partial(paramiko.PKey.from_path, path))


def _itself(key: paramiko.PKey) -> paramiko.PKey:
    return key


def _public(path: Path) -> bytes:
    """The public key that lies beside a private one, b"" when there is none."""
    try:
        text = path.with_name(path.name.removesuffix(".pub") + ".pub").read_text()
        return bytes(paramiko.PublicBlob.from_string(text.strip()).key_blob)
    except (OSError, ValueError):
        return b""


def _refused(
    transport: paramiko.Transport, config: HostConfig, tried: list[str]
) -> BoardUnreachable:
    """A server never says whether user or key is wrong, so this names both."""
    if not tried:
        return BoardUnreachable(
            "there is no key to log in with",
            where=config.label,
            fix=f"`ssh-keygen -t ed25519`, then `ssh-copy-id {config.label}`",
        )
    what, fix = f"lets {config.user!r} not in with {', '.join(tried)}", ""
    if not transport.is_active():
        what += ", then hung up"
        fix = "offer it fewer keys (`IdentitiesOnly yes` with one IdentityFile), or "
    fix += f"name the right user, or put a key there: `ssh-copy-id {config.label}`"
    return BoardUnreachable(what, where=config.label, fix=fix)
