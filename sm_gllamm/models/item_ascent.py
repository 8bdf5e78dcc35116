"""A few steps uphill for binary items that measure one dimension, before the engine takes over.

The integral is a sum over equidistant points that are the same for all persons (Bock & Aitkin 1981,
Psychometrika 46, 443-459), so that a step is a few products of matrices. The information is that of the
complete data less what the points say is missing (Louis 1982, Journal of the Royal Statistical Society B
44, 226-233), with the latest step's effect built in. Only starting values come from here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from sm_gllamm.mapping.items import ItemLayout

__all__ = ["ascended", "ascends"]

#: Persons that are looked at, spread over the data.
MOST_PERSONS = 10_000
#: Steps, and the decrement (log-likelihood units) with which the last one is taken.
STEPS, NEAR = 8, 0.02
#: Slopes beyond which an item may be running away, which is for the engine to see.
STEEPEST = 8.0
#: Points reach this far, at most so many posterior SDs apart, and are no more than this.
REACH, SPACING, MOST_POINTS = 5.0, 1.6, 81


@dataclass(slots=True)
class _Curves:
    """Intercepts and slopes of the items as linear functions of the parameters.

    Attributes
    ----------
    base : ndarray, shape (2, n_items)
        Known parts of intercepts and slopes.
    matrix : ndarray, shape (2, n_items, p)
    sd : int
        Position of the latent variable's SD among the parameters, by which slopes are multiplied; -1 for
        an SD of one.
    """

    base: np.ndarray
    matrix: np.ndarray
    sd: int

    @classmethod
    def of(cls, layout: ItemLayout) -> _Curves | None:
        """Those of a layout, None where items are no such curves or parameters mean something else."""
        design, mapping = layout.design, layout.mapping
        plain = all(model.form == "binary" and not model.lower for model in design.models)
        if not plain or design.pattern.shape[1] != 1 or len(design.groups) != 1:
            return None
        diagonal = list(mapping.diagonal)
        if design.link != "logit" or len(diagonal) > 1 or layout.products:
            return None
        place = {name: k for k, name in enumerate(mapping.param_names)}
        n = len(design.models)
        base, matrix = np.zeros((2, n)), np.zeros((2, n, mapping.k_params))
        for j in range(n):
            slopes = layout.slopes[0, j]
            if len(layout.intercepts[0, j]) != 1 or len(slopes) != 1 or list(slopes[0]) != [0]:
                return None
            for which, terms in enumerate((layout.intercepts[0, j][0], [slopes[0][0]])):
                for factor, name in terms:
                    if name is None:
                        base[which, j] += factor
                    else:
                        matrix[which, j, place[name]] += factor
        sd = diagonal[0] if diagonal else -1
        used = np.any(matrix != 0.0, axis=(0, 1))
        if sd >= 0:
            used[sd] = True
        return cls(base, matrix, sd) if used.all() else None

    def at(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Intercepts and slopes, shape (2, n_items), and their derivatives, shape (2 n_items, p)."""
        values = self.base + self.matrix @ theta
        slope = self.matrix.copy()
        if self.sd >= 0:
            slope[1] *= theta[self.sd]
            slope[1, :, self.sd] += values[1]
            values[1] *= theta[self.sd]
        return values, slope.reshape(-1, len(theta))


def _uphill(curves, success, answered, weight) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood with its gradient in intercepts and slopes, and approximate information.

    `answered` is 1 where there is a response and 0 where there is none, None if all are there.
    """
    intercept, slope = curves
    n_items = len(intercept)
    spacing = SPACING / np.sqrt(1.0 + 0.2 * float(slope @ slope))
    n_points = int(min(MOST_POINTS, 2 * np.ceil(REACH / spacing) + 1))
    point = np.linspace(-REACH, REACH, n_points)
    eta = intercept[:, None] + slope[:, None] * point
    never = np.logaddexp(0.0, eta)
    log_f = success @ eta
    log_f -= never.sum(axis=0) if answered is None else answered @ never
    prior = -0.5 * point**2
    log_f += prior - np.log(np.exp(prior).sum())
    highest = log_f.max(axis=1)
    log_f -= highest[:, None]
    post = np.exp(log_f, out=log_f)
    total = post.sum(axis=1)
    post *= (weight / total)[:, None]
    value = float(weight @ (highest + np.log(total)))
    # numbers of persons expected at the points, of all and of those who answer an item
    there = post.sum(axis=0)
    own = np.broadcast_to(there, eta.shape) if answered is None else answered.T @ post
    p = expit(eta)
    right = success.T @ np.stack([weight, post @ point], axis=1)
    expected = own * p
    gradient = right.T - np.stack([expected.sum(axis=1), expected @ point])
    # Louis (1982): of the complete data, less what is not known of the latent variables, by their
    # posterior variances at the points
    bend = expected * (1.0 - p)
    share = np.where(there > 0.0, own / np.maximum(there, 1e-300), 0.0)
    curve = slope[:, None] * share * p * (1.0 - p)
    unknown = 1.0 / (1.0 + (slope[:, None] * curve).sum(axis=0))
    direction = np.concatenate([curve, curve * point])
    information = -(direction * (there * unknown)) @ direction.T
    each = np.arange(n_items)
    information[each, each] += bend.sum(axis=1)
    information[each, n_items + each] += bend @ point
    information[n_items + each, each] += bend @ point
    information[n_items + each, n_items + each] += bend @ (point**2)
    return value, gradient.reshape(-1), information


def _updated(information, step, change) -> np.ndarray:
    """The information that says of the latest step what it did (Broyden, Fletcher, Goldfarb & Shanno)."""
    at = information @ step
    out = information + np.outer(change, change) / (change @ step)
    return out - np.outer(at, at) / (at @ step)


def ascends(layout: ItemLayout) -> bool:
    """Whether :func:`ascended` knows the model, and leads near to its maximum."""
    return _Curves.of(layout) is not None


def ascended(
    layout: ItemLayout, codes: np.ndarray, weight: np.ndarray, theta: np.ndarray
) -> np.ndarray:
    """Parameters nearer to the maximum of the likelihood than given ones, where the model is such a one.

    Parameters
    ----------
    layout : ItemLayout
    codes : ndarray of int, shape (n, n_items)
        Negative where missing.
    weight : ndarray, shape (n,)
    theta : ndarray, shape (p,)

    Returns
    -------
    ndarray, shape (p,)
    """
    curves = _Curves.of(layout)
    if curves is None:
        return theta
    if len(codes) > MOST_PERSONS:
        # by their weights: rows may be patterns that many persons have
        below = np.cumsum(weight)
        at = (np.arange(MOST_PERSONS) + 0.5) / MOST_PERSONS * below[-1]
        codes, weight = codes[np.searchsorted(below, at)], np.ones(MOST_PERSONS)
    answered = None if codes.min() >= 0 else (codes >= 0).astype(float)
    success = (codes > 0).astype(float)
    best, highest, before, step = theta, -np.inf, None, np.zeros(len(theta))
    for _ in range(STEPS):
        trial = best + step
        values, slope = curves.at(trial)
        if np.abs(values[1]).max() > STEEPEST:
            return theta
        value, gradient, information = _uphill(values, success, answered, weight)
        if not value > highest:
            # also where it is not a number
            step = 0.25 * step
            continue
        best, highest = trial, value
        gradient, information = gradient @ slope, slope.T @ information @ slope
        if before is not None and (before - gradient) @ step > 0.0:
            information = _updated(information, step, before - gradient)
        before = gradient
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            break
        if not np.isfinite(step).all():
            break
        if not gradient @ step > NEAR:
            return best + step if gradient @ step > 0.0 else best
    return best
