"""`stage layer3`: all layers of one stage of the network, such as `layer3` of a ResNet.

Surgical fine-tuning trains such blocks (Lee et al., 2023, arXiv 2210.11466).
"""

from subtuning.errors import UserError, did_you_mean, listed
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def select(study: Study, *words: str) -> Tuning:
    """The layers of the stage that one may choose from.

    Raises:
        UserError: the network has no stages of several layers, or none of this name.
    """
    stages: dict[str, list[str]] = {}
    for row in study.layers["layers"]:
        if row["name"] in study.candidates:
            stages.setdefault(row["stage"], []).append(row["name"])
    written = "'" + " ".join(["stage", *words]) + "'"
    if sum(len(own) > 1 for own in stages.values()) < 2:
        raise UserError(f"{written}: this network has no stages; write 'window LAYER K' or list its layers")
    if len(words) != 1 or words[0] not in stages:
        close = did_you_mean(words[0], list(stages)) if words else ""
        raise UserError(f"{written}: there is no such stage{close or '; the stages are ' + listed(list(stages))}")
    return Tuning(tuple(stages[words[0]]))
