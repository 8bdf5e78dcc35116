"""Wages and work of married women."""

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

TITLE = "Wages and work of married women"

COPYRIGHT = """
Distributed with the R package AER under GPL-2 or GPL-3; the study is to be cited as in SOURCE.
"""

SOURCE = """
Mroz, T. A. (1987), The sensitivity of an empirical model of married women's hours of work to economic
and statistical assumptions. *Econometrica* 55, 765-799.

Ten columns of `PSID1976`, R package AER, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Work for pay and hourly wage of 753 married women in 1975."

DESCRLONG = """
From the Panel Study of Income Dynamics: white married women of 30 to 60 years in the United States. The wage
is known of the 428 who worked for pay at some time in the year.
"""

NOTE = """
::

    Number of observations - 753

    participation - 1 if she worked for pay in 1975
    wage          - average earnings in dollars an hour; 0 if she did not work
    age           - age in years
    education     - years of schooling
    experience    - years of work since the age of 18
    youngkids     - children below 6 years
    oldkids       - children of 6 to 18 years
    hwage         - wage of the husband in dollars an hour
    fincome       - income of the family in dollars
    city          - 1 if she lives in a large city
"""


def load_pandas() -> Dataset:
    """Load the data set mroz.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`wage`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("mroz", endog="wage")


load = load_pandas
