"""Run the user's own training script between two checkpoints."""

from __future__ import annotations

import os
import subprocess
import sys

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.errors import Refused
from pipeline.prune.checkpoint import load, save_like
from pipeline.prune.masks import keeper
from pipeline.train.config import CommandConfig
from pipeline.train.handover import MODEL_VARIABLE, WEIGHTS_VARIABLE
from pipeline.train.weights import load_weights


def run_command(model: Checkpoint, cfg: CommandConfig, work: Workdir) -> Checkpoint:
    """Run the script in its own folder, then load what it saved.

    Raises:
        Refused: the script failed, took too long or saved nothing.
        UsageError: what it saved does not fit the model.
    """
    weights = work.scratch / "weights.safetensors"
    weights.unlink(missing_ok=True)
    places = {MODEL_VARIABLE: str(model.path), WEIGHTS_VARIABLE: str(weights)}
    _run(cfg, {**os.environ, **places})
    if not weights.exists():
        fix = "call pipeline.train.handover.save(model) at its end"
        raise Refused("ended without saving weights", where=cfg.script, fix=fix)
    graph = load(model)
    keep = keeper(graph, model.meta.get("masked", ()))
    load_weights(graph, weights)
    keep()
    return save_like(work, graph, model)


def _run(cfg: CommandConfig, environment: dict[str, str]) -> None:
    launch = [sys.executable, "-P", "-m", "pipeline.train.launch"]
    python = launch if cfg.script.suffix == ".py" else []
    words, folder = [*python, str(cfg.script), *cfg.args], cfg.script.parent
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env=environment,
            stdout=sys.stderr,
            timeout=cfg.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        what = f"did not end within {cfg.timeout_s:.0f} s"
        raise Refused(what, where=cfg.script, fix="raise timeout_s") from None
    except OSError as error:
        raise Refused(f"cannot be run: {error.strerror}", where=cfg.script) from error
    if done.returncode:
        raise Refused(f"failed with exit code {done.returncode}", where=cfg.script)
