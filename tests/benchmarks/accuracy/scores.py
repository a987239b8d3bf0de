"""The score of torch-pruning 1.6.1's `GroupMagnitudeImportance`, as a criterion of ours."""

from __future__ import annotations

from torch import Tensor

from pipeline.prune.families import Family


def group_magnitude(family: Family) -> Tensor:
    """Sum of squared weights over the coupled layers, (width,); biases and shifts do not count.

    A global ranking divides it by its mean, as theirs does: the mean of squares, where `l2` has
    that of norms. Their mean over layers is this sum but for a factor, which that takes out.
    """
    counted = [
        weights
        for member, weights in zip(family.learned(), family.weights(), strict=True)
        if family.tensors[member.tensor].dim() > 1 or member.tensor in family.evidence.scales
    ]
    return family.join([weights.square().sum(1) for weights in counted])
