"""Diet and heart disease."""

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

TITLE = "Diet and heart disease"

COPYRIGHT = """
Distributed with the R package galamm under GPL-3; the study is to be cited as in SOURCE.
"""

SOURCE = """
Morris, J. N., Marr, J. W. & Clayton, D. G. (1977), Diet and heart: a postscript, *British Medical
Journal* 2, 1307-1314. Example of Rabe-Hesketh, S., Pickles, A. & Skrondal, A. (2003), Correcting for
covariate measurement error in logistic regression using nonparametric maximum likelihood estimation,
*Statistical Modelling* 3, 215-232.

Taken from the R package galamm, object `diet`, by ``datasets/src/export_latent.R``.
"""

DESCRSHORT = "Fibre in the diet of 333 men, measured with error, and coronary heart disease."

DESCRLONG = """
Men of the London bus and bank staff weighed their food for a week; 76 did so again six months
later. They were followed for coronary heart disease. A row is a response: a measurement of fibre or
the disease.
"""

NOTE = """
::

    Number of observations - 742 (333 men with one or two measurements and an outcome)

    id   - man
    age  - age in years, centred
    bus  - 1 bus staff, 0 bank staff
    item - fiber1, fiber2 or chd
    y    - fibre in grams a day, or 1 for coronary heart disease, else 0
"""


def load_pandas() -> Dataset:
    """Load the data set diet.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`y`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("diet", endog="y")


load = load_pandas
