"""Quantization-aware training: TFLite's integer kernels in torch, and training inside of them."""
