"""`secateur inspect`."""

from __future__ import annotations

import click

from pipeline.cli.options import as_json, emit


@click.command("inspect")
@click.argument("artifact")
@as_json
def command(artifact: str, json_: bool) -> None:
    """What an ARTIFACT is.

    A folder secateur made, a digest in the store, or any .tflite file.

    \b
    Examples:
      secateur inspect build/pruned
      secateur inspect 3f9c01
      secateur inspect model.tflite
    """
    from pipeline.inspection import describe

    document = describe(artifact)
    if json_:
        emit(document)
        return
    for name, value in document.items():
        _show(name, value, "")


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
