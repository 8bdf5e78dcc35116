"""From a matrix of coded responses to the engine's problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_gllamm.engine.problem import Problem
from sm_gllamm.mapping.items import ItemLayout
from sm_gllamm.mapping.structural import StructuralMapping
from sm_gllamm.responses.densities import CODES, SETS

__all__ = ["Patterns", "PersonAssembly", "asymptotic", "collapse", "item_problem"]


@dataclass(frozen=True, slots=True)
class Patterns:
    """Persons with the same responses, group, covariates and cluster, counted together.

    Attributes
    ----------
    first : ndarray of intp, shape (n_patterns,)
        A person that has the pattern.
    of_person : ndarray of intp, shape (n_persons,)
        Pattern of each person.
    weight : ndarray, shape (n_patterns,)
        Sum of the persons' weights.
    """

    first: np.ndarray
    of_person: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, slots=True)
class PersonAssembly:
    """The engine's problem, and which persons are behind its top-level clusters.

    Attributes
    ----------
    problem : Problem
    mapping : StructuralMapping
    patterns : Patterns or None
        Of equal persons, the top-level clusters; None where clusters of persons are.
    first_row : ndarray of intp
        A person of every top-level cluster.
    source : ndarray of intp
        Persons in the order of the problem.
    """

    problem: Problem
    mapping: StructuralMapping
    patterns: Patterns | None
    first_row: np.ndarray
    source: np.ndarray
    order: None = None


def collapse(codes: np.ndarray, others: list[np.ndarray], weights: np.ndarray | None) -> Patterns:
    """Find equal rows.

    Parameters
    ----------
    codes : ndarray of int, shape (n_persons, n_items)
        -1 and up.
    others : list of ndarray, shape (n_persons,) or (n_persons, p)
        What must be equal, too.
    weights : ndarray, shape (n_persons,), or None

    Returns
    -------
    Patterns
        In the order of their responses, so that neighbours are alike.
    """
    n = len(codes)
    key = np.zeros(n, dtype=np.int64)
    size = 1
    columns = [np.asarray(column, dtype=np.int64) + 1 for column in codes.T]
    for other in others:
        for column in np.reshape(other, (n, -1)).T:
            columns.append(np.unique(column, return_inverse=True)[1].astype(np.int64))
    for column in columns:
        k = int(column.max(initial=0)) + 1
        if size > 2**62 // k:
            # numbers of the patterns so far take their place
            distinct, key = np.unique(key, return_inverse=True)
            size = len(distinct)
        key = key * k + column
        size *= k
    _, first, of_person = np.unique(key, return_index=True, return_inverse=True)
    weight = np.bincount(of_person, weights=weights, minlength=len(first)).astype(float)
    return Patterns(first, of_person, weight)


def _template(layout: ItemLayout) -> tuple[np.ndarray, np.ndarray]:
    """Item and category of each row that a person without missing responses has."""
    design = layout.design
    order = range(len(design.items))
    if design.specific_names:
        # items of a testlet together; those of none make one of their own
        order = sorted(order, key=lambda j: (design.specific[j], j))
    item, category = [], []
    for j in order:
        k = design.n_categories[j] if design.models[j].form == "divide" else 1
        item += [j] * k
        category += list(range(k))
    return np.array(item, dtype=np.intp), np.array(category, dtype=np.intp)


def item_problem(
    layout: ItemLayout,
    codes: np.ndarray,
    group: np.ndarray,
    covariates: np.ndarray | None,
    cluster: np.ndarray | None,
    person_weight: np.ndarray | None,
    cluster_weight: np.ndarray | None = None,
) -> Problem:
    """Rows of the likelihood, person by person.

    Parameters
    ----------
    layout : ItemLayout
    codes : ndarray of int, shape (n, n_items)
        Of persons sorted by cluster; every person has some response.
    group : ndarray of int, shape (n,)
    covariates : ndarray, shape (n, p), or None
        In their own units.
    cluster : ndarray of int, shape (n,), or None
        Non-decreasing.
    person_weight : ndarray, shape (n,), or None
    cluster_weight : ndarray, shape (number of clusters,), or None
    """
    design, n = layout.design, len(codes)
    item, category = _template(layout)
    responded = codes >= 0
    everything = bool(responded.all())
    present = None if everything else responded[:, item]

    def flat(values: np.ndarray) -> np.ndarray:
        return values.ravel() if present is None else values[present]

    family, in_set, wide = _families(layout, item, category)
    relative = np.array(
        [layout.first_code[0, j] + c for j, c in zip(item, category, strict=True)], dtype=np.int32
    )
    step = np.int32(len(layout.offset) // len(design.groups))
    code = flat(relative[None, :] + (group.astype(np.int32) * step)[:, None])
    y = flat(_responses(layout, codes, item, category))
    shape = (n, len(item))
    rows = len(y)
    slots = _slots(layout, codes, item, code, flat, shape)
    physical = np.empty((rows, 0))
    if layout.products:
        assert covariates is not None
        if layout.standard is not None:
            covariates = layout.standard.apply(covariates)
        of_row = flat(np.broadcast_to(np.arange(n)[:, None], shape))
        physical = np.column_stack(
            [np.prod(covariates[:, list(k)], axis=1)[of_row] for k in layout.products]
        )
    mapping = layout.mapping
    offsets = _borders(layout, item, responded, wide, cluster)
    weights: list[np.ndarray | None] = [None] * len(offsets)
    weights[int(bool(design.specific_names))] = person_weight
    if design.cluster:
        weights[-1] = cluster_weight
    return Problem(
        family=np.broadcast_to(family[0], rows)
        if (family == family[0]).all()
        else flat(np.broadcast_to(family, shape)),
        y=y,
        trials=np.broadcast_to(1.0, rows),
        constant=np.broadcast_to(0.0, rows),
        row_weight=None,
        design=physical,
        offset=layout.offset[code] if layout.offset.any() else None,
        active_column=mapping.active_column,
        active_channel=mapping.active_channel,
        cluster_offsets=tuple(offsets),
        cluster_weights=tuple(weights),
        dimensions=mapping.dimensions,
        exact=False,
        n_slots=0 if slots is None else 3 if slots[0].shape[1] == 3 else 2,
        n_constants=layout.n_constants,
        slot_channel=None if slots is None else slots[0],
        slot_base=None if slots is None else slots[1],
        set_size=flat(np.broadcast_to(in_set, shape)) if (in_set != 1).any() else None,
        products=mapping.products,
        row_code=code,
        code_table=layout.table,
        column_source=layout.source,
    )


def _families(layout: ItemLayout, item, category) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Density and size of the response of each row of the template, and rows of each item."""
    design = layout.design
    family = np.empty(len(item), dtype=np.intc)
    size = np.ones(len(item), dtype=np.intc)
    wide = np.ones(len(design.items), dtype=np.intp)
    for t, (j, c) in enumerate(zip(item, category, strict=True)):
        model = design.models[j]
        if model.form == "divide":
            family[t] = SETS["choice"]
            size[t] = design.n_categories[j] if c == 0 else 0
            wide[j] = design.n_categories[j]
        elif model.form == "graded":
            family[t] = CODES[f"cumulative_{design.link}"]
        elif asymptotic(layout, int(j)):
            family[t] = CODES["binomial_logit_asymptotes"]
        else:
            family[t] = CODES[f"binomial_{design.link}"]
    return family, size, wide


def asymptotic(layout: ItemLayout, j: int) -> bool:
    """Whether an item has asymptotes other than zero and one, free or known."""
    code = layout.first_code[:, j]
    plain = layout.asymptote_base[code] == [-1000.0, 1000.0]
    return bool((layout.asymptote_channel[code] >= 0).any() or not plain.all())


def _responses(layout: ItemLayout, codes, item, category) -> np.ndarray:
    """The engine's responses, as if none were missing."""
    design = layout.design
    out = np.empty((len(codes), len(item)))
    for t, (j, c) in enumerate(zip(item, category, strict=True)):
        response = codes[:, j]
        if design.models[j].form == "divide":
            out[:, t] = response == c
        elif design.models[j].form == "graded":
            top = design.n_categories[j] - 1
            out[:, t] = np.where(response == 0, -1.0, np.where(response == top, 1.0, 0.0))
        else:
            out[:, t] = response
    return out


def _slots(layout: ItemLayout, codes, item, code, flat, shape):
    """Channels and fixed parts of the slots of each row, None where no item has any."""
    design = layout.design
    graded = any(model.form == "graded" for model in design.models)
    bounded = [asymptotic(layout, j) for j in range(len(design.items))]
    if not graded and not any(bounded):
        return None
    width = 3 if graded else 2
    n_first = 1 + sum(layout.mapping.dimensions) + len(layout.mapping.products)
    channel = np.full((len(code), width), -1, dtype=np.intc)
    base = np.zeros((len(code), width))
    of_item = flat(np.broadcast_to(item, shape))
    responses = flat(codes[:, item])
    for j, model in enumerate(design.models):
        rows = of_item == j
        own = code[rows]
        if model.form == "graded":
            top = design.n_categories[j] - 1
            category = responses[rows].astype(np.intp)
            for slot, threshold in ((0, category), (1, category - 1)):
                # the lowest category has no lower, the highest no upper threshold
                there = (threshold >= 0) & (threshold < top)
                at = np.where(there, threshold, 0)
                number = layout.threshold_channel[own, at]
                channel[rows, slot] = np.where(there & (number >= 0), number + n_first, -1)
                base[rows, slot] = np.where(there, layout.threshold_base[own, at], 0.0)
        elif bounded[j]:
            number = layout.asymptote_channel[own]
            channel[rows, :2] = np.where(number >= 0, number + n_first, -1)
            base[rows, :2] = layout.asymptote_base[own]
    return channel, (base if base.any() else None)


def _borders(layout: ItemLayout, item, responded, wide, cluster):
    """Borders of the clusters of each level, the lowest first."""
    design = layout.design
    offsets = []
    if design.specific_names:
        testlet = np.asarray(design.specific)
        names = np.unique(testlet)
        rows = np.column_stack(
            [(responded[:, testlet == s] * wide[testlet == s]).sum(axis=1) for s in names]
        )
        there = rows > 0
        offsets.append(_edges(rows[there]))
        offsets.append(_edges(there.sum(axis=1)))
    else:
        offsets.append(_edges(responded @ wide))
    if design.cluster:
        offsets.append(_edges(np.bincount(cluster)))
    return offsets


def _edges(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
