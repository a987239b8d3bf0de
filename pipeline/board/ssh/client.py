"""An authenticated connection to a host, hop by hop, each hop's key checked as the board's is."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import paramiko

from pipeline.board.ssh import hostkeys
from pipeline.board.ssh.config import HostConfig, Overrides, hop, resolve
from pipeline.board.ssh.dial import dial
from pipeline.board.ssh.login import log_in
from pipeline.board.ssh.wire import Prober, Wire
from pipeline.errors import BoardUnreachable

HANDSHAKE_S = 11.0
OPEN_S = 12.0
CLOSE_S = 2.0
MAX_HOPS = 8
AGAIN = "run it again; see the board's power and network when it recurs"

# Its transport threads log what we report ourselves, and with no handler Python prints it.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Connection:
    """A session with one host, and the connection to the jump it goes through."""

    def __init__(
        self,
        config: HostConfig,
        transport: paramiko.Transport,
        wire: Wire,
        through: Connection | None,
    ) -> None:
        self.config, self._transport, self._wire = config, transport, wire
        self._through = through
        self._prober = Prober(transport, wire)

    def session(self) -> paramiko.Channel:
        """A channel for a command or a subsystem. Raises BoardUnreachable."""
        with self.guard():
            return self._transport.open_session(timeout=OPEN_S)

    def channel_to(self, config: HostConfig) -> paramiko.Channel:
        """A channel to a port that this host can reach. Raises BoardUnreachable."""
        with self.guard():
            try:
                return self._transport.open_channel(
                    "direct-tcpip", (config.host, config.port), ("127.0.0.1", 0), timeout=OPEN_S
                )
            except paramiko.ChannelException as refused:
                raise BoardUnreachable(
                    f"{self.config.alias} gets no connection to {config.host}:{config.port} "
                    f"({refused.text or refused})",
                    where=config.label,
                    fix="see that the board is on, and that the jump host allows forwarding",
                ) from None

    @property
    def alive(self) -> bool:
        """Whether anything can still come."""
        return bool(self._transport.is_active())

    def lost(self) -> BoardUnreachable:
        """Why nothing can come any more."""
        hop: Connection | None = self
        while hop and not hop._wire.dead:
            hop = hop._through
        if hop:
            via = "" if hop is self else f"{hop.config.alias}, on the way to it, "
            what = f"{via}gives no sign of life any more"
        else:
            what = "the connection broke"
        return BoardUnreachable(what, where=self.config.label, fix=AGAIN)

    def stalled(self, after_s: float) -> BoardUnreachable:
        """The line lives, and what is at its other end does nothing."""
        return BoardUnreachable(
            f"takes no data for {after_s:g} s",
            where=self.config.label,
            fix="see what its disk does (`dmesg` there); an SD card that wears out does this",
        )

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Turn what paramiko raises for a connection that is gone into BoardUnreachable."""
        try:
            yield
        except (paramiko.SSHException, EOFError, OSError) as problem:
            if self.alive and isinstance(problem, paramiko.ChannelException):
                raise BoardUnreachable(
                    f"opens no further session ({problem.text})",
                    where=self.config.label,
                    fix="raise MaxSessions in its sshd_config",
                ) from None
            if self.alive and isinstance(problem, OSError):
                raise
            raise self.lost() from None

    def close(self) -> None:
        """End it, then the jump it went through."""
        self._prober.stop()
        self._transport.close()
        self._transport.join(CLOSE_S)
        if self._through:
            self._through.close()


def open_connection(host: str, overrides: Overrides, *, hops: int = 0) -> Connection:
    """Resolve, reach, check the key, log in.

    Raises:
        UsageError: the name or the user's SSH configuration is wrong.
        BoardUnreachable: no way to it, its key is not known, or it lets us not in.
    """
    config = resolve(host, overrides)
    if hops > MAX_HOPS:
        raise BoardUnreachable(
            f"more than {MAX_HOPS} jumps", where=config.label, fix="ProxyJump goes in a circle"
        )
    through = _jump(config, overrides, hops)
    try:
        return _connected(config, through)
    except BaseException:
        if through:
            through.close()
        raise


def _jump(config: HostConfig, overrides: Overrides, hops: int) -> Connection | None:
    """The connection to the last jump, itself reached through those before it."""
    if not config.jumps:
        return None
    *before, last = config.jumps
    host, user, port = hop(last)
    rest = ",".join(before) or None
    jump = Overrides(user=user, port=port, config=overrides.config, jump=rest)
    if not before and resolve(host, jump).key_name == config.key_name:
        return None  # `Host *` names a jump, and this is it
    return open_connection(host, jump, hops=hops + 1)


def _connected(config: HostConfig, through: Connection | None) -> Connection:
    wire = Wire(through.channel_to(config) if through else dial(config))
    transport = _transport(config, wire)
    try:
        with _handshake(config):
            lines = hostkeys.known(config)
            options = transport.get_security_options()
            options.key_types = hostkeys.preferred(options.key_types, lines)
            transport.start_client(timeout=HANDSHAKE_S)
            if not transport.initial_kex_done:
                raise TimeoutError
            hostkeys.check(config, transport.get_remote_server_key(), lines)
            log_in(transport, config)
        return Connection(config, transport, wire, through)
    except BaseException:
        transport.close()
        wire.close()
        if transport.is_alive():
            transport.join(CLOSE_S)
        raise


def _transport(config: HostConfig, wire: Wire) -> paramiko.Transport:
    """A transport whose every wait is shorter than what we promise.

    Its own limits of the handshake lie beyond ours, so that one and the same clock ends it: of two
    that end together, now one tells what happened and now the other.
    """
    transport = paramiko.Transport(wire)
    transport.banner_timeout = transport.handshake_timeout = 2 * HANDSHAKE_S
    transport.auth_timeout = transport.channel_timeout = HANDSHAKE_S
    transport.name = f"ssh {config.label}"
    return transport


@contextlib.contextmanager
def _handshake(config: HostConfig) -> Iterator[None]:
    """What can go wrong before we are in, in the user's words."""
    try:
        yield
    except paramiko.ssh_exception.IncompatiblePeer as problem:
        raise BoardUnreachable(
            f"has no algorithm in common with us: {str(problem)[:160]}",
            where=config.label,
            fix="its sshd needs an ed25519, ecdsa or rsa-sha2 host key (`ssh-keygen -A` there) "
            "and a modern cipher",
        ) from None
    except (paramiko.SSHException, EOFError, OSError) as problem:
        raise _no_session(config, problem) from None


def _no_session(config: HostConfig, problem: Exception) -> BoardUnreachable:
    """A handshake that came to nothing."""
    said = str(problem).strip().rstrip(".")
    if isinstance(problem, TimeoutError):
        what = f"the SSH handshake got no answer within {HANDSHAKE_S:g} s"
    elif "banner" in said:
        what = "no sshd answers there"
    else:
        what = f"the SSH handshake failed: {said[:160] or 'it hung up'}"
    fix = f"see that {config.host}:{config.port} is an sshd, and what its log says"
    if config.proxy_command:
        fix = f"see what the ProxyCommand says: `{config.proxy_command}`"
    return BoardUnreachable(what, where=config.label, fix=fix)
