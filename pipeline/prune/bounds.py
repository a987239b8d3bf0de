"""What a family's width may be: bounds, given widths, and multiples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pipeline.errors import Refused, UsageError
from pipeline.prune.families import Family
from pipeline.prune.stage import FamilyConfig, PruneConfig


@dataclass(frozen=True)
class Bounds:
    """The widths a family may have: multiples of `step` from `low` to `high`."""

    low: int
    high: int
    step: int
    least: int = 1
    """Fewest channels, where families are aligned together and not by this step."""

    def nearest(self, wanted: int) -> int:
        """The next width up that is allowed."""
        return min(max(math.ceil(wanted / self.step) * self.step, self.low), self.high)


def bounds(
    found: Sequence[Family], cfg: PruneConfig, dense: Mapping[str, int] | None = None
) -> dict[str, Bounds]:
    """{family name: its bounds}; of several patterns that fit, the last one counts.

    `dense` are the widths that `min_share` is taken of, where earlier rounds cut some already.

    Raises:
        UsageError: a pattern fits no family.
        Refused: a bound or a given width cannot be kept; says the nearest that can.
    """
    for pattern in cfg.family:
        if not any(fnmatchcase(family.name, pattern) for family in found):
            names = ", ".join(family.name for family in found[:8])
            what = f"family '{pattern}' fits none that can be pruned"
            raise UsageError(what, fix=f"there are {names}{' ...' * (len(found) > 8)}")
    dense = dense or {family.name: family.width for family in found}
    return {f.name: _of(f, _config(f.name, cfg.family), cfg, dense[f.name]) for f in found}


def _config(name: str, given: Mapping[str, FamilyConfig]) -> FamilyConfig:
    fitting = [config for pattern, config in given.items() if fnmatchcase(name, pattern)]
    return fitting[-1] if fitting else FamilyConfig()


def _of(family: Family, config: FamilyConfig, cfg: PruneConfig, dense: int) -> Bounds:
    step = family.step(cfg.multiple)
    if config.width is not None:
        _check_given(family, config.width, step)
        return Bounds(config.width, config.width, step, config.width)
    fewest = config.min or max(cfg.min_width, math.ceil(cfg.min_share * dense))
    low = min(math.ceil(fewest / step) * step, family.width)
    if config.max is None or config.max >= family.width:
        return Bounds(low, family.width, step, min(fewest, family.width))
    high = config.max // step * step
    if high < low:
        what = f"'{family.name}' has no width up to {config.max} that round_to and min allow"
        raise Refused(what, fix=f"the closest is max = {low}")
    return Bounds(low, high, step, min(fewest, high))


def _check_given(family: Family, width: int, step: int) -> None:
    if width == family.width or (width < family.width and width % step == 0):
        return
    below = min(width, family.width) // step * step
    near = sorted({min(max(below, step), family.width), min(below + step, family.width)})
    closest = "widths are" if len(near) > 1 else "width is"
    what = f"'{family.name}' ({family.width} channels) cannot have width {width}"
    raise Refused(what, fix=f"the closest {closest} {' and '.join(map(str, near))}")
