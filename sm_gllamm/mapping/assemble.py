"""From rows in the user's order to a sorted engine problem, with the mapping of its parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_gllamm.engine.problem import Problem
from sm_gllamm.mapping.glmm import GLMMMapping

__all__ = ["Assembly", "assemble"]


@dataclass(frozen=True, slots=True)
class Assembly:
    """A sorted problem and the way back.

    Attributes
    ----------
    problem : Problem
    mapping : GLMMMapping
    order : ndarray of intp, shape (n,), or None
        Row of the user's data at each sorted position; None when the data are sorted already.
    cluster_codes : tuple of ndarray, each shape (J_l,)
        User's cluster code at each sorted cluster position, lowest level first.
    first_row : ndarray of intp, shape (n_top,)
        User's row that stands for a top-level cluster (its first in sorted order).
    """

    problem: Problem
    mapping: GLMMMapping
    order: np.ndarray | None
    cluster_codes: tuple[np.ndarray, ...]
    first_row: np.ndarray

    def unsort(self, values: np.ndarray) -> np.ndarray:
        """Row values in the user's order."""
        if self.order is None:
            return values
        out = np.empty_like(values)
        out[self.order] = values
        return out


def _offsets(codes: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Cluster borders of sorted rows (codes lowest level first): units below, and first rows."""
    n = len(codes[0])
    changed = np.zeros(n, dtype=bool)
    changed[0] = True
    first_rows = []
    for code in reversed(codes):
        changed = changed.copy()
        changed[1:] |= code[1:] != code[:-1]
        first_rows.insert(0, np.flatnonzero(changed))
    offsets = []
    below = np.arange(n + 1)
    for first in first_rows:
        borders = np.append(first, n)
        offsets.append(np.searchsorted(below, borders).astype(np.intp))
        below = borders
    return offsets, first_rows


def _design(exog: np.ndarray, levels) -> tuple[np.ndarray, list[list[list[int]]]]:
    """Union of exog's and the random-effects columns, and where each term's columns are."""
    extra: list[np.ndarray] = []
    places = []
    for level in levels:
        places.append([])
        for term in level.terms:
            columns = []
            for column in term.columns.T:
                for k in range(exog.shape[1]):
                    if exog[0, k] == column[0] and np.array_equal(exog[:, k], column):
                        columns.append(k)
                        break
                else:
                    if np.all(column == 1.0):
                        columns.append(-1)
                        continue
                    for k, known in enumerate(extra):
                        if np.array_equal(known, column):
                            columns.append(exog.shape[1] + k)
                            break
                    else:
                        columns.append(exog.shape[1] + len(extra))
                        extra.append(column)
            places[-1].append(columns)
    design = np.column_stack([exog, *extra]) if extra else exog
    return design, places


def assemble(endog, trials, exog, exog_names, levels, response, offset, weights) -> Assembly:
    """Sort, find the clusters, and lay out the parameters.

    Parameters
    ----------
    endog, trials : ndarray, shape (n,)
        Values or counts of successes, and binomial denominators.
    exog : ndarray, shape (n, k)
    exog_names : list of str
    levels : tuple of Level
        Lowest first.
    response : Response
    offset : ndarray, shape (n,), or None
    weights : dict
        "row" or a level's name to weights by row, shape (n,), constant within the level's clusters.
    """
    codes = [level.codes for level in levels]
    order = np.lexsort(codes)
    if np.array_equal(order, np.arange(len(order))):
        order = None

    def take(values):
        return (
            None
            if values is None
            else np.ascontiguousarray(values if order is None else values[order])
        )

    codes = [take(code) for code in codes]
    offsets, first_rows = _offsets(codes)
    design, places = _design(exog, levels)
    if order is not None:
        design = design[order]
    y, m = take(np.asarray(endog, dtype=float)), take(np.asarray(trials, dtype=float))
    row_weight = take(weights.get("row"))
    cluster_weights = []
    for level, first in zip(levels, first_rows, strict=True):
        by_row = take(weights.get(level.name))
        cluster_weights.append(None if by_row is None else np.ascontiguousarray(by_row[first]))
    mapping = GLMMMapping(
        exog_names,
        list(range(exog.shape[1])),
        [
            (
                level.name,
                [
                    (t.structure, t.names, t.label, columns)
                    for t, columns in zip(level.terms, place, strict=True)
                ],
            )
            for level, place in zip(levels, places, strict=True)
        ],
        response.dispersion,
    )
    problem = Problem(
        family=np.full(len(y), response.code, dtype=np.intc),
        y=y,
        trials=m,
        constant=response.constant(y, m),
        row_weight=row_weight,
        design=design,
        offset=take(offset),
        active_column=mapping.active_column,
        active_channel=mapping.active_channel,
        cluster_offsets=tuple(offsets),
        cluster_weights=tuple(cluster_weights),
        dimensions=mapping.dimensions,
        dispersion=response.dispersion,
        exact=response.exact,
    )
    top_first = first_rows[-1]
    return Assembly(
        problem,
        mapping,
        order,
        tuple(code[first] for code, first in zip(codes, first_rows, strict=True)),
        top_first if order is None else order[top_first],
    )
