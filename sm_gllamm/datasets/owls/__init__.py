"""Begging of owl nestlings."""

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

TITLE = "Begging of owl nestlings"

COPYRIGHT = """
Distributed with the R package glmmTMB under AGPL-3; the study is to be cited as in SOURCE.
"""

SOURCE = """
Roulin, A. & Bersier, L.-F. (2007), Nestling barn owls beg more intensely in the presence of their
mother than in the presence of their father. *Animal Behaviour* 74, 1099-1106.

Zuur, A. F., Ieno, E. N., Walker, N. J., Saveliev, A. A. & Smith, G. M. (2009), *Mixed Effects Models
and Extensions in Ecology with R*. New York: Springer.

Taken from the R package glmmTMB, object `Owls`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Calls of barn owl nestlings before a parent arrives, 27 nests; many zeros."

DESCRLONG = """
Nestlings call to each other for priority when a parent comes with food. Calls were counted on two
nights, on one of which the brood had been given food beforehand, on the other prey had been taken
away.
"""

NOTE = """
::

    Number of observations - 599 (27 nests, 4 to 52 arrivals each)

    Nest               - nest
    FoodTreatment      - Deprived or Satiated
    SexParent          - parent that arrives: Female or Male
    ArrivalTime        - time of the arrival in hours, from 21.71 to 29.25 (after midnight: plus 24)
    SiblingNegotiation - number of calls of all nestlings before the arrival
    BroodSize          - number of nestlings, 1 to 7
    NegPerChick        - SiblingNegotiation divided by BroodSize
"""


def load_pandas() -> Dataset:
    """Load the data set owls.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`SiblingNegotiation`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset(
        "owls",
        endog="SiblingNegotiation",
        categories={"FoodTreatment": ["Deprived", "Satiated"], "SexParent": ["Female", "Male"]},
    )


load = load_pandas
