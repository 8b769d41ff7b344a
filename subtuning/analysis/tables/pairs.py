"""The table of the pairs: one row for two layers trained together, and one for each layer alone."""

import pandas as pd

from subtuning.analysis.tables._subsets import singles, subset_rows
from subtuning.search.experiments.pairs import tunings
from subtuning.search.study import Step, Study


def table(study: Study, step: Step) -> pd.DataFrame:
    """Columns `first`, `second` (the same layer where it is alone) and those of `subset_rows`; singles come first.

    Raises:
        UserError: runs are missing.
    """
    found = [*singles(study), *tunings(study)]
    ends = [{"first": own.layers[0], "second": own.layers[-1]} for own in found]
    return pd.DataFrame(ends).join(subset_rows(study, found))
