"""Scores of persons: EAP, MAP, ML and WLE estimates of the latent variables, with standard errors."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from sm_gllamm.exceptions import QuadratureWarning, SpecificationError
from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.infinite_estimates import limits_at_infinity
from sm_gllamm.items.modes import modes
from sm_gllamm.items.posterior import posterior_moments
from sm_gllamm.items.weighted_likelihood import estimating_function, weighted_likelihood

__all__ = ["STATUS", "Scores", "scores"]

FOUND, PRIOR, NONE, EXTREME, INFINITE, BOUND, UNFINISHED, UNTOLD, ROUGH = range(9)

#: What the numbers of :attr:`Scores.status` say.
STATUS = {
    FOUND: "estimated",
    PRIOR: "no responses: mean and SD of the prior",
    NONE: "no responses: no estimate",
    EXTREME: "all responses extreme: no finite estimate",
    INFINITE: "likelihood largest at infinity: no finite estimate",
    BOUND: "at a bound: no standard error",
    UNFINISHED: "iterations did not converge",
    UNTOLD: "responses do not tell about all latent variables",
    ROUGH: "quadrature less accurate than 1e-3 posterior SDs",
}


@dataclass(frozen=True, slots=True)
class Scores:
    """Estimates of the latent variables of n persons.

    Attributes
    ----------
    method : {"EAP", "MAP", "ML", "WLE"}
    estimate : ndarray, shape (n, q)
        Infinite or NaN where `status` says that there is no (finite) estimate.
    std_err : ndarray, shape (n, q)
        NaN where the estimate is infinite, NaN or at a bound.
    covariance : ndarray, shape (n, q, q)
        Of the posterior (EAP), or the inverse of the information (the others); NaN as `std_err`.
    status : ndarray of int, shape (n,)
        Keys of :data:`STATUS`.
    """

    method: str
    estimate: np.ndarray
    std_err: np.ndarray
    covariance: np.ndarray
    status: np.ndarray

    @property
    def status_text(self) -> list[str]:
        """:data:`STATUS` in words, one a person."""
        return [STATUS[int(code)] for code in self.status]


def scores(
    bank: ItemBank,
    codes: np.ndarray,
    method: str = "EAP",
    prior_mean: np.ndarray | None = None,
    covariance: np.ndarray | None = None,
    bounds: tuple | None = None,
    information: str = "expected",
) -> Scores:
    """Estimates of the latent variables of persons from their responses.

    Parameters
    ----------
    bank : ItemBank
    codes : array_like of int, shape (n, number of items)
        -1 for a missing response, which is ignored.
    method : {"EAP", "MAP", "ML", "WLE"}
        - EAP: mean and SD of the posterior (Bock & Mislevy 1982),
        - MAP: mode of the posterior, SE from its curvature there,
        - ML: maximum of the likelihood, SE from the information of the items answered,
        - WLE: weighted likelihood (Warm 1989) of one latent variable, SE from the expected
          information; finite for all patterns.
    prior_mean : ndarray, shape (q,) or (n, q), optional
        Mean of the normal prior, by person where latent variables depend on covariates or groups.
        The bank's by default.
    covariance : ndarray, shape (q, q), optional
        Covariance of the prior; the bank's by default. ML and WLE have no prior.
    bounds : (low, high), optional
        Where estimates may be, numbers or arrays of shape (q,). Not for EAP.
    information : {"expected", "observed"}
        Which information gives the SEs of ML.

    Returns
    -------
    Scores

    Raises
    ------
    SpecificationError
        If a response is not a category of its item, the covariance is not positive definite, or WLE
        is asked for several latent variables.

    Warns
    -----
    QuadratureWarning
        If integrals for EAP are less accurate than 1e-3 posterior SDs, which can happen with four and
        more latent variables.

    Notes
    -----
    EAPs and their SDs are accurate to 1e-8 posterior SDs with one or two latent variables, 1e-6 with
    three, 1e-5 with four and 1e-4 with five if items are not steep. Patterns that occur several times
    are computed once. Where the likelihood has several maxima, which it can have with asymptotes only
    (3PL, 4PL), MAP, ML and WLE start from the best node of a grid, that is near the highest maximum.

    References
    ----------
    Bock, R. D. & Mislevy, R. J. (1982). Adaptive EAP estimation of ability in a microcomputer
    environment. Applied Psychological Measurement, 6, 431-444.

    Warm, T. A. (1989). Weighted likelihood estimation of ability in item response theory.
    Psychometrika, 54, 427-450.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.items.bank import Item, ItemBank
    >>> from sm_gllamm.items.scoring import scores
    >>> bank = ItemBank(tuple(
    ...     Item(f"i{j}", "binary", "2PL", [1.0 + j / 4], [1.0 - j]) for j in range(3)))
    >>> eap = scores(bank, [[0, 0, 0], [1, 1, 0], [1, 1, 1]])
    >>> eap.estimate.ravel().round(3)
    array([-0.998,  0.236,  1.037])
    >>> scores(bank, [[1, 1, 1]], method="ML").status_text
    ['all responses extreme: no finite estimate']
    """
    estimators = {"EAP": _eap, "MAP": _map, "ML": _ml, "WLE": _wle}
    if method not in estimators:
        raise SpecificationError(
            f"Scores are by one of {', '.join(estimators)}; there is no method {method!r}."
        )
    if information not in ("expected", "observed"):
        raise SpecificationError(f"Information is 'expected' or 'observed', not {information!r}.")
    codes = bank.checked_codes(codes)
    mean, covariance = _prior(bank, len(codes), prior_mean, covariance)
    limits = _bounds(bounds, len(bank.dimensions), method)
    first, which = _distinct(bank, codes, mean if method in ("EAP", "MAP") else None)
    unique = codes[first]
    parts = estimators[method](bank, unique, mean[first], covariance, limits, information)
    estimate, spread, status = (part[which] for part in parts)
    std_err = np.sqrt(np.einsum("nrr->nr", spread))
    return Scores(method, estimate, std_err, spread, status)


def _prior(bank, n, mean, covariance):
    """Means by person and the covariance of the prior."""
    q = len(bank.dimensions)
    covariance = np.asarray(bank.covariance if covariance is None else covariance, dtype=float)
    mean = np.asarray(bank.mean if mean is None else mean, dtype=float)
    if mean.ndim == 2 and mean.shape != (n, q) or mean.ndim == 1 and mean.shape != (q,):
        raise SpecificationError(
            f"The prior mean has the shape {mean.shape}; it must be ({q},), or ({n}, {q}) by person."
        )
    mean = np.broadcast_to(mean, (n, q))
    if not np.isfinite(mean).all():
        person = int(np.argwhere(~np.isfinite(mean))[0, 0])
        raise SpecificationError(
            f"The prior mean of person {person} is not finite: {mean[person]}."
        )
    if covariance.shape != (q, q):
        raise SpecificationError(
            f"The covariance of the prior has the shape {covariance.shape}; it must be ({q}, {q})."
        )
    if not np.linalg.eigvalsh(covariance)[0] > 0.0:
        raise SpecificationError(
            "The covariance of the prior is not positive definite: a latent variable has no "
            "variance, or is a combination of others. Score without it."
        )
    return mean, covariance


def _bounds(bounds, q, method):
    if bounds is None:
        return None
    if method == "EAP":
        raise SpecificationError("Bounds are for MAP, ML and WLE; EAP is always finite.")
    try:
        low, high = (np.broadcast_to(np.asarray(b, dtype=float), (q,)) for b in bounds)
    except (TypeError, ValueError) as error:
        raise SpecificationError(
            f"Bounds must be a pair of numbers, or of arrays of shape ({q},)."
        ) from error
    if not np.all(low < high):
        raise SpecificationError(f"The lower bound {low} is not below the upper one {high}.")
    return low, high


def _distinct(bank, codes, mean):
    """Rows that differ in responses or prior: the first of each, and which of them a person has."""
    key, size = np.zeros(len(codes), dtype=np.int64), 1
    for j, item in enumerate(bank.items):
        radix = item.n_categories + 1
        if size > 2**60 // radix:
            key = np.unique(key, return_inverse=True)[1].reshape(-1)
            size = len(codes)
        key = key * radix + codes[:, j] + 1
        size *= radix
    if mean is not None and (mean != mean[:1]).any():
        for column in mean.T:
            value = np.unique(column, return_inverse=True)[1].reshape(-1)
            key = np.unique(key, return_inverse=True)[1].reshape(-1)
            key = key * (value.max() + 1) + value
    first, which = np.unique(key, return_index=True, return_inverse=True)[1:]
    return first, which.reshape(-1)


def _eap(bank, codes, mean, covariance, bounds, information):
    moments = posterior_moments(bank, codes, mean, covariance)
    status = np.where(moments.accurate, FOUND, ROUGH)
    if not moments.accurate.all():
        warnings.warn(
            f"EAPs of {np.sum(~moments.accurate)} response patterns have quadrature errors of more "
            f"than 1e-3 posterior SDs; they have status {ROUGH}. MAP needs no integral.",
            QuadratureWarning,
            stacklevel=3,
        )
    status[(codes < 0).all(axis=1)] = PRIOR
    return moments.mean, moments.covariance, status


def _map(bank, codes, mean, covariance, bounds, information):
    found = modes(bank, codes, mean, np.linalg.inv(covariance), bounds)
    status = np.where(found.converged, FOUND, UNFINISHED)
    spread = _inverse_of_free(found.curvature, found.at_bound, status)
    status[(codes < 0).all(axis=1) & (status == FOUND)] = PRIOR
    return found.theta, spread, status


def _ml(bank, codes, mean, covariance, bounds, information):
    n, q = mean.shape
    found = modes(bank, codes, mean, None, bounds)
    theta = found.theta.copy()
    status = np.where(found.converged, FOUND, UNFINISHED)
    total = bank.person_information(codes, theta)
    unknown = np.zeros((n, q), bool)
    if bounds is None:
        infinite, extreme = limits_at_infinity(bank, codes, found, mean, total)
        theta[infinite != 0] = np.inf * infinite[infinite != 0]
        unknown = infinite != 0
        status[unknown.any(axis=1)] = INFINITE
        status[extreme] = EXTREME
    untold = _untold(bank, codes, total, unknown)
    theta[untold] = np.nan
    status[untold.any(axis=1) & np.isin(status, (FOUND, UNFINISHED))] = UNTOLD
    status[(codes < 0).all(axis=1)] = NONE
    total = found.curvature if information == "observed" else total
    held = found.at_bound & ~untold
    spread = _inverse_of_free(total, unknown | untold | held, status, held)
    return theta, spread, status


def _untold(bank, codes, information, unknown):
    """Latent variables that are not identified by the responses, shape (n, q).

    No item answered has a slope in their direction. Of persons with infinite estimates: no item
    whose response is not certain there has, which shows in the information.
    """
    scale = _slope_squares(bank, codes)
    q = information.shape[1]
    somewhere = unknown.any(axis=1)
    matrix = np.where(somewhere[:, None, None], information, _slope_products(bank, codes))
    known = ~unknown
    matrix = matrix * (known[:, :, None] & known[:, None, :])
    matrix[:, np.arange(q), np.arange(q)] += unknown * scale[:, None]
    values, vectors = np.linalg.eigh(matrix)
    null = values <= 1e-10 * np.maximum(scale, 1e-300)[:, None]
    return (np.abs(vectors) * null[:, None, :]).max(axis=2) > 1e-4


def _slope_products(bank, codes):
    """Sums of products of slopes of the items a person answered, shape (n, q, q)."""
    each = []
    for item in bank.items:
        slopes = item.slopes - item.slopes[0] if item.form == "divide" else item.slopes[None]
        each.append(slopes.T @ slopes)
    return np.tensordot((codes >= 0).astype(float), np.array(each), axes=1)


def _slope_squares(bank, codes):
    """Sums of squared slopes of the items a person answered, shape (n,)."""
    return np.einsum("nrr->n", _slope_products(bank, codes))


def _inverse_of_free(information, fixed, status, held=None):
    """Inverses of the information about what is free, NaN elsewhere; notes bounds in `status`."""
    q = information.shape[1]
    held = fixed if held is None else held
    status[held.any(axis=1) & (status == FOUND)] = BOUND
    free = ~fixed
    both = free[:, :, None] & free[:, None, :]
    matrix = np.where(both, information, 0.0)
    matrix[:, np.arange(q), np.arange(q)] += fixed
    # not positive definite only where iterations ended elsewhere than at a maximum
    least = np.linalg.eigvalsh(matrix)[:, 0]
    good = least > 0.0
    status[~good & (status == FOUND)] = UNFINISHED
    spread = np.full(matrix.shape, np.nan)
    spread[good] = np.linalg.inv(matrix[good])
    return np.where(both, spread, np.nan)


def _wle(bank, codes, mean, covariance, bounds, information):
    n, q = mean.shape
    if q > 1:
        raise SpecificationError(
            f"WLE is defined for one latent variable, this bank has {q} "
            f"({', '.join(bank.dimensions)}). Ask for EAP, MAP or ML, or select the items of one."
        )
    theta, variance = np.full(n, np.nan), np.full(n, np.nan)
    told = _slope_squares(bank, codes) > 0.0
    status = np.where(told, FOUND, UNTOLD)
    status[(codes < 0).all(axis=1)] = NONE
    ends = None if bounds is None else (bounds[0][0], bounds[1][0])
    theta[told], solved = weighted_likelihood(bank, codes[told], ends)
    variance[told] = 1.0 / estimating_function(bank, codes[told], theta[told])[1]
    beyond = np.flatnonzero(told)[~solved]
    status[beyond], variance[beyond] = BOUND if bounds is not None else UNFINISHED, np.nan
    return theta[:, None], variance[:, None, None], status
