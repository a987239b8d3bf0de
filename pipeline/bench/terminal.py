"""Text for stdout: coloured in a terminal that wants it, plain and 120 columns wide in a pipe."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console

PIPE_WIDTH = 120


@contextlib.contextmanager
def terminal(stream: TextIO) -> Iterator[Console]:
    """A console whose text reaches `stream` when the block ends, without trailing spaces."""
    console = _console(stream)
    with console.capture() as capture:
        yield console
    stream.writelines(line.rstrip(" ") + "\n" for line in capture.get().splitlines())


def _console(stream: TextIO) -> Console:
    if not stream.isatty():
        return Console(file=stream, width=PIPE_WIDTH, color_system=None, highlight=False)
    if os.environ.get("NO_COLOR"):
        return Console(file=stream, color_system=None, highlight=False)
    return Console(file=stream, highlight=False)
