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

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.responses.forms import Form, InverseLink
from sm_gllamm.responses.links import inverse_link_derivatives

__all__ = ["average", "averages"]

#: The normal density is cut off where it is 1e-17 of its maximum.
REACH = 8.9
#: Row-nodes evaluated at a time.
BLOCK = 2_000_000
MAX_NODES = 4_001


#: Nodes per unit of the SD. The Cauchy density has poles at a third of the logistic's distance.
_DENSITY = {"Cauchy": 5.0}


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


def average(form: Form, eta: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """A function of the linear predictor averaged over N(eta, variance).

    Parameters
    ----------
    form : InverseLink or Function
        Averages of the latter are by the trapezoidal rule.
    eta, variance : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
    """
    if isinstance(form, InverseLink):
        return form.by_link(lambda *x: averages(*x)[0], eta, form.slope**2 * variance)
    sd = np.sqrt(np.maximum(np.broadcast_to(variance, eta.shape), 0.0))
    if len(eta) == 0:
        return np.empty(0)
    return _integrated(lambda nu, span: [form.function(nu, span)], eta, sd, 3.0)[0]


def averages(link: str, eta: np.ndarray, variance: np.ndarray, order: int = 0) -> list[np.ndarray]:
    """M_0 ... M_order: the inverse link and its derivatives averaged over N(eta, variance).

    Parameters
    ----------
    link : str
        As in :func:`sm_gllamm.responses.links.inverse_link_derivatives`.
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
