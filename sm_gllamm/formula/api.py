"""Lower-case formula functions: ``import sm_gllamm.formula.api as smgf``."""

from sm_gllamm.models.glmm import GLMM

__all__ = ["glmm"]

glmm = GLMM.from_formula
