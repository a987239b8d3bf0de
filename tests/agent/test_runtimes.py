"""Real runtimes through real workers: figures, outputs, and refusals with their reason."""

import numpy as np
import pytest

from pipeline.board import session
from tests.agent import boards

RUNTIMES = ("ai-edge-litert", "tflite-runtime", "tensorflow")


@pytest.fixture
def run(runtime_pythons):
    def runner(spec, runtime="ai-edge-litert", on_event=None):
        python = runtime_pythons[runtime]
        spec = spec | {"runtime": runtime}
        return session.run(python, spec, timeout_s=120, on_event=on_event)

    return runner


def only(events, name):
    found = [e for e in events if e["event"] == name]
    assert len(found) == 1, [(e["event"], e.get("reason"), e.get("stderr")) for e in events]
    return found[0]


@pytest.fixture
def images(tmp_path):
    generator = np.random.default_rng(3)
    path = tmp_path / "images.npy"
    np.save(path, generator.standard_normal((40, 12, 12, 1)).astype(np.float32))
    return path


def arm(spec, samples):
    spec["arms"][0]["samples"] = str(samples)
    return spec


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_measured_process_has_every_figure(run, models, images, runtime):
    spec = arm(boards.spec("measure", models / "int8.tflite", affinity=[0]), images)
    event = only(run(spec | {"min_iterations": 20, "max_iterations": 50}, runtime), "process")
    assert event["runtime"].split()[0] == runtime
    assert event["at_begin"] == event["at_end"] == {"affinity": [0], "cpu": 0}
    assert 20 <= len(event["samples_ns"]) <= 50
    assert all(ns > 0 for ns in [*event["samples_ns"], event["first_ns"], event["load_ns"]])
    begin, end = event["window_t_ns"]
    assert sum(event["samples_ns"]) <= end - begin
    assert event["inputs"][0]["dtype"] == "int8"
    kib = dict(event["memory_kib"])
    peak, _ = kib.pop("peak"), kib.pop("load_peak")
    assert sum(kib.values()) == peak
    assert kib["python"] > 0 and kib["runtime"] > 0
    assert event["usage"]["cpu_ns"] > 0


def test_order_gives_one_fresh_process_an_entry(run, models):
    spec = boards.spec("measure", models / "int8.tflite", models / "float.tflite")
    events = run(spec | {"order": [0, 1, 1, 0]})
    processes = [e for e in events if e["event"] == "process"]
    assert [e["arm"] for e in processes] == ["arm0", "arm1", "arm1", "arm0"]
    assert [e["index"] for e in processes] == [0, 1, 2, 3]
    assert len({e["pid"] for e in processes}) == 4


def test_an_arm_may_have_settings_of_its_own(run, models):
    spec = boards.spec("measure", models / "int8.tflite", models / "int8.tflite")
    spec["arms"][1]["threads"] = 2
    threads = [e["threads"] for e in run(spec) if e["event"] == "process"]
    assert threads == [1, 2]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_outputs_are_those_of_the_interpreter_itself(run, models, images, tmp_path, runtime):
    spec = arm(boards.spec("evaluate", models / "int8.tflite"), images)
    spec["evaluate"] = {"outputs": str(tmp_path / "outputs")}
    event = only(run(spec, runtime), "outputs")
    assert event["count"] == 40
    outputs = np.load(event["path"])
    assert outputs.files == ["output_0"]
    assert outputs["output_0"].dtype == np.float32
    expected = direct(models / "int8.tflite", np.load(images))
    one_step = expected[1]
    assert np.abs(outputs["output_0"] - expected[0]).max() <= one_step * 1.001
    if runtime == "ai-edge-litert":
        np.testing.assert_array_equal(outputs["output_0"], expected[0])


def direct(path, images):
    """Outputs and their scale from a plain loop over the interpreter, one sample at a time."""
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(model_path=str(path), num_threads=1)
    model.allocate_tensors()
    (source,), (sink,) = model.get_input_details(), model.get_output_details()
    scale, zero = source["quantization"]
    rows = []
    for image in images:
        steps = np.round(image / np.float32(scale)) + zero
        model.set_tensor(source["index"], np.clip(steps, -128, 127).astype(np.int8)[None])
        model.invoke()
        rows.append(model.get_tensor(sink["index"])[0])
    scale, zero = sink["quantization"]
    return (np.array(rows, np.float32) - np.float32(zero)) * np.float32(scale), scale


def test_several_inputs_come_by_name_and_outputs_go_by_name(run, models, tmp_path):
    left, right = np.eye(3, dtype=np.float32), np.ones((3, 3), np.float32)
    np.savez(tmp_path / "pairs.npz", right=right, left=left)
    spec = arm(boards.spec("evaluate", models / "two.tflite"), tmp_path / "pairs.npz")
    event = only(run(spec | {"evaluate": {"outputs": str(tmp_path)}}), "outputs")
    outputs = np.load(event["path"])
    np.testing.assert_array_equal(outputs["total"], left + right)
    np.testing.assert_array_equal(outputs["difference"], left - right)


def test_measuring_may_be_followed_by_the_outputs(run, models, images, tmp_path):
    spec = arm(boards.spec("measure", models / "float.tflite"), images)
    events = run(spec | {"evaluate": {"outputs": str(tmp_path)}})
    assert boards.kinds(events) == ["hello", "facts", "process", "outputs", "facts", "done"]


def test_without_samples_inputs_are_made_for_any_model(run, models):
    only(run(boards.spec("measure", models / "two.tflite")), "process")


def test_ten_thousand_samples_tell_of_their_progress(run, models, tmp_path):
    np.save(tmp_path / "many.npy", np.zeros((10_000, 12, 12, 1), np.float32))
    spec = arm(boards.spec("evaluate", models / "float.tflite"), tmp_path / "many.npy")
    told = []
    events = run(spec | {"evaluate": {"outputs": str(tmp_path)}}, on_event=told.append)
    assert only(events, "outputs")["count"] == 10_000
    progress = [(e["done"], e["total"]) for e in told if e["event"] == "progress"]
    assert progress[-1] == (10_000, 10_000)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_inspection_lists_operators_and_what_the_delegate_took(run, models, runtime):
    event = only(run(boards.spec("inspect", models / "int8.tflite"), runtime), "inspected")
    assert event["ops"] == ["CONV_2D", "MEAN", "FULLY_CONNECTED"]
    # tflite-runtime 2.14 leaves int8 to its builtin kernels.
    delegated = runtime != "tflite-runtime"
    assert (event["delegates"] > 0) == delegated
    assert event["not_delegated"] == ([] if delegated else event["ops"])
    assert event["outputs"][0]["shape"] == [1, 4]


def refusal(run, spec):
    return only(run(spec), "failed")["reason"]


def test_a_missing_model_or_sample_file_is_named(run, models, tmp_path):
    nowhere = tmp_path / "nowhere"
    assert refusal(run, boards.spec("measure", nowhere)) == f"{nowhere}: No such file or directory"
    spec = arm(boards.spec("measure", models / "int8.tflite"), nowhere)
    assert refusal(run, spec) == f"{nowhere}: No such file or directory"


@pytest.mark.parametrize("keep", [0, 4, 300, 1500])
def test_a_cut_model_file_is_a_failure_never_a_crash_of_the_agent(run, models, tmp_path, keep):
    whole = (models / "int8.tflite").read_bytes()
    (tmp_path / "cut.tflite").write_bytes(whole[:keep])
    assert refusal(run, boards.spec("measure", tmp_path / "cut.tflite"))


def test_garbage_for_a_model_is_a_failure(run, tmp_path):
    (tmp_path / "noise.tflite").write_bytes(np.random.default_rng(0).bytes(4096))
    assert refusal(run, boards.spec("measure", tmp_path / "noise.tflite"))


def test_samples_that_do_not_fit_are_refused_with_both_shapes(run, models, tmp_path):
    np.save(tmp_path / "wide.npy", np.zeros((4, 1, 12, 12), np.float32))
    spec = arm(boards.spec("measure", models / "int8.tflite"), tmp_path / "wide.npy")
    reason = refusal(run, spec)
    assert "(1, 12, 12)" in reason and "(1, 12, 12, 1)" in reason


def test_samples_that_are_no_array_are_refused(run, models, tmp_path):
    for content in (b"", b"hello", b"\x93NUMPY\x01"):
        (tmp_path / "x.npy").write_bytes(content)
        spec = arm(boards.spec("measure", models / "int8.tflite"), tmp_path / "x.npy")
        assert "not a .npy or .npz" in refusal(run, spec)


def test_no_samples_at_all_are_refused(run, models, tmp_path):
    np.save(tmp_path / "none.npy", np.zeros((0, 12, 12, 1), np.float32))
    spec = arm(boards.spec("measure", models / "int8.tflite"), tmp_path / "none.npy")
    assert "[0] samples" in refusal(run, spec)


def test_one_array_for_two_inputs_is_refused_with_their_names(run, models, images):
    reason = refusal(run, arm(boards.spec("measure", models / "two.tflite"), images))
    assert "'left', 'right'" in reason


def test_a_dynamic_shape_is_refused(run, models):
    reason = refusal(run, boards.spec("measure", models / "dynamic.tflite"))
    assert "dynamic shape [1, -1, 3]" in reason


def test_a_full_disk_is_a_failure_that_leaves_no_half_file(run, models, images):
    spec = arm(boards.spec("evaluate", models / "float.tflite"), images)
    reason = refusal(run, spec | {"evaluate": {"outputs": "/dev/full/outputs"}})
    assert "/dev/full" in reason
