"""Parts of a layer by what timm calls their modules."""

import re
from fnmatch import fnmatchcase

PARTS = {
    "attention": re.compile(r"(self_)?attn(_in|_out)?|xca|factoratt_crpe\d*"),
    "mlp": re.compile(r"mlp(_in|_out|_tokens|_channels)?\d*|ffn\d*|channel_mixer"),
}
"""Names of modules, from timm 1.0.31: `attn` in `blocks.0.attn.qkv`. Of two such names the inner one counts, so that
`attn_grid.mlp` is an MLP."""


def is_in(tensor: str, part: str) -> bool:
    """Whether a parameter belongs to a part.

    Args:
        tensor: its name in the model, such as `blocks.0.attn.qkv.weight`.
        part: `all`, a key of `PARTS`, or the name of a module, such as `qkv`, perhaps with `*` and `?`.
    """
    modules = tensor.split(".")[:-1]
    if part not in PARTS:
        return part == "all" or any(fnmatchcase(module, part) for module in modules)
    found = [name for module in modules for name, pattern in PARTS.items() if pattern.fullmatch(module)]
    return found[-1:] == [part]
