"""What can make a session's figures less than they seem, each with its advice."""

from __future__ import annotations

from enum import Enum


class SessionWarning(Enum):
    """The name goes into the record, the value is the advice."""

    # what the figures mean
    GOVERNOR_NOT_PERFORMANCE = (
        "figures are those of this governor; --governor performance fixes the clock, where allowed"
    )
    CLOCK_UNKNOWN = "the machine does not tell its clock (common on virtual machines): trust ratios"
    CLOCK_CAPPED = "figures hold for this limit, not for what the processor could do"
    CLOCK_FOLLOWED_LOAD = (
        "at this rate the clock follows the load: that is part of what was measured"
    )
    HELD_BY_HEAT = "the clock that this board can sustain: that is what was to be measured"
    THROTTLED_BEFORE = "some time since the board's start, not in this session"
    NO_THERMOMETER = "nobody can tell whether its temperature is steady"
    COLD_CACHE = "the file came from the disk, so load is slower than the next time"
    WARMING = "later processes ran on a warmer board: the sustained regime waits for it"
    HOT = "cool it, or read the figures as those of a hot board"

    # what may be off
    HIGH_LOAD = "other work kept the machine busy: stop it and measure again"
    STOLEN_TIME = "the hypervisor gave the CPU to others: trust ratios, or use a machine of its own"
    PREEMPTED = "other work interrupted the inferences: stop it, or set an affinity"
    SWITCHES = "the scheduler interrupted the process often: stop other work, or set an affinity"
    SWAPPING = "memory was swapped: close programs or measure a smaller model"
    DISK_READS = "pages came from the disk while it measured: more memory, or a smaller model"
    PAGE_FAULTS = (
        "the process was given its memory anew while it measured: free memory, then repeat"
    )
    MEMORY_PRESSURE = "other work took the memory: stop it and measure again"
    UNEVEN_MEMORY = "the processes of one arm needed different memory: look for what disturbs them"
    UNSTEADY = "the processes of one arm differ much: let the machine rest, then use more processes"
    FEW_PROCESSES = "too few processes for an interval: measure with --processes 10 or more"
    FAILED_PROCESSES = "some processes failed; their reasons are in the record"
    CONSTANT_OUTPUT = "the model says the same to every input: check the file before its speed"

    SENSOR_FAULT = "readings with this fault are no figures: see to the sensor and its wiring"
    METER_CLOCK = "the meter's readings and the board's work do not fit in time: see its interface"
    METER_LOST = "the meter did not answer all the while: see its cable and its settings"

    # what breaks a session
    THROTTLED = "cool the board, or measure --regime sustained, where that is part of the figure"
    UNDER_VOLTAGE = "the supply was too weak and the clock was held down: a better supply and cable"
    GOVERNOR_CHANGED = "something else changed the governor meanwhile: stop it and measure again"
    CLOCK_UNSTEADY = (
        "the CPU's clock differed from process to process: cool the board, fix its clock"
    )
    CLOCK_RECORD = "time_in_state contradicts itself: nobody can say at which clock this ran"
    CPUS_CHANGED = "CPUs went on- or offline meanwhile: measure again"
    AFFINITY_LOST = "the process did not stay on its CPUs: see what moves it (cpusets, taskset)"
    NOT_STEADY = "the temperature still moved: allow a longer --soak-limit"
    MEMORY_CHANGED = "the machine's memory itself changed (a balloon): give it a fixed size"
    CLOCK_JUMP = "the wall clock was set, or the machine stood still: wait for NTP, measure again"
    SUSPENDED = "the machine slept meanwhile: keep it awake and measure again"
    CLOCK_SLEWED = "the clock of the samples was steered: wait for NTP to settle, measure again"
    TIME_DISORDER = "times contradict each other: the clock or the record is broken"
    FROZEN_CLOCK = "every sample is the same: the clock does not move, or no one measured"
    COARSE_TIMER = "the clock's steps are too long for this model: trust no ratio near one step"
    TRUNCATED_SAMPLES = "samples are missing: the record is not whole"
    DUPLICATED_SAMPLES = "samples occur twice: the record is not what was measured"
    WRONG_MODEL = "the board ran another file than the one that was sent: measure again"
    WRONG_INPUT = "the model's input on the board is not the file's: check runtime and file"
    CACHED_OUTPUT = "known inputs are answered faster than new ones: a cache was measured"
    IMPLAUSIBLE = "faster than the processor can multiply: a bug, no result"

    @property
    def advice(self) -> str:
        """What to do about it."""
        return self.value
