"""What torch says when it refuses: one line, and the user's own line of source."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


def reason(error: Exception) -> str:
    """Torch's own reason in one line, with the user's source line where torch names it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    place = user_line(str(error))
    return f"{text} (at {place})" if place else text


def user_line(trace: str) -> str:
    """`file:line` of the last frame of a printed stack that is not torch's own; or nothing."""
    frames = re.findall(r'File "([^"]+)", line (\d+)', trace)
    own = (str(Path(torch.__file__).parent), "torch/")
    lines = [f"{file}:{line}" for file, line in frames if not file.startswith(own)]
    return lines[-1] if lines else ""


@contextmanager
def quiet() -> Iterator[None]:
    """Torch logs the whole graph when an export fails; its reason is in the exception."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
