"""Restricted likelihood of gaussian mixed models.

With a flat prior on the coefficients the restricted log-likelihood is

    l_R(v) = l(beta_v, v) - 1/2 log |I_bb(v)| + k/2 log(2 pi),

v the variance parameters, beta_v the coefficients that maximise the log-likelihood at v, and I_bb(v)
their information (Harville 1977; Laird & Ware 1982). The engine gives the first two terms exactly;
derivatives in the few variance parameters are central differences.
"""

from __future__ import annotations

import numpy as np

from sm_gllamm.likelihood.marginal import MarginalLikelihood, ThetaEvaluation

__all__ = ["RestrictedLikelihood"]


class RestrictedLikelihood:
    """The REML criterion as a function of theta, with the coefficients profiled out.

    Parameters
    ----------
    likelihood : MarginalLikelihood
        Of a gaussian-identity model; its exact rule must be in force.
    """

    def __init__(self, likelihood: MarginalLikelihood):
        self.likelihood = likelihood
        self.k = likelihood.mapping.k_exog

    def profile(self, theta) -> tuple[np.ndarray, float, ThetaEvaluation]:
        """Coefficients at their maximum given the variance parameters; the criterion there.

        Returns
        -------
        theta : ndarray, shape (p,)
        value : float
            REML log-likelihood.
        evaluation : ThetaEvaluation
            Of the (unrestricted) log-likelihood at `theta`.
        """
        theta = np.array(theta, dtype=float)
        k = self.k
        result = self.likelihood.evaluate(theta, 2)
        # quadratic in beta: one step is exact, the second removes rounding
        for _ in range(2):
            theta[:k] += np.linalg.solve(-result.hessian[:k, :k], result.gradient[:k])
            result = self.likelihood.evaluate(theta, 2)
        sign, log_det = np.linalg.slogdet(-result.hessian[:k, :k])
        value = result.total - 0.5 * log_det + 0.5 * k * np.log(2 * np.pi) if sign > 0 else -np.inf
        return theta, value, result

    def evaluate(self, free, theta, want: int):
        """Criterion, gradient and Hessian in the variance parameters, for ``estimation.newton``.

        Parameters
        ----------
        free : ndarray, shape (p - k,)
            Variance parameters (internal scale).
        theta : ndarray, shape (p,)
            Coefficients to start the profile from.
        want : {0, 2}
        """

        def value(move):
            return self.profile(np.concatenate([theta[: self.k], free + move]))[1]

        centre = value(0.0)
        if not want:
            return centre, None, None
        m = len(free)
        h = 1e-4 * (1.0 + np.abs(free))
        unit = np.diag(h)
        up = np.array([value(unit[t]) for t in range(m)])
        down = np.array([value(-unit[t]) for t in range(m)])
        hessian = np.diag((up - 2 * centre + down) / h**2)
        for t in range(m):
            for s in range(t):
                both = (
                    value(unit[t] + unit[s]) - value(unit[t] - unit[s])
                    - value(unit[s] - unit[t]) + value(-unit[t] - unit[s])
                )  # fmt: skip
                hessian[t, s] = hessian[s, t] = both / (4 * h[t] * h[s])
        return centre, (up - down) / (2 * h), hessian
