"""One process that runs trials, with an sshd and a disk of its own."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.deploy.place import opened
from tests.benchmarks.deploy.trial import calibrate, run


def work(folder: Path, asked: Any, told: Any) -> None:
    """Take trials from one queue until there is none, and put their lines into the other.

    In a session of its own: Linux shares the processor out by sessions, and each of these is a
    board's and a user's machine of its own.
    """
    os.setsid()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing stays mounted
    with tempfile.TemporaryDirectory() as home:
        os.environ["SECATEUR_HOME"] = home
        with opened(folder) as place:
            calibrate(place)
            while trial := asked.get():
                told.put(run(place, trial))
