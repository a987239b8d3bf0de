"""The rival, and where the networks come from."""

from __future__ import annotations

PACKAGES = ("torchvision==0.28.0", "timm==1.0.31", "torch-pruning==1.6.1")
