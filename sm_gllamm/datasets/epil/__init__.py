"""Seizure counts of epileptics."""

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

TITLE = "Seizure counts of epileptics"

COPYRIGHT = """
Distributed with the R package MASS under GPL-2 or GPL-3; the study is to be cited as in SOURCE.
"""

SOURCE = """
Thall, P. F. & Vail, S. C. (1990), Some covariance models for longitudinal count data with
overdispersion. *Biometrics* 46, 657-671.

Taken from the R package MASS, object `epil`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Seizures of 59 patients in four two-week periods under progabide or placebo."

DESCRLONG = """
A randomised trial of the drug progabide. The number of seizures
was counted in eight weeks before treatment and in four consecutive two-week periods after it.
"""

NOTE = """
::

    Number of observations - 236 (59 patients, 4 periods)

    y       - number of seizures in the two-week period
    trt     - placebo or progabide
    base    - number of seizures in the eight weeks before treatment
    age     - age in years
    V4      - 1 for the fourth period, else 0
    subject - patient, 1 to 59
    period  - 1 to 4
    lbase   - log of base, centred to mean zero
    lage    - log of age, centred to mean zero
"""


def load_pandas() -> Dataset:
    """Load the data set epil.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`y`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("epil", endog="y", categories={"trt": ["placebo", "progabide"]})


load = load_pandas
