"""The captured graph behaves as the module it came from, in both modes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from pipeline.errors import UsageError
from pipeline.models.graph import capture
from pipeline.models.modes import set_training


class Mixed(nn.Module):
    """Batch norm with and without running statistics, both dropouts, a constant, odd names."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.stateless = nn.BatchNorm2d(8, track_running_stats=False)
        self.plane = nn.Dropout2d(0.3)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(8 * 16, 5)
        self.scale = torch.linspace(0.5, 2, 8).view(8, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stateless(self.bn(self.conv(x)).relu()) * self.scale
        return self.fc(self.drop(self.plane(x).flatten(1)))


@pytest.mark.parametrize("training", [False, True])
def test_modes_match_the_module(training: bool) -> None:
    torch.manual_seed(0)
    module = Mixed()
    graph = capture(module, (3, 4, 4))
    module.train(training)
    set_training(graph, training)
    for step in range(3):
        x = torch.randn(6, 3, 4, 4)
        torch.manual_seed(step)
        expected = module(x)
        torch.manual_seed(step)
        assert torch.equal(graph(x), expected)
    state = graph.state_dict()
    for name, value in module.state_dict().items():
        assert torch.equal(state[name], value), name
    assert int(state["bn.num_batches_tracked"]) == (3 if training else 0)


def test_switching_back_is_the_captured_graph() -> None:
    graph = capture(Mixed(), (3, 4, 4))
    before = graph.code
    set_training(graph, True)
    assert graph.code != before
    set_training(graph, True)
    set_training(graph, False)
    assert graph.code == before


def test_gradients_flow_and_the_module_is_left_alone() -> None:
    module = Mixed().train()
    before = copy.deepcopy(module.state_dict())
    graph = capture(module, (3, 4, 4))
    set_training(graph, True)
    graph(torch.randn(4, 3, 4, 4)).sum().backward()
    assert graph.get_parameter("conv.weight").grad is not None
    assert module.training
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())


def test_any_batch_and_a_copy() -> None:
    graph = copy.deepcopy(capture(Mixed(), (3, 4, 4)))
    assert [graph(torch.zeros(n, 3, 4, 4)).shape[0] for n in (1, 2, 7)] == [1, 2, 7]


def test_structured_outputs_keep_their_names() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"box": self.fc(x), "score": x.sigmoid()}

    assert set(capture(Heads(), (4,))(torch.zeros(3, 4))) == {"box", "score"}


def test_a_rejected_shape_gives_torchs_reason() -> None:
    with pytest.raises(UsageError, match=r"rejects an input of shape 4,4,4: .*3 channels"):
        capture(Mixed(), (4, 4, 4))


def test_what_cannot_be_exported_names_reason_and_line() -> None:
    class Branch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(UsageError, match=r"torch.export fails: .*test_graph.py:\d+") as error:
        capture(Branch(), (4,))
    assert len(str(error.value).splitlines()) == 2


def test_weights_that_forward_assigns_are_named() -> None:
    """As re-parametrised convolutions do that fold their branches whenever they run."""

    class Updating(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.w = nn.Linear(4, 4), nn.Parameter(torch.ones(4, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.layer.weight.data = self.w.data.clone() * 2
            return self.layer(x)

    with pytest.raises(UsageError, match=r"assign no tensors to the module in forward"):
        capture(Updating(), (4,))


class Counting(nn.Module):
    """`len(x)` is a plain number to torch.export, and fixes the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.query = nn.Linear(4, 8), nn.Parameter(torch.randn(1, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x).reshape(len(x) * 2, 4)
        y = torch.cat([y.view(len(x), 8), self.query.expand(len(x), -1), torch.ones(len(x), 1)], 1)
        return y + torch.arange(len(x) + 1)[:-1, None]


def test_a_batch_that_python_counts_is_dynamic() -> None:
    module = Counting()
    graph_module = capture(module, (4,))
    for batch in (1, 2, 5, 7):
        x = torch.randn(batch, 4)
        torch.testing.assert_close(graph_module(x), module(x))


def test_a_batch_that_no_number_of_the_graph_names() -> None:
    """An einsum of three operands plans with sizes, which fixes them."""

    class Planned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w, self.s = nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.einsum("bc,co,o->bo", x, self.w, self.s)

    assert capture(Planned(), (4,))(torch.zeros(6, 4)).shape == (6, 3)


def test_a_loop_over_the_batch_is_refused() -> None:
    class Loop(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([row * place for place, row in zip(range(len(x)), x)])  # noqa: B905

    with pytest.raises(UsageError, match="one batch size"):
        capture(Loop(), (4,))


def test_a_fixed_batch_is_refused() -> None:
    class Fixed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.view(2, -1)

    with pytest.raises(UsageError, match="one batch size"):
        capture(Fixed(), (4,))


def test_cumulative_batch_norm_is_refused() -> None:
    with pytest.raises(UsageError, match="momentum"):
        capture(nn.Sequential(nn.BatchNorm1d(4, momentum=None)), (4,))


def test_several_inputs_are_named() -> None:
    class Two(nn.Module):
        def forward(self, image: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
            return image.mean(1) + vector

    with pytest.raises(UsageError, match=r"takes 2 inputs \(image, vector\)") as caught:
        capture(Two(), (4, 4))
    assert "--input image=1,... --input vector=1,..." in caught.value.fix
    graph = capture(Two(), [(4, 4), (4,)])
    assert graph.meta["ports"].names == ["image", "vector"]
    assert graph(torch.zeros(3, 4, 4), torch.zeros(3, 4)).shape == (3, 4)


def test_an_input_that_is_given_by_its_name_only() -> None:
    class Conditioned(nn.Module):
        def forward(self, image: torch.Tensor, *, gain: torch.Tensor) -> torch.Tensor:
            return image * gain[:, None]

    graph = capture(Conditioned(), [(3, 4), (4,)])
    assert graph.meta["ports"].names == ["image", "gain"]
    assert torch.equal(graph(torch.ones(2, 3, 4), torch.ones(2, 4)), torch.ones(2, 3, 4))


def test_results_as_long_as_the_data_decides_are_refused_with_their_line() -> None:
    class Chosen(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[x[:, 0] > 0]

    with pytest.raises(UsageError, match=r"index.Tensor gives depends on .* \(at .*test_graph"):
        capture(Chosen(), (3,))


@pytest.mark.parametrize("made", ["before", "in forward"])
def test_a_transformer_under_a_causal_mask(made: str) -> None:
    class Forecast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
            self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(5))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mask = torch.triu(torch.full((5, 5), float("-inf")), 1)
            return self.encoder(x, mask=self.mask if made == "before" else mask)

    module = Forecast().eval()
    x = torch.randn(3, 5, 8)
    with torch.no_grad():
        torch.testing.assert_close(capture(module, (5, 8))(x), module(x), rtol=1e-5, atol=1e-5)
