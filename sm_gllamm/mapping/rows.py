"""From responses to the rows of the likelihood: one function a layout.

A response may be one row (a count), several rows with a joint density (a choice), or several rows that
are independent given the random effects (the stages of a continuation-ratio model, the two parts of a
hurdle model).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sm_gllamm.mapping.likelihood_rows import Copy, Rows, concatenated
from sm_gllamm.mapping.slots import SlotBlock, constant_block, formula_block, threshold_block
from sm_gllamm.preparation.best_worst import expand_best_worst
from sm_gllamm.preparation.expansions import category_rows, sequential_rows
from sm_gllamm.preparation.rankings import expand_rankings
from sm_gllamm.responses.densities import CODES
from sm_gllamm.responses.families import known_slots

__all__ = ["ResponseData", "rows_of"]


@dataclass(frozen=True, slots=True)
class ResponseData:
    """Responses and designs as the model has them, one entry a row of data.

    Attributes
    ----------
    y, m : ndarray, shape (n,)
        Response (category codes from 0 on for categorical ones); denominators or upper bounds.
    exog : ndarray, shape (n, k)
    exog_names : list of str
    offset : ndarray, shape (n,), or None
    designs : dict of str to (ndarray of shape (n, r), list of str)
        Designs of the predictors without random effects: "dispersion", "zero", "thresholds", "scale",
        "lower", "upper".
        Of mixed responses the keys are (str, label of the family), with zeros in other families' rows.
    labels : tuple
        Categories in the order of their codes, the reference category of unordered ones first.
    sets : ndarray of int, shape (n,), or None
        Which rows are one response; of mixed responses those of other families are one each.
    entry : ndarray, shape (n,), or None
        Times of late entry.
    parts : ndarray, shape (n,), or None
        Weights of composite responses.
    links : ndarray of intc, shape (n,), or None
        Links of composite responses.
    members : tuple of (label, family, Response, ndarray of intp, ResponseData)
        Of mixed responses: each family with its rows and its share of the data.
    used : dict
        Of mixed responses of which some have several predictors: which columns each of these has (see
        :class:`sm_gllamm.mapping.likelihood_rows.Rows`).
    """

    y: np.ndarray
    m: np.ndarray
    exog: np.ndarray
    exog_names: list[str]
    offset: np.ndarray | None = None
    designs: dict[Any, tuple[np.ndarray, list[str]]] = field(default_factory=dict)
    labels: tuple = ()
    sets: np.ndarray | None = None
    entry: np.ndarray | None = None
    parts: np.ndarray | None = None
    links: np.ndarray | None = None
    members: tuple = ()
    used: dict[Any, np.ndarray] = field(default_factory=dict)

    def take(self, at: np.ndarray) -> ResponseData:
        """The chosen rows, in increasing order.

        Parameters
        ----------
        at : ndarray of intp, shape (m,)
        """
        place = np.full(len(self.y), -1, dtype=np.intp)
        place[at] = np.arange(len(at))
        members = []
        for label, family, response, rows, share in self.members:
            inside = np.flatnonzero(place[rows] >= 0)
            members.append((label, family, response, place[rows[inside]], share.take(inside)))
        by_row = ("y", "m", "exog", "offset", "entry", "parts", "links")
        taken = {name: getattr(self, name) for name in by_row}
        sets = None if self.sets is None else np.unique(self.sets[at], return_inverse=True)[1]
        return replace(
            self,
            sets=sets,
            designs={key: (matrix[at], names) for key, (matrix, names) in self.designs.items()},
            members=tuple(members),
            **{name: None if value is None else value[at] for name, value in taken.items()},
        )


#: Covariates as they stand.
_SINGLE = (Copy(),)


def _slots(slots, data: ResponseData) -> tuple[SlotBlock, ...]:
    """Blocks of a response's slots, with a channel each."""
    return tuple(
        formula_block(slot, channel, data.designs[slot.name][1])
        if slot.name in data.designs
        else constant_block(slot, channel)
        for channel, slot in enumerate(slots)
    )


def _plain(family, response, data: ResponseData) -> Rows:
    """One row a response."""
    n, known = len(data.y), known_slots(family)
    free = [slot for slot in response.slots if slot.name not in known]
    base = channel = None
    if len(free) < len(response.slots):
        values = [known.get(slot.name, 0.0) for slot in response.slots]
        numbers = [free.index(slot) if slot in free else -1 for slot in response.slots]
        base, channel = np.tile(values, (n, 1)), np.tile(np.array(numbers, dtype=np.intc), (n, 1))
    return Rows(
        None, np.full(n, response.code, dtype=np.intc), data.y, data.m,
        response.constant(data.y, data.m), _slots(free, data), len(response.slots), len(free), channel,
        slot_base=base, entry=data.entry,
    )  # fmt: skip


def _cumulative(family, response, data: ResponseData) -> Rows:
    """Categories between an upper and a lower threshold."""
    y, top = data.y.astype(np.intc), len(data.labels) - 1
    covariates = data.designs.get("thresholds", (None, []))[1]
    slots = [threshold_block(data.labels, family.thresholds, covariates)]
    channel = np.full((len(y), 3), -1, dtype=np.intc)
    channel[:, 0] = np.where(y < top, y, -1)
    channel[:, 1] = y - 1
    constants = top
    if "scale" in data.designs:
        slots.append(formula_block(response.slots[0], top, data.designs["scale"][1]))
        channel[:, 2] = top
        constants += 1
    position = np.where(y == 0, -1.0, np.where(y == top, 1.0, 0.0))
    return Rows(
        None, np.full(len(y), response.code, dtype=np.intc), position, data.m, np.zeros(len(y)),
        tuple(slots), 3, constants, channel,
    )  # fmt: skip


def _thresholds(labels) -> tuple[str, ...]:
    return threshold_block(labels, "free").names


def _sequential(family, response, data: ResponseData) -> Rows:
    """Stages of a continuation-ratio model: binary rows until the response stops."""
    stages = sequential_rows(data.y.astype(np.intp), len(data.labels))
    n = len(stages.source)
    return Rows(
        stages.source, np.full(n, response.code, dtype=np.intc), stages.y, np.ones(n), np.zeros(n),
        copies=(Copy("", np.full(n, -1.0)),),
        extra=(stages.stage[:, None] == np.arange(len(data.labels) - 1)).astype(float),
        extra_names=_thresholds(data.labels),
    )  # fmt: skip


def _adjacent(family, response, data: ResponseData) -> Rows:
    """Categories as alternatives with predictors s nu - sum of thresholds up to s."""
    k = len(data.labels)
    rows = category_rows(data.y.astype(np.intp), k)
    return _alternatives(
        rows.source, rows.chosen, np.full(len(data.y), k), (Copy("", rows.category.astype(float)),),
        -(rows.category[:, None] > np.arange(k - 1)).astype(float), _thresholds(data.labels),
    )  # fmt: skip


def _nominal(family, response, data: ResponseData) -> Rows:
    """Categories as alternatives with coefficients of their own; those of the base, the first, are zero."""
    k = len(data.labels)
    rows = category_rows(data.y.astype(np.intp), k)
    copies = tuple(
        Copy(f":{data.labels[c]}", (rows.category == c).astype(float)) for c in range(1, k)
    )
    return _alternatives(rows.source, rows.chosen, np.full(len(data.y), k), copies)


def _choice(family, response, data: ResponseData) -> Rows:
    """Alternatives of choice sets, sorted by set."""
    source = np.argsort(data.sets, kind="stable")
    return _alternatives(source, data.y[source], np.bincount(data.sets))


def _ranking(family, response, data: ResponseData) -> Rows:
    """Stages of rankings: each a choice among the alternatives that are not ranked yet."""
    stages = expand_rankings(data.y, data.sets, ties=family.ties)
    return _alternatives(
        stages.source, stages.chosen, stages.sizes, offset=stages.offset, constant=stages.constant
    )


def _best_worst(family, response, data: ResponseData) -> Rows:
    """The best among all, then the worst among the rest with utilities of the other sign."""
    stages = expand_best_worst(data.y == 1, data.y == -1, data.sets)
    return _alternatives(
        stages.source, stages.chosen, stages.sizes, (Copy("", stages.sign.astype(float)),)
    )


def _alternatives(
    source, chosen, sizes, copies=_SINGLE, extra=None, extra_names=(), offset=None, constant=None
) -> Rows:
    """Rows of choices; `sizes` counts the alternatives of each."""
    n = len(source)
    set_size = np.zeros(n, dtype=np.intc)
    set_size[np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)] = sizes
    at_first = np.zeros(n)
    if constant is not None:
        at_first[set_size > 0] = constant
    return Rows(
        source, np.full(n, CODES["choice"], dtype=np.intc), chosen.astype(float), np.ones(n), at_first,
        copies=copies, extra=extra, extra_names=tuple(extra_names), set_size=set_size, offset=offset,
    )  # fmt: skip


def _hurdle(family, response, data: ResponseData) -> Rows:
    """A binary row for every response (zero or not), a truncated count for those above zero."""
    n, above = len(data.y), np.flatnonzero(data.y > 0)
    source = np.concatenate([np.arange(n), above])
    order = np.argsort(source, kind="stable")
    source = source[order]
    is_count = np.concatenate([np.zeros(n), np.ones(len(above))])[order]
    zero = np.concatenate([(data.y == 0).astype(float), data.y[above]])[order]
    design, names = data.designs.get("zero", (np.ones((n, 1)), ["Intercept"]))
    constant = np.where(is_count > 0, response.constant(zero, data.m[source]), 0.0)
    channel = None
    slots = tuple(block for block in _slots(response.slots, data) if block.slot != "zero")
    k = len(slots)
    if k:
        channel = np.where(is_count > 0, 0, -1).astype(np.intc)[:, None]
    return Rows(
        source, np.where(is_count > 0, response.code, CODES["binomial_logit"]).astype(np.intc), zero,
        np.ones(len(source)), constant, slots, k, k, channel, copies=(Copy("", is_count),),
        extra=design[source] * (1.0 - is_count)[:, None],
        extra_names=tuple(f"zero:{name}" for name in names),
    )  # fmt: skip


def _composite(family, response, data: ResponseData) -> Rows:
    """Rows of composite responses, sorted by response."""
    source = np.argsort(data.sets, kind="stable")
    sizes = np.bincount(data.sets)
    set_size = np.zeros(len(source), dtype=np.intc)
    set_size[np.concatenate([[0], np.cumsum(sizes)[:-1]])] = sizes
    y, m = data.y[source], data.m[source]
    k = len(response.slots)
    return Rows(
        source, np.full(len(source), response.code, dtype=np.intc), y, m, response.constant(y, m),
        _slots(response.slots, data), k, k, set_size=set_size, part=data.parts[source],
        link=data.links[source],
    )  # fmt: skip


def _mixed(family, response, data: ResponseData) -> Rows:
    """Rows of several families, each with its own dispersions, thresholds and sets."""
    parts, first = [], 0
    for label, member, its_response, at, share in data.members:
        own = rows_of(member, its_response, share)
        parts.append(replace(own.of_member(label, first), source=at[own.sources]))
        first += own.n_constants
    return replace(concatenated(parts).in_order_of_source(len(data.y)), used=data.used)


LAYOUTS: dict[str, Callable] = {
    "plain": _plain,
    "interval": _plain,
    "cumulative": _cumulative,
    "sequential": _sequential,
    "adjacent": _adjacent,
    "nominal": _nominal,
    "choice": _choice,
    "ranking": _ranking,
    "best_worst": _best_worst,
    "hurdle": _hurdle,
    "composite": _composite,
    "mixed": _mixed,
}


def rows_of(family, response, data: ResponseData) -> Rows:
    """The rows of the likelihood of a model's responses.

    Parameters
    ----------
    family : statsmodels family or Family
    response : Response
    data : ResponseData
    """
    return LAYOUTS[getattr(family, "layout", "plain")](family, response, data)
