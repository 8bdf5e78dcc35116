"""Childhood immunization in Guatemala."""

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

TITLE = "Childhood immunization in Guatemala"

COPYRIGHT = """
Distributed with the R package mlmRev under GPL-2 or later; the study is to be cited as in
SOURCE.
"""

SOURCE = """
Pebley, A. R., Goldman, N. & Rodriguez, G. (1996), Prenatal and delivery care and childhood
immunization in Guatemala: do family and community matter? *Demography* 33, 231-247.

Rodriguez, G. & Goldman, N. (2001), Improved estimation procedures for multilevel models with binary
response: a case-study. *Journal of the Royal Statistical Society A* 164, 339-355.

Taken from the R package mlmRev, object `guImmun`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Immunization of 2,159 children of 1,595 mothers in 161 communities; three levels."

DESCRLONG = """
From the National Survey of Maternal and Child Health of 1987: among children who received at least
one immunization, whether they received the full set. Most mothers have one or two children and the
variances between mothers are large, which makes approximate methods badly biased.
"""

NOTE = """
::

    Number of observations - 2,159 (1,595 mothers in 161 communities)

    kid     - child
    mom     - mother
    comm    - community
    immun   - 1 if the child received the full set of immunizations, else 0
    kid2p   - Y if the child is two years or older
    mom25p  - Y if the mother is 25 or older
    ord     - birth order: 01, 23, 46, 7p
    ethn    - ethnicity of the mother: L Ladino, N indigenous not speaking Spanish,
              S indigenous speaking Spanish
    momEd   - education of the mother: N none, P primary, S secondary or more
    husEd   - education of the husband: the same, and U unknown
    momWork - Y if the mother ever worked outside the home
    rural   - Y if the community is rural
    pcInd81 - proportion indigenous in the community at the census of 1981
"""


def load_pandas() -> Dataset:
    """Load the data set gu_immun.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`immun`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("gu_immun", endog="immun")


load = load_pandas
