"""Frozen descriptions of the random part of a model, shared by formulas and arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["Level", "RandomTerm", "constant_column"]


def constant_column(nobs: int) -> np.ndarray:
    """The column of a random intercept, shape (nobs, 1): a view of a single one."""
    return np.broadcast_to(1.0, (nobs, 1))


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """One random-effects term: the columns whose coefficients vary between the clusters of a level.

    Attributes
    ----------
    names : tuple of str
        Name of each column, ``"Intercept"`` for the constant.
    columns : ndarray, shape (nobs, q)
        Design columns, float64.
    structure : {"unstructured", "diagonal", "equal"}
        Covariance matrix of the q random effects: free, diagonal, or one variance for all.
    label : str
        Name of the term as a whole (names the variance of an ``"equal"`` term).
    asked : str
        Structure that was asked for; moot for a single column unless the response has a copy of it for
        each of several categories.
    """

    names: tuple[str, ...]
    columns: np.ndarray
    structure: str
    label: str
    asked: str = "unstructured"


@dataclass(frozen=True, slots=True)
class Level:
    """One level of clusters and the random-effects terms that vary between its clusters.

    Attributes
    ----------
    name : str
        Name of the grouping factor, ``"a:b"`` for b nested in a.
    codes : ndarray of intp, shape (nobs,)
        Cluster of each row, 0 .. n_clusters - 1, in the order of `labels`.
    labels : pandas.Index, length n_clusters
        Label of each cluster; tuples for nested factors.
    terms : tuple of RandomTerm
        None where clusters differ by class only.
    """

    name: str
    codes: np.ndarray
    labels: pd.Index
    terms: tuple[RandomTerm, ...]

    @property
    def n_clusters(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all random effects of the level, term after term."""
        return tuple(name for term in self.terms for name in term.names)

    @property
    def columns(self) -> np.ndarray:
        """Random-effects design of the level, shape (nobs, q)."""
        if not self.terms:
            return np.zeros((len(self.codes), 0))
        return np.column_stack([term.columns for term in self.terms])
