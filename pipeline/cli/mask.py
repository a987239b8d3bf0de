"""`secateur mask`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import as_json, emit, table
from pipeline.cli.options import model as model_options

if TYPE_CHECKING:
    from pipeline.inputs.ports import Ports


@click.command("mask")
@model_options
@click.option("--pattern", help="unstructured (default), or N:M such as 2:4.")
@click.option("--ratio", type=float, help="Share of zeros, if unstructured (0.5).")
@click.option("--scope", help="Unstructured: local (each layer alike) or global.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/masked"))
@as_json
def command(
    model: str,
    given: Ports | None,
    weights: Path | None,
    out: Path,
    json_: bool,
    **options: Any,
) -> None:
    """Set weights to zero and leave every shape as it is.

    This makes no model faster in TFLite on a CPU or a microcontroller: dense kernels take as long
    for zeros. Unstructured zeros make a compressed file smaller; 2:4 runs faster on NVIDIA GPUs
    with sparse tensor cores only. For speed everywhere use `secateur prune`. Training keeps them.

    \b
    Examples:
      secateur mask --model mynet:build --input 1,3,224,224 --ratio 0.8
      secateur mask --model model.pt2 --pattern 2:4 --out build/masked
    """
    from pipeline import single
    from pipeline.store import read_json

    with single.checkpoint(model, given, weights) as dense:
        single.run_stage("mask", options, out, model=dense)
    report: Any = read_json(out / "report.json")
    if json_:
        emit({"model": model, **report, "artifact": str(out)})
        return
    rows = [[row["tensor"], f"{row['zeros']:.1%}"] for row in report["layers"]]
    table(["tensor", "zeros"], rows)
    click.echo(f"zeros: {report['zeros']:.1%} of all weights ({report['pattern']})")
    for name in report["skipped"]:
        click.echo(f"left as it is: {name}: its inputs are no multiple of the group")
    click.echo(report["speed"])
    click.echo(f"artifact: {out}")
