"""Knowledge distillation (Hinton, Vinyals, Dean 2015, arXiv:1503.02531)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.nn.functional import kl_div, log_softmax

from pipeline.inputs.batch import Batch
from pipeline.train.config import FinetuneConfig
from pipeline.train.loop import Loss


def distilled(loss: Loss, teacher: GraphModule, cfg: FinetuneConfig) -> Loss:
    """Mix `loss` with the divergence from the teacher's softened output.

    The factor temperature**2 keeps its gradient's size independent of the temperature.
    """
    t, share = cfg.temperature, cfg.distill

    def mixed(x: Tensor | Batch, outputs: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            soft = log_softmax(teacher(*Batch.of(x).arrays) / t, -1)
        student = log_softmax(outputs / t, -1)
        apart = kl_div(student, soft, reduction="batchmean", log_target=True) * t**2
        return share * apart + (1 - share) * loss(x, outputs, targets)

    return mixed
