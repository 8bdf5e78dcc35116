"""Checks of weights, exposure, response, covariates and random part; messages name the culprit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.elements import Level
from sm_gllamm.specification.grouping import show_label

__all__ = ["check_exposure", "check_level_weights"]


def check_exposure(exposure: np.ndarray, rows: pd.Index) -> None:
    """Refuse an exposure that has no logarithm.

    Parameters
    ----------
    exposure : ndarray, shape (nobs,)
    rows : pandas.Index, length nobs
        Row labels for the message.

    Raises
    ------
    SpecificationError
    """
    bad = ~(exposure > 0)
    if bad.any():
        row = int(np.argmax(bad))
        raise SpecificationError(
            f"exposure must be positive; it is {exposure[row]:g} in row {rows[row]!r}. "
            "Leave out rows without exposure."
        )


def check_level_weights(
    weights: Mapping[str, np.ndarray], levels: Sequence[Level], rows: pd.Index, role: str
) -> None:
    """Refuse weights that are negative, missing, all zero, or vary within a cluster of their level.

    Parameters
    ----------
    weights : mapping of level name to ndarray of shape (nobs,)
        ``"row"`` for the rows.
    levels : sequence of Level
    rows : pandas.Index, length nobs
        Row labels for the message.
    role : {"weights", "freq_weights"}
        Name of the argument, for the message.

    Raises
    ------
    SpecificationError
    """
    by_name = {level.name: level for level in levels}
    for name, values in weights.items():
        what = f"{role}[{name!r}]"
        if len(values) != len(rows):
            raise SpecificationError(f"{what} has {len(values)} entries for {len(rows)} rows.")
        bad = ~(values >= 0) | np.isinf(values)
        if bad.any():
            row = int(np.argmax(bad))
            raise SpecificationError(
                f"{what} is {values[row]:g} in row {rows[row]!r}; weights must be finite and not "
                "negative."
            )
        if not values.any():
            raise SpecificationError(f"{what} is zero in every row.")
        if name == "row":
            continue
        if name not in by_name:
            raise SpecificationError(
                f"{role} names level {name!r}, which the model does not have; its levels are "
                f"{', '.join(['row', *by_name])}."
            )
        _check_constant_in_clusters(values, by_name[name], what)


def _check_constant_in_clusters(values: np.ndarray, level: Level, what: str) -> None:
    by_cluster = np.empty(level.n_clusters)
    by_cluster[level.codes] = values
    differs = by_cluster[level.codes] != values
    if differs.any():
        row = int(np.argmax(differs))
        cluster = level.codes[row]
        raise SpecificationError(
            f"{what} must be the same in all rows of a cluster; in {level.name} = "
            f"{show_label(level.labels[cluster])} it is {values[row]:g} and "
            f"{by_cluster[cluster]:g}. Weights of rows go under 'row'."
        )
