"""`make benchmark-convert NETS=real`: real weights on labelled photos, and `auto` against fp32.

MobileNetV2 and EfficientNet-Lite0 have their ImageNet weights. MobileNetV3-Small and ViT-Tiny have
random ones (no package has others): their classes mean nothing, their speed does. A network's files
stay in `build/benchmark-convert/real/NET`, and what is there is not made again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.artifacts import Deployable
from pipeline.bench.arms import Arm
from pipeline.bench.measure import measure
from pipeline.bench.records import Record
from pipeline.board.runtimes import python_for
from pipeline.config.target import load
from pipeline.onboard import opened
from pipeline.single import open_artifact
from pipeline.verify.runs import Job, evaluate
from tests.benchmarks.convert import photos, zoo

ROOT = Path(__file__).resolve().parents[3]
RUNTIMES = ("ai-edge-litert", "tflite-runtime")
SCHEMES = ("int8", "auto")
PROCESSES = {"local": 20, "virtual-arm64": 4}


@dataclass(frozen=True)
class Net:
    """How a network is made from the folder with the weights, and how pixels are normalised."""

    build: Callable[[Path], nn.Module]
    mean: tuple[float, ...] = (123.675, 116.28, 103.53)
    std: tuple[float, ...] = (58.395, 57.12, 57.375)
    is_trained: bool = False

    def normalised(self, pixels: photos.Pixels) -> photos.Pixels:
        """(n, 3, h, w) of 0..255 as the network was trained on them."""
        mean, std = (np.array(x, np.float32).reshape(3, 1, 1) for x in (self.mean, self.std))
        return (pixels - mean) / std


def _mobilenet_v2(folder: Path) -> nn.Module:
    from torchvision.models import mobilenet_v2

    net: nn.Module = mobilenet_v2()
    net.load_state_dict(photos.weights(folder, "mobilenet_v2-b0353104.pth"))
    return net


def _efficientnet_lite0(folder: Path) -> nn.Module:
    """The file's names are another library's; the order of its tensors is the same."""
    import timm

    net: nn.Module = timm.create_model("tf_efficientnet_lite0")
    stored, own = photos.weights(folder, "efficientnet-lite0-57934424.pth"), net.state_dict()
    net.load_state_dict(dict(zip(own, stored.values(), strict=True)))
    return net


def _zoo(name: str) -> Callable[[Path], nn.Module]:
    def build(_folder: Path) -> nn.Module:
        return zoo.calibrated(zoo.pruning.build(name)[0], (3, photos.SIZE, photos.SIZE))

    return build


NETS = {
    "mobilenet_v2": Net(_mobilenet_v2, is_trained=True),
    "efficientnet_lite0": Net(
        _efficientnet_lite0, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0), is_trained=True
    ),
    "mobilenet_v3_small": Net(_zoo("torchvision:mobilenet_v3_small")),
    "vit_tiny": Net(_zoo("timm:vit_tiny_patch16_224")),
}


def main(folder: Path, interpreter: Path) -> None:
    """Convert what is not there, measure it here and on the virtual board, print both tables."""
    photos.fetch(folder / "photos")
    lines = []
    for name in NETS:
        _child(interpreter, name, folder / name)
        found = {target: _measured(folder / name, target) for target in PROCESSES}
        answers = json.loads((folder / name / "accuracy.json").read_text())
        lines.append({"net": name, **answers, **found})
    print(table(lines))


def _measured(place: Path, target: str) -> dict[str, Any]:
    """A target's figures; a session that came out INVALID is made again at the next start."""
    stored = place / f"{target}.json"
    if not stored.exists() or "INVALID" in stored.read_text():
        stored.write_text(json.dumps(speed(place, target)))
    found: dict[str, Any] = json.loads(stored.read_text())
    return found


def _child(interpreter: Path, name: str, place: Path) -> None:
    if (place / "accuracy.json").exists():
        return
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [str(interpreter), "-P", "-m", "tests.benchmarks.convert.real", name, str(place)]
    subprocess.run(command, check=True, env=environment)


def convert(name: str, place: Path) -> None:
    """`secateur convert` to int8 and auto, and what became of the answers to the photos."""
    from pipeline.models.graph import capture
    from pipeline.models.program import save

    net, shape = NETS[name], (3, photos.SIZE, photos.SIZE)
    zoo.pruning.import_libraries()
    place.mkdir(parents=True, exist_ok=True)
    graph = capture(net.build(place.parent / "photos").eval(), shape)
    (place / "model.pt2").write_bytes(save(graph))
    np.savez(
        place / "calibration.npz", x=net.normalised(photos.calibration(place.parent / "photos"))
    )
    pixels, classes = photos.labelled(place.parent / "photos")
    x = net.normalised(pixels)
    with torch.no_grad():
        want = graph(torch.from_numpy(x)).numpy()
    found: dict[str, Any] = {"right": {"torch": int((want.argmax(-1) == classes).sum())}}
    for scheme in SCHEMES:
        document = _secateur(place, scheme)
        found[scheme] = {key: document[key] for key in ("scheme", "size_bytes", "partitions")}
        for runtime in RUNTIMES:
            found[scheme][runtime] = _answers(place / scheme, runtime, x, want, classes)
    found["trained"], found["photos"] = net.is_trained, len(x)
    (place / "accuracy.json").write_text(json.dumps(found))


def _secateur(place: Path, scheme: str) -> dict[str, Any]:
    command = [
        sys.executable, "-P", "-c", "from pipeline.cli import main; main()", "convert",
        "--model", str(place / "model.pt2"), "--scheme", scheme, "--out", str(place / scheme),
        "--calibration", str(place / "calibration.npz"), "--json",
    ]  # fmt: skip
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    document: dict[str, Any] = json.loads(ended.stdout)
    (place / f"{scheme}.json").write_text(ended.stdout)
    return document


def _answers(
    made: Path, runtime: str, x: NDArray[Any], want: NDArray[Any], classes: NDArray[Any]
) -> dict[str, Any]:
    """Photos with torch's class, with the right one, and the lowest cosine of the logits."""
    found = open_artifact(made, Deployable)
    layout, samples = found.meta["layout"], made.parent / "photos.npy"
    np.save(samples, x.transpose(layout["input"]))
    job = Job("photos", found.file(found.meta["file"]), samples)
    done = evaluate(python_for(runtime), runtime, [job], made.parent / "outputs", 600)
    if done.failures:
        return {"fails": done.failures["photos"]}
    (port,) = layout["outputs"]
    got = done.outputs["photos"][port["name"]].transpose(port["to_torch"])
    norms = np.linalg.norm(got, axis=-1) * np.linalg.norm(want, axis=-1)
    return {
        "agree": int((got.argmax(-1) == want.argmax(-1)).sum()),
        "right": int((got.argmax(-1) == classes).sum()),
        "cosine": float(((got * want).sum(-1) / norms).min()),
    }


def speed(place: Path, target: str) -> dict[str, Any]:
    """fp32, full int8 and what `auto` took, in one session on a target."""
    arms = [Arm("fp32", place / "int8" / "float.tflite")]
    arms += [Arm(scheme, place / scheme / "model.tflite") for scheme in SCHEMES]
    flags = {"processes": PROCESSES[target], "energy_blocks": 0}
    with opened(load(target, flags=flags)) as (board, settings):
        stored = measure(arms, settings, board, recipe="real", results=place / "results")
    record: Record = stored.record
    found: dict[str, Any] = {"record": stored.folder.name, "machine": record.machine.cpu}
    for arm in arms:
        row, compared = record.row("latency_p50", arm.name), record.comparison(arm.name)
        found[arm.name] = {"p50": row and row.value}
        if compared is not None:
            found[arm.name] |= {
                "ratio": compared.ratio, "interval": compared.interval, "verdict": compared.verdict,
            }  # fmt: skip
    return found


def table(lines: list[dict[str, Any]]) -> str:
    """Two tables as Markdown: the answers, then the speed."""
    rows = [
        "| net, scheme | taken | KiB | P | same class as torch, ai-edge-litert / tflite-runtime |"
        " right (torch) | lowest cosine of the logits |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [_answer_row(line, scheme) for line in lines for scheme in SCHEMES]
    rows += ["", "| net | | fp32 | full int8 | auto |", "|---|---|---|---|---|"]
    rows += [_speed_row(line, target) for line in lines for target in PROCESSES]
    return "\n".join(rows)


def _answer_row(line: dict[str, Any], scheme: str) -> str:
    found, n = line[scheme], line["photos"]
    each = [found[runtime] for runtime in RUNTIMES]
    same = " / ".join(str(x.get("agree", "fails")) for x in each)
    right = f"{each[0].get('right', '-')} ({line['right']['torch']})" if line["trained"] else "-"
    cosine = " / ".join(f"{x['cosine']:.4f}" if "cosine" in x else "-" for x in each)
    return (
        f"| {line['net']}, {scheme} | {found['scheme']} | {found['size_bytes'] / 1024:.0f} |"
        f" {found['partitions']} | {same} of {n} | {right} | {cosine} |"
    )


def _speed_row(line: dict[str, Any], target: str) -> str:
    found = line[target]
    is_time = target == "local"
    unit, scale = ("ms", 1e6) if is_time else ("M instructions", 1e6)
    cells = [f"{found['fp32']['p50'] / scale:.4g} {unit}"]
    for scheme in SCHEMES:
        one = found[scheme]
        low, high = one["interval"] or (float("nan"), float("nan"))
        verdict = one["verdict"] if is_time else {"FASTER": "FEWER", "SLOWER": "MORE"}.get(
            one["verdict"], one["verdict"]
        )  # fmt: skip
        cells.append(f"x{one['ratio']:.3f} [{low:.3f}, {high:.3f}] {verdict}")
    return f"| {line['net']} | {target} | {' | '.join(cells)} |"


if __name__ == "__main__":
    torch.set_num_threads(1)
    convert(sys.argv[1], Path(sys.argv[2]))
