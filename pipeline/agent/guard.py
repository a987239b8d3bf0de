"""A process that outlives the agent: when that dies, even by kill -9, it restores the settings.

Started with the first setting that is changed, in a session of its own. It waits on a pipe whose
other end dies with the agent. If it is killed as well, the next agent or `secateur doctor`
restores from the journal.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import IO

from .journal import SIGNALS, Journal

RESTORE_S = 5.0


def start(folder: str, root: str) -> IO[bytes]:
    """Start it, and return our end of the pipe: closing it, or dying, makes it look."""
    command = [sys.executable, "-I", os.path.abspath(sys.argv[0])]
    reading, writing = os.pipe()
    try:
        subprocess.Popen(
            [*command, "--fd", "1", "--guard", folder, root],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    finally:
        os.close(reading)
    return os.fdopen(writing, "wb")


def main(folder: str, root: str) -> int:
    """Wait for the end of stdin, then restore what the journal still holds."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    Journal(folder, root).recover(RESTORE_S)
    return 0
