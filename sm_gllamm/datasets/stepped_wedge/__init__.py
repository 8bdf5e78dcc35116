"""Stepped-wedge trial with informative dropout."""

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

TITLE = "Stepped-wedge trial with informative dropout"

COPYRIGHT = """
Simulated by the authors named in SOURCE; distributed under the MIT licence.
"""

SOURCE = """
Gasparini, A., Crowther, M. J., Hoogendijk, E. O., Li, F. & Harhay, M. O. (2024), Analysis of cohort
stepped wedge cluster-randomized trials with nonignorable dropout via joint modeling. arXiv 2404.14840.

File 01-example-swjm of github.com/ellessenne/swjm, constant intervention effect; rows without an outcome
and without time at risk left out, outcomes rounded to seven and times to eight significant digits.
"""

DESCRSHORT = "Outcomes and dropout of 3200 simulated subjects in 32 clusters and five periods."

DESCRLONG = """
Clusters change to the intervention in a random order. A subject is seen at the start of each period
until it drops out. Outcome and dropout share random effects of clusters and subjects.
"""

NOTE = """
::

    Number of observations - 9,933 (3200 subjects, five periods at most)

    cluster - cluster
    id      - subject
    period  - period, 1 to 5
    treated - 1 if the cluster has the intervention
    seen    - 1 if the outcome was measured, 0 after dropout
    y       - outcome; 0 where it was not measured
    start   - time at which the period begins for the subject
    stop    - time at which it ends, or of the dropout
    dropout - 1 if the subject dropped out at that time
"""


def load_pandas() -> Dataset:
    """Load the data set stepped_wedge.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`y`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("stepped_wedge", endog="y")


load = load_pandas
