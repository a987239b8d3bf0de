"""The prune stage: config and signature, without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.config.base import Config
from pipeline.config.fields import Reference, UserPath
from pipeline.data.source import Data
from pipeline.stage import stage

BUDGETS = ("ratio", "params", "macs", "size")

NO_SETTINGS = {"plan", "export", "sensitivity"}
"""Fields that are no part of a decision, and so not of a plan."""

CriterionName = Literal[
    "l1", "l2", "taylor", "taylor2", "hessian", "fisher", "fpgm", "bn-scale", "lamp",
    "activation", "random",
]  # fmt: skip


class FamilyConfig(Config):
    """What families of a name or pattern keep: a given width, or bounds for it."""

    width: int | None = Field(default=None, ge=1)
    min: int | None = Field(default=None, ge=1)
    max: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> FamilyConfig:
        if self.width is not None and (self.min is not None or self.max is not None):
            raise ValueError("give either width, or min and max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max")
        return self


class PruneConfig(Config):
    """How much to remove, and what goes first."""

    ratio: float | None = Field(default=None, gt=0, lt=1)
    """Share of the channels that go; 0.5 if no other budget is given."""
    params: float | None = Field(default=None, gt=0)
    """Parameters that may stay: below 1 a share of the dense model's, else a number."""
    macs: float | None = Field(default=None, gt=0)
    """The same for multiply-accumulates of one sample."""
    size: float | None = Field(default=None, gt=0)
    """The same for bytes of the int8 file, as estimated from the parameters."""
    granularity: Literal["channels", "heads", "blocks"] = "channels"
    """What goes: channels; attention heads only; or whole residual blocks (depth), those first
    that change what passes by least (`criterion = "random"`: by lot)."""
    family: dict[str, FamilyConfig] = {}
    """Widths or bounds by family name or pattern, such as `"blocks.*"`."""
    scope: Literal["local", "global", "isomorphic", "sensitivity"] | None = None
    """`global` for a budget of params, macs or size, which benchmark-accuracy is for; else `local`.
    `local`: the same share of every family; `global`: the lowest scores wherever they are;
    `isomorphic`: the lowest among families of the same structure; `sensitivity`: as much of each
    family as costs, alone, the same drop of the metric."""
    sensitivity: UserPath | None = None
    """What `secateur sensitivity` wrote, for the scope of that name."""
    criterion: CriterionName | Reference = "l2"
    """What scores a channel, or your own `module:function`."""
    group: Literal["sum", "mean", "max"] = "sum"
    """How the scores of a family's tensors become one."""
    round_to: int = Field(default=8, ge=1)
    """Widths stay multiples of this, in every tensor of a family."""
    min_width: int = Field(default=1, ge=1)
    """Fewest channels a family keeps."""
    min_share: float = Field(default=0.0, ge=0, lt=1)
    """Least share of its dense width that a family keeps, so that no ranking empties a layer."""
    allow_uncertified: bool = False
    """Also cut where the result cannot be proven (the certificate names each such operator)."""
    seed: int = 0
    samples: int = Field(default=512, ge=1)
    """Training samples for criteria that look at gradients or activations."""
    plan: UserPath | None = None
    """A plan to replay, instead of all of the above."""
    export: bool = False
    """Also write the pruned model as `model.pt2` and the widths as `widths.png`."""
    progress: float = Field(default=1.0, gt=0, le=1)
    """How far this round goes towards the budget; set by `rounds`."""
    continues: int = Field(default=0, ge=0)
    """How many plans before this one are earlier rounds; set by `rounds`."""

    @model_validator(mode="after")
    def _one_budget(self) -> PruneConfig:
        given = [name for name in (*BUDGETS, "plan") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of them, not {' and '.join(given)}")
        if self.granularity == "blocks" and self.family:
            raise ValueError('granularity = "blocks" has no families')
        if (self.scope == "sensitivity") != (self.sensitivity is not None):
            raise ValueError('scope = "sensitivity" and sensitivity = FILE go together')
        return self

    @property
    def allocation(self) -> str:
        """`scope`, or the default for the budget that is given."""
        kind, _ = self.budget() or ("ratio", 0.0)
        return self.scope or ("local" if kind == "ratio" else "global")

    @property
    def multiple(self) -> int:
        """`round_to`; heads go one by one unless it is given."""
        one_by_one = self.granularity != "channels" and "round_to" not in self.model_fields_set
        return 1 if one_by_one else self.round_to

    def budget(self) -> tuple[str, float] | None:
        """(kind, value) of what is asked for; None where given widths say it all."""
        for name in BUDGETS:
            if (value := getattr(self, name)) is not None:
                return name, value
        given = any(family.width is not None for family in self.family.values())
        return None if given else ("ratio", 0.5)


class MaskConfig(Config):
    """Which weights become zero; shapes stay as they are."""

    pattern: str = Field(default="unstructured", pattern=r"^(unstructured|[1-9]\d*:[1-9]\d*)$")
    """`unstructured`, or N:M such as `2:4`: N of M neighbouring inputs stay."""
    ratio: float = Field(default=0.5, gt=0, lt=1)
    """Share of zeros, if unstructured."""
    scope: Literal["local", "global"] = "local"
    """Unstructured: the same share of every layer, or the smallest weights wherever they are."""

    @property
    def groups(self) -> tuple[int, int] | None:
        """(N, M), or None if unstructured."""
        kept, colon, size = self.pattern.partition(":")
        return (int(kept), int(size)) if colon else None

    @model_validator(mode="after")
    def _some_go(self) -> MaskConfig:
        if self.groups and self.groups[0] >= self.groups[1]:
            raise ValueError(f"of N:M, N is smaller than M (got {self.pattern})")
        if self.groups and {"ratio", "scope"} & self.model_fields_set:
            raise ValueError("ratio and scope are for unstructured: N:M says them itself")
        return self


@stage(version=11, tools=("torch",))
def prune(
    model: Checkpoint, *, data: Data | None = None, cfg: PruneConfig, work: Workdir
) -> Checkpoint:
    """Remove channels physically; the result is certified, and smaller in every runtime."""
    from pipeline.prune.steps import run_prune

    return run_prune(model, data, cfg, work)[0]


@stage(version=1, tools=("torch",))
def mask(model: Checkpoint, *, cfg: MaskConfig, work: Workdir) -> Checkpoint:
    """Set weights to zero and keep them so while training; the model gets no smaller.

    Dense kernels, on CPUs and microcontrollers, are no faster for it; the report says which
    hardware is.
    """
    from pipeline.prune.masks import run_mask

    return run_mask(model, cfg, work)
