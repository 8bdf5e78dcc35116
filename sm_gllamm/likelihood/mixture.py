"""Discrete latent variables: finite mixtures of likelihoods, on one level or two.

A unit j (of group k, where there are groups) is in class c with probability pi_jc, given which its
responses have the likelihood L_jc of a *component*, any likelihood of the package:

    log L_k = log sum_h pi_kh prod_(j in k) ( sum_c pi_(jc|h) L_(jhc) )^(w_j) .

The upper classes h may be the nodes of a quadrature rule as well, with known probabilities. Scores and
Hessians follow from Louis' identity (Louis 1982), applied on each level, so that the information is the
exact observed one; without the variances of scores it is the information of the complete data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_gllamm.likelihood.components import Component
from sm_gllamm.likelihood.marginal import ThetaEvaluation

__all__ = ["ClassLogits", "ClassPosterior", "MixtureEvaluation", "MixtureLikelihood", "Units"]

#: Units whose scores are written down at a time.
CHUNK = 20_000
#: Columns up to which sums of exponentials are taken column by column.
FEW = 7
#: Posterior weights below this have no part in sums of squares.
NOTHING = 1e-60


def _log_total(logs: np.ndarray) -> np.ndarray:
    """Logarithm of the sum of exponentials over the last axis; scipy's takes ten times as long."""
    if logs.ndim == 2 and logs.shape[1] <= FEW:
        return _log_total_of_few(logs)
    highest = logs.max(axis=-1)
    highest = np.where(highest > -np.inf, highest, 0.0)
    with np.errstate(divide="ignore"):
        return highest + np.log(np.exp(logs - highest[..., None]).sum(axis=-1))


def _log_total_of_few(logs: np.ndarray) -> np.ndarray:
    """The same column by column: numpy is slow along a short last axis."""
    columns = np.ascontiguousarray(logs.T)
    highest = columns[0].copy()
    for column in columns[1:]:
        np.maximum(highest, column, out=highest)
    highest[highest == -np.inf] = 0.0
    total = np.zeros(len(highest))
    for column in columns:
        total += np.exp(column - highest)
    with np.errstate(divide="ignore"):
        return highest + np.log(total)


@dataclass(frozen=True, slots=True)
class ClassLogits:
    """Logits of class probabilities, those of the first class zero.

    Attributes
    ----------
    design : ndarray, shape (n, k)
        Covariates of the units or groups, with a constant where there is one.
    places : tuple of ndarray of intp, each shape (k + m,)
        Positions in theta of the coefficients of each class but the first: those of `design`, then those
        of `above`.
    above : ndarray, shape (H, m), or None
        Columns by upper class that the logits depend on besides.
    fixed : ndarray, shape (C,), or None
        Known log probabilities, of quadrature nodes; no coefficients then.
    """

    design: np.ndarray
    places: tuple[np.ndarray, ...]
    above: np.ndarray | None = None
    fixed: np.ndarray | None = None

    @property
    def n_classes(self) -> int:
        return len(self.places) + 1 if self.fixed is None else len(self.fixed)

    def columns(self, h: int, span: slice = slice(None)) -> np.ndarray:
        """All covariates of the logits, given the upper class."""
        part = self.design[span]
        if self.above is None:
            return part
        return np.hstack([part, np.tile(self.above[h], (len(part), 1))])

    def log_probabilities(self, theta: np.ndarray, h: int = 0) -> np.ndarray:
        """Log probabilities of the classes, shape (n, C)."""
        if self.fixed is not None:
            return np.tile(self.fixed, (len(self.design), 1))
        out = np.zeros((len(self.design), self.n_classes))
        k = self.design.shape[1]
        for c, place in enumerate(self.places, start=1):
            out[:, c] = self.design @ theta[place[:k]]
            if self.above is not None:
                out[:, c] += self.above[h] @ theta[place[k:]]
        return out - _log_total(out)[:, None]

    def add_hessian(self, hessian, probabilities, weight, h: int = 0) -> None:
        """Add the weighted sum of second derivatives of log probabilities, the same for all classes."""
        if self.fixed is not None:
            return
        x = self.columns(h)
        for c, one in enumerate(self.places, start=1):
            for d, other in enumerate(self.places[:c], start=1):
                share = -probabilities[:, c] * probabilities[:, d]
                if c == d:
                    share = share + probabilities[:, c]
                block = -(x * (weight * share)[:, None]).T @ x
                hessian[one[:, None], other] += block
                if c != d:
                    hessian[other[:, None], one] += block.T


@dataclass(frozen=True, slots=True)
class Units:
    """Weights of the units and groups, and which unit is in which group.

    Attributes
    ----------
    weight : ndarray, shape (n,)
        Of the units within their groups; ones where there are no groups.
    code : ndarray of intp, shape (n,), or None
        Group of each unit; None: each is its own.
    group_weight : ndarray, shape (K,)
        Of the groups, or of the units where there are none.
    allowed : ndarray of bool, shape (n, C), or None
        Classes that a unit may be in.
    """

    weight: np.ndarray
    code: np.ndarray | None
    group_weight: np.ndarray
    allowed: np.ndarray | None = None

    @property
    def group(self) -> np.ndarray:
        """Group of each unit, shape (n,)."""
        return np.arange(len(self.weight)) if self.code is None else self.code

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums within groups, of an array of shape (n,) or (n, p)."""
        if self.code is None:
            return values
        out = np.zeros((len(self.group_weight), *values.shape[1:]))
        np.add.at(out, self.code, values)
        return out


@dataclass(frozen=True, slots=True)
class ClassPosterior:
    """Posterior probabilities of classes.

    Attributes
    ----------
    lower : ndarray, shape (H, n, C)
        Of the classes of units, given the upper class.
    upper : ndarray, shape (K, H)
        Of the classes of groups.
    prior : ndarray, shape (H, n, C)
        Prior probabilities of the classes of units.
    upper_prior : ndarray, shape (K, H)
    loglike : ndarray, shape (K,)
        Without the weights of the groups.
    """

    lower: np.ndarray
    upper: np.ndarray
    prior: np.ndarray
    upper_prior: np.ndarray
    loglike: np.ndarray


@dataclass(frozen=True, slots=True)
class MixtureEvaluation(ThetaEvaluation):
    """Log-likelihood by group and derivatives, and the Hessian of the complete-data log-likelihood.

    Attributes
    ----------
    complete : ndarray, shape (p, p), or None
        Posterior expectation of the complete-data Hessian, of EM-gradient steps.
    """

    complete: Any = None


class MixtureLikelihood:
    """Components, class probabilities and units joined.

    Parameters
    ----------
    components : sequence of Component
    places : sequence of ndarray of intp
        Positions in theta of each component's parameters.
    index : ndarray of int, shape (H, C)
        Component of each pair of upper class and class.
    logits : ClassLogits
        Of the classes of units.
    upper : ClassLogits or None
        Of the upper classes.
    units : Units
    k_params : int
    """

    def __init__(
        self, components: Sequence[Component], places: Sequence[np.ndarray], index: np.ndarray,
        logits: ClassLogits, upper: ClassLogits | None, units: Units, k_params: int,
    ):  # fmt: skip
        self.components, self.places = tuple(components), tuple(places)
        self.index, self.logits, self.upper = np.atleast_2d(index), logits, upper
        self.units, self.k_params = units, k_params
        self.n_evaluations = 0

    @property
    def n_classes(self) -> int:
        return self.index.shape[1]

    @property
    def size(self) -> int:
        """Number of units times number of components."""
        return len(self.units.weight) * len(self.components)

    # ------------------------------------------------------------ posterior
    def component_loglike(self, theta: np.ndarray) -> np.ndarray:
        """Log-likelihood of every unit's responses in each component, shape (n, M)."""
        return np.column_stack(
            [
                component.loglike(theta[place])
                for component, place in zip(self.components, self.places, strict=True)
            ]
        )

    def posterior(self, theta: np.ndarray) -> ClassPosterior:
        """Posterior probabilities of the classes at theta."""
        theta = np.asarray(theta, dtype=float)
        return self.posterior_from(theta, self.component_loglike(theta))

    def posterior_from(self, theta: np.ndarray, loglike: np.ndarray) -> ClassPosterior:
        """The same from log-likelihoods of components, shape (n, M)."""
        units, h_number = self.units, len(self.index)
        prior, lower, by_upper = [], [], []
        for h in range(h_number):
            logs = self.logits.log_probabilities(theta, h if self.logits.above is not None else 0)
            prior.append(np.exp(logs))
            joint = logs + loglike[:, self.index[h]]
            if units.allowed is not None:
                joint = np.where(units.allowed, joint, -np.inf)
            total = _log_total(joint)
            safe = np.where(np.isfinite(total), total, 0.0)
            lower.append(np.exp(joint - safe[:, None]))
            by_upper.append(units.sums(units.weight * total))
        above = np.column_stack(by_upper)
        if self.upper is None:
            upper_prior = np.ones((len(above), 1))
            value = above[:, 0]
            upper = upper_prior
        else:
            logs = self.upper.log_probabilities(theta)
            upper_prior = np.exp(logs)
            joint = logs + above
            value = _log_total(joint)
            upper = np.exp(joint - np.where(np.isfinite(value), value, 0.0)[:, None])
        return ClassPosterior(np.array(lower), upper, np.array(prior), upper_prior, value)

    # ------------------------------------------------------------ derivatives
    def evaluate(self, theta, want: int = 0, by_cluster: bool = True) -> MixtureEvaluation:
        """Log-likelihood by group, score (want >= 1) and Hessians (2) at theta.

        Without `by_cluster` the score is the sum over groups, shape (1, p).
        """
        theta = np.asarray(theta, dtype=float)
        self.n_evaluations += 1
        posterior = self.posterior(theta)
        value = self.units.group_weight * posterior.loglike
        if not want or not np.isfinite(value).all():
            return MixtureEvaluation(value)
        scores, complete = self._complete(theta, posterior)
        score, missing = self._louis(posterior, scores, by_cluster)
        return MixtureEvaluation(value, score, complete + missing, None, complete)

    def evaluate_complete(self, theta, want: int = 0) -> MixtureEvaluation:
        """Log-likelihood by group, score and the Hessian of the complete data alone.

        All that steps of EM need, without the scores of single units; the score is summed, shape (1, p).
        """
        theta = np.asarray(theta, dtype=float)
        self.n_evaluations += 1
        posterior, units = self.posterior(theta), self.units
        value = units.group_weight * posterior.loglike
        if not want or not np.isfinite(value).all():
            return MixtureEvaluation(value)
        gradient, hessian = np.zeros(self.k_params), np.zeros((self.k_params, self.k_params))
        weights = self.weights(posterior)
        for m, (component, place) in enumerate(zip(self.components, self.places, strict=True)):
            its_score, its_hessian = component.sums(theta[place], weights[:, m])
            gradient[place] += its_score
            hessian[place[:, None], place] += its_hessian
        own = units.weight * units.group_weight[units.group]
        for h in range(len(self.index)):
            weight = own * posterior.upper[units.group, h]
            self.logits.add_hessian(hessian, posterior.prior[h], weight, h)
            residual = weight[:, None] * (posterior.lower[h] - posterior.prior[h])
            x = self.logits.columns(h)
            for c, place in enumerate(self.logits.places, start=1):
                gradient[place] += residual[:, c] @ x
        if self.upper is not None:
            self.upper.add_hessian(hessian, posterior.upper_prior, units.group_weight)
            residual = units.group_weight[:, None] * (posterior.upper - posterior.upper_prior)
            for h, place in enumerate(self.upper.places, start=1):
                gradient[place] += residual[:, h] @ self.upper.design
        return MixtureEvaluation(value, gradient[None], hessian, None, hessian)

    def given_memberships(self, theta, share: np.ndarray, want: int = 0) -> MixtureEvaluation:
        """Log-likelihood of the responses and classes together, where memberships are known.

        Parameters
        ----------
        theta : ndarray, shape (p,)
        share : ndarray, shape (n, C)
            Memberships of the units; upper classes are left out of account.
        want : int
        """
        theta, units = np.asarray(theta, dtype=float), self.units
        weight = share * (units.weight * units.group_weight[units.group])[:, None]
        logs = self.logits.log_probabilities(theta)
        used = list(dict.fromkeys(int(m) for m in self.index[0]))
        total = float((weight * logs).sum())
        gradient, hessian = np.zeros(self.k_params), np.zeros((self.k_params, self.k_params))
        for m in used:
            component, place = self.components[m], self.places[m]
            own = weight[:, self.index[0] == m].sum(axis=1)
            value = component.loglike(theta[place])
            total += float(np.where(own > 0, own * value, 0.0).sum())
            if want:
                its_score, its_hessian = component.sums(theta[place], own)
                gradient[place] += its_score
                hessian[place[:, None], place] += its_hessian
        if not want:
            return MixtureEvaluation(np.array([total]))
        prior = np.exp(logs)
        own = weight.sum(axis=1)
        self.logits.add_hessian(hessian, prior, own)
        x = self.logits.columns(0)
        for c, place in enumerate(self.logits.places, start=1):
            gradient[place] += (weight[:, c] - own * prior[:, c]) @ x
        return MixtureEvaluation(np.array([total]), gradient[None], hessian, None, hessian)

    def weights(self, posterior: ClassPosterior) -> np.ndarray:
        """Weight of each unit in each component, shape (n, M): posterior times the unit's own."""
        units = self.units
        outer = (
            posterior.upper[units.group] * (units.weight * units.group_weight[units.group])[:, None]
        )
        out = np.zeros((len(units.weight), len(self.components)))
        for h, row in enumerate(self.index):
            for c, m in enumerate(row):
                out[:, m] += outer[:, h] * posterior.lower[h, :, c]
        return out

    def _complete(self, theta, posterior: ClassPosterior):
        """Scores of the components, and the expected Hessian of the complete data."""
        hessian = np.zeros((self.k_params, self.k_params))
        scores = []
        weights = self.weights(posterior)
        for m, (component, place) in enumerate(zip(self.components, self.places, strict=True)):
            its_scores, its_hessian = component.derivatives(theta[place], weights[:, m])
            scores.append(its_scores)
            hessian[place[:, None], place] += its_hessian
        units = self.units
        own = units.weight * units.group_weight[units.group]
        for h in range(len(self.index)):
            weight = own * posterior.upper[units.group, h]
            self.logits.add_hessian(hessian, posterior.prior[h], weight, h)
        if self.upper is not None:
            self.upper.add_hessian(hessian, posterior.upper_prior, units.group_weight)
        return scores, hessian

    def _louis(self, posterior: ClassPosterior, scores, by_cluster: bool):
        """Scores of groups, and the posterior variance of the complete-data scores."""
        units, p = self.units, self.k_params
        n_groups = len(units.group_weight)
        missing = np.zeros((p, p))
        out = np.zeros((n_groups if by_cluster else 1, p))
        if units.code is None:
            edges = np.arange(0, n_groups + CHUNK, CHUNK).clip(max=n_groups)
            spans = [
                (slice(a, b), slice(a, b))
                for a, b in zip(edges[:-1], edges[1:], strict=True)
                if b > a
            ]
        else:
            spans = [(slice(0, len(units.weight)), slice(0, n_groups))]
        for span, groups in spans:
            score = self._louis_part(posterior, scores, span, groups, missing)
            if by_cluster:
                out[groups] = score
            else:
                out[0] += score.sum(axis=0)
        return out, missing

    def _louis_part(self, posterior, scores, span: slice, groups: slice, missing) -> np.ndarray:
        """Weighted scores of some groups; adds their part of the variance to `missing`."""
        units, p = self.units, self.k_params
        top = units.group_weight[groups]
        group = units.group[span] - groups.start
        parts = [its.rows(span) for its in scores]
        total = np.zeros((len(top), p))
        for h in range(len(self.index)):
            weight = posterior.upper[groups, h]
            outer = (weight * top)[group] * units.weight[span]
            mean = np.zeros((len(group), p))
            for c, m in enumerate(self.index[h]):
                share = posterior.lower[h, span, c]
                place, values = self._class_score(posterior, h, c, span, self.places[m], parts[m])
                mean[:, place] += share[:, None] * values
                weighted = np.where(outer * share > NOTHING, outer * share, 0.0)
                values *= np.sqrt(weighted)[:, None]
                missing[place[:, None], place] += values.T @ values
            of_group = units.sums(mean * units.weight[span][:, None])
            mean *= np.sqrt(outer)[:, None]
            missing -= mean.T @ mean
            if self.upper is None:
                # there is nothing to average over
                return of_group * top[:, None]
            self._add_upper_score(posterior, h, groups, of_group)
            total += weight[:, None] * of_group
            missing += (of_group * (weight * top)[:, None]).T @ of_group
        missing -= (total * top[:, None]).T @ total
        return total * top[:, None]

    def _class_score(self, posterior, h: int, c: int, span: slice, place, values):
        """Score of the units' responses and class probability in class c: positions and values."""
        logits = self.logits
        if not logits.places:
            return place, values.copy()
        x = logits.columns(h, span)
        more = [
            (float(c == d) - posterior.prior[h, span, d])[:, None] * x
            for d in range(1, logits.n_classes)
        ]
        return np.concatenate([place, *logits.places]), np.hstack([values, *more])

    def _add_upper_score(self, posterior, h, groups, of_group) -> None:
        """Add the scores of the upper class's log probability."""
        upper = self.upper
        if upper.fixed is not None:
            return
        x = upper.design[groups]
        for d, place in enumerate(upper.places, start=1):
            residual = float(h == d) - posterior.upper_prior[groups, d]
            of_group[:, place] += residual[:, None] * x
