"""Networks of several inputs: an image beside sizes, text and its mask, a state that streams."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Ports, parse


class Fused(nn.Module):
    """A detector's stem on an image, and what it is told beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16)
        self.deep = nn.Conv2d(16, 16, 3, 1, 1)
        self.told = nn.Linear(6, 16)
        self.head = nn.Linear(16, 4)

    def forward(self, image: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
        x = self.deep(self.norm(self.stem(image)).relu()).relu().mean((2, 3))
        return self.head(x + self.told(size).relu())


class Encoder(nn.Module):
    """Token ids and a mask: an embedding, and attention that looks away from padding."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(40, 16), nn.Embedding(10, 16)
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.mix, self.wide, self.narrow = nn.Linear(16, 16), nn.Linear(16, 32), nn.Linear(32, 16)
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 5)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        n, length = input_ids.shape
        x = self.words(input_ids) + self.places(torch.arange(length))
        q, k, v = (
            f(x).view(n, length, 2, -1).transpose(1, 2) for f in (self.query, self.key, self.value)
        )
        scores = q @ k.transpose(-1, -2) / 8**0.5
        if attention_mask is not None:
            hidden = (attention_mask == 0)[:, None, None]
            scores = scores.masked_fill(hidden, float("-inf"))
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, -1)
        x = self.norm(x + self.mix(y))
        return self.head((x + self.narrow(self.wide(x).relu()))[:, 0])


class Padded(nn.Module):
    """Attention whose padding mask is a product, as in BERT; places counted from the mask."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(40, 16), nn.Embedding(11, 16)
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 5)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        x = self.words(input_ids) + self.places(attention_mask.cumsum(1) * attention_mask)
        hidden = (1.0 - attention_mask[:, None].float()) * torch.finfo(torch.float32).min
        scores = self.query(x) @ self.key(x).transpose(-1, -2) / 4 + hidden
        x = self.norm(x + scores.softmax(-1) @ self.value(x))
        share = attention_mask.unsqueeze(-1).float()
        return self.head((x * share).sum(1) / share.sum(1))


class Streaming(nn.Module):
    """A keyword spotter's step: frames and the state before them, scores and the state after."""

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.Linear(5, 12)
        self.cell, self.head = nn.GRU(12, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, state = self.cell(self.front(x).relu(), h.transpose(0, 1))
        return self.head(y[:, -1]), state.transpose(0, 1)


INPUTS = {
    "fused": ("image=1,3,16,16", "size=1,6"),
    "encoder": ("input_ids=1,10:int64", "attention_mask=1,10:int64"),
    "padded": ("input_ids=1,10:int64", "attention_mask=1,10:int64"),
    "streaming": ("x=1,7,5", "h=1,1,8"),
}


def ports(name: str) -> Ports:
    return parse(INPUTS[name])


def fused() -> nn.Module:
    return Fused()


def encoder() -> nn.Module:
    return Encoder()


def padded() -> nn.Module:
    return Padded()


def streaming() -> nn.Module:
    return Streaming()


def samples(name: str, count: int, seed: int = 0) -> Batch:
    """As in use: texts of several lengths, states that a step leaves."""
    random = np.random.default_rng(seed)
    if name == "fused":
        image = random.standard_normal((count, 3, 16, 16), dtype=np.float32)
        return Batch({"image": image, "size": random.random((count, 6), dtype=np.float32)})
    if name in ("encoder", "padded"):
        lengths = random.integers(3, 11, (count, 1))
        mask = (np.arange(10) < lengths).astype(np.int64)
        return Batch({"input_ids": random.integers(0, 40, (count, 10)) * mask,
                      "attention_mask": mask})  # fmt: skip
    x = random.standard_normal((count, 7, 5), dtype=np.float32)
    return Batch({"x": x, "h": np.tanh(random.standard_normal((count, 1, 8), dtype=np.float32))})
