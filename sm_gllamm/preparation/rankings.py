"""Rankings as sequences of choices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.choice_sets import ChoiceStages, encode_sets, say_uninformative
from sm_gllamm.preparation.columns import numbers, row_labels, show
from sm_gllamm.preparation.ragged import repeat_rows

__all__ = ["TIES", "expand_rankings"]

TIES = ("efron", "breslow")


def expand_rankings(
    rank: Any, sets: Any, ties: str | None = "efron", name: str = "rank"
) -> ChoiceStages:
    r"""Expand rankings to choices: the exploded logit.

    The first is chosen among all alternatives of a ranking, the second among those that are left,
    and so on. What is ranked last, or not at all, is left over and makes no stage.

    Parameters
    ----------
    rank : array_like, shape (nobs,)
        Rank of each alternative, 1 for the best; missing or 0 for alternatives that were not ranked
        and come after those that were. Tied alternatives have the same rank; after two of rank 2
        either 3 or 4 may come.
    sets : array_like, shape (nobs,), or DataFrame, shape (nobs, k)
        Labels of the rankings: numbers or strings; combinations of columns if a data frame. Rows of
        a ranking may lie anywhere, rankings may differ in the number of alternatives.
    ties : {"efron", "breslow"} or None
        Approximation of the probability of a tie; None refuses ties.
    name : str
        Of the response, for messages.

    Returns
    -------
    ChoiceStages
        All signs are 1.

    Raises
    ------
    SpecificationError
        Ranks that are not whole or negative; a ranking that does not begin with 1, has a gap, or in
        which nothing is ranked; ties if `ties` is None; missing labels.

    Warns
    -----
    ModelWarning
        Some rankings say nothing, because they have one alternative only or all are tied.

    See Also
    --------
    expand_best_worst : For the best and the worst of each set.

    Notes
    -----
    With weights :math:`w_j = \exp(\nu_j)` of the alternatives, a ranking :math:`(1, 2, \ldots, n)`
    has probability

    .. math:: \prod_{s=1}^{n-1} \frac{w_s}{w_s + \ldots + w_n}

    (Plackett 1975; Chapman & Staelin 1982; Skrondal & Rabe-Hesketh 2003). Of a tie T of d
    alternatives only this is known, that all of T come before the set O of the alternatives further
    down, in whichever order. Its probability is the sum over the d! orders of such products. Both
    approximations put a common denominator in place of those of the orders, with
    :math:`W_A = \sum_{j \in A} w_j`:

    .. math::

        P(T < O) &\approx d! \prod_{r=0}^{d-1} \frac{w_{t_{r+1}}}{W_T + W_O - (r/d) W_T}
            \qquad \text{(Efron 1977)} \\
        P(T < O) &\approx d! \prod_{r=0}^{d-1} \frac{w_{t_{r+1}}}{W_T + W_O}
            \qquad \text{(Breslow 1974)}.

    Either is a product of d choices: every alternative of T is chosen once, from the whole of T and
    O. Efron's weighs those of T by :math:`1 - r/d` at choice r, whence the offset
    :math:`\log(1 - r/d)` and, as the chosen one is weighed too, the constant :math:`\log d` of each
    choice; it is exact if all of T have the same utility. Breslow's has offset 0 and constants
    :math:`\log(d - r)`; it is too small, the more so the larger W_T is compared with W_O. Software
    for Cox models leaves out :math:`\log d!` for each tie, which depends on no parameter. A tie at
    the end of a ranking is certain, as nothing comes after it: it makes no stage.

    References
    ----------
    Breslow, N. E. (1974). Covariance analysis of censored survival data. Biometrics 30, 89-99.

    Chapman, R. G. & Staelin, R. (1982). Exploiting rank ordered choice set data within the
    stochastic utility model. Journal of Marketing Research 19, 288-301.

    Efron, B. (1977). The efficiency of Cox's likelihood function for censored data. Journal of the
    American Statistical Association 72, 557-565.

    Plackett, R. L. (1975). The analysis of permutations. Applied Statistics 24, 193-202.

    Skrondal, A. & Rabe-Hesketh, S. (2003). Multilevel logistic regression for polytomous data and
    rankings. Psychometrika 68, 267-287.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.preparation.rankings import expand_rankings
    >>> votes = pd.DataFrame(
    ...     {"voter": [7, 7, 7], "party": ["red", "blue", "green"], "rank": [2, 1, 3]}
    ... )
    >>> stages = expand_rankings(votes["rank"], votes["voter"])
    >>> votes.iloc[stages.source].assign(stage=stages.codes, chosen=stages.chosen)
       voter  party  rank  stage  chosen
    1      7   blue     1      0    True
    0      7    red     2      0   False
    2      7  green     3      0   False
    0      7    red     2      1    True
    2      7  green     3      1   False
    """
    if ties is not None and ties not in TIES:
        raise SpecificationError(
            f"ties={ties!r} is not known; there are 'efron', 'breslow', and None, which refuses ties."
        )
    ranks = _read_ranks(rank, name)
    codes, labels = encode_sets(sets, len(ranks))
    order = np.lexsort((ranks, codes))
    codes, ranks = codes[order], ranks[order]
    # alternatives of the same rank in the same ranking: first position, and number
    is_first = (np.diff(codes, prepend=-1) != 0) | np.concatenate([[True], ranks[1:] != ranks[:-1]])
    begin = np.flatnonzero(is_first)
    size = np.diff(np.append(begin, len(ranks)))
    _check_ranks(codes[begin], ranks[begin], size, labels, name)
    group = np.cumsum(is_first) - 1
    if ties is None:
        _refuse_ties(codes[begin], ranks[begin], size, labels, name)
    end = np.cumsum(np.bincount(codes))[codes]
    first, tied = begin[group], size[group]
    # a stage for each ranked alternative with something after its tie
    staged = np.flatnonzero(np.isfinite(ranks) & (first + tied < end))
    silent = np.bincount(codes[staged], minlength=len(labels)) == 0
    say_uninformative(silent, labels, "ranking", "a single alternative or a single rank")
    first, tied = first[staged], tied[staged]
    sizes = end[staged] - first
    turn = staged - first
    stage, position = repeat_rows(sizes)
    offset = np.zeros(len(stage))
    constant = np.log(tied - turn)
    if ties == "efron":
        is_tied = position < tied[stage]
        offset[is_tied] = np.log1p(-turn / tied)[stage[is_tied]]
        constant = np.log(tied)
    return ChoiceStages(
        source=order[first[stage] + position],
        chosen=position == turn[stage],
        codes=stage,
        sizes=sizes,
        offset=offset,
        sign=np.ones(len(stage)),
        constant=constant,
        sets=codes[staged],
        labels=labels,
    )


def _read_ranks(rank: Any, name: str) -> np.ndarray:
    """Ranks, infinite for alternatives that were not ranked."""
    ranks = numbers(rank, name, missing=True)
    ranked = ~np.isnan(ranks) & (ranks != 0)
    bad = ranked & ((ranks < 0) | (ranks != np.rint(ranks)))
    if bad.any():
        at = int(np.argmax(bad))
        raise SpecificationError(
            f"Ranks must be 1, 2, ..., and missing or 0 for alternatives that were not ranked; "
            f"'{name}' is {ranks[at]:g} in row {show(row_labels(rank)[at])}. Correct it."
        )
    return np.where(ranked, ranks, np.inf)


def _check_ranks(
    codes: np.ndarray, ranks: np.ndarray, size: np.ndarray, labels: pd.Index, name: str
) -> None:
    """Refuse rankings without ranks, without a first rank, or with a gap.

    Parameters
    ----------
    codes, ranks, size : ndarray, shape (n_groups,)
        Ranking, rank and number of the alternatives of each rank, sorted by ranking and rank.
    labels : pandas.Index
        Of the rankings.
    name : str
        Of the response.
    """
    begins = np.diff(codes, prepend=-1) != 0
    nothing = begins & np.isinf(ranks)
    if nothing.any():
        at = int(np.argmax(nothing))
        raise SpecificationError(
            f"No alternative of ranking {show(labels[codes[at]])} is ranked ('{name}' is missing or "
            "0); leave the ranking out."
        )
    late = begins & (ranks != 1)
    if late.any():
        at = int(np.argmax(late))
        raise SpecificationError(
            f"Ranking {show(labels[codes[at]])} begins with '{name}' = {ranks[at]:g}; ranks begin "
            "with 1, the best. Rank its alternatives anew, or leave it out."
        )
    before, n_before = np.roll(ranks, 1), np.roll(size, 1)
    goes_on = (ranks == before + 1) | (ranks == before + n_before)
    gap = ~begins & np.isfinite(ranks) & ~goes_on
    if gap.any():
        at = int(np.argmax(gap))
        raise SpecificationError(
            f"Ranking {show(labels[codes[at]])} has a gap: after '{name}' = {before[at]:g} comes "
            f"{ranks[at]:g}. Rank its alternatives anew; alternatives that were not ranked have a "
            "missing rank or 0."
        )


def _refuse_ties(
    codes: np.ndarray, ranks: np.ndarray, size: np.ndarray, labels: pd.Index, name: str
) -> None:
    tied = np.isfinite(ranks) & (size > 1)
    if tied.any():
        at = int(np.argmax(tied))
        raise SpecificationError(
            f"Ranking {show(labels[codes[at]])} has {size[at]} alternatives with '{name}' = "
            f"{ranks[at]:g}; rank each differently, or allow ties by ties='efron'."
        )
