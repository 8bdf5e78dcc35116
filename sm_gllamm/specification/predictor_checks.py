"""Checks of predictors without random effects: that the data determine their coefficients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.collinearity import Dependence, collinear_columns

__all__ = ["check_predictor", "check_thresholds"]

_CONSTANT = "a constant"


def check_predictor(
    keyword: str, matrix: np.ndarray, names: Sequence[str], constant: bool = False
) -> None:
    """Refuse the design of a dispersion, zero part, scale or threshold if its columns are collinear.

    Parameters
    ----------
    keyword : str
        "dispersion", "zero", "scale", "lower", "upper" or "thresholds".
    matrix : ndarray, shape (n, r)
    names : sequence of str
    constant : bool
        Whether the predictor has a constant of its own, or one that is fixed.

    Raises
    ------
    SpecificationError
    """
    columns, labels = matrix, list(names)
    if constant:
        columns = np.column_stack([np.ones(len(matrix)), matrix])
        labels = [_CONSTANT, *labels]
    if found := collinear_columns(columns, labels):
        reason = ""
        if _CONSTANT in found[0].on:
            reason = (
                "; the thresholds are constants themselves"
                if keyword == "thresholds"
                else "; the scale of the reference rows is one"
            )
        raise SpecificationError(f"{keyword}=: {_unquoted(found[0])}{reason}. Leave it out.")


def check_thresholds(
    exog: np.ndarray, names: Sequence[str], own: Sequence[tuple[np.ndarray, Sequence[str]]]
) -> None:
    """Refuse covariates of an ordinal model that its thresholds have already.

    Parameters
    ----------
    exog : ndarray, shape (n, k)
    names : sequence of str
        Of the columns of exog.
    own : sequence of (ndarray of shape (n, 1 + r), sequence of r str)
        For each ordinal family the columns whose coefficients every threshold has: a constant, and the
        design of `thresholds`; zero in rows of other families.

    Raises
    ------
    SpecificationError

    Notes
    -----
    A threshold has the predictor ``kappa_s + v'delta_s - x'beta``. If a column of x is a linear
    combination of 1 and v, its coefficient can be moved to all the delta_s.
    """
    if not own or not exog.shape[1]:
        return
    columns = np.column_stack([*(matrix for matrix, _ in own), exog])
    labels = []
    for _, covariates in own:
        labels += [_CONSTANT, *(f"{name} in thresholds=" for name in covariates)]
    taken = set(labels)
    for found in collinear_columns(columns, [*labels, *names]):
        if found.column in taken or not taken.intersection(found.on):
            continue
        if taken.intersection(found.on) == {_CONSTANT}:
            raise SpecificationError(
                f"{_unquoted(found)}, and the thresholds of an ordinal model are its constants: leave "
                f"'{found.column}' out (of a categorical covariate one category is the reference: no '0 +' "
                "or '- 1' in the formula)."
            )
        raise SpecificationError(
            f"formula and thresholds= are not independent: {_unquoted(found)}, and so each threshold has "
            f"a coefficient of '{found.column}' already. Leave it out of one: out of the formula if its "
            "effect may differ between thresholds, out of thresholds= if it does not (proportional odds)."
        )


def _unquoted(found: Dependence) -> str:
    return str(found).replace(f"'{_CONSTANT}'", _CONSTANT)
