"""Reading the weights of an ONNX file that PyTorch exported, under the names that they had in PyTorch.

The exporter keeps the names of parameters, but turns the matrix of a linear layer round and names it after the
operation (`onnx::MatMul_1966`), and splits a table of positions into what is read of it. The operations' own names say
where in the network they were: `/encoder/layer.0/mlp/fc1/MatMul` reads `encoder.layer.0.mlp.fc1.weight`.
"""

from pathlib import Path

import torch
from torch import Tensor

from subtuning.errors import UserError


def read_onnx(path: Path) -> dict[str, Tensor]:
    """All tensors of an ONNX file by their names in PyTorch, linear layers' as `out x in` again.

    Tensors that an operation of a module reads without their being its parameter (parts of a table of positions) are
    joined along their second axis and called `position_embeddings` of that module: 1 x N x D.

    Raises:
        UserError: the package `onnx` is not installed, or cannot read the file.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError:
        raise UserError(f"weights file {path} needs the package onnx to be read; run: pip install onnx") from None
    try:
        graph = onnx.load(path).graph
        tensors = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
    except Exception as error:  # protobuf has exceptions of its own
        raise UserError(f"weights file {path} is damaged or no ONNX file ({type(error).__name__})") from None
    return names_in_pytorch(tensors, [(node.op_type, node.name, list(node.input)) for node in graph.node])


def names_in_pytorch(tensors: dict[str, Tensor], operations: list[tuple[str, str, list[str]]]) -> dict[str, Tensor]:
    """Tensors by name, and operations (kind, name, inputs) in their order -> tensors by their names in PyTorch."""
    found = {name: value for name, value in tensors.items() if not name.startswith("onnx::")}
    tables: dict[str, list[Tensor]] = {}
    for kind, name, inputs in operations:
        module = name.strip("/").rpartition("/")[0].replace("/", ".")
        for one in inputs:
            if not one.startswith("onnx::") or one not in tensors:
                continue
            if kind == "MatMul":
                found[f"{module}.weight"] = tensors[one].T.contiguous()
            else:
                tables.setdefault(f"{module}.position_embeddings", []).append(tensors[one])
    for name, parts in tables.items():
        # The class token's own position, a table of one row, stands first in PyTorch whatever reads it first.
        found[name] = torch.cat(sorted(parts, key=lambda part: part.shape[1]), 1)
    return found
