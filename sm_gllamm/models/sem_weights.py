"""Weights of rows and clusters of structural equation models."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.grouping import show_label
from sm_gllamm.specification.row_arrays import weights_by_level
from sm_gllamm.survey.scaling import scale_level_weights
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["two_level_weights"]


def two_level_weights(
    data: pd.DataFrame, kept: np.ndarray, cluster: np.ndarray, name: str, weights, freq_weights,
    scaling,
) -> LevelWeights:  # fmt: skip
    """Weights of a model of two levels.

    Parameters
    ----------
    data : DataFrame
    kept : ndarray of int, shape (n,)
        Rows in use.
    cluster : ndarray of int, shape (n,)
        Of the rows in use.
    name : str
        Of the level of clusters.
    weights, freq_weights : dict of level name to str or array_like, or either of these for rows
    scaling : str, dict or None
        Of the rows' sampling weights; see :mod:`sm_gllamm.survey.scaling`.

    Returns
    -------
    LevelWeights
        Sampling weights of clusters have a mean of one.

    Raises
    ------
    SpecificationError
        Weights that are no numbers, negative, zero throughout, or vary within clusters though they are those
        of clusters.
    """
    sampling = _checked(weights, data, kept, cluster, name, "weights")
    frequency = _checked(freq_weights, data, kept, cluster, name, "freq_weights")
    by_level = scale_level_weights(sampling, {name: cluster}, scaling)
    if name in by_level:
        first = np.unique(cluster, return_index=True)[1]
        by_level[name] = by_level[name] / by_level[name][first].mean()
    total = None
    for level, values in frequency.items():
        by_level[level] = by_level.get(level, 1.0) * values
        total = values if total is None else total * values
    return LevelWeights(by_level, bool(sampling), total)


def _checked(
    given, data: pd.DataFrame, kept, cluster, name: str, role: str
) -> dict[str, np.ndarray]:
    found = weights_by_level(given, data, [name], role)
    found, data = {level: values[kept] for level, values in found.items()}, data.iloc[kept]
    for level, values in found.items():
        what = f"{role}[{level!r}]"
        bad = ~(values >= 0.0) | np.isinf(values)
        if bad.any():
            row = data.index[int(np.argmax(bad))]
            raise SpecificationError(
                f"{what} is {values[np.argmax(bad)]:g} in row {show_label(row)}; weights must be numbers "
                "from 0 on"
            )
        if not values.any():
            raise SpecificationError(f"{what} is zero in every row")
        if level != "row":
            first = np.unique(cluster, return_index=True)[1]
            differs = values[first][cluster] != values
            if differs.any():
                row = data.index[int(np.argmax(differs))]
                raise SpecificationError(
                    f"{what} must be the same in all rows of a cluster, which it is not in that of row "
                    f"{show_label(row)}; weights of rows go under 'row'"
                )
    return found
