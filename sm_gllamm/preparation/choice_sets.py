"""Choice sets in long form: one row for each alternative."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.tools.sm_exceptions import ModelWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.columns import first_row, numbers, refuse_missing, row_labels, show

__all__ = [
    "ChoiceSets",
    "ChoiceStages",
    "check_choice_sets",
    "encode_sets",
    "say_uninformative",
]


@dataclass(frozen=True)
class ChoiceSets:
    """Alternatives gathered in choice sets, one of each set chosen.

    Attributes
    ----------
    codes : ndarray of intp, shape (nobs,)
        Set of each row, 0, 1, ... in the order in which sets first appear.
    labels : pandas.Index or pandas.MultiIndex, length n_sets
        Labels of the sets.
    order : ndarray of intp, shape (nobs,)
        Rows sorted by set; within a set they keep their order.
    sizes : ndarray of intp, shape (n_sets,)
        Number of alternatives. Set k owns rows ``order[sizes[:k].sum():][:sizes[k]]``.
    chosen : ndarray of bool, shape (nobs,)
        Whether the alternative of a row was chosen.
    """

    codes: np.ndarray
    labels: pd.Index
    order: np.ndarray
    sizes: np.ndarray
    chosen: np.ndarray


@dataclass(frozen=True)
class ChoiceStages:
    r"""Successive choices from shrinking sets.

    Rows lie stage by stage, the stages of a set one after the other. With :math:`\nu_j` the utility
    of the source row of row j, :math:`s_j` its sign, :math:`o_j` its offset and :math:`k_g` the
    constant, stage g with chosen row c has the log-likelihood

    .. math:: k_g + s_c \nu_c + o_c - \log \sum_{j \in g} \exp(s_j \nu_j + o_j).

    Attributes
    ----------
    source : ndarray of intp, shape (n,)
        Row in the data.
    chosen : ndarray of bool, shape (n,)
        Whether the alternative was chosen at this stage.
    codes : ndarray of intp, shape (n,)
        Stage of each row: 0, 1, ..., ascending.
    sizes : ndarray of intp, shape (n_stages,)
        Number of alternatives at each stage, 2 or more.
    offset : ndarray of float64, shape (n,)
        Log weight of the alternative; 0 but for tied ranks in Efron's approximation.
    sign : ndarray of float64, shape (n,)
        -1 where the worst alternative is chosen, else 1.
    constant : ndarray of float64, shape (n_stages,)
        Added to the log-likelihood of each stage; 0 but for tied ranks.
    sets : ndarray of intp, shape (n_stages,)
        Position in `labels` of the set (the ranking) that a stage belongs to.
    labels : pandas.Index or pandas.MultiIndex, length n_sets
        Labels of the sets.
    """

    source: np.ndarray
    chosen: np.ndarray
    codes: np.ndarray
    sizes: np.ndarray
    offset: np.ndarray
    sign: np.ndarray
    constant: np.ndarray
    sets: np.ndarray
    labels: pd.Index


def check_choice_sets(chosen: Any, sets: Any, name: str = "chosen") -> ChoiceSets:
    r"""Check that one alternative of each choice set was chosen, and sort rows by set.

    Parameters
    ----------
    chosen : array_like, shape (nobs,)
        1 or True for the chosen alternative of a set, 0 or False for the others.
    sets : array_like, shape (nobs,), or DataFrame, shape (nobs, k)
        Labels of the choice sets: numbers or strings; combinations of columns if a data frame, such
        as household and purchase. Rows of a set may lie anywhere, sets may differ in size.
    name : str
        Of the response, for messages.

    Returns
    -------
    ChoiceSets

    Raises
    ------
    SpecificationError
        A set without a chosen alternative or with several; other values than 0 and 1; missing
        values; sets that all have one alternative only.

    Warns
    -----
    ModelWarning
        Some sets have one alternative only. It is chosen with probability one whatever the
        parameters: they do no harm, and say nothing.

    Notes
    -----
    The probability of alternative j of set C with utilities :math:`\nu` is
    :math:`\exp(\nu_j) / \sum_{l \in C} \exp(\nu_l)` (McFadden 1974).

    References
    ----------
    McFadden, D. (1974). Conditional logit analysis of qualitative choice behavior. In P. Zarembka
    (Ed.), Frontiers in Econometrics, 105-142. Academic Press.

    Examples
    --------
    >>> from sm_gllamm.preparation.choice_sets import check_choice_sets
    >>> result = check_choice_sets([0, 1, 1, 0, 0], ["mon", "tue", "mon", "tue", "mon"])
    >>> result.order, result.sizes
    (array([0, 2, 4, 1, 3]), array([3, 2]))
    >>> check_choice_sets([0, 1, 0, 0], ["mon", "mon", "tue", "tue"])
    Traceback (most recent call last):
    ...
    sm_gllamm.exceptions.SpecificationError: No alternative of choice set 'tue' was chosen ('chosen'
    is 0 in all of its 2 rows); mark one, or leave the set out.
    """
    indicator = _read_indicator(chosen, name)
    codes, labels = encode_sets(sets, len(indicator))
    sizes = np.bincount(codes)
    n_chosen = np.bincount(codes[indicator], minlength=len(sizes))
    if (n_chosen == 0).any():
        at = int(np.argmax(n_chosen == 0))
        raise SpecificationError(
            f"No alternative of choice set {show(labels[at])} was chosen ('{name}' is 0 in all of "
            f"its {sizes[at]} rows); mark one, or leave the set out."
        )
    if (n_chosen > 1).any():
        at = int(np.argmax(n_chosen > 1))
        rows = row_labels(chosen)[indicator & (codes == at)]
        raise SpecificationError(
            f"{n_chosen[at]} alternatives of choice set {show(labels[at])} were chosen ('{name}' is "
            f"1 in rows {show(rows[0])} and {show(rows[1])}); mark one. If these are several "
            "choices, give each its own set."
        )
    say_uninformative(sizes == 1, labels, "choice set", "one alternative only")
    return ChoiceSets(codes, labels, np.argsort(codes, kind="stable"), sizes, indicator)


def encode_sets(sets: Any, n_rows: int) -> tuple[np.ndarray, pd.Index]:
    """Number choice sets in the order in which they first appear.

    Parameters
    ----------
    sets : array_like, shape (n_rows,), or DataFrame, shape (n_rows, k)
    n_rows : int

    Returns
    -------
    codes : ndarray of intp, shape (n_rows,)
    labels : pandas.Index or pandas.MultiIndex, length n_sets

    Raises
    ------
    SpecificationError
        Another number of rows, none, or missing labels.
    """
    if not isinstance(sets, pd.DataFrame):
        if np.ndim(sets) != 1:
            raise SpecificationError(
                f"sets must be one column of labels, or a DataFrame of several; it has "
                f"{np.ndim(sets)} dimensions."
            )
        sets = (sets if isinstance(sets, pd.Series) else pd.Series(sets)).to_frame("sets")
    if sets.shape[1] == 0:
        raise SpecificationError("sets has no column; name those that tell choice sets apart.")
    if len(sets) != n_rows:
        raise SpecificationError(f"sets has {len(sets)} rows, the response {n_rows}.")
    if n_rows == 0:
        raise SpecificationError("There are no rows.")
    codes = np.zeros(n_rows, dtype=np.intp)
    for position, name in enumerate(sets.columns):
        inner, inner_labels = pd.factorize(sets.iloc[:, position])
        refuse_missing(inner < 0, name, sets.index)
        # codes stay below n_rows * n_labels: numbering anew for each column rules out overflow
        codes = pd.factorize(codes * len(inner_labels) + inner)[0]
    first = np.unique(codes, return_index=True)[1]
    labels = sets.iloc[first]
    if sets.shape[1] == 1:
        return codes, pd.Index(labels.iloc[:, 0])
    return codes, pd.MultiIndex.from_frame(labels)


def say_uninformative(silent: np.ndarray, labels: pd.Index, unit: str, reason: str) -> None:
    """Warn of sets that say nothing about the parameters; refuse data that have no others.

    Parameters
    ----------
    silent : ndarray of bool, shape (n_sets,)
    labels : pandas.Index, length n_sets
    unit : str
        What a set is called.
    reason : str
        What it has, as a noun.

    Raises
    ------
    SpecificationError
        All sets are silent.

    Warns
    -----
    ModelWarning
        Some are.
    """
    if not silent.any():
        return
    if silent.all():
        raise SpecificationError(
            f"Every {unit} has {reason}: nothing can be estimated. All rows of a {unit} must have the "
            "same label."
        )
    n_silent = int(silent.sum())
    some = f"{n_silent} {unit}s have" if n_silent > 1 else f"1 {unit} has"
    example = f", for instance {show(labels[int(np.argmax(silent))])}"
    warnings.warn(
        f"{some} {reason}{example}: without information about the parameters.",
        ModelWarning,
        stacklevel=3,
    )


def _read_indicator(values: Any, name: str) -> np.ndarray:
    indicator = numbers(values, name)
    bad = (indicator != 0) & (indicator != 1)
    if bad.any():
        raise SpecificationError(
            f"'{name}' must be 1 for the chosen alternative and 0 for the others; it is "
            f"{indicator[np.argmax(bad)]:g} in row {first_row(bad, row_labels(values))}. Rankings "
            "have the family Ranking."
        )
    return indicator == 1
