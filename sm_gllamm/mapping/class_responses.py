"""Responses of latent class models as rows of the engine: each different response once.

Given the class, responses are independent, so that units with the same response to an item share its
density. The engine's clusters are the different responses, and a sparse matrix says which of them a
unit has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from sm_gllamm.engine.problem import Problem
from sm_gllamm.responses.densities import SETS

__all__ = ["CategoryMapping", "categorical_problem", "incidence"]


@dataclass(frozen=True)
class CategoryMapping:
    """Logits of response categories: theta, published parameters and the engine's entries are one.

    Attributes
    ----------
    param_names : list of str
    """

    param_names: list[str]

    @property
    def k_params(self) -> int:
        return len(self.param_names)

    def phi(self, theta) -> np.ndarray:
        """Values of the engine's active entries."""
        return np.asarray(theta, dtype=float)

    def score_in_theta(self, score, theta) -> np.ndarray:
        """Chain rule for scores."""
        return score

    def hessian_in_theta(self, evaluation, theta) -> np.ndarray:
        """Chain rule for the Hessian of an Evaluation."""
        return evaluation.hessian

    def params(self, theta) -> np.ndarray:
        """Published parameters."""
        return np.array(theta, dtype=float)

    def theta(self, params) -> np.ndarray:
        """Internal parameters."""
        return np.array(params, dtype=float)

    def jacobian(self, theta) -> np.ndarray:
        """d params / d theta."""
        return np.eye(self.k_params)

    def curvature(self, theta, gradient) -> np.ndarray:
        """Second derivatives of published parameters, none."""
        return np.zeros((self.k_params, self.k_params))


def categorical_problem(
    items: Sequence[str], categories: Sequence[Sequence[object]]
) -> tuple[Problem, CategoryMapping]:
    """Every category of every item as one response, a choice among the item's categories.

    Parameters
    ----------
    items : sequence of str
    categories : sequence of sequence
        Labels of the categories of each item, the reference category first.

    Returns
    -------
    problem : Problem
        Its clusters are the categories, item by item.
    mapping : CategoryMapping
        A logit for each category but the first of each item.
    """
    counts = np.array([len(labels) for labels in categories])
    y, column, size, edges, names = [], [], [], [0], []
    first = 0
    for item, labels in zip(items, categories, strict=True):
        k = len(labels)
        for chosen in range(k):
            y += [float(a == chosen) for a in range(k)]
            column += [-1, *range(first, first + k - 1)]
            size += [k, *[0] * (k - 1)]
            edges.append(edges[-1] + k)
        names += [f"{item}[{label}]" for label in labels[1:]]
        first += k - 1
    n = len(y)
    place = np.array(column)
    design = np.zeros((n, first))
    there = place >= 0
    design[np.flatnonzero(there), place[there]] = 1.0
    assert first == (counts - 1).sum()
    problem = Problem(
        family=np.full(n, SETS["choice"], dtype=np.intc),
        y=np.array(y),
        trials=np.ones(n),
        constant=np.zeros(n),
        row_weight=None,
        design=design,
        offset=None,
        active_column=np.arange(first, dtype=np.intp),
        active_channel=np.zeros(first, dtype=np.intp),
        cluster_offsets=(np.array(edges, dtype=np.intp),),
        cluster_weights=(None,),
        dimensions=(1,),
        exact=False,
        set_size=np.array(size, dtype=np.intc),
    )
    return problem, CategoryMapping(names)


def incidence(codes: np.ndarray, counts: Sequence[int]) -> sparse.csr_matrix:
    """Which response to each item a unit has.

    Parameters
    ----------
    codes : ndarray of int, shape (n, n_items)
        Number of the response, -1 where missing.
    counts : sequence of int
        Number of different responses to each item.

    Returns
    -------
    sparse matrix, shape (n, sum of counts)
    """
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    present = codes >= 0
    columns = (codes + first)[present]
    edges = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
    return sparse.csr_matrix(
        (np.ones(len(columns)), columns, edges), shape=(len(codes), int(np.sum(counts)))
    )
