"""Predictions in known clusters: expectations over the posterior of their random effects.

New rows of known clusters join the rows of the fit with weight zero: they do not change the
posterior, and the engine's posterior expectation of an inverse link holds for them as for any other
row. Where a prediction is no inverse link but the density of a response, its posterior expectation is
the ratio of the likelihoods of the cluster with and without that response.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.marginal import MarginalLikelihood, Quadrature
from sm_gllamm.mapping.assemble import Assembly
from sm_gllamm.mapping.likelihood_rows import Rows
from sm_gllamm.prediction.joining import (
    check_nesting,
    copied_clusters,
    density_rows,
    joined,
    new_responses,
    new_rows,
    rows_of_fit,
    silent_rows,
    stacked,
)
from sm_gllamm.prediction.means import linear_predictor
from sm_gllamm.prediction.rows import PredictionRows
from sm_gllamm.prediction.targets import Target
from sm_gllamm.responses.families import Choice
from sm_gllamm.responses.forms import Function, InverseLink

__all__ = ["posterior_prediction", "posterior_predictors"]

#: Least number of nodes at a level where rows' clusters are unknown: it integrates over the prior.
PRIOR_POINTS = 20
#: Layouts of rows that are rows of the likelihood, with the predictor as it stands.
PLAIN = ("plain", "interval", "cumulative", "composite")
#: A duration so short that the density of an exponential one is its hazard.
INSTANT = 1e-100


def _quadrature(quadrature: Quadrature, top: np.ndarray, unknown: list[bool]) -> Quadrature:
    """Rules of the fit for top-level clusters `top`, finer where clusters are unknown."""
    rules = tuple(
        tuple(
            replace(rule, points=max(rule.points, PRIOR_POINTS))
            if lacking and rule.kind == "hermite"
            else rule
            for rule, lacking in zip(levels, unknown, strict=True)
        )
        for levels in quadrature.rules
    )
    assignment = None if quadrature.assignment is None else quadrature.assignment[top]
    return Quadrature(quadrature.placement, rules, assignment)


def _likelihood(model, assembly: Assembly, quadrature: Quadrature, rows, top) -> MarginalLikelihood:
    likelihood = MarginalLikelihood(assembly.problem, assembly.mapping, model.n_threads)
    unknown = [bool((level.codes < 0).any()) for level in rows.levels]
    likelihood.use(_quadrature(quadrature, top, unknown))
    return likelihood


class _Posterior:
    """Posterior expectations of functions of the predictors of some rows.

    Parameters
    ----------
    likelihood : callable
        Gives the marginal likelihood, with its rules in force.
    assembly : Assembly
    at : ndarray of intp, shape (n,) or (n, K)
        Rows of the likelihood, before sorting, that the rows (and their categories) have.
    """

    def __init__(self, likelihood: Callable, assembly: Assembly, at: np.ndarray):
        self.likelihood = likelihood
        n = len(assembly.problem.y)
        self.place = np.arange(n)
        if assembly.order is not None:
            self.place[assembly.order] = np.arange(n)
        self.place, self.n = self.place[at], n

    def begin(self, theta: np.ndarray) -> None:
        """Put parameters in force."""
        self.integrator = self.likelihood().integrator
        self.likelihood().place(theta)

    def shares(self) -> np.ndarray:
        """Of choices: expected probabilities of the alternatives."""
        return self.integrator.posterior().response[self.place]

    def predictors(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances of the linear predictors."""
        posterior = self.integrator.posterior()
        return posterior.nu[self.place], posterior.nu_variance[self.place]

    def mean(self, form: InverseLink) -> np.ndarray:
        """Expectation of a function of the predictor, shape (n,)."""
        links = np.zeros(self.n, dtype=np.intc)
        shift, slope = np.zeros(self.n), np.ones(self.n)
        links[self.place], shift[self.place], slope[self.place] = form.codes, form.shift, form.slope
        return form.factor * self.integrator.posterior(links, shift, slope).response[self.place]


def _of_fit(model, rows: PredictionRows, quadrature: Quadrature, at: np.ndarray) -> _Posterior:
    """Expectations for rows of the fit."""
    return _Posterior(lambda: model._ready(quadrature), model.assembly, at)


def _of_new(model, rows, quadrature, fit: Rows, new: Rows, data, at: np.ndarray) -> _Posterior:
    """Expectations for other rows; `at` counts the new rows of the likelihood."""
    assembly = joined(model, fit, rows, data, new)
    # sorted order of top-level clusters is that of their codes
    likelihood = _likelihood(model, assembly, quadrature, rows, np.unique(rows.levels[-1].codes))
    return _Posterior(lambda: likelihood, assembly, len(assembly.problem.y) - new.n + at)


def _first(rows: Rows, n: int) -> np.ndarray:
    """First row of the likelihood of each of n rows of data."""
    out = np.zeros(n, dtype=np.intp)
    out[rows.sources[::-1]] = np.arange(rows.n)[::-1]
    return out


def _single(model, target: Target, rows: PredictionRows, quadrature: Quadrature) -> _Posterior:
    """Expectations of functions of the one predictor that each row has."""
    fit = rows_of_fit(model)
    if rows.positions is not None and target.member.layout in PLAIN:
        at = _first(fit, len(model.responses.y))[rows.positions]
        return _of_fit(model, rows, quadrature, at)
    new = silent_rows(rows.n, model.assembly.problem.exact)
    data = new_responses(model, rows, np.zeros(rows.n))
    return _of_new(model, rows, quadrature, fit, new, data, np.arange(rows.n))


def _shares(model, target: Target, rows: PredictionRows, quadrature: Quadrature) -> _Posterior:
    """Expectations of probabilities of alternatives, or of categories that are laid out as such."""
    member, fit, k = target.member, rows_of_fit(model), len(target.member.categories)
    if rows.positions is not None and member.layout in ("nominal", "adjacent", "choice"):
        first = _first(fit, len(model.responses.y))[rows.positions]
        at = first if member.law.alternatives else first[:, None] + np.arange(k)
        return _of_fit(model, rows, quadrature, at)
    # responses that sets have, whatever they are
    y = np.zeros(rows.n)
    if member.law.alternatives:
        y[np.unique(rows.sets, return_index=True)[1]] = 1.0
    data = new_responses(model, rows, y)
    family = Choice() if member.law.alternatives else member.family
    new = new_rows(member, member.response, data, family)
    first = _first(new, rows.n)
    at = first if member.law.alternatives else first[:, None] + np.arange(k)
    return _of_new(model, rows, quadrature, fit, new, data, at)


def _with_rate(rows: Rows, n: int) -> Rows:
    """Rows of n responses and, for each, an instantaneous event with the exponential of the predictor."""
    # the kernel's density is that of the logarithm of the duration
    events = density_rows(n, "exponential_ph", INSTANT, INSTANT, -np.log(INSTANT))
    return stacked(rows, events)


def _expected_function(
    model, target: Target, rows: PredictionRows, quadrature: Quadrature, form: Function
) -> Callable:
    """Posterior expectation of a function that is a sum of densities, as a function of its events.

    That of a density is the likelihood of the cluster with such a response added to it, over its own.
    """
    member, events = target.member, form.events
    if not events:
        raise SpecificationError(
            f"posterior means of {member.response.family} responses are not available: their mean is "
            "neither an inverse link nor a sum of densities"
        )
    fit, variants = rows_of_fit(model), []
    for event in events:
        y, m = (np.broadcast_to(np.asarray(v, dtype=float), rows.n) for v in (event.y, event.m))
        data = replace(new_responses(model, rows, y), m=m)
        new = new_rows(member, member.response, data)
        variants.append(_with_rate(new, rows.n) if event.rate else new)
    top = rows.levels[-1].codes
    likelihoods = [
        _likelihood(model, assembly, quadrature, rows, top)
        for assembly in copied_clusters(model, fit, rows, data, variants)
    ]
    weight = model.assembly.problem.cluster_weights[-1]

    def expectation(theta, events):
        without = model._ready(quadrature).evaluate(theta).loglike
        if weight is not None:
            without = without / weight
        return sum(
            event.factor * np.exp(likelihood.evaluate(theta).loglike - without[top])
            for event, likelihood in zip(events, likelihoods, strict=True)
        )

    return expectation


def _known(model, target: Target, rows: PredictionRows, quadrature: Quadrature) -> Callable:
    """Predictions of complete rows in known top-level clusters as a function of theta."""
    if target.by_shares:
        posterior = _shares(model, target, rows, quadrature)

        def shares(theta):
            posterior.begin(theta)
            return posterior.shares()

        return shares
    single, functions = None, {}

    def combined(theta):
        nonlocal single
        slots, values = target.slots(theta, rows), []
        forms = target.forms(slots)
        if any(isinstance(form, InverseLink) for form in forms):
            single = single or _single(model, target, rows, quadrature)
            single.begin(theta)
        for k, form in enumerate(forms):
            if isinstance(form, InverseLink):
                values.append(single.mean(form))
                continue
            if k not in functions:
                functions[k] = _expected_function(model, target, rows, quadrature, form)
            values.append(functions[k](theta, form.events))
        return target.combined(values, slots)

    return combined


def posterior_predictors(
    model, rows: PredictionRows, theta: np.ndarray, quadrature: Quadrature | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means and variances of the linear predictors of new rows in known clusters.

    Parameters
    ----------
    model : GLMM
        With its data.
    rows : PredictionRows
    theta : ndarray, shape (p,)
    quadrature : Quadrature or None
        Of the fit; None for the rules in force.

    Returns
    -------
    mean, variance : ndarray, shape (n,)
        Covariances between the random effects of different levels included.
    """
    quadrature, fit = model._ready(quadrature).quadrature, rows_of_fit(model)
    new = silent_rows(rows.n, model.assembly.problem.exact)
    data = new_responses(model, rows, np.zeros(rows.n))
    posterior = _of_new(model, rows, quadrature, fit, new, data, np.arange(rows.n))
    posterior.begin(theta)
    return posterior.predictors()


def posterior_prediction(
    model, target: Target, rows: PredictionRows, quadrature: Quadrature | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """Posterior mean of a prediction as a function of theta.

    Parameters
    ----------
    model : GLMM
        With its data.
    target : Target
    rows : PredictionRows
        Complete ones. Code -1 at the top level: the cluster is unknown and the mean is over the
        population of clusters. Code -1 at a lower level: an unknown cluster within a known one,
        whose random effects have their prior distribution.
    quadrature : Quadrature or None
        Of the fit; None for the rules in force.

    Returns
    -------
    callable
        Takes theta, shape (p,), and returns shape (n,) or (n, number of columns).

    Raises
    ------
    SpecificationError
        A new row puts a known cluster into another one than it was in.
    """
    quadrature = model._ready(quadrature).quadrature
    if rows.positions is not None:
        return _known(model, target, rows, quadrature)
    check_nesting(model.random, rows)
    known = rows.levels[-1].codes >= 0
    if rows.n and known.all():
        return _known(model, target, rows, quadrature)
    inside, outside = rows.take(known), rows.take(~known)
    of_known = _known(model, target, inside, quadrature) if known.any() else None

    def everything(theta):
        eta = linear_predictor(theta, outside, target.layout)
        prior = target.averaged(eta, theta, outside)
        out = np.empty((rows.n, *prior.shape[1:]))
        out[~known] = prior
        if of_known is not None:
            out[known] = of_known(theta)
        return out

    return everything
