"""Choice probabilities averaged over random effects."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri, softmax
from scipy.stats import qmc

__all__ = ["averaged_shares"]

#: The normal density is cut off where it is 1e-10 of its maximum.
REACH = 6.8
#: Nodes of a product rule; where it takes more, random points do.
MAX_NODES = 20_000
#: A power of two, as Sobol sequences want it.
SOBOL = 4096
#: Set-node-alternatives evaluated at a time.
BLOCK = 4_000_000
#: Loadings below this share of the largest have no effect.
NEGLIGIBLE = 1e-10


def _reduced(loadings: np.ndarray) -> np.ndarray:
    """As few latent variables as differences between the alternatives depend on, largest first."""
    centred = loadings - loadings.mean(axis=1, keepdims=True)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    spread = size.max(axis=0, initial=0.0)
    used = spread > NEGLIGIBLE * max(spread.max(initial=0.0), NEGLIGIBLE)
    return (left * size[:, None, :])[:, :, used]


def _nodes(spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes, shape (r, number), and weights for latent variables with loadings up to `spread`."""
    # zeros of a sum of exponentials are pi / (sqrt(2) loading) from the real line, or farther
    steps = np.minimum(0.9, 0.65 / spread)
    counts = 2 * np.ceil(REACH / steps).astype(int) + 1
    if np.prod(counts.astype(float)) > MAX_NODES:
        points = qmc.Sobol(len(spread), seed=1).random(SOBOL)
        return ndtri(np.clip(points.T, 1e-12, 1.0 - 1e-12)), np.full(SOBOL, 1.0 / SOBOL)
    lines = [np.linspace(-REACH, REACH, count) for count in counts]
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*lines, indexing="ij")])
    weight = np.exp(-0.5 * (grid**2).sum(axis=0))
    keep = weight > np.exp(-0.5 * REACH**2)
    return grid[:, keep], weight[keep] / weight[keep].sum()


def averaged_shares(utilities: np.ndarray, loadings: np.ndarray) -> np.ndarray:
    """Choice probabilities averaged over standard normal latent variables in the utilities.

    Parameters
    ----------
    utilities : ndarray, shape (m, J)
        Fixed parts of the J alternatives' utilities in m choice sets.
    loadings : ndarray, shape (m, J, r)
        Coefficients of r latent variables.

    Returns
    -------
    ndarray, shape (m, J)

    Notes
    -----
    Only differences of utilities count, so no more than J - 1 latent variables are integrated over,
    by singular value decomposition of their loadings: a product trapezoidal rule, which converges
    geometrically, with as many nodes as ten digits take (Trefethen & Weideman 2014); where these are
    more than twenty thousand, a Sobol sequence of 4096 points with a fixed seed, which gives three
    to four digits.
    """
    m, size = utilities.shape
    reduced = _reduced(loadings) if m else loadings[:, :, :0]
    if reduced.shape[2] == 0:
        return softmax(utilities, axis=1)
    nodes, weight = _nodes(np.sqrt((reduced**2).sum(axis=1)).max(axis=0))
    out = np.empty((m, size))
    block = max(1, BLOCK // (size * len(weight)))
    for start in range(0, m, block):
        span = slice(start, start + block)
        nu = utilities[span, :, None] + reduced[span] @ nodes
        out[span] = softmax(nu, axis=1) @ weight
    return out
