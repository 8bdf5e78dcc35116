"""Checks of models whose responses are several rows: choice sets, rankings, composite responses."""

from __future__ import annotations

from typing import Any

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.likelihood_rows import Rows
from sm_gllamm.mapping.rows import ResponseData
from sm_gllamm.responses.densities import CODES
from sm_gllamm.specification.collinearity import collinear_columns
from sm_gllamm.specification.grouping import show_label

__all__ = ["check_alternatives", "check_mixed_columns", "check_sets"]


def check_sets(sets, levels, weights, rows) -> None:
    """Refuse sets that lie in several clusters or have several weights.

    Parameters
    ----------
    sets : ndarray of int, shape (n,)
    levels : sequence of Level
    weights : dict of str to ndarray, shape (n,)
        By level, "row" for rows.
    rows : pandas.Index or None
        Row labels.

    Raises
    ------
    SpecificationError
    """
    first = np.unique(sets, return_index=True)[1]

    def varies(values):
        return values != values[first][sets]

    def label(row):
        return repr(row if rows is None else rows[row])

    for level in levels:
        if (split := varies(level.codes)).any():
            row = int(np.argmax(split))
            raise SpecificationError(
                f"row {label(row)} is in cluster {show_label(level.labels[level.codes[row]])} of "
                f"'{level.name}', other rows of its set are not; a set lies within one cluster"
            )
    if "row" in weights and (split := varies(weights["row"])).any():
        raise SpecificationError(
            f"row {label(int(np.argmax(split)))} has another weight than the first row of its set; the "
            "rows of a set are one response and have one weight"
        )


def check_alternatives(
    sets, exog, exog_names, levels, at: Any = slice(None), member: Any = None
) -> None:
    """Refuse covariates and random effects that drop out of choices.

    Parameters
    ----------
    sets : ndarray of int, shape (n,)
        Which rows are the alternatives of a choice.
    exog : ndarray, shape (n, k)
    exog_names : sequence of str
    levels : sequence of Level
        Whose columns random effects multiply.
    at : slice or ndarray of intp, shape (n,)
        Rows of the levels that are meant.
    member : object
        Label of the family, if it is one of several; covariates that are zero in its rows are others',
        constants those of others.

    Raises
    ------
    SpecificationError
    """
    blocks = [("covariate", "the fixed part", exog, list(exog_names))]
    blocks += [
        ("random effect", f"level '{level.name}'", term.columns[at], list(term.names))
        for level in levels
        for term in level.terms
    ]
    for kind, where, columns, names in blocks:
        centred = _centred(columns, sets)
        for name, column, left in zip(names, columns.T, centred.T, strict=True):
            if member is not None and not column.any():
                continue
            if member is not None and kind == "covariate" and np.all(column == column[0]):
                continue
            if np.abs(left).max() <= 1e-10 * np.abs(column).max():
                raise SpecificationError(
                    f"{kind} '{name}' of {where} is the same for all alternatives of every set"
                    + (f" of family {member!r}" if member is not None else "")
                    + ", and drops out of the choice probabilities; multiply it by indicators of "
                    + ("alternatives, or leave it out" if member is None else
                       "alternatives, or of the families that it is meant for")
                )  # fmt: skip
        if member is None and (dependences := collinear_columns(centred, names)):
            raise SpecificationError(
                f"{where}: only differences between alternatives count, and with them "
                f"{dependences[0]}; leave one out as reference"
            )


def _centred(columns: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Columns minus their means over sets."""
    if not columns.shape[1]:
        return columns
    sizes = np.bincount(sets)
    means = np.column_stack([np.bincount(sets, column) / sizes for column in columns.T])
    return columns - means[sets]


def check_mixed_columns(data: ResponseData, rows: Rows) -> None:
    """Refuse covariates of several families that thresholds and differences of choices leave nothing of.

    Parameters
    ----------
    data : ResponseData
        Of mixed responses.
    rows : Rows
        Of the likelihood.

    Raises
    ------
    SpecificationError
    """
    columns, names = rows.exog(data.exog, data.exog_names)
    # thresholds and the like first: it is covariates that are to be left out
    order = np.roll(np.arange(len(names)), len(rows.extra_names))
    names, columns = [names[k] for k in order], columns[:, order]
    own = []
    for label, family, _, at, share in data.members:
        if getattr(family, "layout", "plain") != "cumulative":
            continue
        constant = np.zeros((len(data.y), 1))
        constant[at] = 1.0
        own.append((f"threshold[{label}]", constant))
        if "thresholds" in share.designs:
            matrix, labels = data.designs["thresholds", label]
            own += [
                (f"{name} in thresholds= of {label}", matrix[:, [k]])
                for k, name in enumerate(labels)
            ]
    columns = np.column_stack([*(rows.take(column) for _, column in own), columns])
    names = [*(name for name, _ in own), *names]
    if rows.set_size is not None:
        sets, alternatives = np.cumsum(rows.set_size > 0), rows.code == CODES["choice"]
        columns[alternatives] = _centred(
            columns[alternatives], np.unique(sets[alternatives], return_inverse=True)[1]
        )
    if dependences := collinear_columns(columns, names):
        raise SpecificationError(
            "given the thresholds of the families and differences between alternatives, which alone count "
            f"in choices, {dependences[0]}; leave it out"
        )
