"""The most TRANSPOSE operators a network's float file may have, and why it has any."""

from __future__ import annotations

REASONS: dict[str, tuple[int, str]] = {
    "shufflenet_v2_x0_5": (
        13,
        "the half that passes a unit untouched: channels move, as fast as cut and joined",
    ),
    "channel_shuffle": (1, "a shuffle between two grouped convolutions"),
    "pools": (2, "an adaptive pool with uneven windows, one matrix along each axis"),
    "masked_encoder": (4, "one attention: heads out of and into the tokens"),
    "convnext_atto": (0, "channels stay last throughout"),
    "levit_128s": (44, "four an attention, eleven of them"),
    "mobilevit_xxs": (45, "patches are cut across the image, and attention over them"),
    "edgenext_xx_small": (12, "attention over channels, three of them, and positions"),
    "conformer_block": (4, "one attention: heads out of and into the tokens"),
    "vit_tiny_patch16_224": (48, "four an attention, twelve of them"),
    "test_vit": (24, "four an attention, six of them"),
    "mixer_s32_224": (16, "mixing over tokens: one into, one out of each of eight blocks"),
    "skresnet18": (8, "selection between two paths: a softmax over an axis between channels"),
    "swin_tiny_patch4_window7_224": (61, "windows and heads are cut across the image"),
}


def allowed(name: str) -> tuple[int, str]:
    """(number, reason) for a network; one that is not listed has none."""
    return REASONS.get(name.partition(":")[2], (0, "no axis changes its place"))
