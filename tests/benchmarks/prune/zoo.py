"""The networks of the benchmark, by name; nothing else is said about any of them."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import nn

from tests.benchmarks.prune import outside

OWN = """
dscnn tc_resnet bc_resnet channel_shuffle unet c2f gru_keywords lstm_sensor shared_head
flatten_cnn control_flow conformer_block video wavenet super_resolution
"""
TORCHVISION = """
shufflenet_v2_x0_5 shufflenet_v2_x1_0 googlenet squeezenet1_1 mobilenet_v3_small vgg11_bn mnasnet0_5
alexnet efficientnet_b0 regnet_y_400mf convnext_tiny densenet121 resnext50_32x4d swin_v2_t vit_b_32
segmentation.lraspp_mobilenet_v3_large segmentation.deeplabv3_mobilenet_v3_large video.r3d_18
video.mc3_18
"""
TIMM = """
resnet18 resnet50 mobilenetv2_100 mobilenetv3_small_100 mobilenetv3_large_100
mobilenetv4_conv_small efficientnet_lite0 efficientnet_b0 mnasnet_small regnetx_002 regnety_002
convnext_atto ghostnet_100 ghostnetv2_100 densenet121 repvgg_a0 fastvit_t8 mobileone_s0
vit_tiny_patch16_224 deit_tiny_patch16_224 inception_v3 edgenext_xx_small hrnet_w18_small
res2net50_26w_4s dla34 ese_vovnet19b_dw lcnet_050 rexnet_100 tinynet_e mobilevit_xxs repvit_m0_9
starnet_s1 cspresnet50 efficientformer_l1 levit_128s skresnet18 resnest14d mixnet_s
hardcorenas_a efficientvit_b0 xcit_nano_12_p16_224 swin_tiny_patch4_window7_224 resmlp_12_224
dpn68 resnet10t resnet14t resnet26d resnet34 resnet26t resnext26ts resnext50_32x4d seresnet18
seresnext26t_32x4d ecaresnet26t ecaresnext26t_32x4d gcresnext26ts gcresnet33ts resnetv2_50
resnetv2_18 resnetv2_50x1_bit resnetv2_18d resnetblur18 resnetaa34d resnetrs50 legacy_seresnet18
nf_resnet26 nf_regnet_b0 eca_nfnet_l0 nf_ecaresnet26 nf_seresnet26 mobilenetv1_100
mobilenetv2_050 mobilenetv2_035 semnasnet_075 spnasnet_100 fbnetc_100 mnasnet_100
tf_efficientnet_lite1 tf_efficientnetv2_b0 efficientnetv2_rw_t efficientnet_es
efficientnet_b0_gn efficientnet_b0_g16_evos gernet_s regnety_004 regnetx_004 regnetz_005
convnextv2_atto convnext_femto convnext_pico_ols convnext_atto_rms convnextv2_femto
test_convnext test_convnext2 test_convnext3 test_efficientnet test_efficientnet_gn
test_efficientnet_ln test_efficientnet_evos test_byobnet test_mambaout test_nfnet test_resnet
test_vit test_vit2 test_vit3 test_vit4 ghostnet_050 ghostnetv3_100 repghostnet_050
densenetblur121d densenet169 vgg11 vgg11_bn vovnet39a ese_vovnet19b_slim ese_vovnet39b
fastvit_t12 fastvit_sa12 edgenext_x_small hrnet_w18_small_v2 res2net50_14w_8s res2next50 dla46_c
dla46x_c dla60_res2net dla60x_c lcnet_035 lcnetv2_base rexnet_130 rexnetr_100 tinynet_a
mobilevitv2_050 repvit_m1 starnet_s050 starnet_s100 cspdarknet53 cspresnext50 cs3darknet_s
cs3darknet_focus_s cs3sedarknet_l darknet53 darknet17 sedarknet21 efficientformerv2_s0
skresnet34 resnest26d mixnet_m hardcorenas_c efficientvit_m0 efficientvit_m2
xcit_tiny_12_p16_224 swinv2_tiny_window8_256 swin_s3_tiny_224 mixer_s32_224 gmixer_12_224
gmlp_ti16_224 vit_small_patch32_224 vit_tiny_r_s16_p8_224 deit3_small_patch16_224
deit_tiny_distilled_patch16_224 cait_xxs24_224 pit_ti_224 pit_xs_224 pit_ti_distilled_224
convit_tiny crossvit_tiny_240 coat_tiny coat_lite_tiny coatnet_nano_rw_224 tnt_s_patch16_224
twins_pcpvt_small twins_svt_small visformer_tiny volo_d1_224 nest_tiny poolformer_s12
poolformerv2_s12 pvt_v2_b0 pvt_v2_b1 convformer_s18 caformer_s18 focalnet_tiny_srf davit_tiny
maxvit_nano_rw_256 gcvit_xxtiny hiera_tiny_224 hieradet_small inception_next_tiny
inception_next_atto mambaout_femto mambaout_kobe mvitv2_tiny nextvit_small selecsls42
selecsls42b sequencer2d_s shvit_s1 swiftformer_xs tiny_vit_5m_224 xception41 bat_resnext26ts
botnet26t_256 halonet26t lambda_resnet26t sebotnet33ts_256 eva02_tiny_patch14_224 fasternet_t0
fasternet_t1 hgnet_tiny hgnetv2_b0 iformer_t lowformer_b0 rdnet_tiny inception_v4
vitamin_small_224 csatv2 cpubone_nano
"""


def names() -> list[str]:
    """`own:`, `torchvision:` and `timm:` names, the sources mixed so that a part is a sample."""
    groups = [("own", OWN), ("torchvision", TORCHVISION), ("timm", TIMM)]
    return [f"{source}:{name}" for source, text in groups for name in text.split()]


def build(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """A network with seeded weights in eval mode, and the shape of one sample."""
    torch.manual_seed(0)
    source, _, name = name.partition(":")
    if source == "own":
        made, shape = importlib.import_module("tests.benchmarks.prune.own").NETWORKS[name]
        return awaken(made()), shape
    import_libraries()
    if source == "outside":
        module, shape = outside.build(name)
        return awaken(module), shape
    module = _torchvision(name) if source == "torchvision" else _timm(name)
    awaken(module)
    return module, next(s for s in _shapes(module, name) if _accepts(module, s))


def awaken(module: nn.Module) -> nn.Module:
    """Batch norm statistics that are not the identity, and no zero-initialised tensors.

    Behind an untrained layer scale or a zero-initialised branch no mistake could show.
    """
    generator = torch.Generator().manual_seed(1)
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.running_mean is not None:
            shape = layer.running_mean.shape
            layer.running_mean.copy_(torch.randn(shape, generator=generator) * 0.1)
            assert layer.running_var is not None
            layer.running_var.copy_(torch.rand(shape, generator=generator) + 0.5)
    for tensor in module.parameters():
        if tensor.numel() and float(tensor.detach().abs().max()) < 1e-2:
            tensor.data.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
    return module.eval()


def import_libraries() -> None:
    """torchvision, whose C++ operators the CPU wheel of torch lacks, and timm."""
    global _library
    if _library is not None:
        return
    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for name in ("torchvision.models", "timm"):
        importlib.import_module(name)


_library: Any = None


def _torchvision(name: str) -> nn.Module:
    models: Any = importlib.import_module("torchvision.models")
    kwargs: dict[str, Any] = {"weights": None}
    if name.startswith("segmentation."):
        kwargs |= {"weights_backbone": None, "num_classes": 21}
    if name == "googlenet":
        kwargs |= {"init_weights": False, "aux_logits": False}
    module: nn.Module = models.get_model(
        name.removeprefix("segmentation.").removeprefix("video."), **kwargs
    )
    return module


def _timm(name: str) -> nn.Module:
    module: nn.Module = importlib.import_module("timm").create_model(name, pretrained=False)
    return module


def _shapes(module: nn.Module, name: str) -> list[tuple[int, ...]]:
    """Small images where the network takes them: the graph is the same, the proof faster."""
    if name.startswith("video."):
        return [(3, 8, 64, 64)]
    own = getattr(module, "default_cfg", {}).get("input_size", (3, 224, 224))
    return [(3, 128, 128), tuple(own), (3, 224, 224), (3, 256, 256)]


def _accepts(module: nn.Module, shape: tuple[int, ...]) -> bool:
    try:
        with torch.no_grad():
            module(torch.zeros(2, *shape))
    except Exception:
        return False
    return True
