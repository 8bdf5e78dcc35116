"""Fits and evaluates with this package."""

import time
from dataclasses import dataclass

import numpy as np

import sm_gllamm.formula.api as smgf


@dataclass(frozen=True)
class OurFit:
    """Result of the last fit, and median seconds of all timed ones, summary included."""

    result: object
    cpu: float
    elapsed: float

    @property
    def loglike(self):
        """Log-likelihood at the estimates."""
        return float(self.result.llf)

    def loglike_at(self, params, n_points):
        """Log-likelihood at a peer's estimates, by the peer's rule (1 point is Laplace)."""
        rule = {"integration": "laplace"} if n_points == 1 else {"n_points": n_points}
        return float(self.result.model.loglike_at(params, **rule))


def fit_ours(case, frame, repeats):
    """Fit a case `repeats` times, from the formula to the text of the summary."""
    options = {"n_points": case.n_points, "n_threads": case.n_threads}
    cpu, elapsed = [], []
    for _ in range(repeats):
        start, wall = time.process_time(), time.perf_counter()
        result = smgf.glmm(case.formula, frame, family=case.family).fit(**options)
        str(result.summary())
        cpu.append(time.process_time() - start)
        elapsed.append(time.perf_counter() - wall)
    return OurFit(result, float(np.median(cpu)), float(np.median(elapsed)))
