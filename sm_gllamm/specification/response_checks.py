"""Checks of the response against what its distribution can take."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.tools.sm_exceptions import ModelWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.grouping import show_label

__all__ = ["check_response"]


def check_response(
    endog: np.ndarray, kind: str, name: str = "endog", rows: pd.Index | None = None
) -> None:
    """Refuse responses that the distribution cannot have, or that say nothing about the model.

    Parameters
    ----------
    endog : ndarray, shape (nobs,), or (nobs, 2) for "binomial"
        Two columns are successes and failures.
    kind : {"gaussian", "bernoulli", "binomial", "poisson"}
        "bernoulli" is one trial a row.
    name : str
        Of the response, for messages.
    rows : pandas.Index, length nobs, optional
        Row labels, for messages.

    Raises
    ------
    SpecificationError
        Not numeric, missing or infinite; other than 0 and 1, negative or fractional counts, more
        successes than trials; all the same (but for counts above zero, which is a warning).

    Warns
    -----
    ModelWarning
        All counts are the same.
    """
    checks = {
        "gaussian": _check_gaussian,
        "bernoulli": _check_bernoulli,
        "binomial": _check_binomial,
        "poisson": _check_poisson,
    }
    if kind not in checks:
        raise SpecificationError(f"The kind of response {kind!r} is not known.")
    values = np.asarray(endog)
    if len(values) == 0:
        raise SpecificationError(f"The response '{name}' has no rows.")
    if values.dtype.kind not in "fiub":
        raise SpecificationError(
            f"The response '{name}' is not numeric, for instance "
            f"{show_label(values.reshape(-1)[0])}; code it as numbers."
        )
    values = values.astype(np.float64)
    columns = (2,) if kind == "binomial" else (1,)
    shape = values.reshape(len(values), -1).shape[1:]
    if shape != columns:
        raise SpecificationError(
            f"The response '{name}' has {shape[0]} columns, the {kind} distribution needs "
            f"{columns[0]}" + (" (successes, failures)." if kind == "binomial" else ".")
        )
    finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if not finite.all():
        raise SpecificationError(
            f"The response '{name}' is missing or infinite in row {_row(~finite, rows)}; use "
            "missing='drop' or correct the row."
        )
    checks[kind](values if kind == "binomial" else values.reshape(-1), name, rows)


def _check_gaussian(values: np.ndarray, name: str, rows: pd.Index | None) -> None:
    if (values == values[0]).all():
        raise SpecificationError(
            f"The response '{name}' is {values[0]:g} in every row: there is nothing to model."
        )


def _check_bernoulli(values: np.ndarray, name: str, rows: pd.Index | None) -> None:
    bad = (values != 0) & (values != 1)
    if bad.any():
        row = int(np.argmax(bad))
        raise SpecificationError(
            f"The response '{name}' is {values[row]:g} in row {_row(bad, rows)}; with one column "
            "it must be 0 or 1. Numbers of successes and failures go in two columns, ordered "
            "categories need another family."
        )
    if (values == values[0]).all():
        raise SpecificationError(
            f"The response '{name}' is {values[0]:g} in every row: no probability can be estimated."
        )


def _check_binomial(values: np.ndarray, name: str, rows: pd.Index | None) -> None:
    successes, failures = values.T
    if (failures < 0).any():
        row = int(np.argmax(failures < 0))
        raise SpecificationError(
            f"The response '{name}' has a negative number of failures, {failures[row]:g}, in row "
            f"{_row(failures < 0, rows)}: more successes than trials. The columns are successes "
            "and failures, not successes and trials."
        )
    for what, column in (("successes", successes), ("failures", failures)):
        _check_counts(column, f"{what} of the response '{name}'", rows)
    if not successes.any() or not failures.any():
        what = "successes" if not successes.any() else "failures"
        raise SpecificationError(
            f"The response '{name}' has no {what} in any row: no probability can be estimated."
        )


def _check_poisson(values: np.ndarray, name: str, rows: pd.Index | None) -> None:
    _check_counts(values, f"the response '{name}'", rows)
    if not values.any():
        raise SpecificationError(
            f"The response '{name}' is 0 in every row: the mean has no logarithm."
        )
    if (values == values[0]).all():
        warnings.warn(
            f"The response '{name}' is {values[0]:g} in every row: nothing varies between "
            "clusters.",
            ModelWarning,
            stacklevel=3,
        )


def _check_counts(values: np.ndarray, what: str, rows: pd.Index | None) -> None:
    for bad, need in ((values < 0, "not be negative"), (values != np.rint(values), "be integers")):
        if bad.any():
            row = int(np.argmax(bad))
            raise SpecificationError(
                f"Counts must {need}: {what} is {values[row]:g} in row {_row(bad, rows)}. Correct "
                "the row, or use another family."
            )


def _row(bad: np.ndarray, rows: pd.Index | None) -> Any:
    position = int(np.argmax(bad))
    return repr(position if rows is None else rows[position])
