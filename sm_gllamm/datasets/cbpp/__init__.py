"""Contagious bovine pleuropneumonia."""

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

TITLE = "Contagious bovine pleuropneumonia"

COPYRIGHT = """
Distributed with the R package lme4 under GPL-2 or later; the study is to be cited as in SOURCE.
"""

SOURCE = """
Lesnoff, M., Laval, G., Bonnet, P., Abdicho, S., Workalemahu, A., Kifle, D., Peyraud, A., Lancelot,
R. & Thiaucourt, F. (2004), Within-herd spread of contagious bovine pleuropneumonia in Ethiopian
highlands. *Preventive Veterinary Medicine* 64, 27-40.

Taken from the R package lme4, object `cbpp`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "New cases of a cattle disease in 15 herds over four periods; binomial counts."

DESCRLONG = """
Serological incidence in zebu cattle of the Boji district of Ethiopia, in newly
infected herds. Blood was sampled quarterly from all animals of the herd.
"""

NOTE = """
::

    Number of observations - 56 (15 herds, up to 4 periods)

    herd      - herd, 1 to 15
    incidence - number of new cases
    size      - number of animals at risk at the start of the period
    period    - 1 to 4
"""


def load_pandas() -> Dataset:
    """Load the data set cbpp.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`incidence`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("cbpp", endog="incidence", categories={"period": ["1", "2", "3", "4"]})


load = load_pandas
