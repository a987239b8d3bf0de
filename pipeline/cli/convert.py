"""`secateur convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import as_json, emit, table
from pipeline.cli.options import model as model_options

SCHEMES = ("fp32", "fp16", "dynamic", "int8", "mixed", "auto")
CALIBRATIONS = ("best", "minmax", "percentile", "mse", "entropy")
RUNTIMES = ("ai-edge-litert", "tflite-runtime")


@click.command("convert")
@model_options
@click.option("--scheme", type=click.Choice(SCHEMES), default="int8", show_default=True)
@click.option(
    "--calibration", "data", type=click.Path(path_type=Path),
    help="Your samples: .npz in torch's layout, one array an input, or a folder. For int8, mixed "
    "and auto.",
)  # fmt: skip
@click.option("--calibration-samples", type=int, help="How many of them are used, at most 256.")
@click.option(
    "--ranges", type=click.Choice(CALIBRATIONS), default="best", show_default=True,
    help="How ranges come from samples; best tries all.",
)  # fmt: skip
@click.option(
    "--min-sqnr", type=float, default=15, show_default=True,
    help="Accuracy budget of mixed and auto: dB against torch.",
)  # fmt: skip
@click.option(
    "--runtime", type=click.Choice(RUNTIMES), default=RUNTIMES[0], show_default=True,
    help="Where the file is to run.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/converted"))
@as_json
def command(
    model: str,
    given: Any,
    weights: Path | None,
    scheme: str,
    data: Path | None,
    calibration_samples: int | None,
    ranges: str,
    min_sqnr: float,
    runtime: str,
    out: Path,
    json_: bool,
) -> None:
    """From a torch model (or ONNX, or float .tflite) to a .tflite, proved and measured.

    The file runs in every runtime here beside torch, and against its own fp32 in paired processes.
    `auto` takes the fastest scheme within the accuracy budget, and never one that is slower than
    fp32. The choice for a board is made on that board, by an arm of a recipe with scheme auto.

    \b
    Examples:
      secateur convert --model mynet:build --input 1,3,96,96 --calibration train.npz
      secateur convert --model net.pt2 --scheme auto --calibration photos/ --json
      secateur convert --model yolo.onnx --calibration frames.npz
      secateur convert --model bert.py:build --input ids=1,128:int64 --input mask=1,128:int64 \\
        --calibration texts.npz
    """
    from pipeline import single
    from pipeline.conversion.document import convert
    from pipeline.conversion.make import Wanted
    from pipeline.data.samples import load
    from pipeline.errors import UsageError
    from pipeline.inputs.ports import Ports

    if scheme in ("int8", "mixed") and data is None:
        fix = "give --calibration FILE.npz or a folder: real samples decide the int8 ranges"
        raise UsageError(f"{scheme} needs calibration data", fix=fix)
    with single.convertible(model, given, weights, data) as source:
        samples = None if data is None else load(data, Ports.of(source.meta["input"]))
        count = calibration_samples or min(256, samples.count("train") if samples else 256)
        wanted = Wanted(scheme, runtime, ranges, count, min_sqnr)
        document = convert(source, samples, wanted, out)
    if json_:
        emit(document)
    else:
        _show(document)


def _show(document: dict[str, Any]) -> None:
    """A line on the file, then what was tried and what the runtimes make of it."""
    sqnr = document["sqnr_db"]
    click.echo(f"{document['tflite']}: {document['size_bytes']:,} bytes, {document['scheme']}")
    click.echo(
        f"{_db(sqnr['int8'])} from torch (float file {_db(sqnr['float'])}), "
        f"{document['partitions']} partitions, {document['transposes']} transposes, "
        f"{document['float_ops']} float operators of {sum(document['ops'].values())}"
    )
    for port in document["inputs"] if len(document["inputs"]) > 1 else ():
        file = port["file"]
        click.echo(f"input {port['name']} {port['shape']} {port['dtype']}: "
                   f"{file['name']} {file['shape']} {file['dtype']}")  # fmt: skip
    click.echo()
    rows = [
        [r["scheme"], f"{r['size_bytes'] / 1024:.0f}" if r["size_bytes"] else "-",
         _db(r["sqnr_db"]), _ratio(r), "kept" if r["kept"] else "", r["why"]]
        for r in document["tried"] if "latency_ratio" in r
    ]  # fmt: skip
    table(["scheme", "KiB", "SQNR", "time / fp32", "", "why"], rows)
    click.echo()
    table(["runtime", "loads", "SQNR", "ms"], [
        [name, str(found["loads"]), _db(found["sqnr_db"]), _ms(found.get("latency_ms"))]
        for name, found in document["runtimes"].items()
    ])  # fmt: skip


def _db(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} dB"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _ratio(row: dict[str, Any]) -> str:
    if row["latency_ratio"] is None:
        return "-"
    low, high = row["interval"] or (None, None)
    span = "" if low is None else f" [{low:.3g}, {high:.3g}]"
    return f"x{row['latency_ratio']:.3g} {row['verdict']}{span}"
