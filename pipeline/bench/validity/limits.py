"""Every threshold of the validity rules, each with its reason.

What moves a figure by less than 1 % is of no consequence: that is the indifference band of the
verdicts. Where a reading is coarse, one step of it is allowed on top.
"""

from __future__ import annotations

BAND = 0.01
"""Half-width of the verdicts' indifference band."""

# Time
STEP_NS = 2_000_000
"""Wall clock against CLOCK_MONOTONIC: both are steered alike, so only a step parts them. Each pair
of readings is some microseconds wide; 2 ms stay clear of a reading that was preempted."""
STEP_WIDE_NS = 20_000_000
"""The same where the width of the readings is unknown."""
SLEW = 0.001
"""CLOCK_MONOTONIC against the raw one: crystals and NTP stay within 500 ppm (adjtimex(2)); more
makes latencies wrong by as much."""
SLEW_SPAN_NS = 1_000_000_000
"""A shorter span tells nothing of a slew."""
COARSE = BAND
"""Step of the samples' clock over their median."""
COARSE_BROKEN = 0.05
"""From here on half a step moves a median by more than two bands."""
FROZEN_SAMPLES = 10
"""So many equal samples, and no other, are no measurement: real ones jitter."""
UNACCOUNTED, UNACCOUNTED_NS = 0.2, 10_000_000
"""CPU time of a window, above what its arm usually needs beside the samples, that no sample holds:
a hypervisor's slice may lie between two samples, a fifth of the window not."""
WINDOW_GAP = 0.5
GAP_NS = 20_000
"""What lies between the samples of a burst: setting the input. More than half of the window, and
over 20 us an inference, is samples that are missing."""
CHANCE = 1e-9
"""Likelihood at which a repeated run of samples counts as copied, not measured."""

# Clock of the CPU
CLOCK = 0.02
"""Mean clock of one window against the median of its session: twice the band, as one process of
many moves the ratio by a part of it."""
MEASURED_CLOCK = 0.05
"""The same by the chain of additions: 0.1 ms of it, on a core that may be shared."""
MEASURED_BROKEN = 0.1
"""From here on it is no boost that comes and goes. A disturbance would have to slow all of the
chain's seven runs."""
TICKS = 2
"""Of 10 ms, by which time_in_state may be off in a window: one at each end."""
STATE_SUM = 0.02
"""time_in_state must account for the time that passed."""
STATE_TICKS = 5
"""And by so many ticks, where little time passed."""
CAP = 0.02
"""A clock limit below what the hardware can."""

# The machine
FOREIGN_CPUS = 0.25
"""CPUs that other programs kept busy, over the session: a quarter of one is above what a desktop or
a logging daemon takes."""
FOREIGN_PROCESS_CPUS = 0.5
"""The same around one process: over a second or so, ticks of 10 ms are coarse."""
STOLEN = 0.02
"""Share of the time that a hypervisor took away."""
OFF_CPU = 0.1
"""Share of a burst in which our one thread had no CPU."""
PREEMPTIONS = 0.5
"""Involuntary switches an inference: from here on the median itself has been interrupted."""
TAIL_PREEMPTIONS = 0.1
SWITCHES_PER_S = 100.0
"""A quiet kernel makes a few; competing with one other program, it is the scheduler's slices."""
SWITCHES_LEAST = 10
"""Fewer in a window tell no rate."""
SWAP_KIB = 256
"""Idle pages trickle out at any time; a megabyte a session is pressure."""
SWAP_BROKEN_KIB = 16 * 1024
DISK_READS = 0.05
"""Major faults an inference at which p95 waits for the disk."""
FAULT_FACTOR, FAULTS_PER_INFERENCE = 4.0, 4.0
"""A runtime may fault the same pages in each inference; a process that does it several times more
often than its siblings was disturbed."""
FAULTS_STORM = 0.1
"""Share of an inference that its minor faults take, from which on it is told."""
FAULT_NS = 500.0
"""A minor fault costs at least that on cores of this kind."""
MEMORY_LOST = 0.25
"""Of the memory available before, that is gone later."""
MEMORY_LOW = 0.05
"""Of all memory, still available."""
PEAK_SPREAD = 0.2
"""Peak memory of one process against the median of its arm: pages are counted, not timed."""
HOT_C = 80.0
"""Where a Raspberry Pi begins to hold its clock down (its documentation: soft limit)."""
RISE_C = 15.0
"""Rise of temperature in one session: the board was cold, and later figures are of a warm one."""
SUSTAINED_C = 2.0
"""In the sustained regime the temperature must stay; a Pi tells it in steps of half a degree."""

# Plausibility
CLOCK_MARGIN = 1.1
"""The clock may have been this much faster than we measured or than its facts say."""
FRESH = 1.5
FRESH_NS = 5_000
"""Fresh inputs against known ones, in turns: a difference is a cache's. The fastest of five must be
above, so that a disturbance of some makes no alarm."""
FRESH_WINDOW = 2.0
FRESH_WINDOW_NS = 100_000
"""Fresh inputs against the window's p90, whose caches are warmer."""

# Processes
ENOUGH = 6
"""Below six processes there is no interval of a median."""
SPREAD = 0.05
"""Robust relative deviation of the medians of one arm, beyond twice its own uncertainty."""
