"""What a board lacks for measuring, and how to mend it."""

from pipeline.board.doctor.examine import examine
from pipeline.board.doctor.finding import Finding

__all__ = ["Finding", "examine"]
