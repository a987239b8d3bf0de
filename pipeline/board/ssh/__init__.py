"""A board over SSH: OpenSSH's configuration, paramiko's connection, a bound on every wait."""

from pipeline.board.ssh.transport import SSHTransport, connect

__all__ = ["SSHTransport", "connect"]
