"""Modules of a network replaced by others that hold the same tensors, under the same names."""

from collections.abc import Callable

from torch import nn


def replace_module(root: nn.Module, path: str, new: nn.Module) -> None:
    """Put a module in the place of the one at `path`."""
    parent, _, name = path.rpartition(".")
    setattr(root.get_submodule(parent), name, new)


def replace_classes(root: nn.Module, class_of: Callable[[nn.Module], type[nn.Module] | None]) -> nn.Module:
    """Replace modules by others of another class with the same tensors and settings; returns the new root.

    Args:
        class_of: gives a module's new class, a subclass of its own; None for one that stays.
    """
    for path, child in list(root.named_modules()):
        if (kind := class_of(child)) is not None:
            new = kind.__new__(kind)
            new.__setstate__(dict(child.__dict__))
            if path:
                replace_module(root, path, new)
            else:
                root = new
    return root
