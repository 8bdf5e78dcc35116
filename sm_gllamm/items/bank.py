"""Items with given parameters: probabilities of their categories and derivatives in the latent variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit, log_expit, log_ndtr, logsumexp, ndtr

__all__ = ["Item", "ItemBank"]

#: Probabilities of which logarithms are taken are not smaller.
LEAST = 1e-300


@dataclass(frozen=True, slots=True)
class Item:
    """One item at given parameters; K categories with codes 0, ..., K - 1.

    Attributes
    ----------
    name : str
    form : {"binary", "graded", "divide"}
        - binary: ``P(1) = lower + (upper - lower) F(slopes'theta + intercepts[0])``,
        - graded (Samejima 1969): ``P(y >= k) = F(slopes'theta + intercepts[k - 1])``, intercepts
          descending,
        - divide (by the total; nominal, partial credit, rating scale):
          ``P(k) = exp(slopes[k]'theta + intercepts[k]) / sum``.
    model : str
        Name of the model that was asked for, such as "2PL" or "graded".
    slopes : ndarray, shape (q,), or (K, q) of "divide"
    intercepts : ndarray, shape (1,), (K - 1,) or (K,)
    lower, upper : float
        Asymptotes of "binary".
    link : {"logit", "probit"}
        F, of "binary" and "graded".
    categories : tuple
        Responses as they were observed, one a code.
    """

    name: str
    form: str
    model: str
    slopes: np.ndarray
    intercepts: np.ndarray
    lower: float = 0.0
    upper: float = 1.0
    link: str = "logit"
    categories: tuple = (0, 1)

    @property
    def n_categories(self) -> int:
        return len(self.intercepts) + (self.form != "divide")

    @property
    def discrimination(self) -> np.ndarray:
        """Slopes of "binary" and "graded", of "divide" those from the first to the last category over
        the number of steps; shape (q,)."""
        if self.form != "divide":
            return self.slopes
        return (self.slopes[-1] - self.slopes[0]) / (self.n_categories - 1)

    def _predictors(self, theta: np.ndarray) -> np.ndarray:
        """Linear predictors, shape (m, number of intercepts)."""
        if self.form == "divide":
            return theta @ self.slopes.T + self.intercepts
        return (theta @ self.slopes)[:, None] + self.intercepts

    def log_probabilities(self, theta: np.ndarray) -> np.ndarray:
        """Logarithms of the probabilities of all categories, also where they are tiny.

        Parameters
        ----------
        theta : ndarray, shape (m, q)

        Returns
        -------
        ndarray, shape (m, K)
        """
        nu = self._predictors(np.asarray(theta, dtype=float))
        if self.form == "divide":
            return nu - logsumexp(nu, axis=1, keepdims=True)
        log_cdf = log_expit if self.link == "logit" else log_ndtr
        if self.form == "binary":
            if self.lower == 0.0 and self.upper == 1.0:
                return np.column_stack([log_cdf(-nu[:, 0]), log_cdf(nu[:, 0])])
            return np.log(np.maximum(self.probabilities(theta), LEAST))
        return self._log_graded(nu, log_cdf)

    def _log_graded(self, nu, log_cdf) -> np.ndarray:
        """log(F(nu_k) - F(nu_k+1)) from the tail in which both are small."""
        first, last = log_cdf(-nu[:, :1]), log_cdf(nu[:, -1:])
        upper, lower = nu[:, :-1], nu[:, 1:]
        flip = upper + lower > 0.0
        big = np.where(flip, -lower, upper)
        small = np.where(flip, -upper, lower)
        large = log_cdf(big)
        with np.errstate(divide="ignore"):
            middle = large + np.log(-np.expm1(np.minimum(log_cdf(small) - large, 0.0)))
        return np.column_stack([first, np.maximum(middle, np.log(LEAST)), last])

    def probabilities(self, theta: np.ndarray) -> np.ndarray:
        """Probabilities of all categories.

        Parameters
        ----------
        theta : ndarray, shape (m, q)

        Returns
        -------
        ndarray, shape (m, K)
        """
        if self.form != "binary":
            return np.exp(self.log_probabilities(theta))
        nu = self._predictors(np.asarray(theta, dtype=float))[:, 0]
        cdf = expit if self.link == "logit" else ndtr
        width = self.upper - self.lower
        return np.column_stack(
            [(1.0 - self.upper) + width * cdf(-nu), self.lower + width * cdf(nu)]
        )

    def derivatives(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Probabilities with first and second derivatives in the latent variables.

        Parameters
        ----------
        theta : ndarray, shape (m, q)

        Returns
        -------
        p : ndarray, shape (m, K)
        slope : ndarray, shape (m, K, q)
        curvature : ndarray, shape (m, K, q, q)
        """
        theta = np.asarray(theta, dtype=float)
        p = self.probabilities(theta)
        if self.form == "divide":
            a = self.slopes
            mean = p @ a
            centred = a - mean[:, None, :]
            spread = np.einsum("mk,mkr,mks->mrs", p, centred, centred)
            slope = p[:, :, None] * centred
            curvature = p[:, :, None, None] * (
                centred[..., :, None] * centred[..., None, :] - spread[:, None]
            )
            return p, slope, curvature
        nu = self._predictors(theta)
        if self.link == "logit":
            low, high = expit(-nu), expit(nu)
            density = low * high
            bend = density * (low - high)
        else:
            density = np.exp(-0.5 * nu**2) / np.sqrt(2 * np.pi)
            bend = -nu * density
        width = self.upper - self.lower
        edges = np.zeros((len(nu), 1))
        first = -np.diff(np.column_stack([edges, width * density, edges]), axis=1)
        second = -np.diff(np.column_stack([edges, width * bend, edges]), axis=1)
        slope = first[:, :, None] * self.slopes
        curvature = second[:, :, None, None] * np.multiply.outer(self.slopes, self.slopes)
        return p, slope, curvature

    def information(self, theta: np.ndarray) -> np.ndarray:
        """Fisher information about the latent variables, ``sum_k dP_k dP_k' / P_k``.

        Parameters
        ----------
        theta : ndarray, shape (m, q)

        Returns
        -------
        ndarray, shape (m, q, q)
        """
        p, slope, _ = self.derivatives(theta)
        return np.einsum("mkr,mks,mk->mrs", slope, slope, 1.0 / np.maximum(p, LEAST))

    def expected_score(self, theta: np.ndarray) -> np.ndarray:
        """Expected code, shape (m,)."""
        return self.probabilities(theta) @ np.arange(self.n_categories)


@dataclass(frozen=True, slots=True)
class ItemBank:
    """Items that measure the same latent variables, and the distribution of these.

    Attributes
    ----------
    items : tuple of Item
    dimensions : tuple of str
        Names of the latent variables.
    mean : ndarray, shape (q,)
    covariance : ndarray, shape (q, q)
    """

    items: tuple[Item, ...]
    dimensions: tuple[str, ...] = ("theta",)
    mean: np.ndarray = field(default_factory=lambda: np.zeros(1))
    covariance: np.ndarray = field(default_factory=lambda: np.eye(1))

    @property
    def names(self) -> list[str]:
        return [item.name for item in self.items]

    def select(self, which: Sequence[int]) -> ItemBank:
        """Some of the items."""
        return ItemBank(
            tuple(self.items[j] for j in which), self.dimensions, self.mean, self.covariance
        )

    def log_likelihood(self, codes: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Log-likelihoods of persons at latent variables that are the same for all.

        Parameters
        ----------
        codes : ndarray of int, shape (n, number of items)
            -1 for a missing response.
        theta : ndarray, shape (m, q)

        Returns
        -------
        ndarray, shape (n, m)
        """
        total = np.zeros((len(codes), len(theta)))
        for j, item in enumerate(self.items):
            log_p = item.log_probabilities(theta)
            padded = np.column_stack([log_p, np.zeros(len(theta))])
            # code -1 picks the last column
            total += padded.T[codes[:, j]]
        return total
