"""Joules from raw readings, with an uncertainty that says how far they may be off."""

from pipeline.board.energy.accuracy import Accuracy
from pipeline.board.energy.block import Energy, Figure, block_energy
from pipeline.board.energy.clocks import Alignment, align
from pipeline.board.energy.rail import Rail

__all__ = ["Accuracy", "Alignment", "Energy", "Figure", "Rail", "align", "block_energy"]
