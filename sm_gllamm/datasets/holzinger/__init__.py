"""Tests of mental ability in two schools."""

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

TITLE = "Tests of mental ability in two schools"

COPYRIGHT = """
Distributed with the R package lavaan under GPL-2 or later; the study is to be cited as in SOURCE.
"""

SOURCE = """
Holzinger, K. J. & Swineford, F. A. (1939), *A Study in Factor Analysis: The Stability of a
Bifactor Solution*. Supplementary Educational Monographs 48. University of Chicago. Nine of the tests:
Jöreskog, K. G. (1969), A general approach to confirmatory maximum likelihood factor analysis,
*Psychometrika* 34, 183-202.

Taken from the R package lavaan, object `HolzingerSwineford1939`, by ``datasets/src/export_latent.R``.
"""

DESCRSHORT = "Scores of 301 children on nine of the tests of Holzinger and Swineford."

DESCRLONG = """
Seventh- and eighth-grade children of two schools. Three tests each are about visual perception,
verbal ability and speed; scores are rescaled so that their standard deviations are similar.
"""

NOTE = """
::

    Number of observations - 301 (a row a child)

    id     - child
    sex    - 1 male, 2 female
    ageyr  - age in years
    agemo  - months beyond them
    school - Pasteur or Grant-White
    x1     - visual perception
    x2     - cubes
    x3     - lozenges
    x4     - paragraph comprehension
    x5     - sentence completion
    x6     - word meaning
    x7     - speeded addition
    x8     - speeded counting of dots
    x9     - speeded discrimination of straight and curved capitals
"""


def load_pandas() -> Dataset:
    """Load the data set holzinger.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`x1`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("holzinger", endog="x1")


load = load_pandas
