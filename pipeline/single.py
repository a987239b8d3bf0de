"""Single steps outside a recipe: the same stages, on a model and into a folder the user names."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.artifacts import (
    MANIFEST,
    A,
    Artifact,
    Checkpoint,
    Deployable,
    Model,
    Workdir,
    digest_of,
    file_digest,
    folder_digests,
)
from pipeline.config.explain import parse
from pipeline.config.recipe import DataConfig, ModelConfig, TaskConfig
from pipeline.config.resolve import add_folder, importable
from pipeline.data import samples
from pipeline.data.source import Data
from pipeline.errors import UsageError
from pipeline.inputs.ports import EXAMPLE, Ports
from pipeline.run import register_stages
from pipeline.stage import STAGES, Run
from pipeline.store import read_json


@contextmanager
def workdir(near: Path) -> Iterator[Workdir]:
    """Folders for one stage, on the disk of `near`, gone afterwards."""
    near.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=near, prefix=".secateur-") as base:
        work = Workdir(Path(base) / "out", Path(base) / "scratch")
        work.out.mkdir()
        work.scratch.mkdir()
        yield work


def run_stage(
    name: str, table: dict[str, Any], out: Path, *, using: Run | None = None, **inputs: Any
) -> Artifact:
    """Run one stage with the options given, and put its artifact at `out`.

    `using` is called in the stage's place: it does the same and may tell more.

    Raises:
        UsageError: an option is wrong, or `out` holds something that is not ours.
    """
    register_stages()
    given = {key: value for key, value in table.items() if value is not None}
    config, problems = parse(STAGES[name].config, given, Path.cwd())
    if problems:
        raise UsageError("; ".join(problems), where=name, fix=f"secateur {name} --help")
    if out.exists() and not (out / MANIFEST).is_file():
        raise UsageError("exists and is not an artifact", where=out, fix="name another --out")
    with workdir(out.resolve().parent) as work:
        made = (using or STAGES[name].run)(**inputs, cfg=config, work=work)
        if out.exists():
            shutil.rmtree(out)
        made.path.rename(out)
    return type(made)(out, made.digest, made.meta)


@contextmanager
def torch_model(
    model: str, given: Ports | None, weights: Path | None = None, data: Path | None = None
) -> Iterator[Model]:
    """A checkpoint as `checkpoint` takes it, or a model that was trained in int8."""
    if (Path(model) / MANIFEST).is_file():
        add_folder(Path.cwd())
        yield open_artifact(Path(model), Model)
        return
    with checkpoint(model, given, weights, data) as found:
        yield found


@contextmanager
def checkpoint(
    model: str, given: Ports | None, weights: Path | None = None, data: Path | None = None
) -> Iterator[Checkpoint]:
    """The checkpoint that `--model` names: an artifact's folder, `module:function` or a `.pt2`.

    `given` is what `--input` says. An input of which nobody says the dtype is an integer where
    the arrays of `data` that it may be are.

    Raises:
        UsageError: neither a checkpoint nor an importable factory, or the shape is missing.
    """
    if Path(model).suffix == ".pt2":
        with tempfile.TemporaryDirectory() as near, workdir(Path(near)) as work:
            yield _from_program(Path(model), given, weights, work)
        return
    add_folder(Path.cwd())  # where the user's own code is, also that of an artifact
    if Path(model).is_dir():
        yield open_artifact(Path(model), Checkpoint)
        return
    if not given:
        fix = f"give it as 1,3,224,224; of several inputs each, such as {EXAMPLE}"
        raise UsageError("--input is missing", where=model, fix=fix)
    register_stages()
    table = {"factory": importable(model), "weights": weights}
    typed = given if data is None else samples.typed(given, data)
    with tempfile.TemporaryDirectory() as near, workdir(Path(near)) as work:
        try:
            made = _loaded(table, typed, work)
        except UsageError:  # integers in the data may still mean floats: raw pixels
            if typed == given:
                raise
            made = _loaded(table, given, work)
        yield made


def _loaded(table: dict[str, Any], ports: Ports, work: Workdir) -> Checkpoint:
    config, problems = parse(ModelConfig, {**table, "input": ports.to_json()}, Path.cwd())
    if config is None:
        raise UsageError("; ".join(problems), where="--model")
    made = STAGES["load"].run(cfg=config, work=work)
    assert isinstance(made, Checkpoint)
    return made


@contextmanager
def convertible(
    model: str, given: Ports | None, weights: Path | None = None, data: Path | None = None
) -> Iterator[Model]:
    """What `checkpoint` takes, or a file made elsewhere: ONNX, or float TFLite.

    Raises:
        UsageError: as `checkpoint`, or the file is not what its name says.
    """
    from pipeline.convert import foreign

    if Path(model).suffix not in foreign.SUFFIXES:
        with torch_model(model, given, weights, data) as source:
            yield source
        return
    if not Path(model).is_file():
        raise UsageError("no such file", where=model, fix="name an .onnx or .tflite file")
    with tempfile.TemporaryDirectory() as near, workdir(Path(near)) as work:
        yield foreign.adopt(Path(model), given, work)


def _from_program(
    path: Path, given: Ports | None, weights: Path | None, work: Workdir
) -> Checkpoint:
    """A checkpoint of what `torch.export.save` wrote, the file inside it."""
    from pipeline.models import program
    from pipeline.models.graph import capture
    from pipeline.prune.checkpoint import save
    from pipeline.train.weights import load_weights

    graph, own = program.load(path)
    shapes = {port.name: port.shape for port in (given or Ports()).known(own.names)}
    wanted = Ports(replace(port, shape=shapes.get(port.name, port.shape)) for port in own)
    if weights is not None:
        load_weights(graph, weights)
    return save(
        work, capture(graph, wanted), source={"program": file_digest(path)},
        classes=None, program_file=path,
    )  # fmt: skip


def open_artifact(path: Path, kind: type[A]) -> A:
    """An artifact by its folder, checked byte for byte.

    Raises:
        UsageError: not an artifact of that kind, or changed since it was made.
    """
    manifest = read_json(path / MANIFEST)
    if manifest is None or "kind" not in manifest:
        raise UsageError(f"has no {MANIFEST}", where=path, fix="name a folder secateur made")
    kinds = {known.__name__: known for known in (kind, *kind.__subclasses__())}
    if manifest["kind"] not in kinds and kind is not Artifact:
        what = f"is a {manifest['kind']}, a {kind.__name__} is needed"
        raise UsageError(what, where=path)
    if folder_digests(path) != manifest["files"]:
        raise UsageError("was changed since it was made", where=path, fix="make it again")
    return kinds.get(manifest["kind"], kind)(path, digest_of(manifest), manifest["meta"])


@contextmanager
def deployable(path: Path, reference: Model, data: Data | None, near: Path) -> Iterator[Deployable]:
    """What `convert` wrote, or any .tflite file of the same model, taken as if it had."""
    if path.is_dir():
        yield open_artifact(path, Deployable)
        return
    from pipeline.verify.standalone import adopt

    assert data is not None
    with workdir(near.resolve().parent) as work:
        yield adopt(path, reference, data, work)


def data_from(path: Path | None, model: Model) -> Data | None:
    """Samples for one stage: an .npz, or a folder of images; None where no path is given."""
    if path is None:
        return None
    key = "folder" if path.is_dir() else "npz"
    config, problems = parse(DataConfig, {key: path}, Path.cwd())
    if config is None:
        raise UsageError("; ".join(problems), where=path)
    return Data(config, Ports.of(model.meta["input"]), model.meta["classes"], TaskConfig())
