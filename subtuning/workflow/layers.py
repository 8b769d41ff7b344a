"""Whether the layers that a config names are there, told before the first job, also by a dry run."""

from pathlib import Path

from subtuning.config import BackboneEntry, Config
from subtuning.errors import UserError
from subtuning.registry import names_of
from subtuning.tuning.tuning import FULL, LINEAR, Tuning
from subtuning.workspace.prepared import prepared_backbone


def check_layers(config: Config, results: Path = Path("results")) -> None:
    """Raise `UserError`, with a suggestion, for a layer that a backbone does not have.

    What a selector (`last 2`) means, `check-plan` says. A backbone that is not described yet is built without weights,
    which takes a second or two, and only where the config names layers of it.
    """
    for backbone, entry in config.backbones.items():
        named = {name: words for name, words in config.subsets_of(backbone).items() if _names_layers(words)}
        layers = prepared_backbone(config, backbone, results) if named else None
        names = [row["name"] for row in layers["layers"]] if layers else _names_of_model(entry) if named else []
        for name, words in named.items() if names else ():
            key = f"backbones.{backbone}.subsets" if name in entry.subsets else "evaluate.subsets"
            try:
                Tuning.parse(words, names)
            except UserError as error:
                raise UserError(f"config: {key}.{name}: {error} (backbone {backbone})") from None


def _names_layers(words: str) -> bool:
    first = words.partition(" with ")[0].partition(" ")[0]
    return bool(first) and first not in {*names_of("selectors"), FULL, LINEAR}


def _names_of_model(entry: BackboneEntry) -> list[str]:
    """All names that layers of a model can have; none where it cannot be built so, which a later step says."""
    import torch

    from subtuning.backbones.graph import STEM, TAIL
    from subtuning.backbones.groups import block_of_parameters
    from subtuning.backbones.weights import new_model

    try:
        with torch.device("meta"):  # shapes only
            blocks = block_of_parameters(new_model(entry.model), entry.granularity)
    except Exception:  # models that compute with values when they are made; a file that is not there
        return []
    return [STEM, *dict.fromkeys(blocks.values()), TAIL]
