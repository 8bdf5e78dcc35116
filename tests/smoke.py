"""Fit a small model with whatever sm_gllamm is installed; a script, run by other interpreters."""

import sys

import sm_gllamm
import sm_gllamm.formula.api as smgf
from sm_gllamm import datasets

# The maximum of the likelihood, as lme4 and statsmodels find it.
SLEEPSTUDY_LLF = -875.969672

data = datasets.sleepstudy.load_pandas().data
result = smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", data).fit()
assert abs(result.llf - SLEEPSTUDY_LLF) < 1e-5, result.llf

version = ".".join(map(str, sys.version_info[:3]))
print(f"Python {version}: sm_gllamm {sm_gllamm.__version__} from {sm_gllamm.__path__[0]} works")
