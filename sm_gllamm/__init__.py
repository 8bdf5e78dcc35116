"""Generalized linear latent and mixed models in the manner of statsmodels.

The public names live in `sm_gllamm.api` (classes) and `sm_gllamm.formula.api` (formulas)::

    import sm_gllamm.api as smg
    import sm_gllamm.formula.api as smgf
"""

from importlib.metadata import version

__version__ = version("sm_gllamm")
