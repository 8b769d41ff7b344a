"""`random 2 seed 0`: layers drawn by chance, without putting back. Several draws are several methods, each with its own
seed: `{random_0: random 2 seed 0, random_1: random 2 seed 1}`; `random 2` is `random 2 seed 0`."""

from random import Random

from subtuning.errors import UserError
from subtuning.search.selectors._words import count
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def select(study: Study, *words: str) -> Tuning:
    """K layers in network order: the same ones whenever the seed and the network are the same.

    Raises:
        UserError: words other than these, or more layers than there are.
    """
    number, seed = words[:1], words[1:] or ("seed", "0")
    if len(seed) != 2 or seed[0] != "seed" or not seed[1].isdecimal():
        raise UserError(f"'{' '.join(['random', *words])}': write random K seed N, with N a number such as 0")
    kept = count(number, len(study.candidates), "random K seed N")
    chance = Random(int(seed[1]))  # of its methods only random() is promised to give the same in every Python
    drawn = sorted(study.candidates, key=lambda name: chance.random())[:kept]
    return Tuning(tuple(name for name in study.candidates if name in drawn))
