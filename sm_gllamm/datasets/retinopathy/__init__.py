"""Diabetic retinopathy."""

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

TITLE = "Diabetic retinopathy"

COPYRIGHT = """
Distributed with the R package survival under LGPL-2 or later; the study is to be cited as in SOURCE.
"""

SOURCE = """
Huster, W. J., Brookmeyer, R. & Self, S. G. (1989), Modelling paired survival data with covariates.
*Biometrics* 45, 145-156.

Taken from the R package survival, object `retinopathy`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Months to loss of vision of both eyes of 197 patients, one eye treated by laser."

DESCRLONG = """
A half of the patients with retinopathy of high risk in the Diabetic Retinopathy Study. One eye,
chosen at random, was treated by laser photocoagulation. The event is visual acuity below 5/200 at two
visits in a row, which takes 6.5 months at least; these are subtracted. Durations are censored by
death, dropout and the end of the study.
"""

NOTE = """
::

    Number of observations - 394 (197 patients, 2 eyes each)

    id     - patient
    laser  - type of laser: xenon or argon
    eye    - eye that was treated: right or left
    age    - age in years when diabetes was diagnosed
    type   - type of diabetes: juvenile (diagnosed before age 20) or adult
    trt    - 1: treated eye, 0: the other
    futime - months to loss of vision or to the last visit, less 6.5
    status - 1 if vision was lost at futime, 0 if the duration is censored
    risk   - risk score of the eye, 6 to 12
"""


def load_pandas() -> Dataset:
    """Load the data set retinopathy.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`futime`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset(
        "retinopathy",
        endog="futime",
        categories={
            "laser": ["xenon", "argon"],
            "eye": ["right", "left"],
            "type": ["juvenile", "adult"],
        },
    )


load = load_pandas
