"""ONNX to TensorFlow, channels last: data movement is executed on layouts, seldom on data."""
