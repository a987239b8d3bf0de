"""`secateur plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli import prune
from pipeline.cli.options import as_json, emit, table

file = click.Path(exists=True, path_type=Path)


@click.group("plan")
def command() -> None:
    """Look at pruning plans, compare them, replay them.

    A plan is the plan.json of a pruned folder: for each family of coupled channels, those it
    keeps. Edit the `kept` lists with any editor; replaying checks and certifies what comes out.

    \b
    Examples:
      secateur plan show build/pruned
      secateur plan diff build/pruned other/plan.json
      secateur plan apply build/pruned/plan.json --model mynet:build --input 1,3,224,224
    """


@command.command("show")
@click.argument("plan", type=file)
@click.option("--picture", type=click.Path(path_type=Path), help="Write the widths as a PNG.")
@as_json
def show(plan: Path, picture: Path | None, json_: bool) -> None:
    """What PLAN (a plan.json, or the folder it is in) keeps.

    \b
    Example:
      secateur plan show build/pruned --picture widths.png
    """
    from pipeline.prune.planfile import read, short

    found = read(plan)
    rows = [{"name": f["name"], **f["width"], "kept": f["kept"]} for f in found["families"]]
    if picture is not None:
        from pipeline.artifacts import write_atomic
        from pipeline.prune.picture import widths_png

        write_atomic(picture, widths_png(rows))
    if json_:
        emit(found)
        return
    settings = {k: v for k, v in found["settings"].items() if v not in (None, {}, False)}
    click.echo(f"model: {found['graph'][:12]}")
    click.echo("settings: " + ", ".join(f"{key} {value}" for key, value in settings.items()))
    cells = [[r["name"], str(r["before"]), str(len(r["kept"])), short(r["kept"])] for r in rows]
    if cells:
        table(["family", "before", "after", "kept"], cells)
    for row in found.get("blocks", ()):
        click.echo(f"without the block that ends in {row['name']}")


@command.command("diff")
@click.argument("first", type=file)
@click.argument("second", type=file)
@as_json
def diff(first: Path, second: Path, json_: bool) -> None:
    """Which channels SECOND keeps (+) or removes (-) that FIRST does not.

    \b
    Example:
      secateur plan diff build/l2 build/taylor
    """
    from pipeline.prune.planfile import difference, read, short

    found = difference(read(first), read(second))
    if json_:
        emit(found)
        return
    if not found["same_model"]:
        click.echo("the plans are for different models")
    for key, (before, after) in found["settings"].items():
        click.echo(f"{key}: {before} -> {after}")
    rows = [
        [name, f"+{len(d['added'])}", f"-{len(d['removed'])}", _signed(d, short)]
        for name, d in found["families"].items()
    ]
    for sign, names in (("+", found["blocks"]["added"]), ("-", found["blocks"]["removed"])):
        for name in names:
            click.echo(f"{sign} the block that ends in {name}")
    if rows:
        table(["family", "keeps", "drops", "channels"], rows)
    elif not any(found["blocks"].values()):
        click.echo("the plans keep the same channels")


def _signed(change: dict[str, Any], short: Any) -> str:
    parts = [("+", change["added"]), ("-", change["removed"])]
    return "  ".join(f"{sign} {short(numbers)}" for sign, numbers in parts if numbers)


@command.command("apply")
@click.argument("plan", type=file)
@click.pass_context
@click.option("--model", required=True, help="module:function, FILE.pt2, or a checkpoint's folder.")
@click.option("--input", multiple=True, help="As for prune: 1,3,224,224, or ids=1,128:int64.")
@click.option("--weights", type=click.Path(path_type=Path), help="A state dict's file.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/pruned"))
@as_json
def apply(context: click.Context, /, plan: Path, json_: bool, **given: Any) -> None:
    """Replay PLAN on the model it was made for; `secateur prune --plan` is the same.

    \b
    Example:
      secateur plan apply build/pruned/plan.json --model mynet:build --input 1,3,224,224
    """
    words = ["--plan", str(plan), *(["--json"] if json_ else [])]
    for name, value in given.items():
        each = value if isinstance(value, tuple) else (value,)
        words += [word for one in each if one is not None for word in (f"--{name}", str(one))]
    with prune.command.make_context("prune", words, parent=context) as inner:
        prune.command.invoke(inner)
