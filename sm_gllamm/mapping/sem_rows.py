"""From responses of variables to the engine's problem of a structural equation model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sm_gllamm.engine.problem import Problem
from sm_gllamm.mapping.assemble import cluster_borders
from sm_gllamm.mapping.likelihood_rows import Rows
from sm_gllamm.mapping.sem_structure import SemMapping

__all__ = ["SemAssembly", "VariableRows", "sem_problem"]


@dataclass(frozen=True)
class VariableRows:
    """Rows of the likelihood of one variable.

    Attributes
    ----------
    level : int
        At which it varies, 0 for persons.
    person : ndarray of intp, shape (n,)
        Person behind each row; of variables of clusters one of the cluster's.
    code : ndarray of intp, shape (n,)
        Predictor of each row.
    rows : Rows
    """

    level: int
    person: np.ndarray
    code: np.ndarray
    rows: Rows

    def of_persons(self, chosen: np.ndarray) -> VariableRows:
        """Rows of some persons.

        Parameters
        ----------
        chosen : ndarray of bool, shape (n_persons,)
        """
        at = np.flatnonzero(chosen[self.person])
        return replace(self, person=self.person[at], code=self.code[at], rows=self.rows.at(at))


@dataclass(frozen=True)
class SemAssembly:
    """A sorted problem, and what its rows and top-level clusters are.

    Attributes
    ----------
    problem : Problem
    mapping : SemMapping
    variable, person : ndarray of intp, shape (n_rows,)
        Which of the variables each row belongs to, and its person.
    first_person : ndarray of intp, shape (n_top,)
        A person of each top-level cluster.
    pattern : ndarray of intp, shape (n_persons,), or None
        Top-level cluster of each person where equal persons are counted together.
    """

    problem: Problem
    mapping: SemMapping
    variable: np.ndarray
    person: np.ndarray
    first_person: np.ndarray
    pattern: np.ndarray | None = None


def sem_problem(
    mapping: SemMapping,
    variables: Sequence[VariableRows],
    covariates: np.ndarray,
    clusters: Sequence[np.ndarray],
    weights: Sequence[np.ndarray | None],
    exact: bool,
    silent: Sequence[int] = (),
) -> SemAssembly:
    """Rows sorted by clusters, with their factored design.

    Parameters
    ----------
    mapping : SemMapping
    variables : sequence of VariableRows
    covariates : ndarray, shape (n_persons, k)
    clusters : sequence of ndarray of int, shape (n_persons,)
        Of the levels above persons, the lowest first.
    weights : sequence of (ndarray, shape (n_persons,), or None)
        Of the levels from persons on.
    exact : bool
        Whether all responses are normal with identity link.
    silent : sequence of int
        Variables whose rows have a weight of zero.
    """
    person = np.concatenate([v.person for v in variables])
    level = np.concatenate([np.full(len(v.person), v.level) for v in variables])
    code = np.concatenate([v.code for v in variables]).astype(np.intc)
    variable = np.repeat(np.arange(len(variables)), [len(v.person) for v in variables])
    units = [_units(e, person, level, clusters) for e in mapping.levels]
    order = np.lexsort((variable, *units))
    person, code, variable = person[order], code[order], variable[order]
    borders, first_rows = cluster_borders([unit[order] for unit in units])

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(v.rows, name) for v in variables])[order]

    entry = None
    if any(v.rows.entry is not None for v in variables):
        # durations and limits alone know times of late entry
        own = [np.zeros(len(v.person)) if v.rows.entry is None else v.rows.entry for v in variables]
        entry = np.concatenate(own)[order]
    channel, base = _slots(mapping, variables)
    row_weight = None
    if weights[0] is not None and mapping.levels[0] > 0:
        row_weight = np.where(level[order] == 0, weights[0][person], 1.0)
    if silent:
        row_weight = np.ones(len(order)) if row_weight is None else row_weight
        row_weight[np.isin(variable, silent)] = 0.0
    by_cluster = []
    for e, first in zip(mapping.levels, first_rows, strict=True):
        own = weights[e]
        if own is not None:
            # clusters of a single row of a higher level stand for none of this one
            own = np.where(level[order][first] <= e, own[person[first]], 1.0)
        by_cluster.append(own)
    if mapping.covariates:
        design = np.column_stack(
            [np.prod(covariates[:, list(own)], axis=1) for own in mapping.covariates]
        )[person]
    else:
        design = np.empty((len(order), 0))
    problem = Problem(
        family=joined("code").astype(np.intc),
        y=joined("y"),
        trials=joined("m"),
        constant=joined("constant"),
        row_weight=row_weight,
        design=design,
        offset=None,
        active_column=mapping.active_column,
        active_channel=mapping.active_channel,
        cluster_offsets=tuple(borders),
        cluster_weights=tuple(by_cluster),
        dimensions=mapping.dimensions,
        exact=exact and not mapping.products,
        n_slots=0 if channel is None else channel.shape[1],
        n_constants=mapping.n_constants,
        slot_channel=None if channel is None else np.ascontiguousarray(channel[order]),
        slot_base=None if base is None else np.ascontiguousarray(base[order]),
        entry=entry,
        products=mapping.products,
        row_code=code,
        code_table=mapping.table,
        column_source=mapping.source,
    )
    return SemAssembly(problem, mapping, variable, person, person[first_rows[-1]])


def _units(e: int, person, level, clusters) -> np.ndarray:
    """Cluster of each row at a level; rows of levels above are clusters of their own."""
    n = len(clusters[0]) if clusters else int(person.max()) + 1
    out = person.copy() if e == 0 else clusters[e - 1][person]
    above = level > e
    if above.any():
        behind = n + int(out.max()) + 1
        for high in np.unique(level[above]):
            here = level == high
            own = clusters[high - 1][person[here]]
            out[here] = behind + own
            behind += int(own.max()) + 1
    return out


def _slots(mapping: SemMapping, variables) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Channels and fixed parts of the slots of all rows, None where there are none."""
    width = max((v.rows.n_slots for v in variables), default=0)
    if not width:
        return None, None
    most = max(len(own) for own in mapping.slot_numbers)
    numbers = np.full((len(mapping.slot_numbers), most + 1), -1)
    for code, own in enumerate(mapping.slot_numbers):
        numbers[code, : len(own)] = own
    behind = 1 + sum(mapping.dimensions) + len(mapping.products)
    channels, bases = [], []
    for v in variables:
        n, own = len(v.person), v.rows.n_slots
        channel, base = np.full((n, width), -1, dtype=np.intc), np.zeros((n, width))
        slot = np.empty((n, own), dtype=np.intp)
        slot[:] = np.arange(own) if v.rows.slot_channel is None else v.rows.slot_channel
        found = numbers[v.code[:, None], slot]
        channel[:, :own] = np.where((slot >= 0) & (found >= 0), found + behind, -1)
        if v.rows.slot_base is not None:
            base[:, :own] = v.rows.slot_base
        channels.append(channel)
        bases.append(base)
    base = np.concatenate(bases)
    return np.concatenate(channels), base if base.any() else None
