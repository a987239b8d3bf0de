"""Augmentations of a batch of images, (n, c, h, w) float32, normalised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]


def none(x: Images, random: np.random.Generator) -> Images:  # noqa: ARG001
    """As it is."""
    return x


def flip(x: Images, random: np.random.Generator) -> Images:
    """Mirror half of the images left to right."""
    mirrored = random.random(len(x)) < 0.5
    x = x.copy()
    x[mirrored] = x[mirrored, ..., ::-1]
    return x


def flip_shift(x: Images, random: np.random.Generator, most: int = 2) -> Images:
    """Mirror, and shift each image by up to `most` pixels; what comes in is the edge."""
    x = flip(x, random)
    height, width = x.shape[-2:]
    padded = np.pad(x, ((0, 0), (0, 0), (most, most), (most, most)), mode="edge")
    dy, dx = random.integers(0, 2 * most + 1, (2, len(x)))
    rows = dy[:, None] + np.arange(height)
    columns = dx[:, None] + np.arange(width)
    samples = np.arange(len(x))[:, None, None]
    moved = padded.transpose(0, 2, 3, 1)[samples, rows[:, :, None], columns[:, None, :]]
    return np.ascontiguousarray(moved.transpose(0, 3, 1, 2))


AUGMENTS = {"none": none, "flip": flip, "flip-shift": flip_shift}
