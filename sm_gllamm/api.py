"""Public names: ``import sm_gllamm.api as smg``."""

from sm_gllamm import datasets
from sm_gllamm.estimation.verdict import Verdict
from sm_gllamm.exceptions import (
    BoundaryWarning,
    ConvergenceWarning,
    CrossedDesignError,
    IdentificationWarning,
    QuadratureWarning,
    SeparationWarning,
    SpecificationError,
)
from sm_gllamm.models.glmm import GLMM
from sm_gllamm.results.glmm import GLMMResults

__all__ = [
    "GLMM",
    "BoundaryWarning",
    "ConvergenceWarning",
    "CrossedDesignError",
    "GLMMResults",
    "IdentificationWarning",
    "QuadratureWarning",
    "SeparationWarning",
    "SpecificationError",
    "Verdict",
    "datasets",
]
