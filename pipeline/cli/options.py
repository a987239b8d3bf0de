"""Options that several commands share, and how they print."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]

as_json = click.option("--json", "json_", is_flag=True, help="Print one JSON document on stdout.")
target = click.option("--target", default="local", show_default=True, help="A board, see `list`.")
host = click.option("--host", help="The board's address, as for ssh; or the lab file's.")
results = click.option(
    "--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True,
    help="Folder of the records.",
)  # fmt: skip


def ports(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Any:
    """Parse `1,3,224,224` or `ids=1,128:int64`, once an input; None where nothing is given."""
    del context
    if not values:
        return None
    from pipeline.inputs.ports import parse

    try:
        return parse(values)
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from None


def settings(command: Command) -> Command:
    """How the measurement runs; what is not given comes from environment, lab, recipe, target."""
    options = [
        click.option("--runtime", help="ai-edge-litert, tflite-runtime or tensorflow."),
        click.option("--threads", type=int, help="Threads of the interpreter."),
        click.option("--affinity", help="CPUs to run on, such as 2,3."),
        click.option("--processes", type=int, help="Fresh processes an arm."),
        click.option("--warmup-ms", type=int, help="Warm-up of each process."),
        click.option("--window-ms", type=int, help="Measured time of each process."),
        click.option("--samples", type=int, help="Test samples run for on-device accuracy."),
        click.option(
            "--regime", help="burst, sustained (temperature steady) or paced (--rate-hz)."
        ),
        click.option("--rate-hz", type=float, help="Requests a second; implies --regime paced."),
        click.option("--deadline-ms", type=float, help="An answer later than that is a miss."),
        click.option("--soak-limit-s", type=float, help="Longest load before a sustained window."),
        click.option("--governor", help="cpufreq governor for the session, restored after it."),
        click.option("--energy-blocks", type=int, help="Blocks of 10 s an arm; 0: no energy."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def gates(command: Command) -> Command:
    """Bounds that make a command fail with exit code 5: passed on as `fail_on`, parsed."""
    options = [
        click.option(
            "--fail-on", multiple=True, metavar="BOUND", callback=_gates,
            help="Exit 5 if the interval proves it, such as 'latency>+3%', 'p99>20ms', "
            "'memory>64MiB', 'size>+0%', 'accuracy<-1%'; may be given again.",
        ),
        click.option(
            "--fail-undecided", is_flag=True,
            help="Exit 5 also where the interval does not prove that the bound holds.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _gates(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> Any:
    """Parsed before any work starts."""
    del context, parameter
    if not texts:
        return []
    from pipeline.bench.gate import parse

    return [parse(text) for text in texts]


def show_gates(findings: Iterable[object]) -> None:
    """One line each on stderr."""
    for finding in findings:
        click.echo(f"gate: {finding}", err=True)


def model(command: Command) -> Command:
    """Which torch model a single step takes."""
    options = [
        click.option(
            "--model", required=True, help="module:function, FILE.pt2, or a checkpoint's folder."
        ),
        click.option(
            "--input",
            "given",
            callback=ports,
            multiple=True,
            metavar="[NAME=]SHAPE[:DTYPE]",
            help="With batch, such as 1,3,224,224; again for each further input, in the order of "
            "forward() or by its names: --input image=1,3,96,96 --input ids=1,128:int64.",
        ),
        click.option("--weights", type=click.Path(path_type=Path), help="A state dict's file."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def split_affinity(flags: dict[str, Any]) -> dict[str, Any]:
    """The affinity flag as a list, the rest as it is."""
    text = flags.get("affinity")
    return {**flags, "affinity": text.split(",") if text else None}


def emit(document: object) -> None:
    """The one JSON document of `--json`."""
    click.echo(json.dumps(document, indent=1, sort_keys=True, default=str))


def table(headers: list[str], rows: list[list[str]]) -> None:
    """Left-aligned columns in plain text."""
    cells = [headers, *rows]
    widths = [max(len(row[n]) for row in cells) for n in range(len(headers))]
    for row in cells:
        click.echo("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())
