"""Laws of responses with categories, ordered or not, and of choices among alternatives."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from scipy.special import softmax
from statsmodels.tools.sm_exceptions import SpecificationWarning

from sm_gllamm.responses.forms import Event, Function, InverseLink
from sm_gllamm.responses.laws import Given, Law
from sm_gllamm.responses.links import inverse_link_derivatives

__all__ = [
    "ADJACENT",
    "BEST_WORST",
    "CHOICE",
    "CUMULATIVE",
    "Categories",
    "NOMINAL",
    "RANKING",
    "SEQUENTIAL",
    "Shares",
]


class Categories(Law):
    """Categorical responses."""

    categorical = True
    interval = "Logit"

    def draw(self, rng, nu, given):
        below = np.cumsum(self.at(nu, given)[:, :-1], axis=1)
        return (rng.random(len(below))[:, None] > below).sum(axis=1).astype(float)


class _Cumulative(Categories):
    """Ordered categories with ``P(y <= s) = F((threshold_s - nu) / scale)``."""

    needs = ("thresholds", "scale")

    def forms(self, given):
        slope = -1.0 / given.scale
        return [
            InverseLink(given.link, shift=-threshold * slope, slope=slope)
            for threshold in given.thresholds.T
        ]

    def combined(self, values, given):
        ends = [np.zeros(given.n), *values, np.ones(given.n)]
        shares = np.maximum(np.diff(np.column_stack(ends), axis=1), 0.0)
        crossing = (np.diff(given.thresholds, axis=1) < 0.0).any(axis=1)
        if crossing.any():
            warnings.warn(
                f"thresholds cross in {crossing.sum()} rows, the first of them number "
                f"{int(np.argmax(crossing))}: they have no probabilities",
                SpecificationWarning,
                stacklevel=2,
            )
            shares[crossing] = np.nan
        return shares


class _Sequential(Categories):
    """Ordered categories with ``P(y = s | y >= s) = F(threshold_s - nu)``."""

    def forms(self, given):
        thresholds = given.thresholds

        def probability(code):
            def function(nu, rows):
                on = np.ones_like(nu)
                for s in range(code):
                    on = on * (1.0 - stop(nu, rows, s))
                return on * stop(nu, rows, code) if code < thresholds.shape[1] else on

            return function

        def stop(nu, rows, s):
            return inverse_link_derivatives(given.link, thresholds[rows, s, None] - nu, 0)[0]

        codes = range(thresholds.shape[1] + 1)
        return [Function(probability(code), (Event(float(code)),)) for code in codes]

    def combined(self, values, given):
        # they sum to one up to the error of the quadrature
        return np.column_stack(values) / np.sum(values, axis=0)[:, None]


class Shares(Law):
    """Probabilities that are shares of exponentials of utilities, which are linear in predictors."""

    interval = "Logit"

    def groups(self, given: Given) -> Iterator[np.ndarray | slice]:
        """Which entries of the prediction are one another's alternatives, in their last axis."""
        raise NotImplementedError

    def of_alternatives(self, values: np.ndarray, at, given: Given) -> np.ndarray:
        """What the alternatives have of values by predictor (n, c, ...), shape (m, K, ...)."""
        raise NotImplementedError

    def constants(self, given: Given) -> np.ndarray | float:
        """What utilities have beside the predictors."""
        return 0.0

    def utilities(self, nu: np.ndarray, at, given: Given) -> np.ndarray:
        """Utilities of alternatives, shape (m, K), at predictors of shape (n,) or (n, c)."""
        predictors = nu.reshape(given.n, -1)
        return self.of_alternatives(predictors, at, given) + self.constants(given)

    def empty(self, given: Given) -> np.ndarray:
        """Place for the prediction."""
        return np.empty(given.n)

    def at(self, nu, given):
        out = self.empty(given)
        for at in self.groups(given):
            out[at] = softmax(self.utilities(nu, at, given), axis=1)
        return out


class _CategoryShares(Categories, Shares):
    """Categories as alternatives that are the same for all."""

    def groups(self, given):
        yield slice(None)

    def empty(self, given):
        return np.empty((given.n, len(given.categories)))

    def at(self, nu, given):
        return Shares.at(self, nu, given)

    def of_alternatives(self, values, at, given):
        return np.einsum("nc...,ck->nk...", values, self.steps(len(given.categories)))

    def steps(self, k: int) -> np.ndarray:
        """Coefficients of the predictors in the utilities, shape (c, k)."""
        raise NotImplementedError


class _Adjacent(_CategoryShares):
    """Ordered categories with ``log P(y = s) / P(y = s - 1) = nu - threshold_s``."""

    def steps(self, k):
        return np.arange(float(k))[None]

    def constants(self, given):
        return -np.cumsum(np.pad(given.thresholds, ((0, 0), (1, 0))), axis=1)


class _Nominal(_CategoryShares):
    """Unordered categories, the first of which is the base, each other one with its own predictor."""

    def copies(self, categories):
        return categories - 1

    def steps(self, k):
        return np.eye(k)[1:]


class _Choice(Shares):
    """The alternative of the greatest utility, the errors of which have a Gumbel distribution."""

    alternatives = True

    def groups(self, given):
        yield from given.groups

    def of_alternatives(self, values, at, given):
        return values[:, 0][at]

    def draw(self, rng, nu, given):
        utility, out = nu + rng.gumbel(size=given.n), np.empty(given.n)
        for at in given.groups:
            out[at] = self.picked(rng, nu[at], utility[at], given.y[at])
        return out

    def picked(self, rng, nu, utility, y) -> np.ndarray:
        """Responses of sets of one size, all of shape (number of sets, size)."""
        return np.argmax(utility, axis=1)[:, None] == np.arange(utility.shape[1])


class _Ranking(_Choice):
    """Ranks of as many alternatives as were ranked; the last of all follows from the others."""

    def picked(self, rng, nu, utility, y):
        rank = np.empty(utility.shape)
        order = np.argsort(-utility, axis=1)
        np.put_along_axis(rank, order, np.arange(1.0, utility.shape[1] + 1.0), axis=1)
        return np.where(rank <= np.sum(np.nan_to_num(y) > 0, axis=1, keepdims=True), rank, 0.0)


class _BestWorst(_Choice):
    """The best of all, then the worst of the rest."""

    def picked(self, rng, nu, utility, y):
        best = np.argmax(utility, axis=1)[:, None]
        dislike = -nu + rng.gumbel(size=nu.shape)
        np.put_along_axis(dislike, best, -np.inf, axis=1)
        out = np.zeros(nu.shape)
        np.put_along_axis(out, best, 1.0, axis=1)
        np.put_along_axis(out, np.argmax(dislike, axis=1)[:, None], -1.0, axis=1)
        return out


CUMULATIVE, SEQUENTIAL, ADJACENT, NOMINAL = _Cumulative(), _Sequential(), _Adjacent(), _Nominal()
CHOICE, RANKING, BEST_WORST = _Choice(), _Ranking(), _BestWorst()
