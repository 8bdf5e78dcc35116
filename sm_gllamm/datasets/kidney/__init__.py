"""Infections of kidney patients."""

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

TITLE = "Infections of kidney patients"

COPYRIGHT = """
Distributed with the R package survival under LGPL-2 or later; the study is to be cited as in SOURCE.
"""

SOURCE = """
McGilchrist, C. A. & Aisbett, C. W. (1991), Regression with frailty in survival analysis.
*Biometrics* 47, 461-466.

Taken from the R package survival, object `kidney`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Times to infection of 38 dialysis patients, two catheters each."

DESCRLONG = """
The time from the insertion of a catheter to an infection at that place, in patients with portable
dialysis equipment. Where the catheter was removed for another reason the time is censored. Patient 21
is far from the others.
"""

NOTE = """
::

    Number of observations - 76 (38 patients, 2 catheters each)

    id      - patient, 1 to 38
    time    - days to infection, or to the removal of the catheter
    status  - 1 if there was an infection at time, 0 if the time is censored
    age     - age in years
    sex     - male or female
    disease - GN (glomerulonephritis), AN (acute nephritis), PKD (polycystic kidney disease) or Other
"""


def load_pandas() -> Dataset:
    """Load the data set kidney.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`time`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset(
        "kidney",
        endog="time",
        categories={"sex": ["male", "female"], "disease": ["Other", "GN", "AN", "PKD"]},
    )


load = load_pandas
