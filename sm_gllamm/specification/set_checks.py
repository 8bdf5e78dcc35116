"""Checks of models whose responses are several rows: choice sets, rankings, composite responses."""

from __future__ import annotations

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.collinearity import collinear_columns
from sm_gllamm.specification.grouping import show_label

__all__ = ["check_sets"]


def check_sets(
    sets, levels, exog, exog_names, weights, rows, differences: bool, effects: bool
) -> None:
    """Refuse sets that lie in several clusters or have several weights, and what drops out of choices.

    Parameters
    ----------
    sets : ndarray of int, shape (n,)
    levels : sequence of Level
    exog : ndarray, shape (n, k)
    exog_names : sequence of str
    weights : dict of str to ndarray, shape (n,)
        By level, "row" for rows.
    rows : pandas.Index or None
        Row labels.
    differences : bool
        Whether only differences between the rows of a set count, as in choices.
    effects : bool
        Whether the levels' columns are what random effects multiply.

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
    if not differences:
        return
    blocks = [("covariate", "the fixed part", exog, list(exog_names))]
    if effects:
        blocks += [
            ("random effect", f"level '{level.name}'", term.columns, list(term.names))
            for level in levels
            for term in level.terms
        ]
    sizes = np.bincount(sets)
    for kind, where, columns, names in blocks:
        means = np.column_stack([np.bincount(sets, column) / sizes for column in columns.T])
        centred = columns - means[sets] if columns.shape[1] else columns
        for name, column, left in zip(names, columns.T, centred.T, strict=True):
            if np.abs(left).max() <= 1e-10 * np.abs(column).max():
                raise SpecificationError(
                    f"{kind} '{name}' of {where} is the same for all alternatives of every set, and "
                    "drops out of the choice probabilities; multiply it by indicators of alternatives, "
                    "or leave it out"
                )
        if dependences := collinear_columns(centred, names):
            raise SpecificationError(
                f"{where}: only differences between alternatives count, and with them "
                f"{dependences[0]}; leave one out as reference"
            )
