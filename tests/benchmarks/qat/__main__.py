"""`make benchmark-qat`: what int8 costs with and without training in int8, three seeds.

Each seed is the recipe beside this file; steps come from the store where they were made before, so
a second start goes on where the first one stopped. The table is printed, and kept as JSON lines in
`build/benchmark-qat/results.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import QatCheckpoint
from pipeline.bench.proportion import exact_interval
from pipeline.board.runtimes import python_for
from pipeline.paths import cache_dir
from pipeline.qat.restore import restore
from pipeline.run import Arm, Runner, load_recipe
from pipeline.store import Store
from pipeline.train.loop import predict
from pipeline.verify.reference import store
from pipeline.verify.runs import Job, evaluate

FOLDER = Path("build/benchmark-qat")
RUNTIME = "ai-edge-litert"


def main() -> None:
    """Run the seeds and print the table."""
    parser = argparse.ArgumentParser(prog="benchmark-qat", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines = [line for seed in range(given.seeds) for line in one_seed(seed)]
    (FOLDER / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    print(table(lines))


def one_seed(seed: int) -> list[dict[str, Any]]:
    """A line an arm: its test accuracy, and for trained ones the agreement with the simulation."""
    text = Path(__file__).with_name("recipe.toml").read_text().replace("SEED", str(seed))
    path = FOLDER / f"seed-{seed}.toml"
    path.write_text(text)
    runner = Runner(load_recipe(str(path)), Store(cache_dir() / "store"))
    return [_line(runner, arm, seed) for arm in runner.run()]


def _line(runner: Runner, arm: Arm, seed: int) -> dict[str, Any]:
    found = arm.certificate.meta["runtimes"][RUNTIME]
    line = {
        "seed": seed, "arm": arm.name, "accuracy": found["accuracy"]["value"],
        "n": found["accuracy"]["n"], "runtime": found["runtime"],
        "size_bytes": arm.deployable.meta["size_bytes"],
    }  # fmt: skip
    source = next(a.source for a in runner.recipe.file.arm if a.name == arm.name)
    trained = runner.made[source]
    if isinstance(trained, QatCheckpoint):
        line["agreement"] = agreement(runner, trained, arm)
        line["seconds"] = next(r.seconds for r in runner.reports if r.id == source)
    return line


def agreement(runner: Runner, trained: QatCheckpoint, arm: Arm) -> dict[str, float]:
    """Shares of test samples of equal class, and of output values equal to the last bit."""
    data, layout = runner.data, arm.deployable.meta["layout"]
    simulated = predict(restore(trained), data, "test")
    with tempfile.TemporaryDirectory() as scratch:
        samples, outputs = Path(scratch) / "test.npy", Path(scratch) / "outputs"
        index = np.arange(data.count("test"))
        store(data, "test", index, layout["input"], samples)
        job = Job("test", arm.deployable.file("model.tflite"), samples)
        done = evaluate(python_for(RUNTIME), RUNTIME, [job], outputs, 3600)
    entry = layout["outputs"][0]
    real = done.outputs["test"][entry["name"]].transpose(entry["to_torch"])
    return {
        "classes": float((real.argmax(-1) == simulated.argmax(-1)).mean()),
        "values": float((real == simulated).mean()),
    }


def table(lines: list[dict[str, Any]]) -> str:
    """Test accuracy in %, mean over seeds with each seed's, and the simulation's agreement."""
    rows = ["arm            mean   each seed [95 % interval]                         simulation"]
    for name in dict.fromkeys(line["arm"] for line in lines):
        mine = [line for line in lines if line["arm"] == name]
        mean = np.mean([line["accuracy"] for line in mine])
        each = "  ".join(_one(line) for line in mine)
        same = [line["agreement"]["classes"] for line in mine if "agreement" in line]
        told = f"{min(same):.2%} (worst seed)" if same else ""
        rows.append(f"{name:13s} {100 * mean:6.2f}  {each}  {told}".rstrip())
    return "\n".join(rows)


def _one(line: dict[str, Any]) -> str:
    low, high = exact_interval(line["accuracy"], line["n"]) or (0.0, 0.0)
    return f"{100 * line['accuracy']:.2f} [{100 * low:.1f}, {100 * high:.1f}]"


if __name__ == "__main__":
    main()
