"""Integer inputs of a captured graph: what may be drawn for them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.errors import UsageError
from pipeline.inputs.ports import parse
from pipeline.models.graph import capture
from tests.inputs.networks import Encoder, Fused, Streaming, ports


def test_ids_are_rows_of_their_embedding_and_a_mask_is_zeros_and_ones() -> None:
    found = capture(Encoder(), ports("encoder")).meta["ports"]
    assert [(port.rows, port.fill) for port in found] == [(40, None), (None, None)]
    assert [port.dtype for port in found] == ["int64", "int64"]


def test_what_has_a_default_may_be_left_out() -> None:
    graph = capture(Encoder(), parse(["1,10:int64"]))
    assert graph.meta["ports"].names == ["input_ids"]
    assert graph(torch.zeros(3, 10, dtype=torch.int64)).shape == (3, 5)


def test_an_input_that_divides_is_never_drawn_as_zero() -> None:
    class Share(nn.Module):
        def forward(self, x: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
            return x / count

    (_, count) = capture(Share(), parse(["1,4", "1,4:int32"])).meta["ports"]
    assert count.fill == 1


def test_rows_that_a_view_hands_on_and_an_index_looks_up() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.randn(7, 3))

        def forward(self, places: torch.Tensor) -> torch.Tensor:
            return self.table[places.unsqueeze(1)].sum(1)

    (port,) = capture(Table(), parse(["1,4:int64"])).meta["ports"]
    assert port.rows == 7


def test_columns_of_several_tables_take_zeros_and_ones() -> None:
    class Categories(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList(nn.Embedding(rows, 4) for rows in (10, 3))

        def forward(self, columns: torch.Tensor) -> torch.Tensor:
            return torch.cat([t(columns[:, i]) for i, t in enumerate(self.tables)], 1)

    (port,) = capture(Categories(), parse(["1,2:int64"])).meta["ports"]
    assert port.rows is None


def test_one_order_of_inputs_and_another_one_by_name() -> None:
    by_name = capture(Fused(), parse(["size=1,6", "image=1,3,16,16"])).meta["ports"]
    assert by_name.names == ["image", "size"]
    with pytest.raises(UsageError, match=r"rejects image \(6\) float32, size \(3, 16, 16\)"):
        capture(Fused(), parse(["1,6", "1,3,16,16"]))


def test_an_embedding_that_gets_floats_says_how_to_name_a_dtype() -> None:
    with pytest.raises(UsageError) as caught:
        capture(Encoder(), parse(["1,10", "1,10"]))
    assert "ids=1,128:int64" in caught.value.fix


def test_a_state_is_an_input_and_an_output_with_the_batch_in_front() -> None:
    graph = capture(Streaming(), ports("streaming"))
    scores, state = graph(torch.zeros(4, 7, 5), torch.zeros(4, 1, 8))
    assert scores.shape == (4, 3) and state.shape == (4, 1, 8)

    class Torchs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.GRU(5, 8, batch_first=True)

        def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
            return self.cell(x, h)[0]

    with pytest.raises(UsageError, match=r"also of a state: h\.transpose\(0, 1\)"):
        capture(Torchs(), ports("streaming"))
