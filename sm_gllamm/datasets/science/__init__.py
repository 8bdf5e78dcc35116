"""Attitudes to science and technology."""

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

TITLE = "Attitudes to science and technology"

COPYRIGHT = """
Distributed with the R package ltm under GPL-2 or later; the survey is to be cited as in SOURCE.
"""

SOURCE = """
Reif, K. & Melich, A. (1992), *Euro-Barometer 38.1: Consumer Protection and Perceptions of Science
and Technology, November 1992*. Ann Arbor: ICPSR.

Taken from the R package ltm, object `Science`, by ``datasets/src/export_latent.R``.
"""

DESCRSHORT = "Agreement of 392 persons with seven statements about science and technology."

DESCRLONG = """
The British sample of a Eurobarometer. Answers are strongly disagree, disagree, agree, strongly
agree. Environment, technology and industry are worded against science.
"""

NOTE = """
::

    Number of observations - 392 (a row a person); answers from 0 to 3

    comfort     - science and technology make our lives healthier, easier and more comfortable
    environment - research cannot play an important role in protecting the environment
    work        - the application of science will make work more interesting
    future      - thanks to science there will be more opportunities for future generations
    technology  - new technology does not depend on basic scientific research
    industry    - research does not play an important role in industrial development
    benefit     - the benefits of science are greater than any harmful effect it may have
"""


def load_pandas() -> Dataset:
    """Load the data set science.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`comfort`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("science", endog="comfort")


load = load_pandas
