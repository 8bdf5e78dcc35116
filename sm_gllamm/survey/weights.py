"""Weights by level, as the likelihood uses them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["LevelWeights"]


@dataclass(frozen=True, slots=True)
class LevelWeights:
    """Exponents of the likelihood contributions of rows and clusters.

    Attributes
    ----------
    by_level : dict of str to ndarray, shape (nobs,)
        ``"row"`` or a level's name; constant within the clusters of the level. Scaled already.
    sampling : bool
        Whether any are sampling weights, so that only the sandwich is a valid covariance matrix.
    frequency : ndarray, shape (nobs,), or None
        Number of observations each row stands for (all levels' frequency weights multiplied).
    """

    by_level: dict[str, np.ndarray]
    sampling: bool = False
    frequency: np.ndarray | None = None
