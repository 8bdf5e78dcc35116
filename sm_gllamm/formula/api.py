"""Lower-case formula functions: ``import sm_gllamm.formula.api as smgf``."""

from sm_gllamm.models.glmm import GLMM
from sm_gllamm.models.irt import IRT
from sm_gllamm.models.latent_class import LatentClass
from sm_gllamm.models.mixture import Mixture

__all__ = ["glmm", "irt", "latent_class", "mixture"]

glmm = GLMM.from_formula
irt = IRT.from_formula
latent_class = LatentClass.from_formula
mixture = Mixture.from_formula
