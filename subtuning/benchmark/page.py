"""All measurements in one call, as one page of tables."""

import gc
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from subtuning.analysis.files import write_csv
from subtuning.training.device import device_name, versions

Rows = list[dict[str, Any]]


def measure_all(
    kinds: Mapping[str, Callable[[], Rows]], minutes: float, folder: Path, about: str, device: torch.device
) -> Path:
    """Measure kind after kind; after each write its table, `<kind>.csv`, and the page, `speed.md`, in `folder`.

    So whatever ends the call, what was measured is there. None is begun after `minutes`; one that fails costs only
    itself.

    Args:
        about: what is measured, such as the model and its pixels.
    """
    begun, parts, page = time.monotonic(), [_head(about, device)], folder / "speed.md"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, measure in kinds.items():
        if time.monotonic() - begun > 60 * minutes:
            parts.append(f"## {kind}\n\nNot measured: the time was over.\n")
        else:
            parts.append(f"## {kind}\n\n{_table(kind, measure, folder)}\n")
        page.write_text("\n".join(parts), encoding="utf-8")
        gc.collect()
        torch.cuda.empty_cache()  # for kinds that start processes of their own; nothing without a GPU
    return page


def _head(about: str, device: torch.device) -> str:
    used = ", ".join(f"{name} {number}" for name, number in versions().items())
    where = f"{device_name(device)}, {platform.node()}, {used}"
    return f"# How fast training is: {about}\n\n{time.strftime('%Y-%m-%d %H:%M')}, {where}.\n"


def _table(kind: str, measure: Callable[[], Rows], folder: Path) -> str:
    begun = time.monotonic()
    try:
        table = pd.DataFrame(measure())
    except Exception as error:  # the machine may be at hand for minutes only: the other kinds must still be measured
        return f"Failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    write_csv(table, folder / f"{kind}.csv")
    return f"{table.to_markdown(index=False)}\n\nIn {time.monotonic() - begun:.0f} s."
