"""Floats in and out of quantized tensors, and seeded inputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.agent import tensors

scales = st.floats(2**-13, 10, width=32)


def detail(dtype, scale=0.0, zero_point=0, shape=(1, 8), **more):
    quantization = (float(scale), int(zero_point))
    return {"name": "x", "shape": shape, "dtype": dtype, "quantization": quantization, **more}


@given(scales, st.integers(-128, 127), st.lists(st.integers(-128, 127), min_size=1))
def test_every_step_survives_a_round_trip(scale, zero_point, steps):
    about, values = detail(np.int8, scale, zero_point), np.array(steps, np.int8)
    floats = tensors.dequantize(values, about)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(tensors.quantize(floats, about), values)


@given(scales, st.integers(0, 255), st.floats(-1e6, 1e6, width=32))
def test_a_float_lands_on_the_nearest_step_or_at_the_end(scale, zero_point, value):
    about = detail(np.uint8, scale, zero_point)
    step = int(tensors.quantize(np.array([value], np.float32), about)[0])
    exact = value / scale + zero_point
    assert abs(step - min(max(exact, 0), 255)) < 0.51


def test_values_of_the_tensors_own_dtype_pass_unchanged():
    values = np.array([-3, 4], np.int8)
    assert tensors.quantize(values, detail(np.int8, 0.5, 7)) is values


def test_float_models_take_floats_as_they_are():
    values = np.array([0.25, -9.0], np.float32)
    assert tensors.quantize(values, detail(np.float32)) is values
    assert tensors.quantize(values.astype(np.float64), detail(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint8, np.int16, np.int32, np.float32, np.float16, np.bool_]
)
def test_random_inputs_are_seeded_and_of_the_right_kind(dtype):
    about = detail(dtype, shape=(1, 3, 40))
    first, second = tensors.random_input(about), tensors.random_input(about)
    assert first.dtype == dtype and first.shape == (1, 3, 40)
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first)) > 1


def test_integers_without_a_scale_stay_small_enough_for_any_table():
    assert set(np.unique(tensors.random_input(detail(np.int32, shape=(1, 500))))) == {0, 1}
    assert tensors.random_input(detail(np.int8, 0.1, shape=(1, 500))).min() < -100


def test_strings_have_no_random_input():
    with pytest.raises(ValueError, match="x is str"):
        tensors.random_input(detail(np.str_))


@pytest.mark.parametrize("signature", [(-1, 8), (1, 8)])
def test_a_free_batch_of_one_is_static(signature):
    tensors.check_static([detail(np.int8, shape_signature=signature)])


@pytest.mark.parametrize(
    "shape, signature", [((1, 1), (1, -1)), ((4, 8), (-1, 8)), ((1, 0), (1, 0))]
)
def test_other_free_shapes_are_refused(shape, signature):
    with pytest.raises(ValueError, match="dynamic shape"):
        tensors.check_static([detail(np.int8, shape=shape, shape_signature=signature)])
