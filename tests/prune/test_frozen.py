"""What no rule covers stays, and the report says why."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import Refused
from tests.prune.checks import check, reasons
from tests.prune.nets import Net, head, unit


def unknown_operator() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = torch.cummax(m.a(x), 2).values
        return m.fc(m.c(m.b(y)).mean((2, 3)))

    return Net(forward, a=unit(3, 16), b=unit(16, 24), c=unit(24, 8), fc=head(8))


def two_roles() -> nn.Module:
    """A layer's weight that is also added to something: no axis of it can go."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).mean((2, 3))
        return m.fc(m.c(y) + (m.c.weight * 2).sum())

    return Net(forward, a=unit(3, 8), c=nn.Linear(8, 8), fc=head(8))


def test_two_roles() -> None:
    with pytest.raises(Refused, match="used in two ways"):
        check(two_roles())


def test_unknown_operator() -> None:
    report = check(unknown_operator(), {"a.0.weight:0": 16, "b.0.weight:0": 12})
    assert "cummax: no rule for this operator" in reasons(report)


def test_a_number_that_is_read_off_an_activation() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).mean((2, 3))
        return m.fc(y) * y.amax().item()

    with pytest.raises(Refused, match=r"\.item\(\)"):
        check(Net(forward, a=unit(3, 8), fc=head(8)))


def test_random_numbers_keep_their_places() -> None:
    """A variational autoencoder draws in eval mode too: the same numbers in fewer places differ."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        return m.fc(m.c(m.b(y) + torch.randn_like(y)).mean((2, 3)))

    module = Net(forward, a=unit(3, 16), b=unit(16, 16), c=unit(16, 8), fc=head(8))
    report = check(module, {"a.0.weight:0": 16, "c.0.weight:0": 4}, exported=False)
    assert "randn_like: draws random numbers" in reasons(report)
