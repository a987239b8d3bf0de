"""A board that is a program: a real arm64 Linux under QEMU, whose clock counts instructions."""

from pipeline.board.virtual.api import (
    Status,
    VirtualMachine,
    down,
    reset,
    status,
    statuses,
    up,
)

__all__ = ["Status", "VirtualMachine", "down", "reset", "status", "statuses", "up"]
