"""Mean response in known clusters: the inverse link integrated over the posterior.

New rows of known clusters join the rows of the fit with weight zero: they do not change the
posterior, and the engine's posterior expectation of the inverse link holds for them as for any
other row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.marginal import MarginalLikelihood, Quadrature
from sm_gllamm.mapping.assemble import Assembly, assemble
from sm_gllamm.prediction.means import marginal_mean
from sm_gllamm.prediction.rows import PredictionRows
from sm_gllamm.specification.elements import Level
from sm_gllamm.specification.grouping import show_label

__all__ = ["FittedRows", "check_nesting", "fitted_rows", "posterior_response"]

#: Least number of nodes at a level where rows' clusters are unknown: it integrates over the prior.
PRIOR_POINTS = 20


@dataclass(frozen=True, slots=True)
class FittedRows:
    """The data of a fit, in the user's order.

    Attributes
    ----------
    y, trials : ndarray, shape (nobs,)
    exog : ndarray, shape (nobs, k)
    offset : ndarray, shape (nobs,), or None
    levels : tuple of Level
        Lowest first.
    weights : dict of str to ndarray, shape (nobs,)
        By level; ``"row"`` for rows.
    names : list of str
        Of the columns of exog.
    response : Response
    """

    y: np.ndarray
    trials: np.ndarray
    exog: np.ndarray
    offset: np.ndarray | None
    levels: tuple[Level, ...]
    weights: dict[str, np.ndarray]
    names: list[str]
    response: object


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


def _joined(fitted: FittedRows, rows: PredictionRows, old: np.ndarray) -> Assembly:
    """The rows `old` of the fit and the new rows, these with weight zero, as one sorted problem."""
    n_new = len(rows.exog)

    def join(before, after):
        return np.concatenate([before[old], after])

    of_rows = fitted.weights.get("row", np.ones(len(fitted.y)))
    levels, weights = [], {"row": join(of_rows, np.zeros(n_new))}
    for level, new, codes in zip(fitted.levels, rows.levels, _new_codes(rows), strict=True):
        terms = tuple(
            replace(term, columns=join(term.columns, other.columns))
            for term, other in zip(level.terms, new.terms, strict=True)
        )
        levels.append(Level(level.name, join(level.codes, codes), level.labels, terms))
        if level.name in fitted.weights:
            of_cluster = np.ones(codes.max() + 1 + level.n_clusters)
            of_cluster[level.codes] = fitted.weights[level.name]
            weights[level.name] = join(fitted.weights[level.name], of_cluster[codes])
    offset = None
    if fitted.offset is not None or rows.offset is not None:
        before = np.zeros(len(fitted.y)) if fitted.offset is None else fitted.offset
        offset = join(before, np.zeros(n_new) if rows.offset is None else rows.offset)
    return assemble(
        join(fitted.y, np.zeros(n_new)), join(fitted.trials, np.ones(n_new)),
        np.concatenate([fitted.exog[old], rows.exog]), fitted.names, tuple(levels), fitted.response,
        offset, weights,
    )  # fmt: skip


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


def fitted_rows(model) -> FittedRows:
    """The data of a model, taken from its sorted problem."""
    assembly = model.assembly
    problem = assembly.problem
    return FittedRows(
        assembly.unsort(problem.y),
        assembly.unsort(problem.trials),
        np.asarray(model.exog, dtype=float),
        None if problem.offset is None else assembly.unsort(problem.offset),
        model.random,
        model.weights.by_level,
        assembly.mapping.param_names[: assembly.mapping.k_exog],
        model.response,
    )


def _response_of_new_rows(
    model, rows: PredictionRows, quadrature: Quadrature
) -> Callable[[np.ndarray], np.ndarray]:
    """Posterior mean as a function of theta; complete rows, known top-level clusters."""
    # sorted order of top-level clusters is that of their codes
    used = np.unique(rows.levels[-1].codes)
    fitted = fitted_rows(model)
    assembly = _joined(fitted, rows, np.isin(fitted.levels[-1].codes, used))
    likelihood = MarginalLikelihood(assembly.problem, assembly.mapping, model.n_threads)
    unknown = [bool((level.codes < 0).any()) for level in rows.levels]
    likelihood.use(_quadrature(quadrature, used, unknown))
    n = len(rows.exog)
    return lambda theta: assembly.unsort(likelihood.posterior(theta).response)[-n:]


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
            posterior = model._ready(quadrature).posterior(theta)
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
