"""Bitterness of wine."""

from statsmodels.datasets.utils import Dataset

from sm_gllamm.datasets._load import load_dataset

__all__ = [
    "COPYRIGHT",
    "DESCRLONG",
    "DESCRSHORT",
    "NOTE",
    "SOURCE",
    "TITLE",
    "load",
    "load_pandas",
]

TITLE = "Bitterness of wine"

COPYRIGHT = """
Distributed with the R package ordinal under GPL-2 or later; the study is to be cited as in SOURCE.
"""

SOURCE = """
Randall, J. H. (1989), The analysis of sensory data by generalized linear model. *Biometrical Journal*
31, 781-793.

Taken from the R package ordinal, object `wine`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Bitterness ratings of 72 wine samples by nine judges, on five ordered categories."

DESCRLONG = """
A factorial experiment on what makes wine bitter: the temperature of the grapes and the contact
between juice and skins when crushing. Each of nine judges assessed two bottles from each of the four
treatments.
"""

NOTE = """
::

    Number of observations - 72 (9 judges, 8 bottles each)

    response - bitterness on a continuous scale, 0 to 100
    rating   - bitterness, 1 (least) to 5 (most): response in five intervals of equal length
    temp     - temperature: cold or warm
    contact  - contact between juice and skins: no or yes
    bottle   - bottle, 1 to 8; bottles 1 and 2, 3 and 4 and so on have the same treatment
    judge    - judge, 1 to 9
"""


def load_pandas() -> Dataset:
    """Load the data set wine.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`rating`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset(
        "wine",
        endog="rating",
        categories={"temp": ["cold", "warm"], "contact": ["no", "yes"]},
    )


load = load_pandas
