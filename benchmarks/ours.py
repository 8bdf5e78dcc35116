"""Fits and evaluates with this package."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import statsmodels.api as sm

import sm_gllamm.formula.api as smgf
from sm_gllamm.api import GLLAMM, families

#: What the cases call a family; R's names for the same stand in fit_r.R.
FAMILIES = {
    "gaussian": sm.families.Gaussian(),
    "binomial": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
    "gamma": sm.families.Gamma(sm.families.links.Log()),
    "nb2": families.NegativeBinomial(),
    "beta": families.Beta(),
    "zip": families.ZeroInflated(),
    "ordinal_logit": families.Ordinal(),
    "ordinal_probit": families.Ordinal("probit"),
    "exponential": families.Exponential(),
}


@dataclass
class OurFits:
    """Timed fits of one case, from the formula to the text of the summary.

    Attributes
    ----------
    result : GLMMResultsWrapper
        Of the latest fit.
    cpu_seconds, elapsed_seconds : list of float
        One entry a fit.
    """

    case: Any
    frame: Any
    result: Any = None
    cpu_seconds: list[float] = field(default_factory=list)
    elapsed_seconds: list[float] = field(default_factory=list)

    def run(self, repeats):
        """Fit `repeats` times more."""
        case = self.case
        for _ in range(repeats):
            start, wall = time.process_time(), time.perf_counter()
            options = {"family": FAMILIES[case.family], "offset": case.offset}
            if case.latent is None:
                model = smgf.glmm(case.formula, self.frame, **options)
            else:
                fixed = case.formula.partition(" + (")[0]
                model = GLLAMM.from_formula(fixed, self.frame, latent=case.latent, **options)
            self.result = model.fit(n_points=case.n_points, n_threads=case.n_threads)
            str(self.result.summary())
            self.cpu_seconds.append(time.process_time() - start)
            self.elapsed_seconds.append(time.perf_counter() - wall)

    @property
    def cpu(self):
        """Median CPU seconds of a fit."""
        return float(np.median(self.cpu_seconds))

    @property
    def elapsed(self):
        """Median elapsed seconds of a fit."""
        return float(np.median(self.elapsed_seconds))

    @property
    def loglike(self):
        """Log-likelihood at the estimates."""
        return float(self.result.llf)

    def loglike_at(self, params, n_points=None):
        """Log-likelihood at a peer's estimates.

        By the rule of our fit, or by the peer's with its `n_points` (1 is Laplace).
        """
        model = self.result.model
        if n_points is None:
            return float(model.loglike(params))
        rule = {"integration": "laplace"} if n_points == 1 else {"n_points": n_points}
        return float(model.loglike_at(params, **rule))
