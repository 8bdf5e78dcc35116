"""Orthodontic growth."""

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

TITLE = "Orthodontic growth"

COPYRIGHT = """
Distributed with the R package nlme under GPL-2 or later; the study is to be cited as in SOURCE.
"""

SOURCE = """
Potthoff, R. F. & Roy, S. N. (1964), A generalized multivariate analysis of variance model useful
especially for growth curve problems. *Biometrika* 51, 313-326.

Taken from the R package nlme, object `Orthodont`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "A dental distance of 27 children at ages 8, 10, 12 and 14."

DESCRLONG = """
The distance from the pituitary gland to the pterygomaxillary fissure, measured on X-ray pictures of
16 boys and 11 girls.
"""

NOTE = """
::

    Number of observations - 108 (27 children, 4 ages)

    distance - distance in millimetres
    age      - age in years: 8, 10, 12, 14
    Subject  - child, M01 to M16 and F01 to F11
    Sex      - Male or Female
"""


def load_pandas() -> Dataset:
    """Load the data set orthodont.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`distance`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("orthodont", endog="distance", categories={"Sex": ["Male", "Female"]})


load = load_pandas
