"""Inverse links: their derivatives, and the codes by which the kernel knows them."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, ndtr

__all__ = ["LINK_CODES", "LINK_NAMES", "inverse_link_derivatives"]

#: Name of statsmodels' link class to the kernel's code.
LINK_CODES = {
    "Identity": 0,
    "Log": 1,
    "Logit": 2,
    "Probit": 3,
    "CLogLog": 4,
    "LogLog": 5,
    "Cauchy": 6,
    "InversePower": 7,
    "InverseSquared": 8,
    "Sqrt": 9,
}
#: Names of links by the kernel's codes.
LINK_NAMES = np.array(sorted(LINK_CODES, key=LINK_CODES.__getitem__))


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
