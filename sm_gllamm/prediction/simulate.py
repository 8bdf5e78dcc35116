"""Draws of responses from a model, with new or with given random effects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from scipy import stats
from scipy.special import expit, gammainccinv, ndtr, ndtri

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.rows import ResponseData
from sm_gllamm.prediction.mean_form import mean_of, survival_of
from sm_gllamm.prediction.means import linear_predictor, random_columns
from sm_gllamm.prediction.members import SlotValues
from sm_gllamm.prediction.predict import targets_of
from sm_gllamm.prediction.rows import model_rows
from sm_gllamm.prediction.shares import sets_by_size
from sm_gllamm.prediction.targets import Target, composite_sums
from sm_gllamm.specification.response_ranges import limited

__all__ = ["as_endog", "latent_draws", "member_data", "observed", "response_draws"]

#: Times that random effects are drawn again where they give no mean.
TRIES = 100


def member_data(model, target: Target) -> ResponseData:
    """The responses of one family's rows."""
    if target.member.label is None:
        return model.responses
    return next(
        share for label, *_, share in model.responses.members if label == target.member.label
    )


# ------------------------------------------------------------ families
def _counts(kind: str, mu: np.ndarray, alpha: np.ndarray, rng) -> np.ndarray:
    """Poisson or negative binomial counts."""
    if kind == "NegativeBinomial":
        mu = rng.gamma(1.0 / alpha, alpha * mu)
    elif kind == "NegativeBinomial1":
        mu = rng.gamma(mu / alpha, alpha)
    return rng.poisson(mu).astype(float)


def _positive_counts(kind: str, mu: np.ndarray, alpha: np.ndarray, rng) -> np.ndarray:
    """Counts given that they are not zero, by the inverse of the distribution function."""
    if kind == "Poisson":
        law = stats.poisson(mu)
    elif kind == "NegativeBinomial":
        law = stats.nbinom(1.0 / alpha, 1.0 / (1.0 + alpha * mu))
    else:
        law = stats.nbinom(mu / alpha, 1.0 / (1.0 + alpha))
    zero = law.cdf(0)
    return np.maximum(law.ppf(zero + rng.random(len(mu)) * (1.0 - zero)), 1.0)


def _from_probabilities(probabilities: np.ndarray, rng) -> np.ndarray:
    """Category codes, one for each row of probabilities."""
    below = np.cumsum(probabilities[:, :-1], axis=1)
    return (rng.random(len(below))[:, None] > below).sum(axis=1).astype(float)


def _count_sampler(target: Target, slots: SlotValues) -> Callable:
    """Sampler of counts, with their excess or lack of zeros."""
    family, layout = target.member.response.family, target.member.layout
    kind, form = family, ""
    for prefix in ("ZeroInflated", "ZeroTruncated"):
        if family.startswith(prefix):
            kind, form = family.removeprefix(prefix), prefix
    link = mean_of(target.member, slots) if not form else None
    alpha = np.ones(slots.rows.n) if kind == "Poisson" else np.exp(slots.dispersion())
    zero = None
    if form == "ZeroInflated" or layout == "hurdle":
        zero = expit(slots.zero())

    def draw(nu, rng):
        mu = np.exp(nu) if link is None else link.at(nu)
        of = _positive_counts if form == "ZeroTruncated" else _counts
        y = of(kind, mu, alpha, rng)
        return y if zero is None else np.where(rng.random(len(y)) < zero, 0.0, y)

    return draw


def _duration_sampler(target: Target, slots: SlotValues, entry) -> Callable:
    """Sampler of durations and gaussian responses without censoring, beyond the times of entry."""
    family, n = target.member.response.family, slots.rows.n
    scale = np.ones(n)
    if "dispersion" in target.member.slot_names:
        scale = np.exp(slots.dispersion())
    late = (
        np.zeros(n, dtype=bool)
        if entry is None
        else entry > (-np.inf if family == "CensoredGaussian" else 0.0)
    )

    def alive(nu):
        """Probability that the response exceeds the time of entry."""
        if not late.any():
            return 1.0
        if family == "CensoredGaussian":
            return ndtr((nu - entry) / scale)
        return np.where(
            late, survival_of(target.member, slots, np.where(late, entry, 1.0)).at(nu), 1.0
        )

    def draw(nu, rng):
        survival = (1.0 - rng.random(n)) * alive(nu)
        if family == "CensoredGaussian":
            return nu - scale * ndtri(survival)
        if family == "LogNormal":
            return np.exp(nu - scale * ndtri(survival))
        if family == "LogLogistic":
            return np.exp(nu + scale * np.log((1.0 - survival) / survival))
        if family == "GammaDuration":
            return np.exp(nu) * scale * gammainccinv(1.0 / scale, survival)
        hazard = np.log(-np.log(survival))
        if family in ("WeibullPH", "ExponentialPH"):
            return np.exp((hazard - nu) / scale)
        return np.exp(nu + scale * hazard)

    return draw


def _choice_sampler(target: Target, slots: SlotValues, y: np.ndarray) -> Callable:
    """Sampler of choices, rankings and best-worst pairs, by utilities with Gumbel errors."""
    layout, groups = target.member.layout, list(sets_by_size(slots.rows.sets))

    def ranking(utility, at):
        rank = np.empty(at.shape)
        order = np.argsort(-utility[at], axis=1)
        np.put_along_axis(rank, order, np.arange(1.0, at.shape[1] + 1.0), axis=1)
        # as many as were ranked; the last of all follows from the others
        ranked = np.sum(np.nan_to_num(y[at]) > 0, axis=1, keepdims=True)
        return np.where(rank <= ranked, rank, 0.0)

    def best_worst(utility, nu, at, rng):
        best = np.argmax(utility[at], axis=1)[:, None]
        dislike = -nu[at] + rng.gumbel(size=at.shape)
        np.put_along_axis(dislike, best, -np.inf, axis=1)
        out = np.zeros(at.shape)
        np.put_along_axis(out, best, 1.0, axis=1)
        np.put_along_axis(out, np.argmax(dislike, axis=1)[:, None], -1.0, axis=1)
        return out

    def draw(nu, rng):
        utility, out = nu + rng.gumbel(size=len(nu)), np.empty(len(nu))
        for at in groups:
            if layout == "ranking":
                out[at] = ranking(utility, at)
            elif layout == "best_worst":
                out[at] = best_worst(utility, nu, at, rng)
            else:
                out[at] = np.argmax(utility[at], axis=1)[:, None] == np.arange(at.shape[1])
        return out

    return draw


def _composite_sampler(target: Target, slots: SlotValues, trials: np.ndarray) -> Callable:
    """Sampler of responses that several rows share."""
    family, sets = target.member.response.family, slots.rows.sets
    _, first, codes = np.unique(sets, return_index=True, return_inverse=True)
    form = mean_of(target.member, slots)
    sd = np.exp(slots.dispersion())[first] if family == "CompositeGaussian" else None

    def draw(nu, rng):
        mean = composite_sums(form.at(nu), sets)[first]
        if family == "CompositePoisson":
            y = rng.poisson(mean)
        elif family == "CompositeBinomial":
            y = rng.binomial(trials[first].astype(np.int64), mean)
        else:
            y = rng.normal(mean, sd)
        return y[codes].astype(float)

    return draw


def _sampler(target: Target, slots: SlotValues, data: ResponseData) -> Callable:
    """Function that draws responses given linear predictors and a generator."""
    member = target.member
    if member.alternatives:
        return _choice_sampler(target, slots, data.y)
    if member.categorical:
        return lambda nu, rng: _from_probabilities(target.at(nu, slots), rng)
    if member.layout == "composite":
        return _composite_sampler(target, slots, data.m)
    if member.layout == "interval":
        return _duration_sampler(target, slots, data.entry)
    law = member.response.law
    if law is None or member.layout == "hurdle":
        return _count_sampler(target, slots)
    form, trials = mean_of(member, slots), data.m
    dispersion = np.exp(slots.dispersion())
    return lambda nu, rng: law.draw(rng, form.at(nu), trials, dispersion)


#: Families and links with predictors that no mean belongs to.
_LIMITED = {
    "Poisson": ("Identity",), "Gamma": ("Identity", "InversePower"),
    "InverseGaussian": ("Identity", "InversePower", "InverseSquared"), "Gaussian": ("InversePower",),
}  # fmt: skip


# ------------------------------------------------------------ draws
def _random_function(mapping, theta, rows, copies: int) -> Callable:
    """Random part of the predictors, shape (n, max(copies, 1)), of random effects by row, a list by level."""
    if rows.latents is not None:
        parts = rows.latents.parts_of_disturbances(theta)
        return lambda effects: parts.random(np.concatenate(effects, axis=1))[:, None]
    columns = [
        random_columns(mapping, rows, level, copies) for level in range(len(mapping.dimensions))
    ]
    return lambda effects: sum(
        np.einsum("ncq,nq->nc", z, values) for z, values in zip(columns, effects, strict=True)
    )


def _random_parts(rows, random, factors, rng, random_effects, limited_rows, fixed):
    """Random part of the linear predictors, shape (n, max(copies, 1)).

    Random effects that put one of the `limited_rows` at or below zero, where there is no mean, are
    drawn again.
    """

    def part(effects):
        return random(
            [values[level.codes] for values, level in zip(effects, rows.levels, strict=True)]
        )

    if random_effects is not None:
        return part(random_effects)

    def drawn():
        return [
            rng.standard_normal((level.n_clusters, factor.shape[0])) @ factor.T
            for level, factor in zip(rows.levels, factors, strict=True)
        ]

    effects = drawn()
    total = part(effects)
    if limited_rows is None:
        return total
    top = rows.levels[-1].codes
    for _ in range(TRIES):
        bad = np.isin(top, top[limited_rows & (fixed + total[:, 0] <= 0)])
        if not bad.any():
            return total
        for old, new, level in zip(effects, drawn(), rows.levels, strict=True):
            again = np.unique(level.codes[bad])
            old[again] = new[again]
        total = part(effects)
    raise SpecificationError(
        "responses cannot be drawn: with the link of the model, random effects of the estimated "
        "variance nearly always give some rows no mean; use a log link"
    )


def latent_draws(
    model, params, n: int, rng: np.random.Generator, random_effects=None
) -> Iterator[np.ndarray]:
    """Simulated responses for the rows of a model, before any censoring, one draw after the other.

    Parameters
    ----------
    model : GLMM
    params : array_like, shape (p,)
        Published parameters.
    n : int
        Number of draws.
    rng : numpy.random.Generator
    random_effects : sequence of ndarray, each of shape (J_l, q_l), optional
        Random effects by cluster code, lowest level first, the same in all draws. None draws new
        ones from their distribution for every draw.

    Yields
    ------
    ndarray, shape (nobs,)
        Codes of categories for categorical responses.

    Notes
    -----
    Where the link leaves some predictors without a mean (identity and reciprocal links), random
    effects are drawn from their distribution given that all rows of the cluster have one.
    """
    rows = model_rows(model)
    theta = model.mapping.theta(params)
    targets = targets_of(model, rows, several=True)
    copies = targets[0][0].copies
    samplers, needs_positive = [], np.zeros(rows.n, dtype=bool)
    for target, at in targets:
        own = rows.take(at)
        sampler = _sampler(target, target.slots(theta, own), member_data(model, target))
        samplers.append((at, sampler))
        response = target.member.response
        needs_positive[at] = response.link in _LIMITED.get(response.family, ())
    fixed = linear_predictor(theta, rows, copies)
    random = _random_function(model.mapping, theta, rows, copies)
    factors = [model.mapping.factor(theta, k) for k in range(len(rows.levels))]
    positive = needs_positive if needs_positive.any() else None
    for _ in range(n):
        part = _random_parts(rows, random, factors, rng, random_effects, positive, fixed)
        nu = fixed + (part if copies else part[:, 0])
        y = np.empty(rows.n)
        for at, sampler in samplers:
            y[at] = sampler(nu[at], rng)
        yield y


def _censored(family, latent: np.ndarray, y: np.ndarray, m: np.ndarray):
    """Bounds by which responses are seen, given those of the data."""
    if family.censoring == "limits":
        return limited(latent, family.lower, family.upper)
    none = -np.inf if family.name == "CensoredGaussian" else 0.0
    lower, upper = latent.copy(), latent.copy()
    right = np.isinf(m)
    beyond = right & (latent > y)
    lower[beyond], upper[beyond] = y[beyond], np.inf
    seen = ~right & (y < m)
    lower[seen], upper[seen] = y[seen], m[seen]
    before, after = seen & (latent < y), seen & (latent > m)
    lower[before], upper[before] = none, y[before]
    lower[after], upper[after] = m[after], np.inf
    return lower, upper


def observed(model, latent: np.ndarray) -> ResponseData:
    """Responses of the model with drawn ones in their places, censored as in the data.

    Parameters
    ----------
    model : GLMM
    latent : ndarray, shape (nobs,)
        From :func:`latent_draws`.

    Notes
    -----
    Right-censored rows are followed up to their time of censoring, those censored to an interval are
    looked at when they were (at both ends of the interval), the others are seen exactly.
    """
    data = model.responses
    if data.members:
        members = []
        for label, family, response, at, share in data.members:
            y, m = latent[at], share.m
            if getattr(family, "layout", "plain") == "interval":
                y, m = _censored(family, y, share.y, share.m)
            members.append((label, family, response, at, replace(share, y=y, m=m)))
        return replace(data, y=latent, members=tuple(members))
    if getattr(model.family, "layout", "plain") == "interval":
        y, m = _censored(model.family, latent, data.y, data.m)
        return replace(data, y=y, m=m)
    return replace(data, y=latent)


def _own_endog(family, data: ResponseData, columns: int) -> np.ndarray:
    """Responses of one family in the form of its endog, which has one or two columns."""
    if getattr(family, "layout", "plain") != "interval":
        return data.y
    if family.censoring == "interval":
        return np.column_stack([data.y, data.m])
    if family.censoring == "limits":
        return np.clip(np.where(np.isinf(data.y), data.m, data.y), family.lower, family.upper)
    return np.column_stack([data.y, np.isfinite(data.m)]) if columns == 2 else data.y


def as_endog(model, data: ResponseData) -> np.ndarray:
    """Responses in the form in which the model takes them.

    Parameters
    ----------
    model : GLMM
    data : ResponseData
        From :func:`observed`.

    Returns
    -------
    ndarray, shape (nobs,) or (nobs, 2)
        Of censored responses the columns of endog; counts of successes for binomial ones.
    """
    endog = np.asarray(model.endog)
    if not data.members:
        return _own_endog(model.family, data, endog.ndim)
    out = np.array(endog, dtype=float)
    for _, family, _, at, share in data.members:
        values = _own_endog(family, share, endog.ndim)
        out[at if values.ndim == endog.ndim else (at, 0)] = values
    return out


def response_draws(
    model, params, n: int, rng: np.random.Generator, random_effects=None
) -> Iterator[np.ndarray]:
    """Simulated responses for the rows of a model, in the form of its endog.

    Parameters
    ----------
    model, params, n, rng, random_effects
        As in :func:`latent_draws`.

    Yields
    ------
    ndarray, shape (nobs,) or (nobs, 2)
    """
    for latent in latent_draws(model, params, n, rng, random_effects):
        yield as_endog(model, observed(model, latent))
