"""`secateur prune` and `secateur plan`: one document, exit codes, folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from pipeline.models.resnet8 import resnet8
from tests import tiny
from tests.cli.test_commands import main  # noqa: F401

RESNET = ("--model", "pipeline.models.resnet8:resnet8", "--input", "1,1,28,28")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("file") / "model.pt2"
    torch.export.save(torch.export.export(resnet8(), (torch.zeros(2, 1, 28, 28),)), path)
    return path


def test_the_document_of_a_pt2_file(main, file: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    out = tmp_path / "out"
    words = ("prune", "--model", str(file), "--macs", "0.4", "--out", str(out), "--json")
    code, text, err = main(*words)
    assert code == 0, err
    found = json.loads(text)
    assert set(found) == {
        "model", "params", "macs", "certificate", "frozen", "unaligned", "seconds", "artifact",
    }  # fmt: skip
    assert found["macs"]["after"] <= 0.4 * found["macs"]["before"]
    assert set(found["certificate"]) == {"kind", "ok", "max_relative_error", "uncertified"}
    assert set(found["seconds"]) == {"export", "trace", "prune", "certify"}
    assert {"axis", "op", "source", "reason"} <= set(found["frozen"][0])
    files = {path.name for path in out.iterdir()}
    assert files >= {"plan.json", "report.json", "model.safetensors", "model.pt2", "widths.png"}
    pruned = torch.export.load(out / "model.pt2").module()
    assert pruned(torch.zeros(3, 1, 28, 28)).shape == (3, 10)
    report = json.loads((out / "report.json").read_text())
    assert sum(row["macs"]["after"] for row in report["layers"]) == found["macs"]["after"]

    code, text, err = main("prune", "--model", str(out), "--ratio", "0.5", "--round-to", "1",
                           "--out", str(tmp_path / "again"), "--json")  # fmt: skip
    assert code == 0, err
    assert json.loads(text)["params"]["before"] == found["params"]["after"]


def test_a_plan_is_shown_compared_and_replayed(main, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    first, second, third = (str(tmp_path / name) for name in "abc")
    settings = ("--ratio", "0.4", "--round-to", "4", "--family", "stem.weight=4:8")
    assert main("prune", *RESNET, *settings, "--out", first)[0] == 0
    assert main("prune", *RESNET, "--plan", f"{first}/plan.json", "--out", second)[0] == 0
    code, text, err = main("plan", "apply", first, *RESNET, "--out", third, "--json")
    assert code == 0, err
    assert json.loads(text)["artifact"] == third
    manifests = {(Path(folder) / "manifest.json").read_bytes() for folder in (first, second, third)}
    assert len(manifests) == 1
    code, text, _ = main("plan", "show", first, "--picture", str(tmp_path / "widths.png"))
    assert code == 0 and "stem.weight" in text and "ratio 0.4" in text
    assert (tmp_path / "widths.png").stat().st_size > 1000
    assert "the same channels" in main("plan", "diff", first, second)[1]
    changed = json.loads((tmp_path / "a" / "plan.json").read_text())
    changed["families"][0]["kept"] = changed["families"][0]["kept"][1:]
    (tmp_path / "changed.json").write_text(json.dumps(changed))
    found = json.loads(main("plan", "diff", first, str(tmp_path / "changed.json"), "--json")[1])
    assert len(found["families"]["stem.weight"]["removed"]) == 1


OWN = """
import torch
from torch import nn

def build():
    layers = nn.Conv2d(1, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4)
    return nn.Sequential(*layers)

class Stubborn(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = build()
    def forward(self, x):
        print("not on stdout")
        return self.net(x) / self.net[0].out_channels

class Branching(Stubborn):
    def forward(self, x):
        return self.net(x) if x.sum() > 0 else -self.net(x)
"""


def test_the_users_own_module_is_written_back(main, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    file, small = tmp_path / "own_nets.py", tmp_path / "small.pt"
    file.write_text(OWN)
    words = ("--input", "1,1,8,8", "--out", str(tmp_path / "out"), "--write-back", str(small))
    code, _, err = main("prune", "--model", f"{file}:build", *words)
    assert code == 0, err
    module = torch.load(small, weights_only=False)
    assert module[0].weight.shape[0] == 8 and module(torch.zeros(3, 1, 8, 8)).shape == (3, 4)
    small.unlink()
    code, text, err = main("prune", "--model", f"{file}:Stubborn", *words, "--json")
    assert code == 4 and "output differs" in err and not small.exists() and not text
    assert (tmp_path / "out" / "plan.json").is_file()
    code, text, err = main("prune", "--model", f"{file}:Branching", *words)
    assert code == 2 and f"own_nets.py:{OWN[: OWN.index('if x.sum')].count(chr(10)) + 1}" in err
    assert not text
    code, _, err = main("prune", "--model", f"{tmp_path}/missing.py:build", *words)
    assert code == 2 and "no such file" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--ratio", "1.5"], 2, "less than 1"),
        (["--ratio", "0.5", "--macs", "0.5"], 2, "not ratio and macs"),
        (["--params", "10"], 4, "closest that can be met is params = "),
        (["--round-to", "64"], 4, "nothing to prune"),
        (["--criterion", "taylor"], 2, "needs data"),
        (["--family", "stem"], 2, "blocks.*=16"),
        (["--plan", "none.json"], 2, "no such file"),
        (["--input", "1,3,28,28"], 2, "the model has no such inputs"),
        (["--model", __file__.replace(".py", ".pt2")], 2, "is no .pt2 file"),
    ],
)
def test_bad_input_is_one_clear_error(  # type: ignore[no-untyped-def]
    main, tmp_path: Path, words: list[str], code: int, said: str  # noqa: F811
) -> None:  # fmt: skip
    got, out, err = main("prune", *RESNET, *words, "--out", str(tmp_path / "out"))
    assert (got, out) == (code, ""), err
    assert said in err
    assert "Traceback" not in err


def test_a_failed_certificate_is_our_bug(main, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    from pipeline.prune import certify

    monkeypatch.setattr(certify, "TOLERANCE", -1.0)
    code, out, err = main("prune", *RESNET, "--out", str(tmp_path / "out"))
    assert (code, out) == (1, "")
    assert "CertificateError" in err
    assert not (tmp_path / "out").exists()


def test_a_recipes_sensitivity_feeds_its_allocation(main, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    recipe = tiny.write(tmp_path)
    out = tmp_path / "out"
    words = ("sensitivity", str(recipe), "--ratios", "0.5,0.75", "--samples", "40")
    code, text, err = main(*words, "--out", str(out))
    assert code == 0, err
    assert "stem.weight" in text and "-75%" in text
    assert (out / "sensitivity.png").read_bytes().startswith(b"\x89PNG")
    allocated = 'use = "prune"\nratio = 0.4\nround_to = 1\nscope = "sensitivity"\n'
    allocated += 'sensitivity = "out/sensitivity.json"'
    recipe.write_text(recipe.read_text().replace('use = "prune"', allocated))
    assert main("run", str(recipe), "--until", "cut")[0] == 0
    assert main("sensitivity", str(recipe), "--step", "ctu")[0] == 2
    assert main("sensitivity", str(recipe), "--ratios", "50")[0] == 2


def test_blocks_and_their_plan(main, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    out, again = str(tmp_path / "out"), str(tmp_path / "again")
    words = ("--granularity", "blocks", "--ratio", "0.5")
    code, _, err = main("prune", *RESNET, *words, "--out", out)
    assert code == 4 and "nothing to prune" in err  # one block of three has a plain shortcut
    code, text, err = main("prune", *RESNET, *words[:2], "--macs", "0.9", "--out", out, "--json")
    assert code == 0, err
    assert json.loads(text)["macs"]["after"] < json.loads(text)["macs"]["before"]
    assert "the block that ends in blocks.0.bn2" in main("plan", "show", out)[1]
    assert main("plan", "apply", out, *RESNET, "--out", again)[0] == 0
    manifests = {(Path(folder) / "manifest.json").read_bytes() for folder in (out, again)}
    assert len(manifests) == 1


def test_masks_keep_shapes_and_say_what_they_are_good_for(main, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    out = str(tmp_path / "out")
    code, text, err = main("mask", *RESNET, "--pattern", "2:4", "--out", out)
    assert code == 0, err
    assert "blocks.1.conv2.weight" in text and "no faster" in text
    code, text, _ = main("mask", *RESNET, "--ratio", "0.8", "--out", out, "--json")
    assert json.loads(text)["zeros"] == pytest.approx(0.8, abs=0.01)
    assert main("mask", *RESNET, "--pattern", "4:2", "--out", out)[0] == 2
