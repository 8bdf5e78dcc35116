"""Bacteria after treatment of otitis media."""

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

TITLE = "Bacteria after treatment of otitis media"

COPYRIGHT = """
Distributed with the R package MASS under GPL-2 or GPL-3; the study is to be cited as in SOURCE.
"""

SOURCE = """
Dr A. Leach, Menzies School of Health Research, Darwin; analysed in Venables & Ripley (2002),
*Modern Applied Statistics with S*, section 10.4.

Taken from the R package MASS, object `bacteria`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Presence of H. influenzae in children with otitis media; 50 children, 220 visits."

DESCRLONG = """
Children with a history of otitis media in the Northern Territory of Australia were randomised to
an active drug or a placebo, and to encouragement to comply or none. The presence of the bacterium
*H. influenzae* was checked in weeks 0, 2, 4, 6 and 11. 30 of 250 checks are missing.
"""

NOTE = """
::

    Number of observations - 220 (50 children, 2 to 5 visits each)

    y    - 1 if the bacterium is present, else 0
    ap   - a: active drug, p: placebo
    hilo - hi: encouraged to comply, lo: not
    week - week of the visit: 0, 2, 4, 6, 11
    ID   - child, X01 to X50
    trt  - placebo, drug (active, not encouraged), drug+ (active, encouraged)
    wk2  - 1 if week > 2, else 0 (added)
"""


def load_pandas() -> Dataset:
    """Load the data set bacteria.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`y`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("bacteria", endog="y", categories={"trt": ["placebo", "drug", "drug+"]})


load = load_pandas
