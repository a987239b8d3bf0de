"""What a machine does to a session, as log-latencies over time: the same for every tool.

A session has slots, one for each process that runs in it, one after the other. What happens in a
slot is there before any tool decides whose process it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """`inside`: of each iteration (sessions, slots, iterations); `layout`: of each process."""

    inside: Floats
    layout: Floats


Maker = Callable[[np.random.Generator, int, int, int], World]


def correlated(
    chance: np.random.Generator, shape: tuple[int, ...], rho: float, sd: float
) -> Floats:
    """First-order noise along the last axis, from its stationary distribution on."""
    steps = chance.normal(0, sd * np.sqrt(1 - rho**2), shape)
    steps[..., 0] /= np.sqrt(1 - rho**2)
    return np.asarray(lfilter([1], [1, -rho], steps, axis=-1))


def calm(chance: np.random.Generator, sessions: int, slots: int, iterations: int) -> World:
    """Processes differ by 0.8 %; iterations by 0.6 %, correlated, with 1 % of spikes."""
    shape = (sessions, slots, iterations)
    inside = correlated(chance, shape, 0.8, 0.006)
    inside += (chance.random(shape) < 0.01) * chance.exponential(0.3, shape)
    return World(inside, chance.normal(0, 0.008, (sessions, slots)))


def _drifting(chance: np.random.Generator, shape: tuple[int, int, int], log: Floats) -> World:
    """Calm, with `log` (sessions, time) of the whole session on top."""
    world = calm(chance, *shape)
    return World(world.inside + log.reshape(shape), world.layout)


def _time(slots: int, iterations: int) -> Floats:
    return np.arange(slots * iterations)[None, :] / (slots * iterations)


def linear(chance: np.random.Generator, sessions: int, slots: int, iterations: int) -> World:
    """A drift of up to 10 % over the session, either way."""
    slope = chance.uniform(-0.1, 0.1, (sessions, 1))
    return _drifting(chance, (sessions, slots, iterations), slope * _time(slots, iterations))


def heating(chance: np.random.Generator, sessions: int, slots: int, iterations: int) -> World:
    """A board that warms up: up to 6 % slower, most of it early."""
    rise, rate = chance.uniform(0.02, 0.06, (sessions, 1)), chance.uniform(2, 20, (sessions, 1))
    log = rise * (1 - np.exp(-rate * _time(slots, iterations)))
    return _drifting(chance, (sessions, slots, iterations), log)


def throttle(chance: np.random.Generator, sessions: int, slots: int, iterations: int) -> World:
    """The clock drops by 3 to 40 % at one moment, wherever that falls."""
    at, by = chance.uniform(0.05, 0.95, (sessions, 1)), chance.uniform(0.03, 0.4, (sessions, 1))
    log = by * (_time(slots, iterations) > at)
    return _drifting(chance, (sessions, slots, iterations), log)


def pulses(chance: np.random.Generator, sessions: int, slots: int, iterations: int) -> World:
    """Three times the clock drops by 25 %, for half a process to two of them."""
    time = _time(slots, iterations)
    log = np.zeros((sessions, time.size))
    for _ in range(3):
        start = chance.uniform(0, 1, (sessions, 1))
        long = chance.uniform(0.5, 2, (sessions, 1)) / slots
        log = np.maximum(log, 0.25 * ((time > start) & (time < start + long)))
    return _drifting(chance, (sessions, slots, iterations), log)


def spikes(chance: np.random.Generator, sessions: int, slots: int, iterations: int) -> World:
    """5 % of the iterations take up to several times as long."""
    world = calm(chance, sessions, slots, iterations)
    hit = chance.random(world.inside.shape) < 0.05
    return World(world.inside + hit * chance.exponential(0.5, world.inside.shape), world.layout)


def wandering(chance: np.random.Generator, sessions: int, slots: int, iterations: int) -> World:
    """The machine's speed wanders by 1 %, with a memory of one to twenty processes."""
    world = calm(chance, sessions, slots, iterations)
    slow = np.empty((sessions, slots))
    for rho, part in zip((0.5, 0.9, 0.99), np.array_split(np.arange(sessions), 3), strict=True):
        slow[part] = correlated(chance, (len(part), slots), rho, 0.01)
    return World(world.inside + slow[..., None], world.layout)


def sticky(chance: np.random.Generator, sessions: int, slots: int, iterations: int) -> World:
    """Iterations hang together: first-order noise of 2 %, 0.99 from one to the next."""
    world = calm(chance, sessions, slots, iterations)
    noise = correlated(chance, (sessions, slots * iterations), 0.99, 0.02)
    return World(world.inside + noise.reshape(world.inside.shape), world.layout)


def two_level(chance: np.random.Generator, sessions: int, slots: int, iterations: int) -> World:
    """Every process gets one of two memory layouts, 2 % apart."""
    world = calm(chance, sessions, slots, iterations)
    slow = chance.random((sessions, slots)) < chance.uniform(0.1, 0.9, (sessions, 1))
    return World(world.inside, world.layout / 2 + 0.02 * slow)


def heavy_tailed(chance: np.random.Generator, sessions: int, slots: int, iterations: int) -> World:
    """Processes differ as Student's t with two degrees of freedom: no variance."""
    world = calm(chance, sessions, slots, iterations)
    return World(world.inside, 0.006 * chance.standard_t(2, (sessions, slots)))


def outliers(chance: np.random.Generator, sessions: int, slots: int, iterations: int) -> World:
    """One process in twenty has a neighbour, and is up to half as slow again."""
    world = calm(chance, sessions, slots, iterations)
    hit = chance.random((sessions, slots)) < 0.05
    return World(world.inside, world.layout + hit * chance.exponential(0.2, hit.shape))


def cold_starts(chance: np.random.Generator, sessions: int, slots: int, iterations: int) -> World:
    """Half of the processes begin 5 to 20 % slower, for up to half of their time."""
    world = calm(chance, sessions, slots, iterations)
    shape = (sessions, slots, 1)
    cold = np.arange(iterations) < chance.uniform(0, 0.5, shape) * iterations
    cold = cold & (chance.random(shape) < 0.5)
    return World(world.inside + cold * chance.uniform(0.05, 0.2, shape), world.layout)


def mixed(chance: np.random.Generator, sessions: int, slots: int, iterations: int) -> World:
    """Two of the others at once, other ones in every tenth of the sessions."""
    parts = []
    for part in np.array_split(np.arange(sessions), 10):
        first, second = chance.choice(len(SINGLE), 2, replace=False)
        worlds = [
            SINGLE[number](chance, len(part), slots, iterations) for number in (first, second)
        ]
        parts.append(World(sum(w.inside for w in worlds), sum(w.layout for w in worlds)))  # type: ignore[arg-type]
    return World(
        np.concatenate([p.inside for p in parts]), np.concatenate([p.layout for p in parts])
    )


SINGLE: tuple[Maker, ...] = (
    calm, linear, heating, throttle, pulses, spikes, wandering, sticky, two_level, heavy_tailed,
    outliers, cold_starts,
)  # fmt: skip
WORLDS: tuple[Maker, ...] = (*SINGLE, mixed)
