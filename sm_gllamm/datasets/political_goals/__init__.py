"""Rankings of political goals."""

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

TITLE = "Rankings of political goals"

COPYRIGHT = """
Counts as printed in the publications named in SOURCE; also in the R package PLMIX (GPL-2 or later).
"""

SOURCE = """
Barnes, S. H., Kaase, M. et al. (1979), *Political Action: Mass Participation in Five Western
Democracies*. Beverly Hills: Sage.

Croon, M. A. (1989), Latent class models for the analysis of rankings. In De Soete, G., Feger, H. &
Klauer, K. C. (eds), *New Developments in Psychological Choice Modeling*, 99-121. Amsterdam: North-Holland.

Diaconis, P. & Sturmfels, B. (1998), Algebraic algorithms for sampling from conditional distributions.
*Annals of Statistics* 26, 363-397 (the count of 2431 as corrected by Diaconis and Eriksson: 59).
"""

DESCRSHORT = "Orderings of four political goals by 2262 Germans, as 24 frequencies."

DESCRLONG = """
Which goal of their country is the most desirable one, the second, and so on: maintaining order in the
nation, giving people more say in the decisions of government, fighting rising prices, protecting freedom
of speech. Order and prices are the materialist, say and speech the postmaterialist goals of Inglehart.
"""

NOTE = """
::

    Number of observations - 96 (24 orderings of 4 goals)

    ordering - the goals from the first to the last, 1 order, 2 say, 3 prices, 4 speech
    goal     - order, say, prices or speech
    rank     - rank of the goal in the ordering, 1 is the most desirable
    freq     - number of respondents with this ordering
"""


def load_pandas() -> Dataset:
    """Load the data set political_goals.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`rank`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset("political_goals", endog="rank")


load = load_pandas
