"""Starting values: the pooled model first, then a scale for the random effects.

The pooled model is the same likelihood with all random effects at zero. Its own start is one weighted
least-squares step on the link scale, from responses pulled towards their mean.
"""

from __future__ import annotations

import numpy as np

from sm_gllamm.estimation.newton import Controls, maximize

__all__ = ["pooled_fit", "scale_start"]

#: Decrement (log-likelihood units) at which the pooled fit takes a last step and stops.
START_DECREMENT = 10.0
#: Random-effect scales tried (latent-response units), relative to the size of the design column.
SCALES = (0.3, 1.0, 2.5)
#: Clusters by which the scale is chosen.
START_CLUSTERS = 200


def link_scale_start(design: np.ndarray, linked: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted least squares of linked, shrunken responses on the design.

    Parameters
    ----------
    design : ndarray, shape (n, k)
    linked : ndarray, shape (n,)
        g(pulled response) - offset.
    weight : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (k,)
    """
    # not BLAS: its threads cost more than these products
    cross = np.einsum("n,nj,nk->jk", weight, design, design)
    right = np.einsum("n,nj,n->j", weight, design, linked)
    # columns on one scale: products of unlike ones would be lost below rcond
    diagonal = np.diag(cross)
    scale = np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    return np.linalg.lstsq(cross / np.outer(scale, scale), right / scale, rcond=1e-14)[0] / scale


def pooled_fit(likelihood, theta: np.ndarray, free: np.ndarray, maxiter: int = 50):
    """Maximum likelihood without random effects.

    Parameters
    ----------
    likelihood : MarginalLikelihood
    theta : ndarray, shape (p,)
        Starting values; random-effect entries must be zero.
    free : ndarray of int
        Positions of the parameters to estimate.

    Returns
    -------
    Outcome
        Its ``theta`` holds the free parameters only.
    """

    def evaluate(values, want):
        full = theta.copy()
        full[free] = values
        result = likelihood.pooled(full, want)
        if not want:
            return result.total, None, None
        return result.total, result.gradient[free], result.hessian[np.ix_(free, free)]

    return maximize(evaluate, theta[free], Controls(maxiter=maxiter, tol=START_DECREMENT))


def scale_start(likelihood, theta: np.ndarray, diagonal: list[tuple[int, float]]) -> np.ndarray:
    """Best of a few scales for the random effects, by the log-likelihood.

    Parameters
    ----------
    likelihood : MarginalLikelihood
    theta : ndarray, shape (p,)
        Pooled estimates, random-effect entries zero.
    diagonal : list of (position, unit)
        Diagonal entries of the Cholesky factors, and the random-effect SD that moves nu by one.
    """
    scales, values = [], []

    def at(scale):
        trial = theta.copy()
        for position, unit in diagonal:
            trial[position] = scale * unit
        return trial

    with likelihood.sample(START_CLUSTERS):
        for scale in SCALES:
            value = likelihood.evaluate(at(scale)).total
            if np.isfinite(value):
                scales.append(scale)
                values.append(value)
                if len(values) > 1 and value < values[-2]:
                    break
    if not values:
        return theta
    best = int(np.argmax(values))
    if 0 < best < len(values) - 1:
        # a parabola in the logarithm of the scale
        x = np.log(scales)
        (left, right), (below, above) = (
            np.diff(x[best - 1 : best + 2]),
            np.diff(values[best - 1 : best + 2]),
        )
        slope = (below / left * right + above / right * left) / (left + right)
        bend = (above / right - below / left) / (left + right)
        return at(np.exp(x[best] - slope / (2.0 * bend)))
    return at(scales[best])
