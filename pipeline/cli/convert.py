"""`secateur convert`."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import as_json, emit
from pipeline.cli.options import model as model_options


@click.command("convert")
@model_options
@click.option("--scheme", type=click.Choice(["fp32", "int8"]), default="int8", show_default=True)
@click.option("--calibration", type=click.Path(path_type=Path), help=".npz or folder, for int8.")
@click.option("--calibration-samples", type=int, help="How many of them are used.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/converted"))
@as_json
def command(
    model: str,
    shape: list[int] | None,
    weights: Path | None,
    scheme: str,
    calibration: Path | None,
    calibration_samples: int | None,
    out: Path,
    json_: bool,
) -> None:
    """From a torch model to a .tflite file.

    In float, or in int8 with your own calibration data.

    \b
    Example:
      secateur convert --model build/pruned --scheme int8 --calibration train.npz
    """
    from pipeline import single
    from pipeline.convert.audit import audit
    from pipeline.errors import UsageError

    if scheme == "int8" and calibration is None:
        fix = "give --calibration FILE.npz or a folder: real samples decide the int8 ranges"
        raise UsageError("int8 needs calibration data", fix=fix)
    quantize = {"scheme": scheme, "samples": calibration_samples}
    with single.checkpoint(model, shape, weights) as source:
        data = single.data_from(calibration, source)
        near = out.resolve().parent
        with single.workdir(near) as work:
            spec = single.run_stage(
                "quantize", quantize, work.scratch / "q", model=source, data=data
            )
            export = single.run_stage("export", {}, work.scratch / "e", model=source)
            made = single.run_stage("convert", {}, out, model=spec, exported=export)
    found = audit(made.file(made.meta["file"]))
    if json_:
        emit({"tflite": str(made.file(made.meta["file"])), "scheme": scheme, **found.to_json()})
        return
    click.echo(f"{made.file(made.meta['file'])}: {found.size_bytes:,} bytes, {scheme}")
    click.echo(", ".join(f"{count} {name}" for name, count in sorted(found.operators.items())))
