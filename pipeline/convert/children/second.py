"""The second way from ONNX to a float TFLite file, by onnx2tf; runs in a child process."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

# onnx2tf downloads this file unless it finds it in its working folder.
CALIBRATION = "calibration_image_sample_data_20x128x128x3_float32.npy"
# Everything onnx2tf would otherwise choose by itself. onnxsim fuses a pad back into its pool.
ARGUMENTS: dict[str, Any] = {
    "auto_generate_json": False,
    "auto_generate_json_on_error": False,
    "batch_size": None,
    "check_gpu_delegate_compatibility": False,
    "check_onnx_tf_outputs_elementwise_close": False,
    "check_onnx_tf_outputs_elementwise_close_atol": 0.0001,
    "check_onnx_tf_outputs_elementwise_close_full": False,
    "check_onnx_tf_outputs_elementwise_close_rtol": 0.0,
    "check_onnx_tf_outputs_sample_data_normalization": "norm",
    "copy_onnx_input_output_names_to_tflite": False,
    "custom_input_op_name_np_data_path": None,
    "disable_group_convolution": False,
    "disable_model_save": False,
    "disable_strict_mode": False,
    "disable_suppression_flexstridedslice": False,
    "disable_suppression_flextranspose": False,
    "enable_accumulation_type_float16": False,
    "enable_batchmatmul_unfold": False,
    "enable_rnn_unroll": False,
    "fused_argmax_scale_ratio": 0.5,
    "input_names_to_interrupt_model_conversion": None,
    "input_quant_dtype": "int8",
    "keep_ncw_or_nchw_or_ncdhw_input_names": None,
    "keep_nwc_or_nhwc_or_ndhwc_input_names": None,
    "keep_shape_absolutely_input_names": None,
    "mvn_epsilon": 1e-10,
    "no_large_tensor": False,
    "non_verbose": False,
    "not_use_onnxsim": True,
    "not_use_opname_auto_generate": False,
    "number_of_dimensions_after_flexstridedslice_compression": 5,
    "number_of_dimensions_after_flextranspose_compression": 6,
    "onnx_graph": None,
    "optimization_for_gpu_delegate": False,
    "output_dynamic_range_quantized_tflite": False,
    "output_h5": False,
    "output_integer_quantized_tflite": False,
    "output_keras_v3": False,
    "output_names_to_interrupt_model_conversion": None,
    "output_nms_with_dynamic_tensor": False,
    "output_quant_dtype": "int8",
    "output_signaturedefs": True,
    "output_tfv1_pb": False,
    "output_weights": False,
    "overwrite_input_shape": None,
    "param_replacement_file": "",
    "quant_norm_mean": "[[[[0.0]]]]",
    "quant_norm_std": "[[[[1.0]]]]",
    "quant_type": "per-channel",
    "replace_argmax_to_fused_argmax_and_indices_is_float32": False,
    "replace_argmax_to_fused_argmax_and_indices_is_int64": False,
    "replace_argmax_to_reducemax_and_indices_is_float32": False,
    "replace_argmax_to_reducemax_and_indices_is_int64": False,
    "replace_to_pseudo_operators": [],
    "shape_hints": None,
    "switch_nms_version": "v4",
    "verbosity": "info",
}


def main(spec: dict[str, Any]) -> dict[str, Any]:
    """Convert `spec["onnx"]`; float.tflite and its answer to a probe go to `out`.

    The keys of the spec are those of `savedmodel`. The working folder gets a copy of the ONNX file,
    because onnx2tf overwrites what it is given. It tells axes of equal length apart by running
    each operator on data; its own choice, ones or the file it downloads, shows nothing where all
    values are equal: it gets noise. Which output is which, and its axes, is left to the caller,
    who can see it by value.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # the Keras that onnx2tf 1.x builds with
    import onnx

    from pipeline.convert.children.savedmodel import answers, tflite
    from pipeline.convert.layout import arranged, input_permutation, noted
    from pipeline.convert.translate.graph import inputs_of
    from pipeline.inputs import batch

    infos, given = inputs_of(onnx.load(spec["onnx"])), spec["inputs"]
    named = [(entry["name"], input_permutation(len(entry["shape"]))) for entry in given]
    layout = {"input": noted(named), "outputs": None}
    probe = arranged(batch.load(Path(spec["probe"])), layout)
    shutil.copyfile(spec["onnx"], "model.onnx")
    np.save(CALIBRATION, np.random.default_rng(0).random((20, 128, 128, 3), np.float32))
    samples: list[list[str]] = []
    for info, array in zip(infos, probe.arrays, strict=True):
        samples.append([info.name, f"sample_{len(samples)}.npy"])
        np.save(samples[-1][1], array[:1])
    _onnx2tf(samples)
    path = Path(spec["out"]) / "float.tflite"
    path.write_bytes(tflite("saved"))
    np.savez(path.with_name("probe.npz"), allow_pickle=False, **answers(path, probe))
    return {"layout": layout, "folded": {}}


def _onnx2tf(samples: list[list[str]]) -> None:
    import onnx2tf

    arguments = {**ARGUMENTS, "custom_input_op_name_np_data_path": samples}
    onnx2tf.convert(input_onnx_file_path="model.onnx", output_folder_path="saved", **arguments)
