"""The one reader behind every data set's ``load_pandas``."""

import pandas as pd
from statsmodels.datasets.utils import Dataset, load_csv, process_pandas


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
    data = load_csv(__file__, f"{name}/{name}.csv")
    for column, levels in (categories or {}).items():
        data[column] = pd.Categorical(data[column].astype(str), categories=levels)
    return process_pandas(data, endog_idx=data.columns.get_loc(endog))
