"""Maxima of likelihoods and posterior densities in the latent variables, of all persons at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_gllamm.items.bank import ItemBank

__all__ = ["Modes", "item_places", "modes"]

MAX_ITERATIONS = 100
MAX_HALVINGS = 40
#: The largest change of a linear predictor in one step.
STRIDE = 5.0
#: Steps of Newton's method that are shorter have nothing left to find.
STEP_TOLERANCE = 1e-10
#: Gains that are smaller are none; a step that is long nevertheless leads to infinity.
GAIN_TOLERANCE = 1e-20
#: Nodes of the grids on which maxima are looked for.
GRID_POINTS = 121


@dataclass(frozen=True, slots=True)
class Modes:
    """Where a log-likelihood or log-posterior is largest, n persons.

    Attributes
    ----------
    theta : ndarray, shape (n, q)
    value : ndarray, shape (n,)
        Log-likelihood, plus the quadratic form of the prior without its constant.
    curvature : ndarray, shape (n, q, q)
        Minus the second derivatives.
    converged : ndarray of bool, shape (n,)
    at_bound : ndarray of bool, shape (n, q)
        Latent variables that a bound keeps from growing or falling.
    """

    theta: np.ndarray
    value: np.ndarray
    curvature: np.ndarray
    converged: np.ndarray
    at_bound: np.ndarray


class _Objective:
    """Log-likelihood plus ``-(theta - mean)' precision (theta - mean) / 2`` of some persons."""

    def __init__(self, bank, codes, mean, precision):
        self.bank, self.codes, self.mean, self.precision = bank, codes, mean, precision

    def __call__(self, who, theta):
        value, gradient, hessian = self.bank.person_derivatives(self.codes[who], theta)
        if self.precision is not None:
            away = theta - self.mean[who]
            pull = away @ self.precision
            value = value - 0.5 * np.einsum("nr,nr->n", away, pull)
            gradient, hessian = gradient - pull, hessian - self.precision
        return value, gradient, hessian

    def metric(self, who, theta, hessian):
        """A positive definite matrix near minus the Hessian."""
        metric = -hessian
        if not self.bank.log_concave:
            bent = np.linalg.eigvalsh(metric)[:, 0] <= 0.0
            if bent.any():
                metric[bent] = self.bank.person_information(self.codes[who[bent]], theta[bent])
                if self.precision is not None:
                    metric[bent] += self.precision
        if self.precision is None:
            # latent variables no response tells about stay where they are
            trace = np.einsum("nrr->n", metric)
            metric = metric + np.maximum(1e-12 * trace, 1e-300)[:, None, None] * np.eye(
                theta.shape[1]
            )
        return metric


def item_places(bank: ItemBank, reach: float, points: int = GRID_POINTS) -> np.ndarray:
    """Nodes that are dense where the items of a one-dimensional bank are informative.

    Parameters
    ----------
    bank : ItemBank
    reach : float
        How far the nodes go beyond the items' places, in units of one over the slope.
    points : int
        About how many nodes.

    Returns
    -------
    ndarray, shape (m,)
        Ascending.
    """
    places = [np.array([bank.mean[0]])]
    steps = np.sinh(np.linspace(-1.0, 1.0, 13) * np.arcsinh(reach))
    for item in bank.items:
        if item.form == "divide":
            slopes, intercepts = np.diff(item.slopes[:, 0]), np.diff(item.intercepts)
            typical = np.full(len(slopes), np.abs(item.slopes[:, 0] - item.slopes[0, 0]).max())
        else:
            slopes, intercepts = np.broadcast_arrays(item.slopes[0], item.intercepts)
            typical = np.abs(slopes)
        told = (np.abs(slopes) > 1e-8) & (typical > 1e-8)
        centre = -intercepts[told] / slopes[told]
        places.append((centre[:, None] + steps / np.abs(slopes[told])[:, None]).ravel())
    nodes = np.unique(np.concatenate(places))
    if len(nodes) > points:
        nodes = np.unique(np.quantile(nodes, np.linspace(0.0, 1.0, points)))
    return nodes


def _best_node(bank, codes, nodes, mean, precision):
    """The node of a grid, common to all persons, where the objective is largest."""
    table = bank.category_log_probabilities(nodes)
    best = np.empty((len(codes), nodes.shape[1]))
    size = max(1, 4_000_000 // len(nodes))
    for first in range(0, len(codes), size):
        span = slice(first, first + size)
        value = bank.indicators(codes[span]) @ table
        if precision is not None:
            pull = nodes @ precision
            value += mean[span] @ pull.T - 0.5 * np.einsum("mr,mr->m", nodes, pull)
        best[span] = nodes[np.argmax(value, axis=1)]
    return best


def _start(bank, codes, mean, precision, bounds):
    q = len(bank.dimensions)
    low, high = bounds
    if q == 1:
        nodes = item_places(bank, 8.0)
        if precision is not None:
            spread = np.linspace(-4.0, 4.0, 17) / np.sqrt(precision[0, 0])
            nodes = np.unique(np.concatenate([nodes, mean.min() + spread, mean.max() + spread]))
        nodes = np.unique(np.clip(nodes, low[0], high[0]))[:, None]
        return _best_node(bank, codes, nodes, mean, precision)
    if bank.log_concave or q > 4:
        return np.clip(mean, low, high)
    # several maxima are possible with asymptotes
    line = np.linspace(-3.0, 3.0, {2: 13, 3: 9, 4: 7}[q])
    z = np.stack(np.meshgrid(*[line] * q, indexing="ij"), axis=-1).reshape(-1, q)
    nodes = bank.mean + z @ np.linalg.cholesky(bank.covariance).T
    return _best_node(bank, codes, np.clip(nodes, low, high), mean, precision)


def modes(
    bank: ItemBank,
    codes: np.ndarray,
    mean: np.ndarray,
    precision: np.ndarray | None = None,
    bounds: tuple[np.ndarray, np.ndarray] | None = None,
) -> Modes:
    """Maxima of log-likelihoods, or of log-posteriors if there is a precision.

    Newton's method with halved steps, for all persons at once. Where likelihoods can have several
    maxima (3PL and 4PL; Samejima 1973), the ascent starts at the best node of a grid: at the
    highest maximum, unless two maxima are closer to each other than the nodes.

    Parameters
    ----------
    bank : ItemBank
    codes : ndarray of int, shape (n, number of items)
        -1 for a missing response.
    mean : ndarray, shape (n, q)
        Means of the prior; without a precision: where to start if there is only one maximum.
    precision : ndarray, shape (q, q), optional
        Inverse of the covariance of the prior.
    bounds : tuple of two ndarrays, shape (q,), optional
        Where theta may be.

    Returns
    -------
    Modes
    """
    n, q = mean.shape
    low, high = (np.full(q, -np.inf), np.full(q, np.inf)) if bounds is None else bounds
    objective = _Objective(bank, codes, mean, precision)
    theta = _start(bank, codes, mean, precision, (low, high))
    active = np.arange(n)
    value, gradient, hessian = objective(active, theta)
    converged, at_bound = np.zeros(n, bool), np.zeros((n, q), bool)
    stride = STRIDE / max(_steepest(bank), 1e-8)
    for _ in range(MAX_ITERATIONS):
        if not len(active):
            break
        x, g, h = theta[active], gradient[active], hessian[active]
        metric = objective.metric(active, x, h)
        held = ((x <= low) & (g < 0.0)) | ((x >= high) & (g > 0.0))
        if held.any():
            free = ~held
            metric = metric * (free[:, :, None] & free[:, None, :])
            metric[:, np.arange(q), np.arange(q)] += held
            g = g * free
        d = g / metric[:, 0] if q == 1 else np.linalg.solve(metric, g[..., None])[..., 0]
        at_bound[active] = held
        length = np.abs(d).max(axis=1)
        scale = STEP_TOLERANCE * (1.0 + np.abs(x).max(axis=1))
        gone = np.einsum("nr,nr->n", d, g) < GAIN_TOLERANCE
        d *= np.minimum(1.0, stride / np.maximum(length, 1e-200))[:, None]
        small = (length < scale) | gone
        converged[active[small]] = True
        active, x, d, g = active[~small], x[~small], d[~small], g[~small]
        moved = _ascend(objective, active, x, d, g, value, (low, high))
        for total, part in zip((theta, value, gradient, hessian), moved[1:], strict=True):
            total[active] = part
        # a step that cannot gain is at the maximum to rounding
        converged[active[~moved[0]]] = True
        active = active[moved[0]]
    return Modes(theta, value, -hessian, converged, at_bound)


def _steepest(bank):
    """Largest slope, of "divide" the largest difference of slopes."""
    return max(
        float(np.abs(item.slopes if item.form != "divide" else np.ptp(item.slopes, axis=0)).max())
        for item in bank.items
    )


def _ascend(objective, active, x, d, g, value, bounds):
    """A step along d that is halved until it gains; whether it did, and what is there."""
    before = value[active]
    t = np.ones(len(active))
    trial = np.clip(x + d, *bounds)
    expected = np.einsum("nr,nr->n", trial - x, g)
    found = objective(active, trial)
    where, new = trial, [part.copy() for part in found]
    slack = 1e-13 * (1.0 + np.abs(before))
    short = np.flatnonzero(~(new[0] >= before + 1e-4 * expected - slack))
    for _ in range(MAX_HALVINGS):
        if not len(short):
            break
        t[short] *= 0.5
        trial = np.clip(x[short] + t[short, None] * d[short], *bounds)
        found = objective(active[short], trial)
        where[short] = trial
        for total, part in zip(new, found, strict=True):
            total[short] = part
        good = found[0] >= before[short] + 1e-4 * t[short] * expected[short] - slack[short]
        short = short[~good]
    gained = np.ones(len(active), bool)
    gained[short] = False
    return gained, where, *new
