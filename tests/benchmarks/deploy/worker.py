"""One process that runs trials, with an sshd and a disk of its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.deploy.place import opened
from tests.benchmarks.deploy.trial import calibrate, run


def work(folder: Path, asked: Any, told: Any) -> None:
    """Take trials from one queue until there is none, and put their lines into the other."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["SECATEUR_HOME"] = home
        with opened(folder) as place:
            calibrate(place)
            while trial := asked.get():
                told.put(run(place, trial))
