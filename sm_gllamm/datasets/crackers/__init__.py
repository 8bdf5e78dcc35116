"""Purchases of crackers."""

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

TITLE = "Purchases of crackers"

COPYRIGHT = """
Distributed with the R package Ecdat under GPL-2 or later; the study is to be cited as in SOURCE.
"""

SOURCE = """
Jain, D. C., Vilcassim, N. J. & Chintagunta, P. K. (1994), A random-coefficients logit brand-choice
model applied to panel data. *Journal of Business & Economic Statistics* 12, 317-328.

Households 1 to 100 of the object `Cracker` of the R package Ecdat, in long form and with prices in
dollars; see ``datasets/src/export.R``.
"""

DESCRSHORT = "Brands of saltine crackers bought by 100 households on 2,509 occasions; 4 brands."

DESCRLONG = """
Scanner data from optical checkout readers in Rome, Georgia. Four rows stand for a purchase, one for
each brand on the shelf, with the brand's price and promotion at that time.
"""

NOTE = """
::

    Number of observations - 10,036 (100 households, 2,509 purchases, 4 brands)

    id       - household, 1 to 100
    occasion - purchase of the household, 1, 2, ...
    brand    - sunshine, keebler, nabisco or private (label of the store)
    choice   - 1 for the brand bought, 0 for the others
    display  - 1 if the brand was on special display
    feature  - 1 if the brand was in a newspaper advertisement
    price    - price in dollars
"""


def load_pandas() -> Dataset:
    """Load the data set crackers.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`choice`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset(
        "crackers",
        endog="choice",
        categories={"brand": ["private", "sunshine", "keebler", "nabisco"]},
    )


load = load_pandas
