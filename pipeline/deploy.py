"""From a recipe's arm, an artifact or any model file to a release for a board's slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.artifacts import MANIFEST, Deployable
from pipeline.board.open import hooks_of, open_slot
from pipeline.board.pair import PAIR, pair
from pipeline.board.release import Release, release
from pipeline.board.slots import Standing
from pipeline.config.explain import did_you_mean
from pipeline.config.target import Target
from pipeline.errors import UsageError
from pipeline.inspection import folder_of
from pipeline.paths import cache_dir
from pipeline.progress import say
from pipeline.run import Arm, Runner, certificate_id, load_recipe
from pipeline.single import open_artifact
from pipeline.store import Store
from pipeline.verify import verdict

META = ("format", "scheme", "file", "inputs", "outputs", "layout", "checkpoint")


def release_of(subject: str, target: Target, extra: Sequence[Path] = ()) -> Release:
    """The release of `RECIPE:ARM`, of what `convert` wrote, or of a .tflite file.

    `extra` files, such as labels, go beside the model. Only a recipe's arm comes with a proof,
    and then that proof must hold in the runtime that the target uses.

    Raises:
        UsageError: there is no such arm, artifact or file.
        Refused: the arm did not pass verification.
    """
    path = Path(subject)
    if path.is_file():
        about = {"name": path.stem, "model": {"file": path.name}}
        return _with(extra, path, about, target)
    recipe, colon, arm = subject.rpartition(":")
    if colon:
        return arm_release(*_arm(recipe, arm), target, extra)
    made = open_artifact(folder_of(subject), Deployable)
    say(f"{subject}: an artifact without a certificate beside it; a recipe's arm has one")
    return _of(made, made.path.name, {}, extra, target)


def arm_release(runner: Runner, arm: Arm, target: Target, extra: Sequence[Path] = ()) -> Release:
    """The release of a verified arm. Raises Refused: it did not pass in the target's runtime."""
    proof = arm.certificate.meta["runtimes"]
    verdict.require(proof, [target.setting("runtime")], same=True)
    verdicts = {name: found["verdict"] for name, found in proof.items()}
    return _of(arm.deployable, f"{runner.recipe.name}: {arm.name}", verdicts, extra, target)


def publish_arm(runner: Runner, arm: Arm, target: Target) -> Standing:
    """Push a verified arm and make it current. Raises as `Slot.push` and `Slot.publish` do."""
    made = arm_release(runner, arm, target)
    with open_slot(target) as slot:
        slot.push(made, hooks_of(target))
        done = slot.publish(made.digest, hooks_of(target))
    say(f"{arm.name}: {done.health}")
    return done


def _arm(recipe: str, name: str) -> tuple[Runner, Arm]:
    """An arm with its steps run, those that are not cached yet."""
    runner = Runner(load_recipe(recipe), Store(cache_dir() / "store"))
    arms = {part.name: part for arm in runner.recipe.file.arm for part in arm.expanded()}
    if name not in arms:
        raise UsageError(f"no arm '{name}'", where=recipe, fix=did_you_mean(name, arms))
    found = {arm.name: arm for arm in runner.run(until=certificate_id(arms[name]))}
    return runner, found[name]


def _of(
    made: Deployable, name: str, verdicts: Mapping[str, str], extra: Sequence[Path], target: Target
) -> Release:
    model = {key: made.meta[key] for key in META if key in made.meta}
    about = {"name": name, "artifact": made.digest, "model": model, "verified": dict(verdicts)}
    return _with(extra, made.file(made.meta["file"]), about, target)


def _with(extra: Sequence[Path], model: Path, about: Mapping[str, Any], target: Target) -> Release:
    """The model, what goes beside it, and the pair that the board checks it with."""
    named = {model.name: model}
    for path in extra:
        if path.name in {*named, MANIFEST, PAIR} or not path.is_file():
            what = "there is no such file" if not path.is_file() else "the name is taken"
            raise UsageError(what, where=path, fix="give each file once, under its own name")
        named[path.name] = path
    stored, check = pair(model, target.setting("runtime"))
    if stored:
        named[PAIR] = stored
    return release(named, {**about, "check": check})
