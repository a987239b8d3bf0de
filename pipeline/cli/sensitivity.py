"""`secateur sensitivity`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import as_json, emit, table


def ratios(context: click.Context, parameter: click.Parameter, value: str) -> list[float]:
    """Parse `0.25,0.5,0.75`."""
    del context
    try:
        found = [float(part) for part in value.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < ratio < 1 for ratio in found):
        raise click.BadParameter("write it as 0.25,0.5,0.75, each between 0 and 1", param=parameter)
    return sorted(set(found))


@click.command("sensitivity")
@click.argument("recipe")
@click.option("--step", help="A prune step; its input is scanned. The first one if not given.")
@click.option("--ratios", callback=ratios, default="0.25,0.5,0.75,0.9", show_default=True)
@click.option("--samples", type=click.IntRange(1), default=2000, show_default=True,
              help="Validation samples each cut is judged on.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/sensitivity"))
@as_json
def command(
    recipe: str, step: str | None, ratios: list[float], samples: int, out: Path, json_: bool
) -> None:
    """Cut each family of RECIPE's model alone, at several ratios, and show what it costs.

    By the validation metric, without fine-tuning. Runs the recipe's steps up to the prune step
    (finished ones come from the cache); writes sensitivity.json and sensitivity.png. A prune step
    with scope = "sensitivity" and sensitivity = "sensitivity.json" then cuts every family until
    it costs the same.

    \b
    Example:
      secateur sensitivity demo --ratios 0.5,0.75
    """
    import json

    from pipeline.artifacts import write_atomic
    from pipeline.paths import cache_dir
    from pipeline.prune.curves import picture
    from pipeline.run import Runner, load_recipe
    from pipeline.store import Store
    from pipeline.train.sensitivity import scan

    found = load_recipe(recipe)
    chosen = _prune_step(found, step)
    runner = Runner(found, Store(cache_dir() / "store"))
    runner.run(until=chosen.inputs["model"])
    model: Any = runner.made[chosen.inputs["model"]]
    config: Any = chosen.config
    document = scan(model, runner.data, config, ratios, samples)
    write_atomic(out / "sensitivity.json", json.dumps(document, indent=1, sort_keys=True).encode())
    write_atomic(out / "sensitivity.png", picture(document))
    if json_:
        emit(document)
        return
    click.echo(f"whole model: {document['metric']:.4f} on {document['samples']} samples")
    rows = [
        [f["name"], str(f["width"]), *[f"{point['metric']:.4f}" for point in f["points"]]]
        for f in document["families"]
    ]
    table(["family", "width", *[f"-{ratio:.0%}" for ratio in ratios]], rows)
    click.echo(f"written: {out / 'sensitivity.json'}, {out / 'sensitivity.png'}")


def _prune_step(recipe: Any, wanted: str | None) -> Any:
    from pipeline.config.explain import did_you_mean
    from pipeline.errors import UsageError

    found = {step.id: step for step in recipe.steps if step.stage.name == "prune"}
    if wanted is None and found:
        return next(iter(found.values()))
    if wanted in found:
        return found[wanted]
    what = f"no prune step '{wanted}'" if wanted else "the recipe has no prune step"
    raise UsageError(what, where=recipe.path, fix=did_you_mean(wanted or "", found))
