"""Values of the engine's active entries as polynomials of the parameters.

Loadings times paths times Cholesky entries: whatever a recursive structural model is, each entry of Phi
is a sum of products of a few parameters, because powers of a strictly triangular B vanish.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Monomial", "Polynomials"]


@dataclass(frozen=True, slots=True)
class Monomial:
    """coefficient times the product of some parameters.

    Attributes
    ----------
    coefficient : float
    parameters : tuple of int
        Positions in theta, possibly repeated.
    """

    coefficient: float
    parameters: tuple[int, ...] = ()

    def __mul__(self, other: Monomial) -> Monomial:
        return Monomial(
            self.coefficient * other.coefficient,
            tuple(sorted(self.parameters + other.parameters)),
        )


class Polynomials:
    """Several polynomials in the same parameters, with first and second derivatives.

    Parameters
    ----------
    entries : sequence of sequence of Monomial
        The terms of each polynomial.
    n_parameters : int

    Examples
    --------
    >>> import numpy as np
    >>> product = Polynomials([[Monomial(2.0, (0, 1))], [Monomial(1.0, (1,))]], 2)
    >>> product.values(np.array([3.0, 5.0]))
    array([30.,  5.])
    """

    def __init__(self, entries: Sequence[Sequence[Monomial]], n_parameters: int):
        terms = [(t, monomial) for t, entry in enumerate(entries) for monomial in entry]
        self.n_entries, self.n_parameters = len(entries), n_parameters
        self.degree = max((len(m.parameters) for _, m in terms), default=0)
        self._entry = np.array([t for t, _ in terms], dtype=np.intp)
        self._coefficient = np.array([m.coefficient for _, m in terms])
        # products are padded with a parameter that is one
        padded = [
            m.parameters + (n_parameters,) * (self.degree - len(m.parameters)) for _, m in terms
        ]
        self._index = np.array(padded, dtype=np.intp).reshape(len(terms), self.degree)

    def parameters(self, entry: int) -> list[int]:
        """Positions of the parameters that a polynomial depends on."""
        own = self._index[self._entry == entry]
        return np.unique(own[own < self.n_parameters]).tolist()

    def _factors(self, theta: np.ndarray) -> np.ndarray:
        """The parameters of each product, shape (n_terms, degree)."""
        return np.append(theta, 1.0)[self._index]

    def _products(self, factors: np.ndarray, *left_out: int) -> np.ndarray:
        """Coefficients times all factors but some, shape (n_terms,)."""
        kept = [d for d in range(self.degree) if d not in left_out]
        return self._coefficient * np.prod(factors[:, kept], axis=1)

    def values(self, theta: np.ndarray) -> np.ndarray:
        """The polynomials, shape (n_entries,)."""
        out = np.zeros(self.n_entries)
        np.add.at(out, self._entry, self._products(self._factors(theta)))
        return out

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """First derivatives, shape (n_entries, n_parameters)."""
        out = np.zeros((self.n_entries, self.n_parameters + 1))
        factors = self._factors(theta)
        for d in range(self.degree):
            np.add.at(out, (self._entry, self._index[:, d]), self._products(factors, d))
        return out[:, :-1]

    def curvature(self, theta: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Second derivatives of the weighted sum of the polynomials, shape (n_parameters, n_parameters).

        Parameters
        ----------
        theta : ndarray, shape (n_parameters,)
        weights : ndarray, shape (n_entries,)
        """
        out = np.zeros((self.n_parameters + 1, self.n_parameters + 1))
        factors = self._factors(theta)
        weight = weights[self._entry]
        for d in range(self.degree):
            for e in range(self.degree):
                if d != e:
                    np.add.at(
                        out,
                        (self._index[:, d], self._index[:, e]),
                        weight * self._products(factors, d, e),
                    )
        return out[:-1, :-1]
