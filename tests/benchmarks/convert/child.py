"""One network prepared, or one tool run on it; one JSON line on stdout, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.benchmarks.convert.jobs import TOOLS as FILES


def prepare(name: str, variant: str, folder: Path) -> dict[str, Any]:
    """Write model.pt2, calibration and held-out samples, and torch's answers."""
    from pipeline.models.graph import capture
    from pipeline.models.program import save
    from tests.benchmarks.convert.zoo import HELD, SAMPLES, build, images

    module, shape = build(name)
    graph: Any = capture(module, shape)
    if variant == "pruned":
        graph = _pruned(graph)
    folder.mkdir(parents=True, exist_ok=True)
    held = images(HELD, shape, 99)
    np.savez(folder / "calibration.npz", x=images(SAMPLES, shape, 7))
    np.save(folder / "held.npy", held)
    with torch.no_grad():
        answers = torch.utils._pytree.tree_leaves(graph(torch.from_numpy(held)))
    np.savez(folder / "answers.npz", **{f"a{i}": a.numpy() for i, a in enumerate(answers)})
    (folder / "model.pt2").write_bytes(save(graph))
    return {"shape": list(shape), "parameters": sum(p.numel() for p in graph.parameters())}


def _pruned(graph: Any) -> Any:
    """30 % of the channels gone, in eights; in twos where a network has fewer to give."""
    from pipeline.errors import Refused
    from pipeline.prune.engine import prune_graph
    from pipeline.prune.stage import PruneConfig

    try:
        return prune_graph(graph, PruneConfig(ratio=0.3, round_to=8)).graph_module
    except Refused:
        return prune_graph(graph, PruneConfig(ratio=0.3, round_to=2)).graph_module


def ours(folder: Path, scheme: str) -> dict[str, Any]:
    """`secateur convert`, as a user calls it."""
    out = folder / f"secateur-{scheme}"
    command = [
        sys.executable, "-P", "-c", "from pipeline.cli import main; main()", "convert",
        "--model", str(folder / "model.pt2"), "--scheme", scheme, "--out", str(out), "--json",
        "--calibration", str(folder / "calibration.npz"), "--calibration-samples", "64",
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        return {"status": "failed", "reason": " ".join(ended.stderr.split())[-300:]}
    document = json.loads(ended.stdout)
    raced = [row for row in document["tried"] if row.get("kept") and "latency_ratio" in row]
    return {
        "status": "converted", "float": str(out / "float.tflite"),
        "scheme": document["scheme"], "partitions": document["partitions"],
        "latency_ratio": raced[0]["latency_ratio"] if raced else None,
        "verdict": raced[0]["verdict"] if raced else None,
    }  # fmt: skip


def onnx2tf(folder: Path) -> dict[str, Any]:
    """onnx2tf's own full-integer file, with the same samples."""
    import onnx2tf as tool

    from pipeline.convert.onnx_file import to_onnx
    from pipeline.models.graph import capture
    from pipeline.models.program import load

    graph = capture(*load(folder / "model.pt2"))
    answers = np.load(folder / "answers.npz").files
    (folder / "rival.onnx").write_bytes(to_onnx(graph, len(answers))[0])
    x = np.load(folder / "calibration.npz")["x"]
    order = [0, *range(2, x.ndim), 1] if x.ndim > 2 else [0, 1]
    np.save(folder / "rival.npy", x.transpose(order))
    os.chdir(folder)  # it looks here for the pictures it would download otherwise
    np.save("calibration_image_sample_data_20x128x128x3_float32.npy", _pictures(20, 128))
    tool.convert(
        input_onnx_file_path=str(folder / "rival.onnx"), output_folder_path=str(folder / "onnx2tf"),
        output_integer_quantized_tflite=True, output_signaturedefs=True, non_verbose=True,
        custom_input_op_name_np_data_path=[["input", str(folder / "rival.npy"), [0.0], [1.0]]],
    )  # fmt: skip
    return {"status": "converted"}


def _pictures(count: int, size: int) -> np.ndarray:
    """(count, size, size, 3) between 0 and 1, for the tool's own check of its work."""
    from tests.benchmarks.convert.zoo import images

    made = images(count, (3, size, size), 7).transpose(0, 2, 3, 1) * 0.25 + 0.45
    return made.astype(np.float32)


def litert(folder: Path) -> dict[str, Any]:
    """litert-torch, then litert-quantizer with its default calibration."""
    import litert_torch
    from litert_quantizer import quantizer, recipe

    from pipeline.models.program import load

    graph, _ = load(folder / "model.pt2")
    x = np.load(folder / "calibration.npz")["x"]
    made = litert_torch.convert(_Module(graph).eval(), (torch.from_numpy(x[:1]),))
    floating = folder / "litert-float.tflite"
    made.export(str(floating))
    tool = quantizer.Quantizer(str(floating), recipe.static_wi8_ai8())
    key, (name,) = _signature(floating)
    ranges = tool.calibrate({key: [{name: x[i : i + 1]} for i in range(len(x))]}, num_threads=1)
    tool.quantize(ranges).export_model(str(folder / FILES["litert"]), overwrite=True)
    return {"status": "converted", "float": str(floating)}


class _Module(torch.nn.Module):
    def __init__(self, graph: torch.nn.Module) -> None:
        super().__init__()
        self.inner = graph

    def forward(self, x: torch.Tensor) -> Any:
        return self.inner(x)


def _signature(path: Path) -> tuple[str, list[str]]:
    from ai_edge_litert.interpreter import Interpreter

    key, ports = next(iter(Interpreter(str(path)).get_signature_list().items()))
    return key, ports["inputs"]


TOOLS = {
    "secateur int8": lambda folder: ours(folder, "int8"),
    "secateur auto": lambda folder: ours(folder, "auto"),
    "onnx2tf": onnx2tf,
    "litert": litert,
}


def main(name: str, variant: str, tool: str, folder: str) -> None:
    """Print what became of it."""
    from tests.benchmarks.convert.judge import judged

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    line: dict[str, Any] = {"net": name, "variant": variant, "tool": tool}
    start = time.monotonic()
    try:
        if tool == "prepare":
            line |= {"status": "prepared", **prepare(name, variant, Path(folder))}
        else:
            line |= TOOLS[tool](Path(folder))
            line["seconds"] = round(time.monotonic() - start, 1)
            if line["status"] == "converted":
                line |= judged(Path(folder), Path(folder) / FILES[tool], line.pop("float", None))
    except BaseException as error:  # onnx2tf calls sys.exit
        text = " ".join(f"{type(error).__name__}: {error}".split())
        line |= {"status": "failed", "reason": text[:300]}
    print("\n" + json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:5])
