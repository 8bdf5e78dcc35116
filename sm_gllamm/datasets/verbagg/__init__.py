"""Verbal aggression item responses."""

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

TITLE = "Verbal aggression item responses"

COPYRIGHT = """
Distributed with the R package lme4 under GPL-2 or later; the study is to be cited as in SOURCE.
"""

SOURCE = """
Vansteelandt, K. (2000), *Formal Models for Contextualized Personality Psychology*. University of
Leuven. De Boeck, P. & Wilson, M. (2004), *Explanatory Item Response Models*. New York: Springer.

Taken from the R package lme4, object `VerbAgg`, by ``datasets/src/export.R``.
"""

DESCRSHORT = "Responses of 316 persons to 24 designed items on verbal aggression."

DESCRLONG = """
Each item describes a frustrating situation and a verbally aggressive reaction ("A bus fails to stop
for me. I would want to curse."). The items cross the kind of reaction, whether it is wanted or
done, and who is to blame.
"""

NOTE = """
::

    Number of observations - 7,584 (316 persons, 24 items)

    Anger  - trait anger score of the person
    Gender - F or M
    item   - item
    resp   - no, perhaps, yes
    id     - person, 1 to 316
    btype  - behaviour: curse, scold, shout
    situ   - who is to blame: other or self
    mode   - behaviour mode: want or do
    r2     - Y if the response is perhaps or yes, else N
    y      - 1 if r2 is Y, else 0 (added)
"""


def load_pandas() -> Dataset:
    """Load the data set verbagg.

    Returns
    -------
    statsmodels.datasets.utils.Dataset
        With attributes ``data`` (all columns), ``endog`` (`y`), ``exog`` (the other
        columns), ``names``, ``endog_name`` and ``exog_name``.
    """
    return load_dataset(
        "verbagg", endog="y", categories={"resp": ["no", "perhaps", "yes"], "mode": ["want", "do"]}
    )


load = load_pandas
