"""The table of active learning: a row for what is trained, each acquisition and each number of labels."""

import pandas as pd

from subtuning.analysis import records as rec
from subtuning.analysis.tables import SCORE, difference_cells, score_cells
from subtuning.errors import UserError
from subtuning.search.experiments._options import options_of
from subtuning.search.experiments.active import OPTIONS, known_rounds
from subtuning.search.scores import score_of
from subtuning.search.study import Record, Step, Study

COLUMNS = ["train", "layers", "acquire", "labelled", *SCORE, "diff_random", "diff_random_ci_low", "diff_random_ci_high"]
COLUMNS += ["metric", "precision"]


def table(study: Study, step: Step) -> pd.DataFrame:
    """Test scores over seeds; `diff_random` is paired by seed with `random`, NaN where that is not tried.

    A chain that ended with a diverged run leaves the rows after it without numbers.

    Raises:
        UserError: runs are missing.
    """
    study.require(step.wanted(study).runs)
    if step.wanted(study).later:
        raise UserError("rounds of the active learning are not finished; train them first")
    options = options_of(study.settings, "active", OPTIONS)
    found = {this[:4]: study.require([this.test])[0] for this in known_rounds(study)}
    some, rows = list(found.values()), []
    for train in options["train"]:
        for acquire in options["acquire"]:
            for size in options["labelled"]:
                own, chance = (_scores(found, train, how, size, options["seeds"]) for how in (acquire, "random"))
                row = {"train": train, "layers": rec.layers_of(found[train, acquire, 0, options["labelled"][0]])}
                row |= {"acquire": acquire, "labelled": size}
                known = [score for score in own if score is not None]
                values = known if len(known) == len(own) else None
                row |= score_cells(values, len(known), None, rec.metric_of(some))
                others = [score for score in chance if score is not None]
                reference = others if len(others) == len(chance) and acquire != "random" else None
                rows.append(row | difference_cells("diff_random", "diff_random", values, reference, None))
    about = {"metric": rec.metric_of(some), "precision": rec.precision_of(some)}
    return pd.DataFrame(rows, columns=COLUMNS).assign(**about)


def _scores(found: dict[tuple, Record], train: str, acquire: str, size: int, seeds: int) -> list[float | None]:
    """The test score of each seed; None where there is none."""
    records = [found.get((train, acquire, seed, size)) for seed in range(seeds)]
    return [score_of(record) if record and record["status"] == "done" else None for record in records]
