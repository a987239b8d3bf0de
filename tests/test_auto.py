"""An arm with scheme auto: every scheme in one session, one of them taken, never a slower one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests import tiny

AUTO = '[[arm]]\nname = "best"\nfrom = "small"\nscheme = "auto"\n'


# A training, five conversions with their verifications, and a session of seven arms.
@pytest.mark.slow
def test_a_recipe_with_an_auto_arm(tmp_path: Path) -> None:
    path = tiny.write(tmp_path)
    path.write_text(path.read_text().replace("[measure]", AUTO + "[measure]"))
    command = tiny.command("run", str(path), "--target", "local", "--json")
    home = tiny.environment(tmp_path / "home")
    done = subprocess.run(command, cwd=tmp_path, env=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)["record"]

    (chosen,) = record["choices"]
    assert chosen["arm"] == "best"
    by_arm = {tried["arm"]: tried for tried in chosen["tried"]}
    schemes = ("fp32", "fp16", "dynamic", "int8", "mixed")
    assert list(by_arm) == [f"best {scheme}" for scheme in schemes]
    assert [name for name, tried in by_arm.items() if tried["kept"]] == [chosen["taken"]]
    comparison = by_arm[chosen["taken"]]["comparison"]
    assert comparison is None or comparison["verdict"] in ("FASTER", "EQUIVALENT")
    assert all(tried["why"] for tried in by_arm.values())

    costs = {(cost["arm"], cost["step"]): cost for cost in record["costs"]}
    assert {step for arm, step in costs if arm == "small"} == {
        "cut", "small", "float tflite", "int8",
    }  # fmt: skip
    assert costs["small", "float tflite"]["sqnr_db"] > 60 > costs["small", "int8"]["sqnr_db"]
    cut, tuned = costs["small", "cut"], costs["small", "small"]
    assert cut["metric"] + tuned["delta"] == pytest.approx(tuned["metric"], abs=1e-6)
    assert costs["small", "float tflite"]["delta"] == pytest.approx(0, abs=0.01)
