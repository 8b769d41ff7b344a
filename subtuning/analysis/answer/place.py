"""Layers by name and by place in the network."""

from collections.abc import Mapping
from typing import Any

ENDS = {"stem": "the stem, the network's very first layer", "tail": "the tail, the last layer before the head"}


def place_of(name: str, layers: Mapping[str, Any]) -> str:
    """Where a layer stands: ``block 5 of 16``, or ``stage 2 of 4``; `layers` is the content of layers.json."""
    kinds = {row["name"]: row["kind"] for row in layers["layers"]}
    if kinds[name] in ENDS:
        return ENDS[kinds[name]]
    inner = [other for other, kind in kinds.items() if kind not in ENDS]
    unit = "stage" if layers.get("granularity") == "stage" else "block"
    return f"{unit} {inner.index(name) + 1} of {len(inner)}"


def with_place(name: str, layers: Mapping[str, Any]) -> str:
    """A layer's name and place in words."""
    return f"`{name}` ({place_of(name, layers)})"
