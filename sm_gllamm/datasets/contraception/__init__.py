"""Contraceptive use in Bangladesh."""

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

TITLE = "Contraceptive use in Bangladesh"

COPYRIGHT = """
Distributed with the R package mlmRev under GPL-2 or later; the study is to be cited as in
SOURCE.
"""

SOURCE = """
Huq, N. M. & Cleland, J. (1990), *Bangladesh Fertility Survey 1989 (Main Report)*. Dhaka: National
Institute of Population Research and Training.

Taken from the R package mlmRev, object `Contraception`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Use of contraception by 1,934 women in 60 districts of Bangladesh."

DESCRLONG = """
A subsample of the Bangladesh Fertility Survey, long used to teach multilevel models: probability of
using contraception by number of living children, age and type of region. Both the level and the
difference between town and country vary across districts.
"""

NOTE = """
::

    Number of observations - 1,934 (60 districts)

    woman    - identifier of the woman
    district - identifier of the district (1 to 61, 54 does not occur)
    use      - 1 if contraception is used at the time of the survey, else 0
    livch    - number of living children: 0, 1, 2, 3+
    age      - age in years, centred around its mean
    urban    - 1: urban region, 0: rural
    ch1, ch2, ch3p - 1 for one, two, three or more children, else 0 (added)
"""


def load_pandas() -> Dataset:
    """Load the data set contraception.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`use`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("contraception", endog="use", categories={"livch": ["0", "1", "2", "3+"]})


load = load_pandas
