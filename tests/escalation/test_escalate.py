"""The cheapest rung that keeps the budget is taken; what was tried is told, and kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.artifacts import Checkpoint, Escalated, Quantized
from pipeline.config.explain import parse
from pipeline.errors import Refused
from pipeline.escalation import steps
from pipeline.escalation.stage import EscalateConfig, escalate
from pipeline.quantize.stage import QuantizeConfig, quantize
from pipeline.run import register_stages
from pipeline.stage import STAGES
from tests.convert.chains import workdir
from tests.qat.trained import Answers, checkpoint


def climb(model: Checkpoint, folder: Path, **table: object) -> Escalated:
    cfg, problems = parse(EscalateConfig, table, folder)
    assert not problems
    work = steps._work(folder, keep=True)
    return escalate(model, data=Answers(model), cfg=cfg, work=work)


def test_budget_decides_and_finished_rungs_are_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = checkpoint(tmp_path / "model", "sound")
    wanted = {"rungs": ["ptq"], "samples": 32}
    with pytest.raises(
        Refused, match=r"no rung keeps max_drop = 0: the best, ptq, drops 0\."
    ) as no:
        climb(model, tmp_path / "climb", max_drop=0, **wanted)
    assert len(str(no.value).splitlines()) == 2
    monkeypatch.setattr(steps, "export", None)  # the file is there: nothing is converted again
    made = climb(model, tmp_path / "climb", max_drop=100, **wanted)
    told = made.meta["escalation"]
    (one,) = told["tried"]
    assert told["scheme"] == one["scheme"] == "int8"
    assert one["validation"] == pytest.approx(told["float_validation"] - one["drop"], abs=1e-5)
    assert one["size_bytes"] > 1000
    assert one["trained_samples"] == 0
    cfg = QuantizeConfig(samples=32)
    spec = quantize(made, data=Answers(model), cfg=cfg, work=workdir(tmp_path / "spec"))
    assert isinstance(spec, Quantized)
    assert spec.meta["scheme"] == "int8"


def test_an_arm_gets_the_scheme_that_was_taken(tmp_path: Path) -> None:
    model = checkpoint(tmp_path / "model", "sound")
    mixed = Escalated(model.path, model.digest, {**model.meta, "escalation": {"scheme": "mixed"}})
    for scheme, want in (("int8", "mixed"), ("fp32", "fp32")):
        cfg = QuantizeConfig(scheme=scheme, samples=16)
        spec = quantize(mixed, data=Answers(model), cfg=cfg, work=workdir(tmp_path / scheme))
        assert spec.meta["scheme"] == want


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ({}, "max_drop"), ({"max_drop": -1}, "max_drop"), ({"max_drop": 1, "rungs": []}, "rungs"),
        ({"max_drop": 1, "rungs": ["ptq", "ptq"]}, "rungs"),
        ({"max_drop": 1, "rungs": ["int4"]}, "rungs"),
    ],
)  # fmt: skip
def test_bad_settings_are_named(table: dict[str, object], what: str, tmp_path: Path) -> None:
    cfg, problems = parse(EscalateConfig, table, tmp_path)
    assert cfg is None
    assert what in problems[0]


def test_neither_pruning_nor_float_training_follows_trained_grids() -> None:
    register_stages()
    for name in ("prune", "finetune", "train", "mask", "qat"):
        assert STAGES[name].roles[STAGES[name].main] is Checkpoint
    for name in ("qat", "escalate"):
        assert not issubclass(STAGES[name].gives, Checkpoint)
        for taker in ("export", "quantize"):
            assert issubclass(STAGES[name].gives, STAGES[taker].roles["model"])
