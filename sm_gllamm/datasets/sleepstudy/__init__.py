"""Reaction times in a sleep deprivation study."""

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

TITLE = "Reaction times in a sleep deprivation study"

COPYRIGHT = """
Distributed with the R package lme4 under GPL-2 or later; the study is to be cited as in SOURCE.
"""

SOURCE = """
Belenky, G., Wesensten, N. J., Thorne, D. R., Thomas, M. L., Sing, H. C., Redmond, D. P., Russo,
M. B. & Balkin, T. J. (2003), Patterns of performance degradation and restoration during sleep
restriction and subsequent recovery: a sleep dose-response study. *Journal of Sleep Research* 12,
1-12.

Taken from the R package lme4, object `sleepstudy`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Average reaction time per day of 18 subjects with three hours of sleep a night."

DESCRLONG = """
The subjects slept normally before and were restricted to three hours in bed during the study. The
response is the average over a series of tests on each day.
"""

NOTE = """
::

    Number of observations - 180 (18 subjects, 10 days)

    Reaction - average reaction time in milliseconds
    Days     - day of the study, 0 to 9
    Subject  - subject
"""


def load_pandas() -> Dataset:
    """Load the data set sleepstudy.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`Reaction`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("sleepstudy", endog="Reaction")


load = load_pandas
