"""`random_sized seed 0`: layers drawn by chance that have together about as many parameters as those that the greedy
search selects, never more. Several draws are several methods, each with its own seed; what a search must beat."""

from random import Random

from subtuning.errors import UserError
from subtuning.search.selectors.greedy import select as select_greedy
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def select(study: Study, *words: str) -> Tuning | None:
    """In the drawn order, each layer that still fits; the smallest layer where none fits.

    Raises:
        UserError: words other than these.
    """
    seed = words or ("seed", "0")
    if len(seed) != 2 or seed[0] != "seed" or not seed[1].isdecimal():
        raise UserError(f"'{' '.join(['random_sized', *words])}': write random_sized seed N, with N a number such as 0")
    greedy = select_greedy(study)
    if greedy is None:
        return None
    parameters = {row["name"]: row["parameters"] for row in study.layers["layers"]}
    left = sum(parameters[name] for name in greedy.of(study.candidates))
    chance = Random(int(seed[1]))  # of its methods only random() is promised to give the same in every Python
    drawn: set[str] = set()
    for name in sorted(study.candidates, key=lambda name: chance.random()):
        if parameters[name] <= left:
            drawn.add(name)
            left -= parameters[name]
    drawn = drawn or {min(study.candidates, key=lambda name: parameters[name])}
    return Tuning(tuple(name for name in study.candidates if name in drawn), study.how)
