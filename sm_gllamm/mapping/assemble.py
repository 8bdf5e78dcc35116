"""From rows of the likelihood to a sorted engine problem, with the mapping of its parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_gllamm.engine.problem import Problem
from sm_gllamm.mapping.blocks import ParameterBlocks
from sm_gllamm.mapping.glmm import GLMMMapping

__all__ = [
    "Assembly",
    "ColumnUnion",
    "assemble",
    "cluster_borders",
    "lay_out_mixed",
    "slot_places",
]

#: Up to this many rows columns are compared as wholes.
FEW_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Assembly:
    """A sorted problem and the way back.

    Attributes
    ----------
    problem : Problem
    mapping : ParameterBlocks
    order : ndarray of intp, shape (n,), or None
        Row of the likelihood, before sorting, at each sorted position; None when they were sorted.
    source : ndarray of intp, shape (n,), or None
        Row of the user's data behind each sorted row; None when they are the same.
    cluster_codes : tuple of ndarray, each shape (J_l,)
        User's cluster code at each sorted cluster position, lowest level first.
    """

    problem: Problem
    mapping: ParameterBlocks
    order: np.ndarray | None
    source: np.ndarray | None
    cluster_codes: tuple[np.ndarray, ...]

    @property
    def first_row(self) -> np.ndarray:
        """User's row that stands for a top-level cluster, the first of the sorted ones, shape (n_top,)."""
        rows = self.problem.rows_of_top
        first = np.concatenate([[0], np.cumsum(rows)[:-1]])
        return first if self.source is None else self.source[first]

    def unsort(self, values: np.ndarray) -> np.ndarray:
        """Row values in the order before sorting."""
        if self.order is None:
            return values
        out = np.empty_like(values)
        out[self.order] = values
        return out


def cluster_borders(codes: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
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


class ColumnUnion:
    """Columns of a design, each once."""

    def __init__(self, exog: np.ndarray):
        self.exog, self.extra = exog, []
        # columns are equal only if they are in these rows
        self._sample: Any = slice(None)
        if len(exog) > FEW_ROWS:
            self._sample = np.random.default_rng(1).integers(0, len(exog), 256)
        self._places: dict[bytes, list[int]] = {}
        for k, column in enumerate(exog.T):
            self._places.setdefault(self._mark(column), []).append(k)

    def _mark(self, column: np.ndarray) -> bytes:
        # no negative zeros
        return (column[self._sample] + 0.0).tobytes()

    def _column(self, place: int) -> np.ndarray:
        k = self.exog.shape[1]
        return self.exog[:, place] if place < k else self.extra[place - k]

    def place(self, column: np.ndarray) -> int:
        """Position of a column, which is added if it is new; -1 for the constant 1."""
        places = self._places.setdefault(self._mark(column), [])
        for place in places:
            if np.array_equal(self._column(place), column):
                return place
        if np.all(column == 1.0):
            return -1
        self.extra.append(column)
        places.append(self.exog.shape[1] + len(self.extra) - 1)
        return places[-1]

    @property
    def design(self) -> np.ndarray:
        return np.column_stack([self.exog, *self.extra]) if self.extra else self.exog


def lay_out_mixed(data, rows, levels, exog, exog_names) -> tuple[np.ndarray, GLMMMapping]:
    """Union of all design columns, and the parameters that go with them."""
    union = ColumnUnion(exog)
    random = []
    for level in levels:
        terms = []
        for number, term in enumerate(level.terms):
            columns, names = rows.columns(term.columns, list(term.names), (level.name, number))
            where = [union.place(column) for column in columns.T]
            structure = term.structure if len(names) == len(term.names) else term.asked
            terms.append((structure, names, term.label, where))
        random.append((level.name, terms))
    slots = slot_places(data, rows, union)
    mapping = GLMMMapping(exog_names, list(range(exog.shape[1])), random, slots)
    return union.design, mapping


def slot_places(data, rows, union: ColumnUnion) -> list[tuple]:
    """Each block of parameters of the slots with the columns of its entries."""
    slots = []
    for block in rows.slots:
        where = []
        for entry in block.entries:
            if entry.design is None:
                where.append(-1)
            else:
                where.append(union.place(rows.take(data.designs[entry.design][0][:, entry.column])))
        slots.append((block, where))
    return slots


def assemble(
    data, rows, levels, exact: bool, weights, lay_out: Callable = lay_out_mixed
) -> Assembly:
    """Sort, find the clusters, and lay out the parameters.

    Parameters
    ----------
    data : ResponseData
    rows : Rows
        Of the likelihood, in the order of the data.
    levels : tuple of Level
        Lowest first, by row of the data.
    exact : bool
        Whether all rows are gaussian with identity link.
    weights : dict
        "row" or a level's name to weights by row of the data, constant within the level's clusters.
    lay_out : callable
        Takes data, rows, levels, the likelihood's exog and its names; returns all design columns and
        the mapping of the parameters.
    """
    exog, exog_names = rows.exog(data.exog, data.exog_names)
    design, mapping = lay_out(data, rows, levels, exog, exog_names)
    codes = [rows.take(level.codes) for level in levels]
    order = np.lexsort(codes)
    if np.array_equal(order, np.arange(len(order))):
        order = None

    def take(values, from_data=False):
        if values is None:
            return None
        if from_data:
            values = rows.take(values)
        return np.ascontiguousarray(values if order is None else values[order])

    codes = [take(code) for code in codes]
    offsets, first_rows = cluster_borders(codes)
    cluster_weights = []
    for level, first in zip(levels, first_rows, strict=True):
        by_row = take(weights.get(level.name), True)
        cluster_weights.append(None if by_row is None else np.ascontiguousarray(by_row[first]))
    offset = take(rows.in_predictor(data.offset))
    if rows.offset is not None:
        offset = take(rows.offset) + (0.0 if offset is None else offset)
    channel = None
    if rows.slot_channel is not None:
        # numbers of predictors to channels: behind the constant and the latent variables
        behind = 1 + sum(mapping.dimensions) + len(mapping.products)
        channel = take(
            np.where(rows.slot_channel >= 0, rows.slot_channel + behind, -1).astype(np.intc)
        )
    problem = Problem(
        family=take(rows.code),
        y=take(np.asarray(rows.y, dtype=float)),
        trials=take(np.asarray(rows.m, dtype=float)),
        constant=take(rows.constant),
        row_weight=take(weights.get("row"), True),
        design=design if order is None else design[order],
        offset=offset,
        active_column=mapping.active_column,
        active_channel=mapping.active_channel,
        cluster_offsets=tuple(offsets),
        cluster_weights=tuple(cluster_weights),
        dimensions=mapping.dimensions,
        exact=exact and not mapping.products,
        n_slots=rows.n_slots,
        n_constants=rows.n_constants,
        slot_channel=channel,
        slot_base=take(rows.slot_base),
        set_size=take(rows.set_size),
        entry=take(rows.entry),
        link=take(rows.link),
        part=take(rows.part),
        products=mapping.products,
    )
    source = rows.source
    if order is not None:
        source = order if source is None else source[order]
    return Assembly(
        problem,
        mapping,
        order,
        source,
        tuple(code[first] for code, first in zip(codes, first_rows, strict=True)),
    )
