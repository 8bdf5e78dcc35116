"""Covariance matrices of random effects: published variances and covariances, internal Cholesky factors.

The optimiser works on the lower Cholesky factor C (Psi = C C'), which is smooth where a variance is
zero and needs no constraints; what is published is Psi itself, entry by entry.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sm_gllamm.exceptions import SpecificationError

__all__ = ["TermCovariance"]


@dataclass(frozen=True)
class TermCovariance:
    """Covariance matrix Psi (q x q) of one random-effects term.

    Parameters
    ----------
    structure : {"unstructured", "diagonal", "equal"}
    names : tuple of str
        The q random effects.
    label : str
        Names the variance of an "equal" term.
    group : str
        Name of the level.

    Attributes
    ----------
    entries : list of (row, column, parameter)
        Non-zero entries of C and the internal parameter each is equal to.
    params : list of (row, column)
        Entries of Psi that are published, in order.
    """

    structure: str
    names: tuple[str, ...]
    label: str
    group: str
    entries: list = field(init=False)
    params: list = field(init=False)

    def __post_init__(self):
        q = len(self.names)
        if self.structure == "unstructured":
            params = [(r, c) for c in range(q) for r in range(c, q)]
            entries = [(r, c, k) for k, (r, c) in enumerate(params)]
        elif self.structure == "diagonal":
            params = [(r, r) for r in range(q)]
            entries = [(r, r, r) for r in range(q)]
        elif self.structure == "equal":
            params = [(0, 0)]
            entries = [(r, r, 0) for r in range(q)]
        else:
            raise SpecificationError(
                f"covariance={self.structure!r} is not known; use 'unstructured', 'diagonal' or 'equal'"
            )
        object.__setattr__(self, "entries", entries)
        object.__setattr__(self, "params", params)

    @property
    def param_names(self) -> list[str]:
        """Names such as ``var(Intercept|school)`` and ``cov(Intercept,x|school)``."""
        if self.structure == "equal":
            return [f"var({self.label}|{self.group})"]
        return [
            f"var({self.names[r]}|{self.group})"
            if r == c
            else f"cov({self.names[c]},{self.names[r]}|{self.group})"
            for r, c in self.params
        ]

    def variance_name(self, row: int) -> str:
        """Name of the variance of random effect number `row`."""
        if self.structure == "equal":
            return self.param_names[0]
        return self.param_names[self.params.index((row, row))]

    def factor(self, theta: np.ndarray) -> np.ndarray:
        """Lower Cholesky factor C, shape (q, q)."""
        c = np.zeros((len(self.names), len(self.names)))
        for row, column, k in self.entries:
            c[row, column] = theta[k]
        return c

    def published(self, theta: np.ndarray) -> np.ndarray:
        """Entries of Psi = C C' in the order of `params`."""
        c = self.factor(theta)
        psi = c @ c.T
        return np.array([psi[r, s] for r, s in self.params])

    def internal(self, published: np.ndarray) -> np.ndarray:
        """Cholesky factor's entries from published ones; an error where Psi is not positive semidefinite."""
        if self.structure != "unstructured":
            if np.any(published < 0):
                name = self.param_names[int(np.argmin(published))]
                raise SpecificationError(
                    f"{name} is {published.min():g}; a variance cannot be negative"
                )
            return np.sqrt(published)
        q = len(self.names)
        psi = self.matrix(published)
        c = np.zeros((q, q))
        scale = 1e-10 * np.maximum(np.diag(psi), 0.0)
        for k in range(q):
            rest = psi[k:, k] - c[k:, :k] @ c[k, :k]
            if rest[0] < -scale[k] or psi[k, k] < 0:
                raise SpecificationError(
                    f"the covariance matrix of the random effects of {self.group} is not positive "
                    f"semidefinite (at {self.names[k]}): {psi.tolist()}"
                )
            if rest[0] <= scale[k]:
                limit = 1e-5 * np.sqrt(np.maximum(np.diag(psi)[k:] * psi[k, k], 0.0)) + 1e-12
                if np.any(
                    np.abs(rest[1:])
                    > np.maximum(limit[1:], np.sqrt(scale[k] * np.diag(psi)[k + 1 :]) * 2)
                ):
                    raise SpecificationError(
                        f"the covariance matrix of the random effects of {self.group} is not positive "
                        f"semidefinite: {self.names[k]} has no variance left for its covariances"
                    )
                continue
            c[k:, k] = rest / np.sqrt(rest[0])
        return np.array([c[r, s] for r, s, _ in self.entries])

    def matrix(self, published: np.ndarray) -> np.ndarray:
        """Psi, shape (q, q), from its published entries."""
        q = len(self.names)
        if self.structure == "equal":
            return published[0] * np.eye(q)
        psi = np.zeros((q, q))
        for value, (r, s) in zip(published, self.params, strict=True):
            psi[r, s] = psi[s, r] = value
        return psi

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """d published / d internal, shape (k, k)."""
        return np.einsum("tij,j->ti", self.curvature(), theta)

    def curvature(self) -> np.ndarray:
        """Second derivatives of each published entry in the internal ones (constant), shape (k, k, k)."""
        k = len(self.params)
        out = np.zeros((k, k, k))
        for t, (a, b) in enumerate(self.params):
            for r, c, i in self.entries:
                for s, d, j in self.entries:
                    # psi_ab = sum_c C_ac C_bc
                    if c == d:
                        out[t, i, j] += (r == a) * (s == b) + (r == b) * (s == a)
        return out
