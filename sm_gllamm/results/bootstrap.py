"""Bootstrap distributions of the published parameters."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from sm_gllamm.exceptions import SpecificationError

__all__ = ["BootstrapResults", "bootstrap"]


@dataclass(frozen=True)
class BootstrapResults:
    """Estimates of bootstrap samples, and what follows from them.

    Attributes
    ----------
    params : DataFrame, shape (n_rep, k_params)
        Estimates of the samples whose fit converged.
    estimate : Series
        Estimates of the fit itself.
    method : {"cluster", "parametric"}
    n_failed : int
        Samples whose fit did not converge; they are left out.
    interrupted : bool
        Whether the user stopped before all samples were done.

    Examples
    --------
    >>> import sm_gllamm.formula.api as smgf
    >>> from sm_gllamm.datasets import sleepstudy
    >>> data = sleepstudy.load_pandas().data
    >>> result = smgf.glmm("Reaction ~ Days + (1 | Subject)", data).fit()
    >>> sample = result.bootstrap(50, seed=1)
    >>> sample.params.shape
    (50, 4)
    >>> list(sample.conf_int().columns)
    [0, 1]
    """

    params: pd.DataFrame
    estimate: pd.Series
    method: str
    n_failed: int
    interrupted: bool

    @property
    def bse(self) -> pd.Series:
        """Standard deviations of the estimates, shape (k_params,)."""
        return self.params.std(ddof=1)

    @property
    def bias(self) -> pd.Series:
        """Mean of the estimates minus the estimate, shape (k_params,)."""
        return self.params.mean() - self.estimate

    def cov_params(self) -> pd.DataFrame:
        """Covariance matrix of the estimates, shape (k_params, k_params)."""
        return self.params.cov()

    def conf_int(self, alpha: float = 0.05, method: str = "percentile") -> pd.DataFrame:
        """Bootstrap confidence intervals.

        Parameters
        ----------
        alpha : float
            One minus the confidence level.
        method : {"percentile", "basic", "normal"}
            Quantiles of the estimates; the same reflected at the estimate; bias-corrected estimate
            plus or minus a multiple of the standard deviation (Davison & Hinkley 1997, ch. 5).

        Returns
        -------
        DataFrame, shape (k_params, 2)
        """
        if method not in ("percentile", "basic", "normal"):
            raise SpecificationError(
                f"method={method!r} is not known; use 'percentile', 'basic' or 'normal'"
            )
        if method == "normal":
            centre, half = self.estimate - self.bias, stats.norm.ppf(1 - alpha / 2) * self.bse
            return pd.DataFrame({0: centre - half, 1: centre + half})
        low, high = self.params.quantile(alpha / 2), self.params.quantile(1 - alpha / 2)
        if method == "basic":
            low, high = 2 * self.estimate - high, 2 * self.estimate - low
        return pd.DataFrame({0: low, 1: high})

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Estimate, bias, standard error and percentile interval, a row a parameter."""
        frame = pd.DataFrame({"estimate": self.estimate, "bias": self.bias, "std_err": self.bse})
        limits = self.conf_int(alpha)
        return frame.assign(lower=limits[0], upper=limits[1])

    def __iter__(self):
        # statsmodels' bootstrap returns (mean, standard deviation, estimates)
        return iter((self.params.mean(), self.params.std(ddof=0), self.params))


def _check(results, method: str, n_rep: int):
    if method not in ("cluster", "parametric"):
        raise SpecificationError(f"method={method!r} is not known; use 'cluster' or 'parametric'")
    if n_rep < 1:
        raise SpecificationError(f"n_rep={n_rep!r}; at least one sample is needed")
    if results.model.endog is None:
        raise SpecificationError("the data were removed by remove_data(); the bootstrap needs them")
    if method == "parametric" and results.model.weights.by_level:
        raise SpecificationError(
            "method='parametric' draws one response a row, which weighted rows are not; "
            "use method='cluster'"
        )


def bootstrap(results, n_rep: int, method: str, seed, disp: int) -> BootstrapResults:
    """Bootstrap of fitted parameters; see :meth:`LatentVariableResults.bootstrap`."""
    _check(results, method, n_rep)
    model, params = results.model, np.asarray(results.params)
    samples = model.bootstrap_estimates(
        params, results.theta, results.quadrature, method, np.random.default_rng(seed), n_rep,
        results.settings.reml, results.constraints,
    )  # fmt: skip
    estimates, failed, interrupted = [], 0, False
    began, every = time.perf_counter(), max(n_rep // 10, 1)
    try:
        for done, found in enumerate(samples, 1):
            if found is None:
                failed += 1
            else:
                estimates.append(found)
            if disp and (done % every == 0 or done == n_rep):
                elapsed = time.perf_counter() - began
                print(f"sample {done:5d} of {n_rep}  {elapsed:8.1f} s  ({failed} failed)")
    except KeyboardInterrupt:
        interrupted = True
        if disp:
            print(f"interrupted after {len(estimates) + failed} samples, which are kept")
    names = list(model.mapping.param_names)
    values = np.array(estimates).reshape(-1, len(names))
    return BootstrapResults(
        pd.DataFrame(values, columns=names),
        pd.Series(params, index=names),
        method,
        failed,
        interrupted,
    )
