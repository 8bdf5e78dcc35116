"""Means and covariances that a structural equation model implies, with their derivatives.

A block (a group, or a level of a group) has variables v, observed and latent,

    v = m + A v + e,   cov(e) = S,       so that    cov(v) = B S B',  E(v) = B m,   B = (I - A)^-1

(the reticular action model, McArdle & McDonald 1984, *British Journal of Mathematical and Statistical
Psychology* 37, 234-251). Loadings and regressions are entries of A. Every parameter changes cov(v) by a
matrix of rank two at most, u v' + v u', which makes second derivatives of a log-likelihood products of a few
small matrices.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sm_gllamm.exceptions import SpecificationError

__all__ = ["COVARIANCE", "INTERCEPT", "PATH", "ImpliedBlock", "MomentBlock"]

#: Which matrix an entry belongs to.
PATH, COVARIANCE, INTERCEPT = 0, 1, 2


@dataclass(frozen=True)
class MomentBlock:
    """The matrices of a block: constants and free entries.

    Attributes
    ----------
    variables : tuple of str
        Observed variables, then latent ones.
    n_observed : int
    paths, covariances : ndarray, shape (q, q)
        A and S, zero where entries are free.
    intercepts : ndarray, shape (q,)
    kind, row, column, parameter : ndarray of int, shape (n_entries,)
        Free entries: matrix (PATH, COVARIANCE, INTERCEPT), place, and parameter. Paths come first, then
        covariances, then intercepts.
    """

    variables: tuple[str, ...]
    n_observed: int
    paths: np.ndarray
    covariances: np.ndarray
    intercepts: np.ndarray
    kind: np.ndarray
    row: np.ndarray
    column: np.ndarray
    parameter: np.ndarray
    #: slices of the entries of each kind
    parts: tuple[slice, slice, slice] = field(init=False)
    #: half for variances, one for covariances
    share: np.ndarray = field(init=False)

    def __post_init__(self):
        edges = np.searchsorted(self.kind, [0, 1, 2, 3])
        parts = tuple(slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True))
        object.__setattr__(self, "parts", parts)
        covariances = parts[COVARIANCE]
        equal = self.row[covariances] == self.column[covariances]
        object.__setattr__(self, "share", np.where(equal, 0.5, 1.0))

    def matrices(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A, S and m at parameters."""
        paths, covariances, intercepts = (
            self.paths.copy(), self.covariances.copy(), self.intercepts.copy()
        )  # fmt: skip
        values = theta[self.parameter]
        a, s, m = self.parts
        # several entries may have one place: a loading and a regression of the same variables
        np.add.at(paths, (self.row[a], self.column[a]), values[a])
        np.add.at(covariances, (self.row[s], self.column[s]), values[s])
        np.add.at(
            covariances, (self.column[s], self.row[s]), np.where(self.share == 1, values[s], 0)
        )
        np.add.at(intercepts, self.row[m], values[m])
        return paths, covariances, intercepts

    def implied(self, theta: np.ndarray) -> ImpliedBlock:
        """Implied moments at parameters.

        Raises
        ------
        SpecificationError
            I - A is singular: a circle of paths with a gain of one.
        """
        paths, covariances, intercepts = self.matrices(theta)
        try:
            total = np.linalg.inv(np.eye(len(paths)) - paths)
        except np.linalg.LinAlgError:
            raise SpecificationError(
                "the regressions form a circle in which an effect comes back undiminished (I - B is "
                "singular); leave one of them out"
            ) from None
        return ImpliedBlock(self, total, total @ covariances @ total.T, total @ intercepts)


@dataclass(frozen=True, slots=True)
class ImpliedBlock:
    """Moments of a block at parameters.

    Attributes
    ----------
    block : MomentBlock
    total : ndarray, shape (q, q)
        B, the total effects.
    covariance : ndarray, shape (q, q)
        Of all variables, observed and latent.
    mean : ndarray, shape (q,)
    """

    block: MomentBlock
    total: np.ndarray
    covariance: np.ndarray
    mean: np.ndarray

    def slopes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Derivatives in the entries: ``d covariance = u v' + v u'`` and ``d mean``.

        Returns
        -------
        u, v, d : ndarray, shape (q, n_entries)
            u and v are zero for intercepts, d for covariances.
        """
        block = self.block
        a, s, m = block.parts
        u = self.total[:, block.row]
        v = self.total[:, block.column]
        d = u * 1.0
        v[:, a] = self.covariance[:, block.column[a]]
        v[:, s] *= block.share
        d[:, a] *= self.mean[block.column[a]]
        d[:, s] = 0.0
        u[:, m] = 0.0
        v[:, m] = 0.0
        return u, v, d

    @staticmethod
    def gradient(slopes, of_covariance: np.ndarray, of_mean: np.ndarray) -> np.ndarray:
        """Gradient in the entries from that in the moments.

        Parameters
        ----------
        slopes : tuple of ndarray
            As from :meth:`slopes`.
        of_covariance : ndarray, shape (q, q)
            G, symmetric: the function changes by ``tr(G d covariance)``.
        of_mean : ndarray, shape (q,)

        Returns
        -------
        ndarray, shape (n_entries,)
        """
        u, v, d = slopes
        return 2.0 * np.einsum("ie,ie->e", u, of_covariance @ v) + of_mean @ d

    def bend(self, of_covariance: np.ndarray, of_mean: np.ndarray) -> np.ndarray:
        """What the moments' second derivatives contribute to a Hessian in the entries.

        Parameters
        ----------
        of_covariance, of_mean
            Gradient in the moments, as in :meth:`gradient`.

        Returns
        -------
        ndarray, shape (n_entries, n_entries)
            Sum over moments of gradient times second derivative.
        """
        block, total = self.block, self.total
        a, s, m = block.parts
        n = len(block.kind)
        out = np.zeros((n, n))
        start, end = block.row[a], block.column[a]
        if not len(start):
            # without paths the moments are linear in the parameters
            return out
        back = of_covariance @ total
        inner = total.T @ back
        mixed = self.covariance @ back
        chain = total[np.ix_(end, start)]
        cross = mixed[np.ix_(end, start)]
        paths = 2.0 * (
            chain.T * cross
            + chain * cross.T
            + self.covariance[np.ix_(end, end)] * inner[np.ix_(start, start)]
        )
        pull = total.T @ of_mean
        if pull.any():
            by_mean = pull[start][:, None] * chain * self.mean[end][None, :]
            paths += by_mean + by_mean.T
        out[a, a] = paths
        one, other = block.row[s], block.column[s]
        if len(one):
            both = 2.0 * block.share * (
                inner[np.ix_(start, other)] * total[np.ix_(end, one)]
                + inner[np.ix_(start, one)] * total[np.ix_(end, other)]
            )  # fmt: skip
            out[a, s] = both
            out[s, a] = both.T
        where = block.row[m]
        if len(where):
            both = pull[start][:, None] * total[np.ix_(end, where)]
            out[a, m] = both
            out[m, a] = both.T
        return out
