"""`greedy`: what the greedy search selects."""

from subtuning.search.experiments import greedy
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def select(study: Study) -> Tuning | None:
    """The selected layers."""
    count = study.settings["greedy.max_rounds"]
    ways = greedy.DIRECTIONS[study.settings["greedy.start"]]
    chains = {way: greedy.finished(study, way, count) for way in ways}
    if any(len(chain) < count for chain in chains.values()):
        return None
    return Tuning.parse(greedy.select(chains, study.settings["greedy.epsilon"])["tuning"], study.names)
