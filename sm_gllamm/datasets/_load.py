"""The one reader behind every data set's ``load_pandas``."""

from pathlib import Path

import pandas as pd
from statsmodels.datasets.utils import Dataset, process_pandas


def load_dataset(name: str, endog: str, categories: dict[str, list[str]] | None = None) -> Dataset:
    """Read a data set of this package.

    Parameters
    ----------
    name : str
        Name of the data set's folder and csv file.
    endog : str
        Column that models usually explain; the other columns become `exog`.
    categories : dict of str to list of str, optional
        Columns to return as categorical, with their levels in order; the first is the reference
        level of a formula.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (DataFrame), ``endog`` (Series), ``exog`` (DataFrame), ``names``,
        ``endog_name`` and ``exog_name``.
    """
    data = pd.read_csv(
        Path(__file__).parent / name / f"{name}.csv",
        dtype={
            column: pd.CategoricalDtype(levels) for column, levels in (categories or {}).items()
        },
        # The reader's default parser may be off in the last digit.
        float_precision="round_trip",
    )
    return process_pandas(data, endog_idx=data.columns.get_loc(endog))
