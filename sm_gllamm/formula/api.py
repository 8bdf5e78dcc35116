"""Lower-case formula functions: ``import sm_gllamm.formula.api as smgf``."""

from sm_gllamm.models.glmm import GLMM
from sm_gllamm.models.irt import IRT

__all__ = ["glmm", "irt"]

glmm = GLMM.from_formula
irt = IRT.from_formula
