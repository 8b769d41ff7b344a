"""Lower precision (bf16, fp16): autocast, frozen weights stored in the lower type, slow operations spared."""

from functools import cache

import torch
from torch import Tensor, nn

from subtuning.tuning.replace import replace_classes


def resolve_precision(precision: str, device: torch.device) -> str:
    """What a recipe's `precision` means on a device: `fp32`, `bf16` or `fp16`.

    `auto` is bf16 where the device has arithmetic for it: most GPUs, and CPUs with AVX-512 BF16 or AMX; else fp32.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        able = any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))
    return "bf16" if able else "fp32"


def low_type(precision: str) -> torch.dtype | None:
    """The lower type of a resolved precision, None for full precision."""
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def lower(module: nn.Module, low: torch.dtype) -> nn.Module:
    """Store the weights of a frozen copy's convolutions and linear layers in `low`, and return it.

    Autocast would do so anew in every step, since it remembers only weights that are trained.
    """
    for child in module.modules():
        if isinstance(child, nn.Conv2d | nn.Linear):
            child.to(low)
    return spare_depthwise(module, trained=False)


def spare_depthwise(module: nn.Module, trained: bool) -> nn.Module:
    """On a CPU, keep grouped convolutions out of autocast where their gradients have no fast code in a lower type.

    Measured with torch 2.15 (docs/performance.md): to the weights 4 to 10 times slower than in full precision, and to
    the inputs 30 to 100 times when strided.
    """

    def spared(child: nn.Module) -> type[nn.Module] | None:
        if not isinstance(child, nn.Conv2d) or child.groups == 1 or child.weight.device.type != "cpu":
            return None
        if not trained and max(child.stride) == 1:
            return None
        child.to(torch.float32)
        return _in_float32(type(child))  # type: ignore[arg-type]  # mypy takes the class for unhashable

    return replace_classes(module, spared)


@cache
def _in_float32(kind: type[nn.Module]) -> type[nn.Module]:
    """The same kind of module, which computes in full precision under autocast too."""

    def forward(self: nn.Module, values: Tensor) -> Tensor:
        with torch.autocast(values.device.type, enabled=False):
            return kind.forward(self, values.float())

    return type(f"{kind.__name__}InFloat32", (kind,), {"forward": forward})
