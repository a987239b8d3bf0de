"""A recipe's problems come all at once, each with its place and its fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.run import load_recipe, steps_of

GOOD = """
[model]
factory = "pipeline.models.resnet8:resnet8"
input = [1, 28, 28]
classes = 10
[data]
source = "fashion-mnist"
[[step]]
id = "dense"
use = "train"
[[step]]
id = "cut"
use = "prune"
ratio = 0.5
[[step]]
id = "small"
use = "finetune"
teacher = "dense"
[[arm]]
name = "dense"
from = "dense"
scheme = "fp32"
[[arm]]
name = "small"
from = "small"
"""


def problems(tmp_path: Path, text: str) -> str:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        steps_of(load_recipe(str(path)))
    assert error.value.exit_code == 2
    return str(error.value)


def test_steps_are_wired_in_order_and_arms_share_theirs(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(GOOD + '[[arm]]\nname = "dense int8"\nfrom = "dense"\n')
    steps = {step.id: step for step in steps_of(load_recipe(str(path)))}
    assert steps["dense"].inputs == {"model": "model"}
    assert steps["cut"].inputs == {"model": "dense"}
    assert steps["small"].inputs == {"model": "cut", "teacher": "dense"}
    assert [name for name in steps if name.endswith("/export")] == ["dense/export", "small/export"]
    assert steps["dense/int8"].inputs["exported"] == "dense/export"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ratio = 0.5", "ratoi = 0.5", "ratoi: unknown key; did you mean 'ratio'?"),
        ("ratio = 0.5", "ratio = 1.5", "ratio: Input should be less than 1 (got 1.5)"),
        ("ratio = 0.5", 'ratio = "half"', "step[1] 'cut': ratio: "),
        ('use = "prune"', 'use = "prun"', "use = 'prun' is no stage; did you mean 'prune'?"),
        ('teacher = "dense"', 'teacher = "dens"', "'teacher' names no step 'dens'; did you mean"),
        ('from = "small"', 'from = "smal"', "names no step 'smal'; did you mean 'small'?"),
        ('id = "cut"', 'id = "dense"', "the id 'dense' is used twice"),
        ("classes = 10", "clases = 10", "model.clases: unknown key; did you mean 'classes'?"),
        ('source = "fashion-mnist"', "", "give exactly one of source, folder, npz, function"),
        ('source = "fashion-mnist"', 'npz = "no.npz"', "no such file or folder"),
        ("[1, 28, 28]", "[]", "model.input: "),
        ("resnet8:resnet8", "resnet8.resnet8", "write it as module:function"),
        ("[model]", "[model", "not valid TOML"),
    ],
)
def test_each_mistake_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert said in problems(tmp_path, GOOD.replace(old, new, 1))


def test_pruning_cannot_follow_quantization(tmp_path: Path) -> None:
    quantize = '[[step]]\nid = "q"\nuse = "quantize"\n[[step]]\nid = "late"\nuse = "prune"\n'
    text = GOOD.replace("[[arm]]", quantize + "[[arm]]", 1)
    assert "prune needs a Checkpoint, gets a Quantized from 'q'" in problems(tmp_path, text)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("ratio", "ratoi").replace('from = "small"', 'from = "x"')
    text = text.replace('teacher = "dense"', 'teacher = "x"')
    assert problems(tmp_path, text).splitlines()[0].endswith("3 problems")


def test_unknown_recipe_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'demo'"):
        load_recipe("dmo")
    with pytest.raises(UsageError, match="no such file"):
        load_recipe(str(tmp_path / "x.toml"))
