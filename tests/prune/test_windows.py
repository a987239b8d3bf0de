"""Windows, places and spectra of images: the channels pass."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.prune.checks import check, reasons
from tests.prune.nets import Net, conv, head, unit


def test_columns_of_windows() -> None:
    """Each channel is a run of columns, there and back."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.b(functional.unfold(m.a(x), 2, stride=2)).relu()
        return m.fc(m.c(functional.fold(y, (8, 8), 2, stride=2)).mean((2, 3)))

    layers = {"b": nn.Conv1d(64, 48, 1), "c": conv(12, 8), "fc": head(8)}
    check(Net(forward, a=unit(3, 16), **layers), {"b.weight:1": 32, "b.weight:0": 24})


def test_views_of_windows() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(3)
        return m.fc(m.b(y).relu().mean((1, 2)))

    module = Net(forward, a=unit(3, 8), b=nn.Linear(128, 12), fc=head(12))
    check(module, {"b.weight:1": 64, "b.weight:0": 6})


def test_windows_over_channels_stay() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.b(m.a(x).unfold(1, 2, 1).amax(-1)).mean((2, 3)))

    report = check(Net(forward, a=unit(3, 9), b=unit(8, 8), fc=head(8)), {"a.0.weight:0": 9})
    assert "unfold: slides over the channels" in reasons(report)


def test_sampled_places() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        grid = m.where(y).permute(0, 2, 3, 1).tanh()
        return m.fc(m.b(functional.grid_sample(y, grid, align_corners=False)).mean((2, 3)))

    layers = {"where": conv(16, 2), "b": unit(16, 8), "fc": head(8)}
    report = check(Net(forward, a=unit(3, 16), **layers), {"b.0.weight:1": 8, "where.weight:0": 2})
    assert "grid_sampler: is a place in another tensor" in reasons(report)


def test_a_filter_of_the_spectrum() -> None:
    class Spectrum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = unit(3, 16), unit(16, 8), head(8)
            self.w = nn.Parameter(torch.zeros(16, 8, 5, 2))

        def forward(self, x: Tensor) -> Tensor:
            y = torch.fft.rfft2(self.a(x)) * torch.view_as_complex(self.w)
            return self.fc(self.b(torch.fft.irfft2(y, s=(8, 8))).mean((2, 3)))

    check(Spectrum(), {"w:0": 8, "b.0.weight:1": 8})


def test_a_spectrum_over_channels_stays() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.b(torch.fft.fft(m.a(x), dim=1).abs()).mean((2, 3)))

    report = check(Net(forward, a=unit(3, 16), b=unit(16, 8), fc=head(8)), {"a.0.weight:0": 16})
    assert "fft_fft: transforms the channels" in reasons(report)


def test_written_in_place() -> None:
    """`torch.zeros` names no type: the proof in float64 must not mix it with float32."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = torch.zeros(x.shape[0], 24, 8, 8)
        y[:, :16] += m.a(x)
        y[:, 16:] = m.c(x)
        return m.fc(m.b(y).mean((2, 3)))

    check(Net(forward, a=unit(3, 16), c=unit(3, 8), b=unit(24, 12), fc=head(12)))


def test_uneven_parts() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        a, b, c = torch.tensor_split(m.a(x), (4, 16), 1)
        return m.fc(torch.cat([c, m.b(b), a], 1).mean((2, 3)))

    check(Net(forward, a=unit(3, 24), b=unit(12, 12), fc=head(24)), {"b.0.weight:1": 6})
