"""How well latent classes can be told apart: classification tables, errors, entropy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

__all__ = ["Classification", "classification"]


@dataclass(frozen=True, slots=True)
class Classification:
    """Modal assignment against posterior class probabilities.

    Attributes
    ----------
    joint : ndarray, shape (C, C)
        Expected numbers of units by class (rows) and modal class (columns).
    counts : ndarray, shape (C,)
        Numbers of units by modal class.
    uncertainty : float
        Sum over units of the entropy of their posterior, - sum_j w_j sum_c p_jc log p_jc.
    correct : float
        Expected number of units that modal assignment puts into their class.
    """

    joint: np.ndarray
    counts: np.ndarray
    uncertainty: float
    correct: float

    @property
    def total(self) -> float:
        """Number of units."""
        return float(self.counts.sum())

    @property
    def average_posterior(self) -> np.ndarray:
        """Average posterior probability of each class (columns) by modal class (rows), shape (C, C).

        Zero in the rows of classes to which nobody is assigned.
        """
        by_modal = self.joint.T
        return by_modal / np.maximum(self.counts, np.finfo(float).tiny)[:, None]

    @property
    def assignment_given_class(self) -> np.ndarray:
        """Probability of the modal class (columns) given the class (rows), shape (C, C)."""
        size = self.joint.sum(axis=1)
        return self.joint / np.maximum(size, np.finfo(float).tiny)[:, None]

    @property
    def errors(self) -> float:
        """Expected share of units that modal assignment puts into another class than theirs."""
        return 1.0 - self.correct / self.total

    @property
    def entropy_r2(self) -> float:
        """One minus the uncertainty over its largest possible value, log C a unit; 1 for one class."""
        n_classes = len(self.counts)
        if n_classes == 1:
            return 1.0
        return 1.0 - self.uncertainty / (self.total * np.log(n_classes))

    @property
    def error_reduction(self) -> float:
        """Share avoided of the errors of assigning everybody to the largest class; 1 for one class."""
        base = 1.0 - self.joint.sum(axis=1).max() / self.total
        return 1.0 - self.errors / base if base > 0 else 1.0


def classification(posterior: np.ndarray, weight: np.ndarray) -> Classification:
    """Tables of modal assignment.

    Parameters
    ----------
    posterior : ndarray, shape (n, C)
        Posterior class probabilities.
    weight : ndarray, shape (n,)
        How many units a row stands for.

    Returns
    -------
    Classification

    Notes
    -----
    Of equal probabilities the first class is the modal one. The entropy measure is that of Ramaswamy,
    DeSarbo, Reibstein & Robinson (1993, *Marketing Science* 12, 103-124, eq. 12).

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.classes.classification import classification
    >>> table = classification(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([3.0, 1.0]))
    >>> table.average_posterior.round(6).tolist()
    [[0.9, 0.1], [0.2, 0.8]]
    >>> round(table.errors, 3)
    0.125
    """
    n_classes = posterior.shape[1]
    modal = np.argmax(posterior, axis=1)
    weighted = posterior * weight[:, None]
    joint = np.column_stack(
        [weighted[modal == c].sum(axis=0) for c in range(n_classes)]
    )  # class by modal class
    counts = np.bincount(modal, weight, n_classes)
    uncertainty = -float((weight[:, None] * xlogy(posterior, posterior)).sum())
    correct = float(weight @ posterior.max(axis=1))
    return Classification(joint, counts, uncertainty, correct)
