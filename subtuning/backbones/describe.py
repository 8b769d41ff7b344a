"""What there is to choose from: every layer's name, order, parameters and forward FLOPs."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from subtuning.backbones.graph import STEM, TAIL, Segment, split_model
from subtuning.backbones.groups import block_of_parameters
from subtuning.backbones.models import find_architecture
from subtuning.backbones.preprocessing import input_size, preprocessing
from subtuning.backbones.tree import hold_several, is_matrix
from subtuning.backbones.weights import architecture_of, load_weights, new_model, note_of
from subtuning.config import BackboneEntry
from subtuning.errors import UserError


def build_network(spec: BackboneEntry) -> nn.Module:
    """An untrained network without classifier, adjusted to the spec's input size, in eval mode."""
    return resize_input(new_model(spec.model), spec)


def resize_input(network: nn.Module, spec: BackboneEntry) -> nn.Module:
    """Tell models with a position table (ViT, Swin ...) which image size they will see; convolutional ones take any.

    Raises:
        UserError: the model is tied to one size.
    """
    native, size = network.pretrained_cfg["input_size"][1], input_size(network.pretrained_cfg, spec)
    if size == native:
        return network
    if hasattr(network, "set_input_size"):
        try:
            network.set_input_size(img_size=(size, size))
        except (AssertionError, ValueError, RuntimeError, TypeError):
            raise UserError(
                f"input_size: {spec.model} cannot take images of {size} pixels; its own size is {native}"
            ) from None
    elif network.pretrained_cfg.get("fixed_input_size"):
        raise UserError(
            f"input_size: {spec.model} only takes images of {native} pixels, not {size}; leave input_size out"
        )
    return network


def describe(spec: BackboneEntry, name: str = "", weights: Path | None = None) -> dict[str, Any]:
    """Everything about a backbone that later steps need, as plain values; written to `layers.json`.

    Without `weights` nothing is read or downloaded and the description has no `weights_sha256`.

    Raises:
        UserError: unknown model, no layers, weights that do not fit, an input size that does not work.
    """
    if weights:
        network, digest = load_weights(weights, spec.model, lambda network: resize_input(network, spec))
        known = architecture_of(weights) or find_architecture(spec.model)
    else:
        network, digest, known = build_network(spec), None, find_architecture(spec.model)
    seen = preprocessing(network.pretrained_cfg, spec)
    segments = split_model(network, spec.granularity)
    flops, features = _measure(segments, seen["input_size"], spec.model)
    stages = _stages(network, segments, spec.granularity)
    parameters = dict(network.named_parameters())
    rows = [
        {
            "name": segment.name,
            "kind": segment.name if segment.name in (STEM, TAIL) else "layer",
            "stage": stages[segment.name],
            "order": order,
            "parameters": sum(parameters[p].numel() for p in segment.parameters),
            "flops": flops[segment.name],
            "candidate": _is_candidate(segment),
            "tensors": {name: list(tensor.shape) for name, tensor in segment.module.named_parameters()},
        }
        for order, segment in enumerate(segments)
    ]
    if sorted(name for segment in segments for name in segment.parameters) != sorted(parameters):
        raise AssertionError("every parameter must belong to exactly one of stem, layers and tail")
    blocks = {s.name: s.parameters for s in segments if s.name not in (STEM, TAIL)}
    about = {"backbone": name, "model": known.name, "weights_sha256": digest}
    return about | {
        "weights_note": note_of(weights) if weights else "",
        **seen,
        "granularity": spec.granularity,
        "features": features,
        "total_parameters": sum(row["parameters"] for row in rows),
        "total_flops": sum(row["flops"] for row in rows),
        "undivided": hold_several(network, blocks) if spec.granularity == "layer" else [],
        "layers": rows,
    }


def _is_candidate(segment: Segment) -> bool:
    """Whether the profile and the search try this layer: any with parameters; the tail if it holds more than norms."""
    used = list(segment.module.parameters())
    return any(map(is_matrix, used)) if segment.name == TAIL else bool(used)


def _measure(segments: list[Segment], size: int, model: str) -> tuple[dict[str, int], int]:
    """Forward FLOPs of each segment for one image (a multiply-add counts as two), and the number of features."""
    values, flops = {segments[0].inputs[0]: torch.zeros(1, 3, size, size)}, {}
    try:
        with torch.no_grad():
            for segment in segments:
                segment.module.requires_grad_(False)  # else the counter looks for gradients of a token that is expanded
                with FlopCounterMode(display=False) as counter:
                    results = segment.module(*(values[name] for name in segment.inputs))
                values.update(zip(segment.outputs, results, strict=True))
                flops[segment.name] = counter.get_total_flops()
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        reason = re.sub(r" ?\(?Proxy\(\w+\)\)?|\.$", "", reason)  # left by tracing in a model's own messages
        raise UserError(
            f"input_size: {model} fails on images of {size} pixels ({reason}); try its own size or a multiple of 32"
        ) from None
    return flops, values[segments[-1].outputs[0]].shape[-1]


def _stages(network: nn.Module, segments: list[Segment], granularity: str) -> dict[str, str]:
    """The stage of each layer, for grouping in tables and figures; models without stages count as one."""
    if granularity == "stage":
        return {segment.name: segment.name for segment in segments}
    coarse = block_of_parameters(network, "stage")
    stages = {s.name: next((coarse[p] for p in s.parameters if p in coarse), s.name) for s in segments}
    layers = [s.name for s in segments if s.name not in (STEM, TAIL)]
    if len({stages[name] for name in layers}) == len(layers):
        stages |= {name: name.rpartition(".")[0] or name for name in layers}
    return stages | {name: name for name in (STEM, TAIL) if name in stages}
