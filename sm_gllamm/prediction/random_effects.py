"""Random effects of clusters: posterior means, posterior modes, and their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sm_gllamm.engine.problem import Posterior
from sm_gllamm.exceptions import SpecificationError

__all__ = [
    "ClusterEffects",
    "covariance_frame",
    "diagnostic_sd",
    "effect_names",
    "effects_frame",
    "effects_from_modes",
    "effects_from_posterior",
    "level_position",
    "loglike_series",
]


@dataclass(frozen=True, slots=True)
class ClusterEffects:
    """Predicted random effects of the clusters of one level, in the order of their labels.

    Attributes
    ----------
    level : str
    labels : pandas.Index, length J
    names : tuple of str
        The q random effects.
    values : ndarray, shape (J, q)
        On the scale of the random effects: covariance matrix Psi, not standardised.
    covariance : ndarray, shape (J, q, q)
        Conditional covariance of the random effects given the cluster's responses.
    prior : ndarray, shape (q, q)
        Psi.
    """

    level: str
    labels: pd.Index
    names: tuple[str, ...]
    values: np.ndarray
    covariance: np.ndarray
    prior: np.ndarray


def effect_names(mapping, level: int) -> tuple[str, ...]:
    """Names of the random effects of a level (0 is the lowest), term after term."""
    return tuple(
        name for where, _, _, covariance in mapping.terms if where == level
        for name in covariance.names
    )  # fmt: skip


def _in_label_order(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    out = np.empty_like(values)
    out[codes] = values
    return out


def _rescaled(level, position, mean, covariance, assembly, theta) -> ClusterEffects:
    """Standardised moments of a level, in sorted order, as random effects by label."""
    factor = assembly.mapping.factor(theta, position)
    codes = assembly.cluster_codes[position]
    return ClusterEffects(
        level.name,
        level.labels,
        effect_names(assembly.mapping, position),
        _in_label_order(mean, codes) @ factor.T,
        factor @ _in_label_order(covariance, codes) @ factor.T,
        factor @ factor.T,
    )


def effects_from_posterior(
    posterior: Posterior, assembly, levels, theta: np.ndarray
) -> tuple[ClusterEffects, ...]:
    """Empirical Bayes means: posterior means and covariances of the random effects.

    Parameters
    ----------
    posterior : Posterior
        Of the standardised latent variables u.
    assembly : Assembly
    levels : tuple of Level
        Lowest first.
    theta : ndarray, shape (p,)
        Internal parameters, treated as known.

    Returns
    -------
    tuple of ClusterEffects
        Lowest level first; ``zeta = C u`` with C the Cholesky factor of the level's covariance.
    """
    return tuple(
        _rescaled(level, i, posterior.mean[i], posterior.covariance[i], assembly, theta)
        for i, level in enumerate(levels)
    )


def effects_from_modes(modes, assembly, levels, theta: np.ndarray) -> tuple[ClusterEffects, ...]:
    """Empirical Bayes modes: the joint posterior mode of the random effects of all levels.

    Parameters
    ----------
    modes : sequence of (ndarray of shape (J_l, q_l), ndarray of shape (J_l, q_l, q_l))
        Standardised modes and curvature covariances given the levels above, lowest level first.
    assembly, levels, theta
        As in `effects_from_posterior`.

    Returns
    -------
    tuple of ClusterEffects
    """
    return tuple(
        _rescaled(level, i, modes[i][0], modes[i][1], assembly, theta)
        for i, level in enumerate(levels)
    )


def diagnostic_sd(effects: ClusterEffects) -> np.ndarray:
    """Sampling standard deviation of the posterior mean, sqrt(prior - posterior variance).

    Parameters
    ----------
    effects : ClusterEffects

    Returns
    -------
    ndarray, shape (J, q)

    Notes
    -----
    Exact where the posterior variance does not depend on the responses (gaussian models), otherwise
    the approximation of Skrondal & Rabe-Hesketh (2009, sec. 3.2.3): by the law of total variance
    Psi is the mean posterior variance plus the variance of the posterior mean.
    """
    posterior = np.einsum("jqq->jq", effects.covariance)
    return np.sqrt(np.maximum(np.diag(effects.prior) - posterior, 0.0))


def effects_frame(effects: ClusterEffects, sd: np.ndarray | None = None) -> pd.DataFrame:
    """One row a cluster: the random effects and, if given, columns ``sd(<name>)``."""
    frame = pd.DataFrame(effects.values, index=effects.labels, columns=list(effects.names))
    if sd is not None:
        for k, name in enumerate(effects.names):
            frame[f"sd({name})"] = sd[:, k]
    return frame


def covariance_frame(effects: ClusterEffects) -> pd.DataFrame:
    """Covariance matrices stacked: rows are (label..., effect), columns effects."""
    q, labels = len(effects.names), effects.labels
    keys = [labels.get_level_values(i).repeat(q) for i in range(labels.nlevels)]
    names = np.tile(np.asarray(effects.names, dtype=object), len(labels))
    index = pd.MultiIndex.from_arrays([*keys, names], names=[*labels.names, "effect"])
    return pd.DataFrame(effects.covariance.reshape(-1, q), index=index, columns=list(effects.names))


def level_position(names: Sequence[str], level: str | None) -> int:
    """Position of a level by its name; a nested level ``"a:b"`` may be called ``"b"``.

    Raises
    ------
    SpecificationError
        For unknown names, and for None when there are several levels.
    """
    names = list(names)
    if level is None and len(names) == 1:
        return 0
    short = [name.rsplit(":", 1)[-1] for name in names]
    for candidates in (names, short):
        if candidates.count(level) == 1:
            return candidates.index(level)
    raise SpecificationError(f"level={level!r} is none of the model's levels: {names[::-1]}")


def loglike_series(loglike: np.ndarray, assembly, top) -> pd.Series:
    """Log-likelihood contributions of the top-level clusters by label.

    Parameters
    ----------
    loglike : ndarray, shape (n_top,)
        In the sorted order of `assembly`.
    assembly : Assembly
    top : Level

    Returns
    -------
    pandas.Series
    """
    values = _in_label_order(loglike, assembly.cluster_codes[-1])
    return pd.Series(values, index=top.labels, name="loglike")
