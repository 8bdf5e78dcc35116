"""Best-worst choices as sequences of choices."""

from __future__ import annotations

from typing import Any

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.choice_sets import ChoiceStages, check_choice_sets
from sm_gllamm.preparation.columns import row_labels, show

__all__ = ["expand_best_worst"]


def expand_best_worst(best: Any, worst: Any, sets: Any) -> ChoiceStages:
    r"""Expand best-worst choices: the best among all, then the worst among the rest.

    Parameters
    ----------
    best, worst : array_like, shape (nobs,)
        1 or True for the best and for the worst alternative of a set, 0 or False for the others.
    sets : array_like, shape (nobs,), or DataFrame, shape (nobs, k)
        Labels of the choice sets: numbers or strings; combinations of columns if a data frame. Rows
        of a set may lie anywhere, sets may differ in size.

    Returns
    -------
    ChoiceStages
        The sign is -1 in rows of the worst stages; offsets and constants are 0. A set of two
        alternatives has no worst stage: the worst is what is left.

    Raises
    ------
    SpecificationError
        A set without a best or worst alternative, or with several; one that is both; missing values.

    See Also
    --------
    expand_rankings : For more ranks than the first and the last.

    Notes
    -----
    With weights :math:`w_j = \exp(\nu_j)`, best b and worst v of set C have probability

    .. math:: \frac{w_b}{\sum_{j \in C} w_j} \;
        \frac{1 / w_v}{\sum_{j \in C \setminus \{b\}} 1 / w_j},

    the sequential best-worst model (Marley & Louviere 2005): the worst alternative is chosen as the
    best one is, with the utilities' signs turned.

    References
    ----------
    Marley, A. A. J. & Louviere, J. J. (2005). Some probabilistic models of best, worst, and
    best-worst choices. Journal of Mathematical Psychology 49, 464-480.

    Examples
    --------
    >>> from sm_gllamm.preparation.best_worst import expand_best_worst
    >>> stages = expand_best_worst(best=[0, 1, 0], worst=[1, 0, 0], sets=["a", "a", "a"])
    >>> stages.source
    array([0, 1, 2, 0, 2])
    >>> stages.chosen
    array([False,  True, False,  True, False])
    >>> stages.sign
    array([ 1.,  1.,  1., -1., -1.])
    """
    first = check_choice_sets(best, sets, "best")
    last = check_choice_sets(worst, sets, "worst")
    both = first.chosen & last.chosen
    if both.any():
        at = int(np.argmax(both))
        raise SpecificationError(
            f"The alternative in row {show(row_labels(best)[at])} is both the best and the worst of "
            f"choice set {show(first.labels[first.codes[at]])}; mark another one, or leave the set "
            "out."
        )
    order = first.order
    codes = first.codes[order]
    rest = ~first.chosen[order] & (first.sizes > 2)[codes]
    # best and worst stage of a set lie next to each other
    stage = np.concatenate([2 * codes, 2 * codes[rest] + 1])
    by_stage = np.argsort(stage, kind="stable")
    stage = stage[by_stage]
    present, codes = np.unique(stage, return_inverse=True)
    source = np.concatenate([order, order[rest]])[by_stage]
    is_worst = stage % 2 == 1
    return ChoiceStages(
        source=source,
        chosen=np.where(is_worst, last.chosen[source], first.chosen[source]),
        codes=codes,
        sizes=np.bincount(codes),
        offset=np.zeros(len(source)),
        sign=np.where(is_worst, -1.0, 1.0),
        constant=np.zeros(len(present)),
        sets=present // 2,
        labels=first.labels,
    )
