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
from sm_gllamm.models.cace import CACE
from sm_gllamm.models.gllamm import GLLAMM
from sm_gllamm.models.glmm import GLMM
from sm_gllamm.models.irt import IRT
from sm_gllamm.models.latent_class import LatentClass
from sm_gllamm.models.mixture import Mixture
from sm_gllamm.models.sem import SEM
from sm_gllamm.preparation.person_period import person_period
from sm_gllamm.preparation.split_episodes import split_episodes
from sm_gllamm.preparation.stack_responses import stack_responses
from sm_gllamm.responses import families
from sm_gllamm.results.cace import CACEResults
from sm_gllamm.results.class_enumeration import ClassEnumerationResults
from sm_gllamm.results.class_three_step import ThreeStepResults
from sm_gllamm.results.gllamm import GLLAMMResults
from sm_gllamm.results.glmm import GLMMResults
from sm_gllamm.results.irt import IRTResults
from sm_gllamm.results.latent_class import LatentClassResults
from sm_gllamm.results.mixture import MixtureModelResults
from sm_gllamm.results.npml import NPMLResults
from sm_gllamm.results.sem import SEMResults
from sm_gllamm.results.sem_quadrature import QuadratureSEMResults
from sm_gllamm.specification.latent import Latent, Regression

__all__ = [
    "CACE",
    "GLLAMM",
    "GLMM",
    "IRT",
    "SEM",
    "BoundaryWarning",
    "CACEResults",
    "ClassEnumerationResults",
    "ConvergenceWarning",
    "CrossedDesignError",
    "GLLAMMResults",
    "GLMMResults",
    "IRTResults",
    "IdentificationWarning",
    "Latent",
    "LatentClass",
    "LatentClassResults",
    "Mixture",
    "MixtureModelResults",
    "NPMLResults",
    "QuadratureSEMResults",
    "QuadratureWarning",
    "Regression",
    "SEMResults",
    "SeparationWarning",
    "SpecificationError",
    "ThreeStepResults",
    "Verdict",
    "datasets",
    "families",
    "person_period",
    "split_episodes",
    "stack_responses",
]
