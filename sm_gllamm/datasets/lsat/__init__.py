"""Law School Admission Test, section 6."""

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

TITLE = "Law School Admission Test, section 6"

COPYRIGHT = """
Distributed with the R package ltm under GPL-2 or later; the study is to be cited as in SOURCE.
"""

SOURCE = """
Bock, R. D. & Lieberman, M. (1970), Fitting a response model for n dichotomously scored items,
*Psychometrika* 35, 179-197.

Taken from the R package ltm, object `LSAT`, by ``datasets/src/export_latent.R``.
"""

DESCRSHORT = "Answers of 1,000 persons to five items of the Law School Admission Test."

DESCRLONG = """
The classical example of item response models: five easy items with little information about
discrimination.
"""

NOTE = """
::

    Number of observations - 1,000 (a row a person)

    item_1 - 1 if right, else 0
    item_2 - the same
    item_3 - the same
    item_4 - the same
    item_5 - the same
"""


def load_pandas() -> Dataset:
    """Load the data set lsat.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`item_1`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("lsat", endog="item_1")


load = load_pandas
