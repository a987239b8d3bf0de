"""What the other converters need, and where the networks come from."""

from __future__ import annotations

PACKAGES = (
    "torchvision==0.28.0", "timm==1.0.31",
    "onnx2tf==1.28.8", "onnx-graphsurgeon==0.5.8", "sng4onnx==2.0.1", "tf-keras==2.21.0",
    "litert-torch==0.10.0", "litert-converter==0.5.0", "ai-edge-quantizer==0.10.0",
    "multipledispatch==1.0.0",
    "torchao==0.18.0", "jax==0.10.2", "jaxlib==0.10.2", "jaxtyping==0.3.11", "wadler-lindig==0.1.8",
    "opt-einsum==3.4.0",
)  # fmt: skip
