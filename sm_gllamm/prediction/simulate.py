"""Draws of responses from a model, with new or with given random effects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.rows import ResponseData
from sm_gllamm.prediction.means import linear_predictor, random_columns
from sm_gllamm.prediction.members import SlotValues
from sm_gllamm.prediction.predict import targets_of
from sm_gllamm.prediction.rows import model_rows
from sm_gllamm.prediction.targets import Target
from sm_gllamm.responses.laws import Law
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


# ------------------------------------------------------------ draws
@dataclass(frozen=True, slots=True)
class _Part:
    """The rows of one family with what their responses are drawn from.

    Attributes
    ----------
    at : ndarray of intp, shape (n,)
        Positions among all rows.
    fixed : ndarray, shape (n,) or (n, copies)
        Linear predictors without random effects.
    random : callable
        Their random part, of random effects by row, a list by level of arrays of shape (n, q_l).
    law : Law
    slots : SlotValues
    positive : bool
        Whether there is a mean for positive predictors only.
    """

    at: np.ndarray
    fixed: np.ndarray
    random: Callable
    law: Law
    slots: SlotValues
    positive: bool

    @classmethod
    def of(cls, model, target: Target, at: np.ndarray, rows, theta) -> _Part:
        """The part of one family."""
        own, law = rows.take(at), target.member.law
        data, layout = member_data(model, target), target.layout
        return cls(
            at, linear_predictor(theta, own, layout), _random_function(model, theta, own, layout), law,
            target.slots(theta, own, data), law.restricted(target.member.response.link),
        )  # fmt: skip

    def predictors(self, effects: list[np.ndarray]) -> np.ndarray:
        """Linear predictors at random effects of all rows."""
        return self.fixed + self.random([values[self.at] for values in effects])


def _random_function(model, theta, rows, layout) -> Callable:
    """Random part of the predictors of rows as a function of the random effects by row."""
    mapping = model.mapping
    if rows.latents is not None:
        parts = rows.latents.parts_of_disturbances(theta)
        return lambda effects: parts.random(np.concatenate(effects, axis=1))
    columns = [
        random_columns(mapping, rows, level, layout) for level in range(len(mapping.dimensions))
    ]

    def total(effects):
        out = sum(
            np.einsum("ncq,nq->nc", z, values) for z, values in zip(columns, effects, strict=True)
        )
        return out if layout.copies else out[:, 0]

    return total


def _predictors(parts: list[_Part], rows, factors, rng, random_effects) -> list[np.ndarray]:
    """Linear predictors of the rows of each part.

    Random effects that put a row at or below zero, where it has no mean, are drawn again.
    """

    def by_row(effects):
        return [values[level.codes] for values, level in zip(effects, rows.levels, strict=True)]

    if random_effects is not None:
        return [part.predictors(by_row(random_effects)) for part in parts]

    def drawn():
        return [
            rng.standard_normal((level.n_clusters, factor.shape[0])) @ factor.T
            for level, factor in zip(rows.levels, factors, strict=True)
        ]

    effects, top = drawn(), rows.levels[-1].codes
    for _ in range(TRIES + 1):
        nu = [part.predictors(by_row(effects)) for part in parts]
        nowhere = [part.at[own <= 0] for part, own in zip(parts, nu, strict=True) if part.positive]
        if not any(len(at) for at in nowhere):
            return nu
        bad = np.isin(top, top[np.concatenate(nowhere)])
        for old, new, level in zip(effects, drawn(), rows.levels, strict=True):
            again = np.unique(level.codes[bad])
            old[again] = new[again]
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
    parts = [_Part.of(model, target, at, rows, theta) for target, at in targets_of(model, rows)]
    factors = [model.mapping.factor(theta, k) for k in range(len(rows.levels))]
    for _ in range(n):
        y = np.empty(rows.n)
        nu = _predictors(parts, rows, factors, rng, random_effects)
        for part, own in zip(parts, nu, strict=True):
            y[part.at] = part.law.draw(rng, own, part.slots)
        yield y


def _censored(family, none: float, latent: np.ndarray, y: np.ndarray, m: np.ndarray):
    """Bounds by which responses are seen, given those of the data; `none` is no lower bound."""
    if family.censoring == "limits":
        return limited(latent, family.lower, family.upper)
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
                y, m = _censored(family, response.law.lowest, y, share.y, share.m)
            members.append((label, family, response, at, replace(share, y=y, m=m)))
        return replace(data, y=latent, members=tuple(members))
    if getattr(model.family, "layout", "plain") == "interval":
        y, m = _censored(model.family, model.response.law.lowest, latent, data.y, data.m)
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
        Of censored responses the columns of endog; counts of successes for binomial ones. Labels
        of categories among responses of other families, their codes where there are no others.
    """
    endog = np.asarray(model.endog)
    if not data.members:
        return _own_endog(model.family, data, endog.ndim)
    labels = {label: np.asarray(share.labels) for label, *_, share in data.members if share.labels}
    words = any(own.dtype.kind not in "biuf" for own in labels.values())
    out = np.array(endog, dtype=object if words else float)
    for label, family, response, at, share in data.members:
        values = _own_endog(family, share, endog.ndim)
        if response.kind == "binomial" and endog.ndim == 2:
            # successes and failures
            values = np.column_stack([share.y, share.m - share.y])
        if label in labels:
            values = labels[label][values.astype(np.intp)]
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
