"""`bench FILE [FILE2]`: any model files against the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.bench.arms import file_arms
from pipeline.bench.measure import measure
from pipeline.bench.results import Stored
from pipeline.bench.settings import SessionSettings
from pipeline.board.board import Board


def bench_files(
    paths: Sequence[Path], settings: SessionSettings, board: Board, *, results: Path
) -> Stored:
    """Measure model files with random inputs, and store the record under their names.

    Raises:
        UsageError: a file is missing or is no TFLite model.
        Refused, BoardUnreachable: see `measure`.
    """
    arms = file_arms(paths)
    recipe = "bench " + "+".join(arm.name for arm in arms)
    return measure(arms, settings, board, recipe=recipe, results=results)
