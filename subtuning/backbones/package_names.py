"""The tensors of packaged weights under timm's names; each map is checked against the original code in the tests."""

import re

import torch
from torch import Tensor

_STAGES_LITE0 = (1, 2, 2, 3, 3, 4, 1)
_STAGES_LITE12 = (1, 3, 3, 4, 4, 5, 1)
_STAGES_MOBILENETV2 = (1, 2, 3, 4, 3, 3, 1)
"""Blocks in each of timm's stages; the originals count blocks through."""

_LITE_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_LITE_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LITE_OTHER = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"} | {
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_MOBILENETV2_TOP = {"0.0": "conv_stem", "0.1": "bn1", "18.0": "conv_head", "18.1": "bn2"}
_MOBILENETV2_FIRST = {"0": "conv_dw", "1": "bn1", "3": "conv_pw", "4": "bn2"}
_MOBILENETV2_OTHER = {"0": "conv_pw", "1": "bn1", "3": "conv_dw", "4": "bn2", "6": "conv_pwl", "7": "bn3"}
_DINOV2_BLOCK = {
    "norm1": "norm1",
    "attention.output.dense": "attn.proj",
    "layer_scale1.lambda1": "ls1.gamma",
    "norm2": "norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "layer_scale2.lambda1": "ls2.gamma",
}


def efficientnet_lite0(original: dict[str, Tensor]) -> dict[str, Tensor]:
    """lukemelas' EfficientNet layout -> timm's `tf_efficientnet_lite0`."""
    return {_lite_name(key, _STAGES_LITE0): value for key, value in original.items()}


def efficientnet_lite12(original: dict[str, Tensor]) -> dict[str, Tensor]:
    """lukemelas' EfficientNet layout -> timm's `tf_efficientnet_lite1` and `tf_efficientnet_lite2`."""
    return {_lite_name(key, _STAGES_LITE12): value for key, value in original.items()}


def torchvision(original: dict[str, Tensor]) -> dict[str, Tensor]:
    """imgsim's ResNet-50: torchvision's names below `module.pre.`, which are timm's; `fc` gives its vectors of 768."""
    return {
        key.removeprefix("module.pre."): value
        for key, value in original.items()
        if not key.startswith("module.pre.fc.")
    }


def mobilenetv2(original: dict[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's first MobileNetV2 layout without classifier -> timm's `mobilenetv2_100`."""
    return {_mobilenetv2_name(key): value for key, value in original.items()}


def dinov2(original: dict[str, Tensor]) -> dict[str, Tensor]:
    """DINOv2 as transformers names it (below `backbone.`) -> timm's; query, key and value become one matrix.

    Position embeddings are for 37 x 37 patches. What else is in the file, a decoder, is left out.
    """
    state = {
        "cls_token": original["backbone.embeddings.cls_token"],
        "pos_embed": original["backbone.embeddings.position_embeddings"],
        "norm.weight": original["backbone.layernorm.weight"],
        "norm.bias": original["backbone.layernorm.bias"],
    }
    for kind in ("weight", "bias"):
        state[f"patch_embed.proj.{kind}"] = original[f"backbone.embeddings.patch_embeddings.projection.{kind}"]
    number = 0
    while f"backbone.encoder.layer.{number}.norm1.weight" in original:
        state |= _dinov2_block(original, number)
        number += 1
    return state


def _place(number: int, stages: tuple[int, ...]) -> str:
    places = [f"{stage}.{block}" for stage, count in enumerate(stages) for block in range(count)]
    return places[number]


def _lite_name(key: str, stages: tuple[int, ...]) -> str:
    first, *rest = key.split(".")
    if first != "_blocks":
        return ".".join([_LITE_TOP[first], *rest])
    number, part, *rest = rest
    names = _LITE_FIRST if number == "0" else _LITE_OTHER
    return ".".join(["blocks", _place(int(number), stages), names[part], *rest])


def _mobilenetv2_name(key: str) -> str:
    if block := re.fullmatch(r"features\.(\d+)\.conv\.(\d)\.(\w+)", key):
        number, part, kind = block.groups()
        names = _MOBILENETV2_FIRST if number == "1" else _MOBILENETV2_OTHER
        return f"blocks.{_place(int(number) - 1, _STAGES_MOBILENETV2)}.{names[part]}.{kind}"
    place, kind = key.removeprefix("features.").rsplit(".", 1)
    return f"{_MOBILENETV2_TOP[place]}.{kind}"


def _dinov2_block(original: dict[str, Tensor], number: int) -> dict[str, Tensor]:
    before, state = f"backbone.encoder.layer.{number}.", {}
    for kind in ("weight", "bias"):
        parts = [original[f"{before}attention.attention.{part}.{kind}"] for part in ("query", "key", "value")]
        state[f"blocks.{number}.attn.qkv.{kind}"] = torch.cat(parts)
    for name, ours in _DINOV2_BLOCK.items():
        for ending in ("", ".weight", ".bias"):
            if f"{before}{name}{ending}" in original:
                state[f"blocks.{number}.{ours}{ending}"] = original[f"{before}{name}{ending}"]
    return state
