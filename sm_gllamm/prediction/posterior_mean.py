"""Mean response in known clusters: the inverse link integrated over the posterior.

New rows of known clusters join the rows of the fit with weight zero: they do not change the
posterior, and the engine's posterior expectation of the inverse link holds for them as for any
other row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.marginal import MarginalLikelihood, Quadrature
from sm_gllamm.mapping.assemble import Assembly, assemble
from sm_gllamm.mapping.rows import rows_of
from sm_gllamm.prediction.means import marginal_mean
from sm_gllamm.prediction.rows import PredictionRows
from sm_gllamm.responses.links import LINK_CODES
from sm_gllamm.specification.elements import Level
from sm_gllamm.specification.grouping import show_label

__all__ = ["check_nesting", "posterior_response"]

#: Least number of nodes at a level where rows' clusters are unknown: it integrates over the prior.
PRIOR_POINTS = 20


def check_nesting(fitted: tuple[Level, ...], rows: PredictionRows) -> None:
    """Refuse new rows that put a known cluster into another one than it was in.

    Raises
    ------
    SpecificationError
    """
    for lower, upper, old_lower, old_upper in zip(
        rows.levels, rows.levels[1:], fitted, fitted[1:], strict=False
    ):
        parent = np.full(len(lower.labels) + 1, -1, dtype=np.intp)
        parent[old_lower.codes] = old_upper.codes
        wrong = (lower.codes >= 0) & (parent[lower.codes] != upper.codes)
        if wrong.any():
            row = int(np.argmax(wrong))
            cluster = show_label(lower.labels[lower.codes[row]])
            was = show_label(upper.labels[parent[lower.codes[row]]])
            raise SpecificationError(
                f"row {row} of the new data: {lower.name} = {cluster} belongs to {upper.name} = "
                f"{was} in the data of the model, but not here"
            )


def _new_codes(rows: PredictionRows) -> list[np.ndarray]:
    """Codes with one extra cluster in each known cluster above for the rows in unknown ones."""
    codes = [rows.levels[-1].codes]
    for level in rows.levels[-2::-1]:
        codes.insert(0, np.where(level.codes >= 0, level.codes, level.n_clusters + codes[0]))
    return codes


def _joined(model, rows: PredictionRows, old: np.ndarray) -> Assembly:
    """The rows `old` of the fit and the new rows, these with weight zero, as one sorted problem."""
    n_new, data = len(rows.exog), model.responses

    def join(before, after):
        return None if before is None else np.concatenate([before[old], after])

    def repeat(values):
        # with weight zero any value does
        return join(values, None if values is None else np.repeat(values[:1], n_new, axis=0))

    of_rows = model.weights.by_level.get("row", np.ones(len(data.y)))
    levels, weights = [], {"row": join(of_rows, np.zeros(n_new))}
    for level, new, codes in zip(model.random, rows.levels, _new_codes(rows), strict=True):
        terms = tuple(
            replace(term, columns=join(term.columns, other.columns))
            for term, other in zip(level.terms, new.terms, strict=True)
        )
        levels.append(Level(level.name, join(level.codes, codes), level.labels, terms))
        by_row = model.weights.by_level.get(level.name)
        if by_row is not None:
            of_cluster = np.ones(codes.max() + 1 + level.n_clusters)
            of_cluster[level.codes] = by_row
            weights[level.name] = join(by_row, of_cluster[codes])
    offset = None
    if data.offset is not None or rows.offset is not None:
        before = np.zeros(len(data.y)) if data.offset is None else data.offset
        offset = join(before, np.zeros(n_new) if rows.offset is None else rows.offset)
    joined = replace(
        data, y=repeat(data.y), m=repeat(data.m), exog=join(data.exog, rows.exog), offset=offset,
        entry=repeat(data.entry),
        designs={key: (repeat(matrix), names) for key, (matrix, names) in data.designs.items()},
    )  # fmt: skip
    layout = rows_of(model.family, model.response, joined)
    return assemble(joined, layout, tuple(levels), model.response.exact, weights)


def _quadrature(quadrature: Quadrature, used: np.ndarray, unknown: list[bool]) -> Quadrature:
    """Rules of the fit for the top-level clusters in use, finer where clusters are unknown."""
    rules = tuple(
        tuple(
            replace(rule, points=max(rule.points, PRIOR_POINTS))
            if lacking and rule.kind == "hermite"
            else rule
            for rule, lacking in zip(levels, unknown, strict=True)
        )
        for levels in quadrature.rules
    )
    assignment = None if quadrature.assignment is None else quadrature.assignment[used]
    return Quadrature(quadrature.placement, rules, assignment)


def _link_codes(model, n: int) -> np.ndarray:
    """The kernel's code of the link for each of n rows."""
    return np.full(n, LINK_CODES[model.response.link], dtype=np.intc)


def _response_of_new_rows(
    model, rows: PredictionRows, quadrature: Quadrature
) -> Callable[[np.ndarray], np.ndarray]:
    """Posterior mean as a function of theta; complete rows, known top-level clusters."""
    # sorted order of top-level clusters is that of their codes
    used = np.unique(rows.levels[-1].codes)
    assembly = _joined(model, rows, np.isin(model.random[-1].codes, used))
    likelihood = MarginalLikelihood(assembly.problem, assembly.mapping, model.n_threads)
    unknown = [bool((level.codes < 0).any()) for level in rows.levels]
    likelihood.use(_quadrature(quadrature, used, unknown))
    n, links = len(rows.exog), _link_codes(model, len(assembly.problem.y))
    return lambda theta: assembly.unsort(likelihood.posterior(theta, links).response)[-n:]


def posterior_response(
    model, rows: PredictionRows, quadrature: Quadrature | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """Posterior mean response of rows as a function of theta.

    Parameters
    ----------
    model : GLMM
        With its data.
    rows : PredictionRows
        Those of the fit, or new ones. Code -1 at the top level: the cluster is unknown and the mean
        is over the population of clusters. Code -1 at a lower level: an unknown cluster within a
        known one, whose random effects have their prior distribution.
    quadrature : Quadrature or None
        Of the fit; None for the rules in force.

    Returns
    -------
    callable
        Takes theta, shape (p,), and returns shape (n,), NaN for rows with missing values.

    Raises
    ------
    SpecificationError
        A new row puts a known cluster into another one than it was in.
    """
    quadrature = model._ready(quadrature).quadrature
    if rows.observed:

        def observed(theta):
            links = _link_codes(model, len(model.assembly.problem.y))
            posterior = model._ready(quadrature).posterior(theta, links)
            return model.assembly.unsort(posterior.response)

        return observed
    complete = np.flatnonzero(rows.complete)
    whole = rows.take(complete)
    check_nesting(model.random, whole)
    known = whole.levels[-1].codes >= 0
    inside = whole.take(known)
    of_known = _response_of_new_rows(model, inside, quadrature) if known.any() else None
    outside = whole.take(~known)

    def new(theta):
        out = np.full(len(rows.exog), np.nan)
        if of_known is not None:
            out[complete[known]] = of_known(theta)
        params = model.mapping.params(theta)
        link = model.response.link
        out[complete[~known]] = marginal_mean(model.mapping, link, params, outside).value
        return out

    return new
