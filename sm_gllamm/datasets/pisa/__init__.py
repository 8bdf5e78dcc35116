"""PISA 2000: reading proficiency in the United States."""

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

TITLE = "PISA 2000: reading proficiency in the United States"

COPYRIGHT = """
Data of the OECD, released for public use; cite the OECD as in SOURCE. No separate licence is
stated for the extract.
"""

SOURCE = """
OECD (2000), Programme for International Student Assessment (PISA), public-use data base of the
2000 assessment, United States; https://www.oecd.org/pisa/.

The extract and its recoding are those of Rabe-Hesketh, S. & Skrondal, A. (2006), Multilevel
modelling of complex survey data. *Journal of the Royal Statistical Society A* 169, 805-827, and of
the same authors' chapter "Generalized linear mixed models" in Peterson, P., Baker, E. & McGaw, B.
(eds, 2010), *International Encyclopedia of Education*, 3rd ed., vol. 7, 171-177. Oxford: Elsevier.
It is distributed with Rabe-Hesketh & Skrondal, *Multilevel and Longitudinal Modeling Using Stata*.
"""

DESCRSHORT = "Reading proficiency of 2,069 students in 148 US schools, with survey weights."

DESCRLONG = """
Fifteen-year-old students of the US sample of PISA 2000 with complete data on family background.
Schools were sampled with unequal probabilities within strata, students within schools. The outcome
is proficiency in reading; the central covariate is the international socio-economic index of
occupational status of the parents.
"""

NOTE = """
::

    Number of observations - 2,069 (148 schools, 1 to 28 students each)

    schoolid    - school, identifier of PISA
    id_school   - school, 1 to 151
    female      - 1: girl, 0: boy
    isei        - international socio-economic index of the parents, 16 to 90
    high_school - 1 if the parents' highest education is high school
    college     - 1 if the parents' highest education is college
    one_for     - 1 if one parent is foreign born
    both_for    - 1 if both parents are foreign born
    test_lang   - 1 if the language of the test is spoken at home
    pass_read   - 1 if proficient in reading
    w_fstuwt    - final student weight (inverse probability of selection)
    wnrschbw    - school weight (inverse probability of selection)
    wvarstr     - stratum for variance estimation

    Added here:

    ses         - (isei - mean of isei) / 20
    mses        - mean of ses over the sampled students of the school
    wt2         - school weight: wnrschbw
    wt1         - weight of the student given the school: w_fstuwt / wnrschbw
    wt1_size    - wt1 scaled to sum to the number of students sampled in the school
    wt1_eff     - wt1 scaled to sum to the effective number of students in the school
"""


def load_pandas() -> Dataset:
    """Load the data set pisa.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`pass_read`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("pisa", endog="pass_read")


load = load_pandas
