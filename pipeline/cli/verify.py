"""`secateur verify`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import as_json, emit, table
from pipeline.cli.options import model as model_options

if TYPE_CHECKING:
    from pipeline.inputs.ports import Ports


@click.command("verify")
@click.argument("converted", type=click.Path(exists=True, path_type=Path))
@model_options
@click.option(
    "--data", type=click.Path(path_type=Path), required=True,
    help=".npz, or folder of images; accuracy is judged where they have targets.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/verified"))
@as_json
def command(
    converted: Path,
    model: str,
    given: Ports | None,
    weights: Path | None,
    data: Path,
    out: Path,
    json_: bool,
) -> None:
    """Compare a converted model with torch.

    In every runtime, on real samples. CONVERTED is the folder that convert wrote, or any .tflite
    file of the same model.

    \b
    Examples:
      secateur verify build/converted --model build/pruned --data test.npz
      secateur verify other.tflite --model mynet:build --input 1,3,96,96 --data test.npz
    """
    from pipeline import single

    with single.torch_model(model, given, weights, data) as reference:
        samples = single.data_from(data, reference)
        with single.deployable(converted, reference, samples, out) as subject:
            inputs: dict[str, Any] = {"model": subject, "reference": reference, "data": samples}
            made = single.run_stage("verify", {}, out, **inputs)
    if json_:
        emit({**made.meta, "artifact": str(out)})
        return
    table(["runtime", "verdict", "SQNR dB", "agreement", "accuracy"], list(_rows(made.meta)))
    click.echo(f"certificate: {out / 'certificate.json'}")


def _rows(certificate: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, found in certificate["runtimes"].items():
        file, accuracy = found.get("file") or {}, found.get("accuracy") or {}
        figures = (file.get("sqnr_db"), file.get("agreement"), accuracy.get("value"))
        cells = ["-" if figure is None else f"{figure:.4g}" for figure in figures]
        yield [name, found["verdict"], *cells]
