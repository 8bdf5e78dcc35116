"""Inverse links averaged over a normal linear predictor, with derivatives.

Given the covariates, the linear predictor is normal, ``nu ~ N(eta, v)``, whatever the number of
levels and random effects. So the population-averaged mean is a one-dimensional integral

    M_0(eta, v) = E h(eta + sqrt(v) Z),    Z ~ N(0, 1), h the inverse link.

With M_k the same average of the k-th derivative of h, ``dM_k/d eta = M_{k+1}`` and, since the
normal density solves the heat equation, ``dM_k/dv = M_{k+2} / 2``: every derivative that standard
errors and marginal effects need is another average.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import expit, ndtr

__all__ = ["averages", "inverse_link_derivatives"]

#: The normal density is cut off where it is 1e-17 of its maximum.
REACH = 8.9
#: Row-nodes evaluated at a time.
BLOCK = 2_000_000
MAX_NODES = 4_001


def _logit(nu: np.ndarray, order: int) -> list[np.ndarray]:
    p = expit(nu)
    v = p * expit(-nu)
    d = 1.0 - 2.0 * p
    return [p, v, v * d, v * (1.0 - 6.0 * v), v * d * (1.0 - 12.0 * v)][: order + 1]


def _probit(nu: np.ndarray, order: int) -> list[np.ndarray]:
    f = np.exp(-0.5 * nu**2) / np.sqrt(2.0 * np.pi)
    return [ndtr(nu), f, -nu * f, (nu**2 - 1.0) * f, nu * (3.0 - nu**2) * f][: order + 1]


def _cloglog(nu: np.ndarray, order: int) -> list[np.ndarray]:
    t = np.exp(np.minimum(nu, 40.0))  # exp(-exp(40)) is zero many times over
    f = t * np.exp(-t)
    return [
        -np.expm1(-t),
        f,
        f * (1.0 - t),
        f * (1.0 - 3.0 * t + t**2),
        f * (1.0 - 7.0 * t + 6.0 * t**2 - t**3),
    ][: order + 1]


_BY_LINK = {"Logit": _logit, "Probit": _probit, "CLogLog": _cloglog}


def inverse_link_derivatives(link: str, nu: np.ndarray, order: int) -> list[np.ndarray]:
    """The inverse link and its derivatives.

    Parameters
    ----------
    link : {"Logit", "Probit", "CLogLog", "Log", "Identity"}
    nu : ndarray
    order : int
        Highest derivative, 0 to 4.

    Returns
    -------
    list of ndarray, length order + 1
    """
    nu = np.asarray(nu, dtype=float)
    if link == "Identity":
        return [nu, np.ones_like(nu), *(np.zeros_like(nu) for _ in range(3))][: order + 1]
    if link == "Log":
        return [np.exp(nu)] * (order + 1)
    return _BY_LINK[link](nu, order)


@lru_cache(maxsize=32)
def _rule(points: int) -> tuple[np.ndarray, np.ndarray]:
    z = np.linspace(-REACH, REACH, points)
    weight = np.exp(-0.5 * z**2)
    return z, weight / weight.sum()


def averages(link: str, eta: np.ndarray, variance: np.ndarray, order: int = 0) -> list[np.ndarray]:
    """M_0 ... M_order: the inverse link and its derivatives averaged over N(eta, variance).

    Parameters
    ----------
    link : {"Logit", "Probit", "CLogLog", "Log", "Identity"}
    eta : ndarray, shape (n,)
        Fixed part of the linear predictor.
    variance : ndarray, shape (n,)
        Variance of the random part; NaN gives NaN.
    order : int
        Highest derivative, 0 to 4.

    Returns
    -------
    list of ndarray of shape (n,), length order + 1

    Notes
    -----
    Closed forms for identity, log (``exp(eta + v/2)``) and probit (``Phi(eta / sqrt(1 + v))``,
    Zeger, Liang & Albert 1988). Otherwise the trapezoidal rule, which converges geometrically for
    functions analytic in a strip: with the nearest singularity or double-exponential growth at ``Im
    z = pi / (2 sqrt(v))`` a step of ``1 / (3 sqrt(v))`` gives 13 digits (Trefethen & Weideman 2014,
    thm 5.1), where Gauss-Hermite rules would need hundreds of nodes for large variances.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.prediction.averaging import averages
    >>> mean, = averages("Logit", np.array([1.0]), np.array([4.0]))
    >>> round(float(mean[0]), 4)
    0.6477
    """
    eta = np.asarray(eta, dtype=float)
    variance = np.broadcast_to(np.asarray(variance, dtype=float), eta.shape)
    if link == "Identity":
        return inverse_link_derivatives(link, np.where(np.isnan(variance), np.nan, eta), order)
    if link == "Log":
        return inverse_link_derivatives(link, eta + 0.5 * variance, order)
    if link == "Probit":
        scale = np.sqrt(1.0 + variance)
        derivatives = inverse_link_derivatives(link, eta / scale, order)
        return [d / scale**k for k, d in enumerate(derivatives)]
    sd = np.sqrt(np.maximum(variance, 0.0))
    largest = np.nanmax(sd, initial=0.0)
    if largest == 0.0:
        return inverse_link_derivatives(link, eta + 0.0 * sd, order)
    points = int(min(MAX_NODES, 2 * np.ceil(REACH * max(3.0 * largest, 2.0)) + 1))
    z, weight = _rule(points)
    block = max(1, BLOCK // points)
    parts = []
    for start in range(0, len(eta), block):
        span = slice(start, start + block)
        nu = eta[span, None] + sd[span, None] * z
        parts.append([d @ weight for d in inverse_link_derivatives(link, nu, order)])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
