"""The table of the windows: one row for so many neighbouring layers trained together, and one for each layer alone."""

import pandas as pd

from subtuning.analysis.tables._subsets import singles, subset_rows
from subtuning.search.experiments.windows import tunings
from subtuning.search.study import Step, Study


def table(study: Study, step: Step) -> pd.DataFrame:
    """Columns `size`, `first` (its first layer), `layers` and those of `subset_rows`; by size, then in network order.

    Raises:
        UserError: runs are missing.
    """
    found = [*singles(study), *tunings(study)]
    about = [{"size": len(own.layers), "first": own.layers[0], "layers": "+".join(own.layers)} for own in found]
    return pd.DataFrame(about).join(subset_rows(study, found))
