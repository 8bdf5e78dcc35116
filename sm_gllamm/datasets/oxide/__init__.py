"""Oxide coating on semiconductors."""

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

TITLE = "Oxide coating on semiconductors"

COPYRIGHT = """
Distributed with the R package nlme under GPL-2 or later; the study is to be cited as in SOURCE.
"""

SOURCE = """
Littell, R. C., Milliken, G. A., Stroup, W. W. & Wolfinger, R. D. (1996), *SAS System for Mixed
Models*. Cary: SAS Institute. Pinheiro, J. C. & Bates, D. M. (2000), *Mixed-Effects Models in S and
S-PLUS*, Appendix A.20. New York: Springer.

Taken from the R package nlme, object `Oxide`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Thickness of the oxide layer at three sites on three wafers from each of eight lots."

DESCRLONG = """
A passive data collection to see which sources of variability a semiconductor process has: sites in
wafers in lots. Lots come from two sources.
"""

NOTE = """
::

    Number of observations - 72 (3 sites on each of 3 wafers from each of 8 lots)

    Source    - source of the lot, 1 or 2
    Lot       - lot, 1 to 8
    Wafer     - wafer within the lot, 1 to 3 (labels repeat in every lot)
    Site      - site on the wafer, 1 to 3
    Thickness - thickness of the oxide layer
"""


def load_pandas() -> Dataset:
    """Load the data set oxide.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`Thickness`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("oxide", endog="Thickness")


load = load_pandas
