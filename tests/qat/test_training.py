"""What is trained is what the file computes: to the last bit, on scales that arrive unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from pipeline.artifacts import folder_digests
from pipeline.convert.audit import audit
from pipeline.convert.flatbuffer import TYPES, items, operator_name, reading
from pipeline.convert.layout import sqnr_db
from pipeline.errors import Refused
from pipeline.prune.checkpoint import load
from pipeline.qat.restore import restore
from pipeline.qat.rules import FIXED, SHARES
from pipeline.qat.simulate import set_floating
from tests.qat.trained import CONFIG, Trained, checkpoint, train, trained

NETWORKS = ["gates", "detector", "sound", "mobile"]


def file_answers(made: Trained, x: np.ndarray) -> np.ndarray:
    """The file's output in torch's layout, by the default resolver."""
    run = Interpreter(str(made.path), num_threads=1).get_signature_runner()
    ((name, port),) = run.get_input_details().items()
    layout, (entry,) = made.deployable.meta["layout"], made.deployable.meta["layout"]["outputs"]
    scale, zero = port["quantization"]
    steps = np.round(x.transpose(layout["input"]) / np.float32(scale)) + zero
    q = np.clip(steps, -128, 127).astype(np.int8)
    rows = [run(**{name: sample[None]})[entry["name"]].copy() for sample in q]
    scale, zero = run.get_output_details()[entry["name"]]["quantization"]
    real = np.concatenate(rows).astype(np.float32)
    if scale:
        real = (real - np.float32(zero)) * np.float32(scale)
    return real.transpose(entry["to_torch"])


@pytest.mark.parametrize("name", [*NETWORKS, "pixels"])
def test_simulation_and_file_agree_in_every_value(name: str) -> None:
    made = trained(name)
    x = made.data.inputs("test")
    with torch.no_grad():
        simulated = restore(made.qat)(torch.from_numpy(x)).numpy()
    assert np.array_equal(file_answers(made, x), simulated)
    assert np.ptp(simulated) > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_trained_scales_arrive_bit_for_bit(name: str) -> None:
    made = trained(name)
    spec = json.loads(made.qat.file("quantization.json").read_text())["tensors"]
    with reading(made.path) as model:
        tensors = model.subgraphs[0].tensors
    assert {TYPES[t.type] for t in tensors} <= {"INT8", "INT32"}
    assert len(spec) == sum(len(items(getattr(t.quantization, "scale", None))) > 0 for t in tensors)
    for entry in spec:
        found = tensors[entry["tensor"]].quantization
        want = np.array(entry["scales"], np.float32).view(np.uint32)
        assert np.array_equal(np.asarray(found.scale, np.float32).view(np.uint32), want)
        assert list(found.zeroPoint) == entry["zero_points"]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_file_keeps_every_rule_of_the_specification(name: str) -> None:
    with reading(trained(name).path) as model:
        graph = model.subgraphs[0]
        for operator in graph.operators:
            kind = operator_name(model, operator)
            inputs = [graph.tensors[i] for i in operator.inputs if i >= 0]
            outputs = [graph.tensors[i] for i in operator.outputs]
            if kind in FIXED:
                scale, zero = FIXED[kind]
                assert (outputs[0].quantization.scale[0], outputs[0].quantization.zeroPoint[0]) == (
                    np.float32(scale), zero,
                )  # fmt: skip
            if kind in SHARES:
                computed = [t for t in (*inputs, *outputs) if TYPES[t.type] == "INT8"]
                assert len({float(t.quantization.scale[0]) for t in computed}) == 1
                assert len({int(t.quantization.zeroPoint[0]) for t in computed}) == 1
            if kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
                _check_weights(model, *inputs)


def _check_weights(model: object, x: object, weight: object, bias: object) -> None:
    """Per channel, symmetric, the largest weight at 127; the bias in products of steps."""
    scales = weight.quantization.scale
    q = np.asarray(model.buffers[weight.buffer].data, np.uint8).view(np.int8)
    axis = weight.quantization.quantizedDimension
    channels = np.moveaxis(q.reshape(items(weight.shape)).astype(int), axis, 0)
    assert len(scales) == len(channels)
    assert (np.abs(channels.reshape(len(scales), -1)).max(1) == 127).all()
    assert not np.any(weight.quantization.zeroPoint)
    assert TYPES[bias.type] == "INT32"
    assert np.array_equal(bias.quantization.scale, x.quantization.scale[0] * scales)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_is_trained(name: str) -> None:
    assert trained(name).qat.meta["qat"]["not_trained"] == []


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_go_back_to_torch(name: str) -> None:
    made = trained(name)
    x = torch.from_numpy(made.data.inputs("test"))
    simulation = restore(made.qat)
    set_floating(simulation, True)
    with torch.no_grad():
        before, after, same = load(made.checkpoint)(x), load(made.qat)(x), simulation(x)
    assert sqnr_db(after.numpy(), same.numpy()) > 90
    assert not torch.equal(after, before)


def test_file_is_integer_and_names_the_versions_of_its_operators() -> None:
    found = audit(trained("gates").path)
    assert found.float_operators == {}
    assert found.versions["CONV_2D"] >= 3
    assert found.versions["MAX_POOL_2D"] >= 2


def test_boxes_and_scores_keep_scales_of_their_own() -> None:
    made = trained("pixels")
    found = audit(made.path)
    assert set(found.float_operators) <= {"CONCATENATION", "RESHAPE", "TRANSPOSE"}
    assert [port.dtype for port in found.outputs] == ["float32"]
    x = made.data.inputs("test")
    with torch.no_grad():
        want = load(made.qat)(torch.from_numpy(x)).numpy()
    got = file_answers(made, x)
    assert sqnr_db(want[:, :4], got[:, :4]) > 25
    assert sqnr_db(want[:, 4:], got[:, 4:]) > 25


def test_hard_swish_does_not_break_the_graph_in_pieces() -> None:
    found = audit(trained("mobile").path)
    assert not {"HARD_SWISH", "NEG", "ELU", "SQUARE"} & found.operators.keys()
    run = Interpreter(str(trained("mobile").path), num_threads=1)
    run.allocate_tensors()
    nodes = run._get_ops_details()
    assert sum(node["op_name"] == "DELEGATE" for node in nodes) == 1


def test_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    model = checkpoint(tmp_path / "model", "sound")
    again = train(tmp_path / "deeper" / "folder", model)
    first = trained("sound").qat
    assert folder_digests(again.path) == folder_digests(first.path)
    assert again.digest == first.digest


def test_an_operator_without_a_kernel_is_refused_with_its_source_line(tmp_path: Path) -> None:
    model = checkpoint(tmp_path / "model", "unknown")
    with pytest.raises(Refused) as caught:
        train(tmp_path / "qat", model, CONFIG)
    assert "SIN cannot be trained in int8" in str(caught.value)
    assert "tests/qat/networks.py:" in str(caught.value.where)
    assert len(str(caught.value).splitlines()) == 2
