"""Ticks on red grouse chicks."""

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

TITLE = "Ticks on red grouse chicks"

COPYRIGHT = """
Distributed with the R package lme4 under GPL-2 or later; the study is to be cited as in SOURCE.
"""

SOURCE = """
Elston, D. A., Moss, R., Boulinier, T., Arrowsmith, C. & Lambin, X. (2001), Analysis of aggregation,
a worked example: numbers of ticks on red grouse chicks. *Parasitology* 122, 563-569.

Taken from the R package lme4, object `grouseticks`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Number of ticks on the heads of 403 grouse chicks from 118 broods at 63 locations."

DESCRLONG = """
Counts with aggregation at every level: chicks in broods in locations.
"""

NOTE = """
::

    Number of observations - 403 (118 broods, 63 locations)

    INDEX    - chick, 1 to 403
    TICKS    - number of ticks
    BROOD    - brood
    HEIGHT   - height above sea level in metres
    YEAR     - 95, 96, 97
    LOCATION - location
    cHEIGHT  - height minus its mean over chicks
"""


def load_pandas() -> Dataset:
    """Load the data set grouseticks.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`TICKS`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("grouseticks", endog="TICKS", categories={"YEAR": ["95", "96", "97"]})


load = load_pandas
