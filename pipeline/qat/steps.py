"""What the qat stage does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from pipeline.artifacts import Checkpoint, Exported, QatCheckpoint, Workdir, write_atomic
from pipeline.convert.correspondence import correspond, file_activations, torch_activations
from pipeline.convert.export import run as export
from pipeline.convert.layout import arranged
from pipeline.convert.stage import ExportConfig
from pipeline.errors import Refused
from pipeline.inputs.ports import Ports
from pipeline.progress import say
from pipeline.prune.checkpoint import load, save_like
from pipeline.qat.calibrate import calibrate, extremes
from pipeline.qat.kernels.contraction import Contraction
from pipeline.qat.network import Network, Operator, read
from pipeline.qat.part import Part
from pipeline.qat.simulate import simulate
from pipeline.qat.spec import quant_spec
from pipeline.quantize.settling import Fit, settle, write_back
from pipeline.quantize.trained import FILE as NETWORK
from pipeline.quantize.trained import SPEC
from pipeline.train import distributed
from pipeline.train.distill import distilled
from pipeline.train.loop import evaluate, fit

if TYPE_CHECKING:
    from pipeline.data.source import Data
    from pipeline.qat.stage import QatConfig


FIRST_LOOK = 64  # samples that tell parts of unlike size


@dataclass(frozen=True)
class Simulation:
    """A model's int8 inference, trainable, beside the torch graph its weights go back to."""

    network: Network
    model: fx.GraphModule
    graph: fx.GraphModule
    layout: dict[str, Any]
    fits: dict[str, Fit]

    @property
    def contractions(self) -> dict[str, Contraction]:
        """The kernels with weights, by name."""
        return {n: m for n, m in self.model.named_modules() if isinstance(m, Contraction)}


def run_qat(
    model: Checkpoint, teacher: Checkpoint | None, data: Data, cfg: QatConfig, work: Workdir
) -> QatCheckpoint:
    """Export, simulate, calibrate, train; weights go back to torch and the grids into a file.

    Raises:
        Refused: an operator whose int8 arithmetic is not simulated, or no weight could be trained.
    """
    made = prepare(model, data, cfg, work)
    before = evaluate(made.model, data, "validation")
    say(f"  calibrated: validation {before:.4f}")
    if cfg.epochs:
        plain = data.loss()
        reference = load(teacher or model)
        loss = distilled(lambda _, outputs, targets: plain(outputs, targets), reference, cfg)
        part = Part(data, cfg.train_samples, cfg.seed)
        fit(made.model, part, loss, cfg, work.scratch, after_step=_keeper(made, model))
    return seal(made, model, {"validation_before": before}, data, work)


def prepare(model: Checkpoint, data: Data, cfg: QatConfig, work: Workdir) -> Simulation:
    """A calibrated simulation of a checkpoint; weights without a home in torch are frozen."""
    _require_one_float(model)
    exported = _exported(model, cfg, work)
    count = min(cfg.samples, data.count("train"))
    index = np.sort(np.random.default_rng(cfg.seed).choice(data.count("train"), count, False))
    x = torch.from_numpy(data.inputs("train", index))
    path, graph, layout = exported.file("float.tflite"), load(model), exported.meta["layout"]
    simulation = partial(simulate, layout=layout, where=partial(_source, model, exported, work))
    network = read(path, extremes(simulation(read(path)), x[:FIRST_LOOK]))
    simulated = simulation(network)
    made = Simulation(network, simulated, graph, layout, {})
    kernels = made.contractions
    fits = settle(graph, [kernel.weights.real() for kernel in kernels.values()])
    for (name, kernel), found in zip(kernels.items(), fits, strict=True):
        kernel.weights.freeze(
            weight=found is None, bias=not (found and found.bias and found.home.takes_bias)
        )
        if found is not None:
            made.fits[name] = found
    if not made.fits:
        raise Refused("no weight of the converted file is one of the torch model's", where="qat")
    calibrate(network, simulated, x)
    return made


def _require_one_float(model: Checkpoint) -> None:
    ports = Ports.of(model.meta["input"])
    if len(ports) > 1 or not ports[0].is_float:
        what = f"a model of one float input is trained in int8, this one takes {ports}"
        raise Refused(what, where="qat", fix="quantize it without a qat step")


def _exported(model: Checkpoint, cfg: QatConfig, work: Workdir) -> Exported:
    near = work.scratch / f"process-{distributed.rank()}"  # torchrun's share one scratch folder
    part = Workdir(near / "float", near / "export")
    part.out.mkdir(parents=True, exist_ok=True)
    part.scratch.mkdir(parents=True, exist_ok=True)
    return export(model, ExportConfig(timeout_s=cfg.timeout_s), part)


def _source(model: Checkpoint, exported: Exported, work: Workdir, operator: Operator) -> str:
    """`file:line` of the torch operation that an operator of the file computes; or nothing."""
    graph = load(model)
    x = graph.meta["ports"].draw(2)
    moved = arranged(x, exported.meta["layout"])
    values = file_activations(
        exported.file("float.tflite"), moved, work.scratch / f"probe-{distributed.rank()}", 600
    )
    wanted = {i: values[i] for i in operator.outputs if i in values}
    matches = correspond(graph, torch_activations(graph, x), wanted)
    return next((match.source for match in matches.values()), "")


def _keeper(made: Simulation, model: Checkpoint) -> Callable[[], None]:
    """Keep the zeros of weights that a mask step has set."""
    masked = set(model.meta.get("masked", ()))
    weights = [
        made.contractions[name].weights.weight
        for name, found in made.fits.items()
        if found.home.weight in masked
    ]
    zeros = [(weight, weight.detach() == 0) for weight in weights]

    @torch.no_grad()
    def keep() -> None:
        for weight, zero in zeros:
            weight.masked_fill_(zero, 0)

    return keep


def seal(
    made: Simulation, model: Checkpoint, figures: dict[str, Any], data: Data, work: Workdir
) -> QatCheckpoint:
    """Write the checkpoint, the file and the grids."""
    after = evaluate(made.model, data, "validation")
    spec = quant_spec(made.network, made.model)
    with torch.no_grad():
        for name, found in made.fits.items():
            _return_weights(made, name, found)
    checkpoint = save_like(work, made.graph, model)
    write_atomic(work.out / NETWORK, made.network.to_bytes())
    write_atomic(work.out / SPEC, json.dumps({"tensors": spec}, indent=1).encode())
    frozen = [n for n in made.contractions if n not in made.fits]
    return work.seal(QatCheckpoint, {
        **checkpoint.meta,
        "qat": {**figures, "validation_after": after, "not_trained": frozen, "layout": made.layout},
    })  # fmt: skip


def _return_weights(made: Simulation, name: str, found: Fit) -> None:
    kernel = made.contractions[name]
    input_scale = kernel.inputs[0].scale()
    weight, bias, scales = kernel.weights.integers(input_scale)
    real = weight * scales.view(-1, *[1] * (weight.ndim - 1))
    biases = bias * (input_scale * scales) if kernel.weights.has_bias and found.bias else None
    write_back(made.graph, found, real, biases)
