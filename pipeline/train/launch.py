"""Run the user's training script with its folder importable, but behind our own package.

`python script.py` would put that folder first, and a `pipeline/` of theirs would hide ours.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from pipeline.config.resolve import add_folder

if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    add_folder(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
