"""Masks of `nn.Transformer`, which looks into them to tell whether they are causal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.nn.modules import transformer


@contextmanager
def masks_as_given() -> Iterator[None]:
    """A mask is added as it is, also a causal one: the result is the same, and `torch.export` has
    no numbers to look into. Only what a caller says itself (`is_causal=True`) counts."""
    looking = transformer._detect_is_causal_mask

    def said(mask: Any, is_causal: bool | None = None, size: int | None = None) -> bool:  # noqa: ARG001
        return bool(is_causal)

    transformer._detect_is_causal_mask = said
    try:
        yield
    finally:
        transformer._detect_is_causal_mask = looking
