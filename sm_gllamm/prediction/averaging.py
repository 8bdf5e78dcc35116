"""Inverse links averaged over a normal linear predictor, with derivatives.

Given the covariates, the linear predictor is normal, ``nu ~ N(eta, v)``, whatever the number of
levels and random effects. So the population-averaged mean is a one-dimensional integral

    M_0(eta, v) = E h(eta + sqrt(v) Z),    Z ~ N(0, 1), h the inverse link.

With M_k the same average of the k-th derivative of h, ``dM_k/d eta = M_{k+1}`` and, since the
normal density solves the heat equation, ``dM_k/dv = M_{k+2} / 2``: every derivative that standard
errors and marginal effects need is another average.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.special import expit, ndtr

from sm_gllamm.exceptions import SpecificationError

__all__ = ["average_of", "averages", "inverse_link_derivatives"]

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


def _loglog(nu: np.ndarray, order: int) -> list[np.ndarray]:
    """One minus the complementary log-log of the other sign."""
    mirrored = _cloglog(-nu, order)
    signs = [-1.0, 1.0, -1.0, 1.0, -1.0]
    out = [sign * d for sign, d in zip(signs, mirrored, strict=False)]
    out[0] = np.exp(-np.exp(np.minimum(-nu, 40.0)))
    return out


def _cauchy(nu: np.ndarray, order: int) -> list[np.ndarray]:
    f = 1.0 / (np.pi * (1.0 + nu**2))
    return [
        np.arctan2(1.0, -nu) / np.pi,
        f,
        -2.0 * np.pi * nu * f**2,
        2.0 * np.pi**2 * (3.0 * nu**2 - 1.0) * f**3,
        24.0 * np.pi**3 * nu * (1.0 - nu**2) * f**4,
    ][: order + 1]


def _sqrt(nu: np.ndarray, order: int) -> list[np.ndarray]:
    zero = np.zeros_like(nu)
    return [nu**2, 2.0 * nu, zero + 2.0, zero, zero][: order + 1]


def _power(exponent: float):
    """Powers of the predictor, NaN where it is not positive."""

    def derivatives(nu: np.ndarray, order: int) -> list[np.ndarray]:
        nu = np.where(nu > 0, nu, np.nan)
        out, factor, power = [], 1.0, exponent
        for _ in range(order + 1):
            out.append(factor * nu**power)
            factor, power = factor * power, power - 1.0
        return out

    return derivatives


def _identity(nu: np.ndarray, order: int) -> list[np.ndarray]:
    zero = np.zeros_like(nu)
    return [nu, zero + 1.0, zero, zero, zero][: order + 1]


def _log(nu: np.ndarray, order: int) -> list[np.ndarray]:
    return [np.exp(nu)] * (order + 1)


_BY_LINK = {
    "Identity": _identity,
    "Log": _log,
    "Logit": _logit,
    "Probit": _probit,
    "CLogLog": _cloglog,
    "LogLog": _loglog,
    "Cauchy": _cauchy,
    "InversePower": _power(-1.0),
    "InverseSquared": _power(-0.5),
    "Sqrt": _sqrt,
}
#: Nodes per unit of the SD. The Cauchy density has poles at a third of the logistic's distance.
_DENSITY = {"Cauchy": 5.0}


def inverse_link_derivatives(link: str, nu: np.ndarray, order: int) -> list[np.ndarray]:
    """The inverse link and its derivatives.

    Parameters
    ----------
    link : str
        Name of statsmodels' class: "Identity", "Log", "Logit", "Probit", "CLogLog", "LogLog",
        "Cauchy", "Sqrt", "InversePower" or "InverseSquared".
    nu : ndarray
    order : int
        Highest derivative, 0 to 4.

    Returns
    -------
    list of ndarray, length order + 1
        NaN where the last two links have no mean, at predictors that are not positive.
    """
    return _BY_LINK[link](np.asarray(nu, dtype=float), order)


@lru_cache(maxsize=32)
def _rule(points: int) -> tuple[np.ndarray, np.ndarray]:
    z = np.linspace(-REACH, REACH, points)
    weight = np.exp(-0.5 * z**2)
    return z, weight / weight.sum()


def _integrated(functions: Callable, eta: np.ndarray, sd: np.ndarray, density: float) -> list:
    """Averages over N(eta, sd^2) of the functions in the list that `functions(nu)` returns."""
    largest = np.nanmax(sd, initial=0.0)
    points = int(min(MAX_NODES, 2 * np.ceil(REACH * max(density * largest, 2.0)) + 1))
    z, weight = _rule(points)
    block = max(1, BLOCK // points)
    parts = []
    for start in range(0, len(eta), block):
        span = slice(start, start + block)
        nu = eta[span, None] + sd[span, None] * z
        parts.append([value @ weight for value in functions(nu, span)])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def average_of(function: Callable, eta: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """A function of the linear predictor averaged over N(eta, variance), by the trapezoidal rule.

    Parameters
    ----------
    function : callable
        Takes predictors of shape (m, r) and the slice of the n rows that they are of; returns shape
        (m, r).
    eta, variance : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
    """
    sd = np.sqrt(np.maximum(np.broadcast_to(variance, eta.shape), 0.0))
    if len(eta) == 0:
        return np.empty(0)
    return _integrated(lambda nu, span: [function(nu, span)], eta, sd, 3.0)[0]


def averages(link: str, eta: np.ndarray, variance: np.ndarray, order: int = 0) -> list[np.ndarray]:
    """M_0 ... M_order: the inverse link and its derivatives averaged over N(eta, variance).

    Parameters
    ----------
    link : str
        As in :func:`inverse_link_derivatives`.
    eta : ndarray, shape (n,)
        Fixed part of the linear predictor.
    variance : ndarray, shape (n,)
        Variance of the random part; NaN gives NaN.
    order : int
        Highest derivative, 0 to 4.

    Returns
    -------
    list of ndarray of shape (n,), length order + 1

    Raises
    ------
    SpecificationError
        Reciprocal links with a variance: a normal predictor is zero or negative with positive
        probability, where there is no mean.

    Notes
    -----
    Closed forms for identity, log (``exp(eta + v/2)``), square root (``eta^2 + v``) and probit
    (``Phi(eta / sqrt(1 + v))``, Zeger, Liang & Albert 1988). Otherwise the trapezoidal rule, which
    converges geometrically for functions analytic in a strip: with the nearest singularity or
    double-exponential growth at ``Im z = pi / (2 sqrt(v))`` a step of ``1 / (3 sqrt(v))`` gives 13
    digits (Trefethen & Weideman 2014, thm 5.1), where Gauss-Hermite rules would need hundreds of
    nodes for large variances.

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
    if np.nanmax(sd, initial=0.0) == 0.0:
        return inverse_link_derivatives(link, eta + 0.0 * sd, order)
    if link == "Sqrt":
        moments = inverse_link_derivatives(link, eta, order)
        moments[0] = moments[0] + variance
        return moments
    if link in ("InversePower", "InverseSquared"):
        raise SpecificationError(
            "with a reciprocal link and random effects there is no marginal mean: predictors of zero "
            "and below, which have no mean, have positive probability. Use which='conditional' or "
            "'posterior'"
        )
    return _integrated(
        lambda nu, span: inverse_link_derivatives(link, nu, order), eta, sd, _DENSITY.get(link, 3.0)
    )
