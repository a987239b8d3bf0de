"""`secateur inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import as_json, emit, table

WORST = 10


@click.command("inspect")
@click.argument("artifact")
@click.option(
    "--samples", type=click.Path(path_type=Path), help="Real samples: .npz, .npy, folder."
)
@click.option("--plot", type=click.Path(path_type=Path), default=Path("build/layers.png"))
@as_json
def command(artifact: str, samples: Path | None, plot: Path, json_: bool) -> None:
    """What an ARTIFACT is.

    A folder secateur made, a digest in the store, or any .tflite file. Of a quantized model's
    folder, it also says which layers the error comes from, as a table and a plot.

    \b
    Examples:
      secateur inspect build/pruned
      secateur inspect 3f9c01
      secateur inspect model.tflite
      secateur inspect build/converted --samples photos.npz
    """
    from pipeline.inspection import attribution, describe

    document = describe(artifact)
    found = attribution(artifact, samples, plot)
    if json_:
        emit({**document, "attribution": found} if found else document)
        return
    for name, value in document.items():
        _show(name, value, "")
    if found:
        _show_layers(found)


def _show_layers(found: dict[str, Any]) -> None:
    """The layers that add the most error, the worst first."""
    layers = found["layers"]
    worst = sorted(layers, key=lambda layer: -layer["added"])[:WORST]
    click.echo(f"\nerror by layer, over {found['samples']} ({len(worst)} of {len(layers)}):")
    rows = [
        [f"{100 * x['added']:.3f} %", f"{x['file_db']:.1f}", f"{x['float_db']:.1f}", x["operator"],
         x["torch"] or "-", _place(x["source"])]
        for x in worst
    ]  # fmt: skip
    table(["adds", "dB", "float dB", "operator", "torch node", "source"], rows)
    click.echo(f"plot: {found['plot']}")


def _place(source: str) -> str:
    """`folder/file.py:12` of a longer path."""
    return "/".join(source.split("/")[-2:])


def _show(name: str, value: object, indent: str) -> None:
    if isinstance(value, dict) and value:
        click.echo(f"{indent}{name}:")
        for key, inner in value.items():
            _show(str(key), inner, indent + "  ")
        return
    click.echo(f"{indent}{name}: {_short(value)}")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 160 else f"{text[:160]} ... (--json shows all)"
