"""The device that trains: which one, what it is called, and how it is made to repeat its numbers."""

import os
import platform
import resource
import sys

import numpy as np
import torch

from subtuning.errors import UserError


def choose_device(wanted: str = "auto") -> torch.device:
    """`auto` is the GPU where there is one, else the CPU. Raises `UserError` for a device that is not there."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no CUDA GPU here; use --device cpu")
    known = ["cpu", "cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if wanted not in known:
        raise UserError(f"--device {wanted} is not here; use auto or one of {', '.join(known)}")
    return torch.device(wanted)


def make_repeatable() -> None:
    """Ask torch for kernels that give the same numbers every time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set by torch at run time
    torch.backends.cudnn.benchmark = False


def device_name(device: torch.device) -> str:
    """The GPU's name, or the processor's architecture; the number of threads changes no number."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"


def peak_memory(device: torch.device) -> int:
    """Bytes that this process (on a GPU: its tensors) has held at most so far, all lanes together."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed: on a GPU, or on a CPU (where torch raises a plain RuntimeError)."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def versions() -> dict[str, str]:
    """Versions of what computes the numbers."""
    import timm

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "numpy": np.__version__,
    }
