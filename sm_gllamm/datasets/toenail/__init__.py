"""Toenail infection."""

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

TITLE = "Toenail infection"

COPYRIGHT = """
Distributed with the R package HSAUR3 under GPL-2; the study is to be cited as in SOURCE.
"""

SOURCE = """
De Backer, M., De Vroey, C., Lesaffre, E., Scheys, I. & De Keyser, P. (1998), Twelve weeks of
continuous oral therapy for toenail onychomycosis caused by dermatophytes. *Journal of the American
Academy of Dermatology* 38, S57-S63.

Used by Lesaffre, E. & Spiessens, B. (2001), On the effect of the number of quadrature points in a
logistic random-effects model: an example. *Applied Statistics* 50, 325-335.

Taken from the R package HSAUR3, object `toenail`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Onycholysis in 294 patients at up to seven visits under two oral treatments."

DESCRLONG = """
A multicentre trial compared two oral treatments of toenail infection. At seven visits planned at
0, 4, 8, 12, 24, 36 and 48 weeks the degree of onycholysis (separation of the nail plate from the
nail bed) was recorded. The intraclass correlation is so high that a quadrature with few points is
visibly wrong, which made this the classical test of the integration.
"""

NOTE = """
::

    Number of observations - 1,908 (294 patients, 1 to 7 visits)

    patient   - patient identifier
    outcome   - 1: moderate or severe onycholysis, 0: none or mild
    treatment - 1: terbinafine, 0: itraconazole
    month     - exact time of the visit in months
    visit     - number of the visit, 1 to 7
"""


def load_pandas() -> Dataset:
    """Load the data set toenail.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`outcome`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("toenail", endog="outcome")


load = load_pandas
