"""`secateur prune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from pipeline.artifacts import Checkpoint
from pipeline.cli.options import as_json, emit
from pipeline.cli.options import model as model_options

if TYPE_CHECKING:
    from pipeline.inputs.ports import Ports

TOLD = ("params", "macs", "frozen", "unaligned", "seconds")
PROOF = ("kind", "ok", "max_relative_error", "uncertified")
BUDGETS = """Give one budget, or a plan; without any, half of the channels go. --params, --macs and
--size take a share of the dense model's (below 1) or a number."""


def families(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Any:
    """Parse `blocks.*=16` (a width) and `blocks.*=8:32` (least and most, either may be missing)."""
    del context
    found = {}
    for value in values:
        name, _, text = value.rpartition("=")
        least, colon, most = text.partition(":")
        keys = {"min": least, "max": most} if colon else {"width": least}
        if not name or not all(number.isdigit() or not number for number in keys.values()):
            raise click.BadParameter("write it as blocks.*=16 or blocks.*=8:32", param=parameter)
        found[name] = {key: int(number) for key, number in keys.items() if number}
    return found or None


@click.command("prune", epilog=BUDGETS)
@model_options
@click.option("--ratio", type=float, help="Share of channels cut.")
@click.option("--params", type=float, help="Parameters that may stay.")
@click.option("--macs", type=float, help="Multiply-accumulates of a sample that may stay.")
@click.option("--size", type=float, help="Bytes of the int8 file (estimated from parameters).")
@click.option(
    "--granularity", type=click.Choice(["channels", "heads", "blocks"]),
    help="What goes: channels (default), attention heads only, or whole residual blocks (depth). "
    "All three make the dense model smaller, and faster in every runtime.",
)  # fmt: skip
@click.option("--plan", type=click.Path(path_type=Path), help="Replay this plan.json.")
@click.option(
    "--criterion",
    help="l1, l2, taylor, taylor2, hessian, fisher, fpgm, bn-scale, lamp, activation, random, or "
    "your own module:function. The gradient ones and activation need --data.",
)
@click.option("--group", help="sum, mean or max over the tensors of a family.")
@click.option(
    "--scope",
    help="local (every layer alike; default for --ratio), global (lowest scores anywhere; default "
    "for --params, --macs, --size), isomorphic (lowest among layers of the same structure) or "
    "sensitivity (until each costs the same drop).",
)
@click.option(
    "--sensitivity", type=click.Path(path_type=Path), metavar="FILE",
    help="What `secateur sensitivity` wrote, for the scope of that name.",
)  # fmt: skip
@click.option(
    "--family", multiple=True, callback=families, metavar="NAME=WIDTH|MIN:MAX",
    help="Width or bounds of the families a name or pattern fits; may be repeated.",
)  # fmt: skip
@click.option("--round-to", type=int, help="Keep widths that are multiples of this (8).")
@click.option("--min-width", type=int, help="Fewest channels that any family keeps.")
@click.option("--min-share", type=float, help="Least share of its channels any family keeps.")
@click.option("--seed", type=int, help="For the certificate's inputs and the random criterion.")
@click.option("--samples", type=int, help="Training samples that criteria look at (512).")
@click.option(
    "--allow-uncertified",
    is_flag=True,
    help="Cut also where no proof is possible (a sum over channels that are not zero, a kernel "
    "sliding over channels): the certificate names every such operator.",
)
@click.option("--data", type=click.Path(path_type=Path), help=".npz or folder of images.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/pruned"))
@click.option(
    "--write-back", type=click.Path(path_type=Path), metavar="FILE",
    help="Also save your own nn.Module with the new widths (torch.save of the whole module); "
    "refused if its outputs are not those of the pruned graph.",
)  # fmt: skip
@as_json
def command(
    model: str,
    given: Ports | None,
    weights: Path | None,
    data: Path | None,
    out: Path,
    write_back: Path | None,
    json_: bool,
    **options: Any,
) -> None:
    """Remove channels, heads or blocks for good, and prove the cut exact.

    Writes plan.json, report.json, model.safetensors, model.pt2 and widths.png into one folder,
    which convert and verify take. Exit codes: 0 pruned, 4 refused, 1 our bug (a failed proof).

    \b
    Examples:
      secateur prune --model mynet:build --input 1,3,224,224 --ratio 0.5 --out build/pruned
      secateur prune --model src/mynet.py:build --input 1,3,96,96 --write-back small.pt
      secateur prune --model model.pt2 --macs 0.25 --scope isomorphic --round-to 16
      secateur prune --model model.pt2 --granularity blocks --ratio 0.25
      secateur prune --model model.pt2 --plan build/pruned/plan.json
    """
    from pipeline import single

    report: dict[str, Any] = {}

    def using(**given: Any) -> Any:
        from pipeline.prune.steps import run_prune

        made, told = run_prune(**given)
        report.update(told)
        return made

    with single.checkpoint(model, given, weights, data) as dense:
        samples = single.data_from(data, dense)
        options["export"] = True
        made = single.run_stage("prune", options, out, using=using, model=dense, data=samples)
        if write_back is not None:
            from pipeline.prune.writeback import save_module

            save_module(cast(Checkpoint, made), write_back)
    if json_:
        document = {
            key: report[key] for key in ("params", "macs", "frozen", "unaligned", "seconds")
        }
        document["certificate"] = {key: report["certificate"][key] for key in PROOF}
        emit({"model": model, **document, "artifact": str(out)})
        return
    _show(report)
    click.echo(f"artifact: {out}")


def _show(report: dict[str, Any]) -> None:
    for name in ("params", "macs"):
        before, after = report[name]["before"], report[name]["after"]
        click.echo(f"{name}: {before:,} -> {after:,} ({after / before:.1%})")
    size = report["int8_size_estimate"]
    click.echo(f"int8 file, estimated: {size['before']:,} -> {size['after']:,} bytes")
    certificate = report["certificate"]
    error = certificate["max_relative_error"]
    word = "exact" if certificate["ok"] else "not complete"
    click.echo(f"certificate ({certificate['kind']}): {word}, largest relative error {error:.1e}")
    for name in certificate["uncertified"]:
        click.echo(f"uncertified: {name}")
    for row in report.get("blocks", ()):
        click.echo(f"taken out: the block that ends in {row['name']}")
    for row in report["frozen"]:
        if row["op"] != "output":
            place = f" at {row['source']}" if row["source"] else ""
            click.echo(f"held fixed: {row['axis']} by {row['op']}{place}: {row['reason']}")
    for family, reason in report["unscored"].items():
        click.echo(f"not judged: {family}: {reason}")
    for row in report["unaligned"]:
        click.echo(f"not aligned: {row['axis']} is {row['width']}: {row['reason']}")
