"""Covariance matrices of random effects: published variances and covariances, internal Cholesky factors.

The optimiser works on the lower Cholesky factor C (Psi = C C'), which is smooth where a variance is
zero and needs no constraints; what is published is Psi itself, entry by entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from sm_gllamm.exceptions import SpecificationError

__all__ = ["CorrelationMatrix", "TermCovariance"]


def elimination_order(pairs: Iterable[tuple[int, int]], q: int) -> list[int] | None:
    """Order in which a matrix with these non-zero entries has a Cholesky factor with no others.

    Parameters
    ----------
    pairs : iterable of (int, int)
        Entries off the diagonal that are not zero.
    q : int

    Returns
    -------
    list of int, or None
        The given order where it will do; None where the graph of the pairs has a cycle of four or more
        without a chord (Rose 1970, J. Math. Anal. Appl. 32, 597-609), so that there is none.
    """
    near: list[set[int]] = [set() for _ in range(q)]
    for r, c in pairs:
        near[r].add(c)
        near[c].add(r)

    def perfect(order: list[int]) -> bool:
        place = {v: k for k, v in enumerate(order)}
        for v in order:
            later = sorted(u for u in near[v] if place[u] > place[v])
            if any(b not in near[a] for i, a in enumerate(later) for b in later[i + 1 :]):
                return False
        return True

    # maximum cardinality search from the last to the first finds one if there is any
    found: list[int] = []
    while len(found) < q:
        left = [v for v in range(q - 1, -1, -1) if v not in found]
        found.append(max(left, key=lambda v: len(near[v] & set(found))))
    return next((order for order in (list(range(q)), found[::-1]) if perfect(order)), None)


@dataclass(frozen=True)
class TermCovariance:
    """Covariance matrix Psi (q x q) of one random-effects term.

    Parameters
    ----------
    structure : {"unstructured", "diagonal", "equal", "pattern"}
    names : tuple of str
        The q random effects.
    label : str
        Names the variance of an "equal" term.
    group : str
        Name of the level.
    pairs : tuple of (int, int)
        Of a "pattern": the effects that covary. Other covariances are zero.
    known : tuple of (int, float)
        Of a "pattern": effects that covary with no others, and their variances.

    Attributes
    ----------
    entries : list of (row, column, parameter)
        Entries of C that are estimated, and the internal parameter each is equal to.
    derived : list of (row, column)
        Entries of C that are known, or functions of several internal parameters.
    params : list of (row, column)
        Entries of Psi that are published, in order.
    order : list of int
        In which C is a Cholesky factor: it is triangular if rows and columns are put in this order.
    """

    structure: str
    names: tuple[str, ...]
    label: str
    group: str
    pairs: tuple[tuple[int, int], ...] = ()
    known: tuple[tuple[int, float], ...] = ()
    entries: list = field(init=False)
    derived: list = field(init=False)
    params: list = field(init=False)
    order: list = field(init=False)

    def __post_init__(self):
        q = len(self.names)
        object.__setattr__(self, "order", list(range(q)))
        object.__setattr__(self, "derived", [(r, r) for r, _ in self.known])
        if self.structure == "unstructured":
            params = [(r, c) for c in range(q) for r in range(c, q)]
            entries = [(r, c, k) for k, (r, c) in enumerate(params)]
        elif self.structure == "pattern":
            order = self._order()
            object.__setattr__(self, "order", order)
            place = {v: k for k, v in enumerate(order)}
            fixed = {r for r, _ in self.known}
            free = {(max(pair), min(pair)) for pair in self.pairs}
            params = [
                (r, c)
                for c in range(q)
                for r in range(c, q)
                if (r, c) in free or (r == c and r not in fixed)
            ]
            entries = [
                (r, c, k) if place[r] >= place[c] else (c, r, k) for k, (r, c) in enumerate(params)
            ]
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

    def _order(self) -> list[int]:
        order = elimination_order(self.pairs, len(self.names))
        if order is None:
            raise SpecificationError(
                f"the covariances of {self.group} form a ring of four or more latent variables; let two that "
                "are opposite in it covary, too, or write a latent variable that both members of a pair "
                "load on"
            )
        return order

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
        """Cholesky factor C, shape (q, q), lower triangular in `order`."""
        c = np.zeros((len(self.names), len(self.names)))
        for row, column, k in self.entries:
            c[row, column] = theta[k]
        for row, value in self.known:
            c[row, row] = np.sqrt(value)
        return c

    def derived_values(self, theta: np.ndarray) -> np.ndarray:
        """Entries of C in the order of `derived`."""
        c = self.factor(theta)
        return np.array([c[place] for place in self.derived])

    def derivatives(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivatives in the parameters of the entries of C that are derived, others
        being zero, shapes (q, q, k) and (q, q, k, k)."""
        q, k = len(self.names), len(self.params)
        return np.zeros((q, q, k)), np.zeros((q, q, k, k))

    def published(self, theta: np.ndarray) -> np.ndarray:
        """Entries of Psi = C C' in the order of `params`."""
        c = self.factor(theta)
        psi = c @ c.T
        return np.array([psi[r, s] for r, s in self.params])

    def internal(self, published: np.ndarray) -> np.ndarray:
        """Cholesky factor's entries from published ones; an error where Psi is not positive semidefinite."""
        if self.structure in ("diagonal", "equal"):
            if np.any(published < 0):
                name = self.param_names[int(np.argmin(published))]
                raise SpecificationError(
                    f"{name} is {published.min():g}; a variance cannot be negative"
                )
            return np.sqrt(published)
        c = self._cholesky(self.matrix(published))
        return np.array([c[r, s] for r, s, _ in self.entries])

    def _cholesky(self, psi: np.ndarray) -> np.ndarray:
        """Cholesky factor in `order` of a positive semidefinite matrix, shape (q, q)."""
        psi = psi[np.ix_(self.order, self.order)]
        names = [self.names[k] for k in self.order]
        q = len(names)
        c = np.zeros((q, q))
        scale = 1e-10 * np.maximum(np.diag(psi), 0.0)
        for k in range(q):
            rest = psi[k:, k] - c[k:, :k] @ c[k, :k]
            if rest[0] < -scale[k] or psi[k, k] < 0:
                raise SpecificationError(
                    f"the covariance matrix of the random effects of {self.group} is not positive "
                    f"semidefinite (at {names[k]}): {psi.tolist()}"
                )
            if rest[0] <= scale[k]:
                limit = 1e-5 * np.sqrt(np.maximum(np.diag(psi)[k:] * psi[k, k], 0.0)) + 1e-12
                if np.any(
                    np.abs(rest[1:])
                    > np.maximum(limit[1:], np.sqrt(scale[k] * np.diag(psi)[k + 1 :]) * 2)
                ):
                    raise SpecificationError(
                        f"the covariance matrix of the random effects of {self.group} is not positive "
                        f"semidefinite: {names[k]} has no variance left for its covariances"
                    )
                continue
            c[k:, k] = rest / np.sqrt(rest[0])
        out = np.empty_like(c)
        out[np.ix_(self.order, self.order)] = c
        return out

    def matrix(self, published: np.ndarray) -> np.ndarray:
        """Psi, shape (q, q), from its published entries."""
        q = len(self.names)
        if self.structure == "equal":
            return published[0] * np.eye(q)
        psi = np.zeros((q, q))
        for value, (r, s) in zip(published, self.params, strict=True):
            psi[r, s] = psi[s, r] = value
        for r, value in self.known:
            psi[r, r] = value
        return psi

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """d published / d internal, shape (k, k)."""
        return np.einsum("tij,j->ti", self.curvature(theta), theta)

    def curvature(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives of each published entry in the internal ones, shape (k, k, k)."""
        k = len(self.params)
        out = np.zeros((k, k, k))
        for t, (a, b) in enumerate(self.params):
            for r, c, i in self.entries:
                for s, d, j in self.entries:
                    # psi_ab = sum_c C_ac C_bc
                    if c == d:
                        out[t, i, j] += (r == a) * (s == b) + (r == b) * (s == a)
        return out


class CorrelationMatrix(TermCovariance):
    """Effects with variance one, of which some pairs are correlated.

    Row r of C is ``v / |v|``, v having a one on the diagonal and the internal parameters of the row's
    pairs elsewhere: any values make a correlation matrix. Published are the correlations.

    Parameters
    ----------
    structure : {"unstructured", "diagonal", "equal", "pattern"}
        All pairs are correlated, none ("diagonal" and "equal"), or those of `pairs`.
    names, label, group, pairs
        As of a TermCovariance.
    """

    def __post_init__(self):
        q = len(self.names)
        pairs = {(max(pair), min(pair)) for pair in self.pairs}
        if self.structure == "unstructured":
            pairs = {(r, c) for c in range(q) for r in range(c + 1, q)}
        elif self.structure not in ("diagonal", "equal", "pattern"):
            super().__post_init__()
        object.__setattr__(self, "pairs", tuple(sorted(pairs, key=lambda pair: pair[::-1])))
        object.__setattr__(self, "order", self._order())
        place = {v: k for k, v in enumerate(self.order)}
        lower = [(r, c) if place[r] > place[c] else (c, r) for r, c in self.pairs]
        object.__setattr__(self, "params", list(self.pairs))
        object.__setattr__(self, "entries", [])
        #: position in C of each parameter's v
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "derived", lower + [(r, r) for r in range(q)])

    @property
    def param_names(self) -> list[str]:
        """Names such as ``corr(f1,f2|person)``."""
        return [f"corr({self.names[c]},{self.names[r]}|{self.group})" for r, c in self.params]

    def variance_name(self, row: int) -> str:
        """The variances are known: no name of a parameter."""
        return ""

    def factor(self, theta: np.ndarray) -> np.ndarray:
        """Cholesky factor C, shape (q, q), lower triangular in `order`."""
        v = np.eye(len(self.names))
        for (row, column), value in zip(self.lower, theta, strict=True):
            v[row, column] = value
        return v / np.linalg.norm(v, axis=1, keepdims=True)

    def derivatives(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivatives of C in the parameters, shapes (q, q, k) and (q, q, k, k)."""
        q, k = len(self.names), len(self.params)
        first, second = np.zeros((q, q, k)), np.zeros((q, q, k, k))
        c = self.factor(theta)
        for row in {r for r, _ in self.lower}:
            # of v / |v| with respect to v, for those of v's entries that are parameters
            mine = [(t, column) for t, (r, column) in enumerate(self.lower) if r == row]
            unit, scale = c[row], c[row, row]
            for t, a in mine:
                first[row, :, t] = scale * (np.eye(q)[a] - unit * unit[a])
                for s, b in mine:
                    second[row, :, t, s] = scale**2 * (
                        (3.0 * unit[a] * unit[b] - (a == b)) * unit
                        - unit[b] * np.eye(q)[a] - unit[a] * np.eye(q)[b]
                    )  # fmt: skip
        return first, second

    def internal(self, published: np.ndarray) -> np.ndarray:
        """Internal parameters of correlations; an error where they make no correlation matrix."""
        if np.any(np.abs(published) >= 1.0):
            name = self.param_names[int(np.argmax(np.abs(published)))]
            raise SpecificationError(f"{name} is {np.abs(published).max():g}; it must be below one")
        c = self._cholesky(self.matrix(published))
        if not np.diag(c).min() > 0.0:
            raise SpecificationError(
                f"the correlations of {self.group} make no positive definite matrix: {published.tolist()}"
            )
        return np.array([c[r, s] / c[r, r] for r, s in self.lower])

    def matrix(self, published: np.ndarray) -> np.ndarray:
        """Correlation matrix, shape (q, q)."""
        psi = np.eye(len(self.names))
        for value, (r, s) in zip(published, self.params, strict=True):
            psi[r, s] = psi[s, r] = value
        return psi

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """d published / d internal, shape (k, k)."""
        c, (first, _) = self.factor(theta), self.derivatives(theta)
        out = [c[r] @ first[s] + c[s] @ first[r] for r, s in self.params]
        return np.array(out).reshape(len(self.params), len(self.params))

    def curvature(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives of each published entry in the internal ones, shape (k, k, k)."""
        k = len(self.params)
        c, (first, second) = self.factor(theta), self.derivatives(theta)
        out = np.zeros((k, k, k))
        for t, (r, s) in enumerate(self.params):
            cross = first[r].T @ first[s]
            out[t] = cross + cross.T
            out[t] += np.tensordot(c[r], second[s], 1) + np.tensordot(c[s], second[r], 1)
        return out
