"""What can make a session's figures less than they seem, each with its advice."""

from __future__ import annotations

from enum import Enum


class SessionWarning(Enum):
    """The name goes into the record, the value is the advice."""

    HIGH_LOAD = "other work kept the machine busy: stop it and measure again"
    GOVERNOR_NOT_PERFORMANCE = (
        "the clock follows the load: set the governor to 'performance' for steadier figures"
    )
    CLOCK_UNKNOWN = "the machine does not tell its clock (common on virtual machines): trust ratios"
    UNSTEADY = "the processes of one arm differ much: let the machine rest, then use more processes"
    FEW_PROCESSES = "too few processes for an interval: measure with --processes 10 or more"
    FAILED_PROCESSES = "some processes failed; their reasons are in the record"
    SWAPPING = "memory was swapped out: close programs or measure a smaller model"
    HOT = "the processor was above 80 degC: cool it, or read the figures as those of a hot board"
    THROTTLED = "the clock was held down during the session: improve cooling or power supply"

    @property
    def advice(self) -> str:
        """What to do about it."""
        return self.value
