"""Fit of persons at given latent variables: Zh, infit and outfit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import Item, ItemBank

__all__ = ["PersonFit", "ResponseMoments", "person_fit", "response_moments", "standardised"]


@dataclass(frozen=True, slots=True)
class PersonFit:
    """How well the responses of persons agree with the items; NaN of persons without responses.

    Attributes
    ----------
    zh : ndarray, shape (N,)
        Standardised log-likelihood: strongly negative for responses that are improbable.
    outfit, infit : ndarray, shape (N,)
        Mean squares, expectation 1.
    z_outfit, z_infit : ndarray, shape (N,)
        The mean squares, transformed to be about standard normal.
    n_responses : ndarray of int, shape (N,)
    """

    zh: np.ndarray
    outfit: np.ndarray
    z_outfit: np.ndarray
    infit: np.ndarray
    z_infit: np.ndarray
    n_responses: np.ndarray


@dataclass(frozen=True, slots=True)
class ResponseMoments:
    """Responses of persons to one item, and their moments at the persons' latent variables.

    All arrays have the shape (n,), n persons having responded to the item.

    Attributes
    ----------
    persons : ndarray of int
        Who has responded.
    residual : ndarray
        Code minus its expectation.
    variance, fourth : ndarray
        Second and fourth central moments of codes.
    log_probability : ndarray
        Of the response.
    log_mean, log_variance : ndarray
        Mean and variance of that logarithm over possible responses.
    """

    persons: np.ndarray
    residual: np.ndarray
    variance: np.ndarray
    fourth: np.ndarray
    log_probability: np.ndarray
    log_mean: np.ndarray
    log_variance: np.ndarray


def response_moments(item: Item, codes: np.ndarray, theta: np.ndarray) -> ResponseMoments:
    """Responses to an item with their moments.

    Parameters
    ----------
    item : Item
    codes : ndarray of int, shape (N,)
        -1 for a missing response.
    theta : ndarray, shape (N, q)
        Latent variables of the persons.

    Returns
    -------
    ResponseMoments

    Raises
    ------
    SpecificationError
        If the latent variables of a person with a response are not finite.
    """
    persons = np.flatnonzero(codes >= 0)
    y, at = codes[persons], theta[persons]
    infinite = ~np.isfinite(at).all(axis=1)
    if infinite.any():
        raise SpecificationError(
            f"the latent variables of person {persons[np.argmax(infinite)]} are not finite: use "
            "scores that are finite for all response patterns (EAP, MAP or WLE)"
        )
    log_p = item.log_probabilities(at)
    p = np.exp(log_p)
    values = np.arange(item.n_categories)
    # deviations from the expectation, from differences: 1 - P is exact where P is near one
    deviations = np.einsum("nl,kl->nk", p, values[:, None] - values)
    squares = deviations**2
    rows = np.arange(len(persons))
    log_mean = (p * log_p).sum(axis=1)
    return ResponseMoments(
        persons=persons,
        residual=deviations[rows, y],
        variance=(p * squares).sum(axis=1),
        fourth=(p * squares**2).sum(axis=1),
        log_probability=log_p[rows, y],
        log_mean=log_mean,
        log_variance=(p * (log_p - log_mean[:, None]) ** 2).sum(axis=1),
    )


def standardised(mean_square: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Mean squares as standard normal deviates (Wilson-Hilferty).

    ``(ms^(1/3) - 1) 3 / q + q / 3``, q^2 the variance of the mean square (Wright & Masters 1982,
    p. 100). q is at most sqrt(2), the value for a chi-square variable with one degree of freedom.
    """
    q = np.sqrt(np.clip(variance, 0.0, 2.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return (np.cbrt(mean_square) - 1.0) * 3.0 / q + q / 3.0


def person_fit(bank: ItemBank, codes: np.ndarray, theta: np.ndarray) -> PersonFit:
    """Person fit at given latent variables.

    Parameters
    ----------
    bank : ItemBank
    codes : ndarray of int, shape (N, number of items)
        -1 for a missing response, which is left out.
    theta : ndarray, shape (N, q)
        Latent variables of the persons, such as their EAP scores.

    Returns
    -------
    PersonFit

    Raises
    ------
    SpecificationError
        If the latent variables of a person with responses are not finite.

    Notes
    -----
    Zh = (l - E l) / SD(l), l the log-likelihood at theta (Drasgow, Levine & Williams 1985).
    Outfit is the mean of squared standardised residuals, infit that of squared residuals over that
    of their variances (Wright & Masters 1982). At estimated latent variables all have smaller
    variances than the standard normal distribution has.

    References
    ----------
    Drasgow, F., Levine, M. V. & Williams, E. A. (1985). British Journal of Mathematical and
    Statistical Psychology 38:67. Wright, B. D. & Masters, G. N. (1982). Rating Scale Analysis.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.items.bank import Item, ItemBank
    >>> from sm_gllamm.items.person_fit import person_fit
    >>> bank = ItemBank(tuple(
    ...     Item(f"i{d}", "binary", "Rasch", np.ones(1), np.array([float(d)]))
    ...     for d in (2, 1, 0, -1, -2)))
    >>> codes = np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1]])  # as expected, and the reverse
    >>> person_fit(bank, codes, np.zeros((2, 1))).zh.round(2)
    array([ 0.91, -4.49])
    """
    n = len(codes)
    names = ("l", "mean", "variance", "z2", "z4", "squares", "w", "excess")
    sums = {name: np.zeros(n) for name in names}
    for j, item in enumerate(bank.items):
        m = response_moments(item, codes[:, j], theta)
        for name, value in (
            ("l", m.log_probability),
            ("mean", m.log_mean),
            ("variance", m.log_variance),
            ("z2", m.residual**2 / m.variance),
            ("z4", m.fourth / m.variance**2),
            ("squares", m.residual**2),
            ("w", m.variance),
            ("excess", m.fourth - m.variance**2),
        ):
            sums[name][m.persons] += value
    count = (codes >= 0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        outfit, infit = sums["z2"] / count, sums["squares"] / sums["w"]
        return PersonFit(
            zh=(sums["l"] - sums["mean"]) / np.sqrt(sums["variance"]),
            outfit=outfit,
            z_outfit=standardised(outfit, (sums["z4"] / count - 1.0) / count),
            infit=infit,
            z_infit=standardised(infit, sums["excess"] / sums["w"] ** 2),
            n_responses=count,
        )
