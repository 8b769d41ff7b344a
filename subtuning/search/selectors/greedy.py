"""`greedy`: what the greedy search selects."""

from subtuning.search.experiments import greedy
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def select(study: Study) -> Tuning | None:
    """The selected layers."""
    count = study.settings["greedy.max_rounds"]
    ways = greedy.DIRECTIONS[study.settings["greedy.start"]]
    if any(len(greedy.finished(study, way, count)) < count for way in ways):
        return None
    return Tuning.parse(greedy.select(greedy.decided(study), study.settings["greedy.epsilon"])["tuning"], study.names)
