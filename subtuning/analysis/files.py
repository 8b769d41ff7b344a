"""Tables on disk: how this room writes and reads them."""

from pathlib import Path

import pandas as pd

from subtuning.runs.store import write_atomically

NAMES = [
    "task",
    "backbone",
    "table",
    "name",
    "layer",
    "layers",
    "method",
    "direction",
    "class",
    "label",
    "predicted",
    "image",
]
"""Columns that hold names; a subset called ``1``, ``NA`` or ``none`` stays a name."""


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table: UTF-8, six significant digits, an empty cell where there is no number."""
    write_atomically(Path(path), table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read what `write_csv` wrote. Only an empty cell is a missing number."""
    return pd.read_csv(path, dtype=dict.fromkeys(NAMES, str), keep_default_na=False, na_values=[""])
