"""Four items of the Armed Services Vocational Aptitude Battery."""

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

TITLE = "Four items of the Armed Services Vocational Aptitude Battery"

COPYRIGHT = """
Distributed with the R package mirt under GPL-3 or later; the study is to be cited as in SOURCE.
"""

SOURCE = """
Mislevy, R. J. (1985), Estimation of latent group effects, *Journal of the American Statistical
Association* 80, 993-997.

Taken from the R package mirt, object `ASVAB`, by ``datasets/src/export_latent.R``.
"""

DESCRSHORT = "Answers of 776 young persons to four arithmetic items, by ethnicity and gender."

DESCRLONG = """
Frequencies of the 16 patterns of answers in each of four groups, from the Profile of American
Youth survey.
"""

NOTE = """
::

    Number of observations - 64 (a row a pattern and group; 776 persons)

    item_1 - 1 if right, else 0
    item_2 - the same
    item_3 - the same
    item_4 - the same
    black  - 1 black, 0 white
    female - 1 female, 0 male
    freq   - number of persons
"""


def load_pandas() -> Dataset:
    """Load the data set asvab.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`item_1`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("asvab", endog="item_1")


load = load_pandas
