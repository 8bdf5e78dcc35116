"""Items with given parameters: probabilities of their categories and derivatives in the latent variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import expit, log_expit, log_ndtr, logsumexp

from sm_gllamm.exceptions import SpecificationError

__all__ = ["Item", "ItemBank"]

#: Logarithm of a probability of zero, of a category between two equal thresholds or beyond an
#: asymptote: finite, so that responses nobody gave do not turn sums into NaN.
LOG_ZERO = -1e5


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

    Raises
    ------
    SpecificationError
        If shapes disagree, parameters are not finite, intercepts of "graded" ascend or asymptotes
        are not ``0 <= lower < upper <= 1``.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.items.bank import Item
    >>> item = Item("i1", "binary", "3PL", slopes=[1.5], intercepts=[0.0], lower=0.2)
    >>> item.probabilities(np.array([[0.0]])).round(3)
    array([[0.4, 0.6]])
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

    def __post_init__(self):
        for which in ("slopes", "intercepts"):
            value = np.asarray(getattr(self, which), dtype=float)
            object.__setattr__(self, which, value)
            if not np.isfinite(value).all():
                raise SpecificationError(
                    f"Item {self.name!r}: {which} must be finite numbers, they are {value}."
                )
        if self.form not in ("binary", "graded", "divide"):
            raise SpecificationError(
                f"Item {self.name!r}: form must be 'binary', 'graded' or 'divide', "
                f"not {self.form!r}."
            )
        if self.link not in ("logit", "probit"):
            raise SpecificationError(
                f"Item {self.name!r}: link must be 'logit' or 'probit', not {self.link!r}."
            )
        self._check_shapes()
        if self.form == "graded" and np.any(np.diff(self.intercepts) > 0):
            raise SpecificationError(
                f"Item {self.name!r}: intercepts of a graded item must not ascend, "
                f"they are {self.intercepts}."
            )
        if not 0.0 <= self.lower < self.upper <= 1.0:
            raise SpecificationError(
                f"Item {self.name!r}: asymptotes must be 0 <= lower < upper <= 1, "
                f"they are {self.lower} and {self.upper}."
            )

    def _check_shapes(self):
        expected = 2 if self.form == "divide" else 1
        few = 2 if self.form == "divide" else 1
        wrong = (
            self.slopes.ndim != expected
            or self.intercepts.ndim != 1
            or len(self.intercepts) < few
            or (self.form == "divide" and len(self.slopes) != len(self.intercepts))
            or (self.form == "binary" and len(self.intercepts) != 1)
        )
        if wrong:
            raise SpecificationError(
                f"Item {self.name!r}: slopes of shape {self.slopes.shape} and intercepts of shape "
                f"{self.intercepts.shape} are not those of a {self.form!r} item; see Item."
            )

    @property
    def n_categories(self) -> int:
        return len(self.intercepts) + (self.form != "divide")

    def shifted(self, by: float, dimension: int | None = None) -> Item:
        """The item with other intercepts, or another slope; of "divide" the change is once a step.

        Parameters
        ----------
        by : float
        dimension : int, optional
            Latent variable whose slope changes; default: intercepts do.

        Returns
        -------
        Item
        """
        steps = np.arange(len(self.intercepts)) if self.form == "divide" else 1.0
        if dimension is None:
            return replace(self, intercepts=self.intercepts + steps * by)
        slopes = self.slopes.copy()
        slopes[..., dimension] += steps * by
        return replace(self, slopes=slopes)

    @property
    def discrimination(self) -> np.ndarray:
        """Slopes of "binary" and "graded", of "divide" those from the first to the last category over
        the number of steps; shape (q,)."""
        if self.form != "divide":
            return self.slopes
        return (self.slopes[-1] - self.slopes[0]) / (self.n_categories - 1)

    @property
    def log_concave(self) -> bool:
        """Whether the log-likelihood of every response is concave in the latent variables."""
        return self.form != "binary" or (self.lower == 0.0 and self.upper == 1.0)

    def _along_slopes(self, nu, code):
        """Of "binary" and "graded": log P(code) with two derivatives in ``nu = slopes'theta``.

        `nu` and `code` are broadcast against each other. No quotient of probabilities is formed
        that could be 0/0: derivatives are right however small the probability.
        """
        if self.form == "binary":
            sign = np.where(code > 0, 1.0, -1.0)
            log_cdf, first, second = _log_cdf(sign * (nu + self.intercepts[0]), self.link)
            if not self.log_concave:
                floor = np.where(code > 0, self.lower, 1.0 - self.upper)
                log_cdf, first, second = _above_floor(
                    floor, self.upper - self.lower, log_cdf, first, second
                )
            return log_cdf, sign * first, second
        edges = np.concatenate([[np.inf], self.intercepts, [-np.inf]])
        above, below = edges[code], edges[code + 1]
        if self.link == "logit":
            return _between_logit(nu, above, below)
        return _between_probit(nu + above, nu + below)

    def _at_nodes(self, theta):
        """Log-probabilities of all categories, with derivatives in nu of "binary" and "graded"."""
        nu = (theta @ self.slopes)[:, None]
        return self._along_slopes(nu, np.arange(self.n_categories)[None, :])

    def log_probabilities(self, theta: np.ndarray) -> np.ndarray:
        """Logarithms of the probabilities of all categories, also where they are tiny.

        Parameters
        ----------
        theta : ndarray, shape (m, q)

        Returns
        -------
        ndarray, shape (m, K)
        """
        theta = np.asarray(theta, dtype=float)
        if self.form == "divide":
            nu = theta @ self.slopes.T + self.intercepts
            return nu - logsumexp(nu, axis=1, keepdims=True)
        return self._at_nodes(theta)[0]

    def probabilities(self, theta: np.ndarray) -> np.ndarray:
        """Probabilities of all categories.

        Parameters
        ----------
        theta : ndarray, shape (m, q)

        Returns
        -------
        ndarray, shape (m, K)
        """
        return np.exp(self.log_probabilities(theta))

    def log_derivatives(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log-probabilities of all categories with derivatives in the latent variables.

        Parameters
        ----------
        theta : ndarray, shape (m, q)

        Returns
        -------
        log_p : ndarray, shape (m, K)
        gradient : ndarray, shape (m, K, q)
        hessian : ndarray, shape (m, K, q, q)
        """
        theta = np.asarray(theta, dtype=float)
        if self.form == "divide":
            log_p = self.log_probabilities(theta)
            p = np.exp(log_p)
            gradient = self.slopes - (p @ self.slopes)[:, None, :]
            spread = np.einsum("mk,mkr,mks->mrs", p, gradient, gradient)
            hessian = np.broadcast_to(-spread[:, None], (*p.shape, *spread.shape[1:]))
            return log_p, gradient, hessian
        log_p, first, second = self._at_nodes(theta)
        outer = np.multiply.outer(self.slopes, self.slopes)
        return log_p, first[..., None] * self.slopes, second[..., None, None] * outer

    def response_log_probabilities(self, codes: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Log-probability of each person's response at several nodes of the person's own.

        Parameters
        ----------
        codes : ndarray of int, shape (n,)
            No -1 among them.
        theta : ndarray, shape (n, m, q)

        Returns
        -------
        ndarray, shape (n, m)
        """
        if self.form == "divide":
            nu = theta @ self.slopes.T + self.intercepts
            chosen = np.take_along_axis(nu, codes[:, None, None], axis=2)[:, :, 0]
            return chosen - logsumexp(nu, axis=2)
        nu, code = theta @ self.slopes, codes[:, None]
        if self.form == "binary" and self.log_concave:
            # the common case, without the derivatives
            x = np.where(code > 0, 1.0, -1.0) * (nu + self.intercepts[0])
            return log_expit(x) if self.link == "logit" else log_ndtr(x)
        return self._along_slopes(nu, code)[0]

    def response_derivatives(
        self, codes: np.ndarray, theta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log-probability of each person's response with derivatives at the person's own theta.

        Parameters
        ----------
        codes : ndarray of int, shape (n,)
            No -1 among them.
        theta : ndarray, shape (n, q)

        Returns
        -------
        log_p : ndarray, shape (n,)
        gradient : ndarray, shape (n, q)
        hessian : ndarray, shape (n, q, q)
        """
        if self.form == "divide":
            log_p = self.log_probabilities(theta)
            p = np.exp(log_p)
            mean = p @ self.slopes
            pairs = np.einsum("kr,ks->krs", self.slopes, self.slopes)
            hessian = mean[:, :, None] * mean[:, None, :] - np.tensordot(p, pairs, axes=1)
            chosen = np.take_along_axis(log_p, codes[:, None], axis=1)[:, 0]
            return chosen, self.slopes[codes] - mean, hessian
        log_p, first, second = self._along_slopes(theta @ self.slopes, codes)
        outer = np.multiply.outer(self.slopes, self.slopes)
        return log_p, first[:, None] * self.slopes, second[:, None, None] * outer

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
        log_p, gradient, hessian = self.log_derivatives(theta)
        p = np.exp(log_p)
        slope = p[..., None] * gradient
        curvature = p[..., None, None] * (gradient[..., :, None] * gradient[..., None, :] + hessian)
        return p, slope, curvature

    def information(self, theta: np.ndarray) -> np.ndarray:
        """Fisher information about the latent variables, ``sum_k P_k dlogP_k dlogP_k'``.

        Parameters
        ----------
        theta : ndarray, shape (m, q)

        Returns
        -------
        ndarray, shape (m, q, q)
        """
        theta = np.asarray(theta, dtype=float)
        if self.form == "divide":
            log_p, gradient, _ = self.log_derivatives(theta)
            return np.einsum("mk,mkr,mks->mrs", np.exp(log_p), gradient, gradient)
        log_p, first, _ = self._at_nodes(theta)
        along = np.einsum("mk,mk,mk->m", np.exp(log_p), first, first)
        return along[:, None, None] * np.multiply.outer(self.slopes, self.slopes)

    def expected_score(self, theta: np.ndarray) -> np.ndarray:
        """Expected code, shape (m,)."""
        return self.probabilities(theta) @ np.arange(self.n_categories)


def _log_cdf(x, link):
    """log F with its first and second derivative."""
    if link == "logit":
        high, low = expit(x), expit(-x)
        return log_expit(x), low, -high * low
    log_cdf = log_ndtr(x)
    ratio = np.exp(-0.5 * x**2 - 0.5 * np.log(2 * np.pi) - log_cdf)
    return log_cdf, ratio, -ratio * (x + ratio)


def _above_floor(floor, width, log_cdf, first, second):
    """log(floor + width F) with two derivatives from those of log F.

    With r the share of ``width F`` in the probability: ``r d``, and ``r d2 + r (1 - r) d^2``.
    """
    with np.errstate(divide="ignore"):
        rise = np.log(width) + log_cdf
        log_p = np.logaddexp(np.log(floor), rise)
    share = np.exp(rise - log_p)
    return log_p, share * first, share * second + share * (1.0 - share) * first**2


def _between_logit(nu, above, below):
    """log(F(nu + above) - F(nu + below)) with two derivatives in nu.

    ``F(a) - F(b) = F(a) F(-b) (1 - exp(b - a))`` of the logistic, of which no part cancels.
    """
    upper, lower = nu + above, nu + below
    with np.errstate(divide="ignore"):
        gap = np.maximum(np.log(-np.expm1(below - above)), LOG_ZERO)
    log_p = log_expit(upper) + log_expit(-lower) + gap
    missed, passed = expit(-upper), expit(lower)
    second = -expit(upper) * missed - passed * expit(-lower)
    return log_p, missed - passed, second


def _between_probit(upper, lower):
    """log(Phi(upper) - Phi(lower)) with two derivatives, from the tail in which both are small."""
    with np.errstate(invalid="ignore"):
        flip = upper + lower > 0.0
    big, small = np.where(flip, -lower, upper), np.where(flip, -upper, lower)
    large = log_ndtr(big)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.log(-np.expm1(np.minimum(log_ndtr(small) - large, 0.0)))
    log_p = large + np.maximum(gap, LOG_ZERO)
    at_upper = _density_over(upper, log_p)
    at_lower = _density_over(lower, log_p)
    first = at_upper - at_lower
    second = _times(lower, at_lower) - _times(upper, at_upper) - first**2
    return log_p, first, second


def _density_over(x, log_p):
    """phi(x) / p."""
    return np.exp(np.minimum(-0.5 * x**2 - 0.5 * np.log(2 * np.pi) - log_p, 700.0))


def _times(x, density):
    """x density(x), which is zero at infinity."""
    return np.where(np.isfinite(x), x, 0.0) * density


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

    def __post_init__(self):
        q = len(self.dimensions)
        mean = np.asarray(self.mean, dtype=float)
        covariance = np.asarray(self.covariance, dtype=float)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)
        if mean.shape != (q,) or covariance.shape != (q, q):
            raise SpecificationError(
                f"An item bank of {q} latent variables needs a mean of shape ({q},) and a "
                f"covariance of shape ({q}, {q}); they have {mean.shape} and {covariance.shape}."
            )
        for item in self.items:
            if item.slopes.shape[-1] != q:
                raise SpecificationError(
                    f"Item {item.name!r} has slopes of shape {item.slopes.shape}: the last "
                    f"dimension must be {q}, the number of latent variables."
                )

    @property
    def names(self) -> list[str]:
        return [item.name for item in self.items]

    @property
    def log_concave(self) -> bool:
        """Whether log-likelihoods are concave, that is without more than one maximum."""
        return all(item.log_concave for item in self.items)

    def select(self, which: Sequence[int]) -> ItemBank:
        """Some of the items."""
        return ItemBank(
            tuple(self.items[j] for j in which), self.dimensions, self.mean, self.covariance
        )

    def checked_codes(self, codes: np.ndarray) -> np.ndarray:
        """Codes as an array of int after a look at their shape and range.

        Parameters
        ----------
        codes : array_like, shape (n, number of items)
            -1 for a missing response.

        Returns
        -------
        ndarray of int, shape (n, number of items)

        Raises
        ------
        SpecificationError
            If a response is not the code of a category of its item.
        """
        codes = np.asarray(codes)
        if codes.ndim != 2 or codes.shape[1] != len(self.items):
            raise SpecificationError(
                f"Codes of shape {codes.shape} do not fit {len(self.items)} items: one row a "
                "person, one column an item, -1 for a missing response."
            )
        as_int = codes.astype(np.int64, copy=False) if codes.dtype.kind in "iub" else None
        if as_int is None:
            with np.errstate(invalid="ignore"):
                as_int = codes.astype(np.int64)
        many = np.array([item.n_categories for item in self.items], dtype=np.int64)
        wrong = (as_int != codes) | (as_int < -1) | (as_int >= many)
        if wrong.any():
            person, j = np.argwhere(wrong)[0]
            raise SpecificationError(
                f"Person {person} has the code {codes[person, j]} on item {self.names[j]!r}, whose "
                f"codes are 0 to {many[j] - 1}, and -1 for a missing response."
            )
        return as_int

    def indicators(self, codes: np.ndarray) -> np.ndarray:
        """A column of 0 and 1 for each category of each item, items one after the other.

        Parameters
        ----------
        codes : ndarray of int, shape (n, number of items)

        Returns
        -------
        ndarray, shape (n, total number of categories)
        """
        many = np.array([item.n_categories for item in self.items])
        first = np.cumsum(many) - many
        chosen = np.zeros((len(codes), many.sum()))
        person, j = np.nonzero(codes >= 0)
        chosen[person, first[j] + codes[person, j]] = 1.0
        return chosen

    def category_log_probabilities(self, theta: np.ndarray) -> np.ndarray:
        """Log-probabilities in the order of :meth:`indicators`.

        Parameters
        ----------
        theta : ndarray, shape (m, q)

        Returns
        -------
        ndarray, shape (total number of categories, m)
        """
        return np.concatenate([item.log_probabilities(theta).T for item in self.items])

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
        return self.indicators(codes) @ self.category_log_probabilities(theta)

    def person_derivatives(
        self, codes: np.ndarray, theta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log-likelihood of each person at the person's own latent variables, with derivatives.

        Parameters
        ----------
        codes : ndarray of int, shape (n, number of items)
            -1 for a missing response.
        theta : ndarray, shape (n, q)

        Returns
        -------
        value : ndarray, shape (n,)
        gradient : ndarray, shape (n, q)
        hessian : ndarray, shape (n, q, q)
        """
        n, q = theta.shape
        value, gradient, hessian = np.zeros(n), np.zeros((n, q)), np.zeros((n, q, q))
        for j, item in enumerate(self.items):
            code = codes[:, j]
            missing = code < 0
            parts = item.response_derivatives(np.where(missing, 0, code), theta)
            for total, part in zip((value, gradient, hessian), parts, strict=True):
                if missing.any():
                    part[missing] = 0.0
                total += part
        return value, gradient, hessian

    def person_information(self, codes: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Expected information of the items a person answered, at the person's latent variables.

        Parameters
        ----------
        codes : ndarray of int, shape (n, number of items)
            -1 for a missing response; other values do not matter.
        theta : ndarray, shape (n, q)

        Returns
        -------
        ndarray, shape (n, q, q)
        """
        total = np.zeros((*theta.shape, theta.shape[1]))
        for j, item in enumerate(self.items):
            total += item.information(theta) * (codes[:, j] >= 0)[:, None, None]
        return total
