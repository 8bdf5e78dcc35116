"""Errors and warnings of the package.

Errors are ``ValueError`` s, so that code written for statsmodels catches them; warnings derive from
statsmodels' own classes, so that filters written for statsmodels keep working.
"""

from __future__ import annotations

import sys
from types import FrameType

from statsmodels.tools.sm_exceptions import (
    ConvergenceWarning,
    HessianInversionWarning,
    ModelWarning,
    PerfectSeparationWarning,
)

__all__ = [
    "BoundaryWarning",
    "ConvergenceWarning",
    "CrossedDesignError",
    "IdentificationWarning",
    "QuadratureWarning",
    "SeparationWarning",
    "SpecificationError",
    "outside",
]


def outside() -> int:
    """Stack level of the first caller outside the package, for warnings.

    Returns
    -------
    int
        For ``warnings.warn(..., stacklevel=outside())``.
    """
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and frame.f_globals.get("__name__", "").startswith("sm_gllamm"):
        frame, level = frame.f_back, level + 1
    return level


class SpecificationError(ValueError):
    """The model cannot be built from what was given; the message names the culprit and the remedy."""


class CrossedDesignError(SpecificationError):
    """Grouping factors are crossed; the quadrature engine integrates nested levels only."""


class QuadratureWarning(ConvergenceWarning):
    """The integral over the random effects is less accurate than the tolerance."""


class BoundaryWarning(ModelWarning):
    """An estimate lies on the boundary: a variance of zero or a correlation of plus or minus one."""


class IdentificationWarning(HessianInversionWarning):
    """The information matrix is singular: some parameters are not identified by the data."""


class SeparationWarning(PerfectSeparationWarning):
    """A covariate (combination) predicts a binary response perfectly; estimates run away."""
