"""Signs of latent variables whose scale is fixed by their variance.

With unit variances the likelihood does not change if a latent variable is multiplied by minus one: all its
loadings, and the coefficients of the regressions that it is in, change their signs.
"""

from __future__ import annotations

import numpy as np

from sm_gllamm.mapping.structural import StructuralMapping

__all__ = ["oriented"]


def oriented(mapping, theta: np.ndarray) -> np.ndarray:
    """The same model with each latent variable in its conventional direction.

    A latent variable that no fixed coefficient gives a direction points to where the sum of its loadings
    is positive, or, without loadings, the sum of the coefficients of the regressions on it. Latent
    variables with loadings in common turn together.

    Parameters
    ----------
    mapping : ParameterBlocks
    theta : ndarray, shape (p,)

    Returns
    -------
    ndarray, shape (p,)
        `theta` itself where nothing turns.
    """
    if not isinstance(mapping, StructuralMapping):
        return theta
    out = theta
    for group in _turning_together(mapping):
        loadings = {c.name for m in group for _, c in mapping.latents[m].loadings if c.name}
        names = {mapping.latents[m].name for m in group}
        paths = {
            path.coefficient.name
            for latent in mapping.latents
            for path in latent.paths
            if len(path.factors) == 1 and path.factors[0] in names and path.coefficient.name
        }
        deciding = [mapping.position(name) for name in loadings or paths]
        if not out[deciding].sum() < 0.0:
            continue
        turned = _turned(mapping, out, names)
        if _same_distribution(mapping, out, turned):
            out = turned
    return out


def _turning_together(mapping) -> list[list[int]]:
    """Groups of latent variables that turn together, where no fixed coefficient gives a direction.

    Those with loadings in common, and those that a fixed path connects.
    """
    groups: list[tuple[set, list[int]]] = []
    for m, latent in enumerate(mapping.latents):
        ties = {c.name for _, c in latent.loadings if c.name is not None} | {(latent.name,)}
        if any(c.name is None and c.value for _, c in latent.loadings):
            ties.add("fixed")
        for path in latent.paths:
            if path.coefficient.name is None and path.coefficient.value:
                ties |= {(name,) for name in path.factors} or {"fixed"}
        joined = [group for group in groups if group[0] & ties]
        groups = [group for group in groups if not group[0] & ties]
        ties = ties.union(*(group[0] for group in joined))
        groups.append((ties, sorted(sum((group[1] for group in joined), [m]))))
    free = [members for ties, members in groups if "fixed" not in ties]
    # those with loadings first: their directions decide on the signs of paths
    return sorted(free, key=lambda members: not any(mapping.latents[m].loadings for m in members))


def _turned(mapping, theta: np.ndarray, names: set[str]) -> np.ndarray:
    """Parameters with opposite signs of some latent variables."""
    out = theta.copy()
    turning = set()
    for latent in mapping.latents:
        own = latent.name in names
        if own:
            turning |= {c.name for _, c in latent.loadings}
        for path in latent.paths:
            if own != bool(sum(name in names for name in path.factors) % 2):
                turning.add(path.coefficient.name)
    out[[mapping.position(name) for name in turning if name is not None]] *= -1.0
    for _, _, block, covariance in mapping.terms:
        inside = [name in names for name in covariance.names]
        # rows of the Cholesky factor, and columns to keep its diagonal positive
        entries = covariance.entries or [(r, c, k) for k, (r, c) in enumerate(covariance.params)]
        for k in {k for row, column, k in entries if inside[row] != inside[column]}:
            out[block.start + k] *= -1.0
    return out


def _same_distribution(mapping, theta: np.ndarray, other: np.ndarray) -> bool:
    """Whether predictors differ by signs of standard normal variables only."""
    before, after = mapping.phi(theta), mapping.phi(other)
    tolerance = 1e-9 * np.abs(before).max()
    q = sum(mapping.dimensions)
    sign = np.ones(1 + q + len(mapping.products))

    def ratio(channel: int) -> float:
        at = mapping.active_channel == channel
        for value in (1.0, -1.0):
            if np.allclose(after[at], value * before[at], rtol=1e-9, atol=tolerance):
                return value
        return np.nan

    for r in range(1, q + 1):
        sign[r] = ratio(r)
    for k, (r, c) in enumerate(mapping.products):
        sign[1 + q + k] = sign[1 + r] * sign[1 + c]
    channel = mapping.active_channel
    expected = np.append(sign, 1.0)[np.minimum(channel, len(sign))] * before
    return np.allclose(after, expected, rtol=1e-9, atol=tolerance)
