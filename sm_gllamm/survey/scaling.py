"""Scaling of survey weights within clusters, for pseudo maximum likelihood."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sm_gllamm.exceptions import SpecificationError

__all__ = ["SCALINGS", "scale_level_weights", "scale_weights"]

SCALINGS = ("size", "effective")


def scale_weights(
    weights: np.ndarray, clusters: np.ndarray, method: str, units: np.ndarray | None = None
) -> np.ndarray:
    r"""Scale the weights of units within their clusters.

    Parameters
    ----------
    weights : ndarray, shape (nobs,)
        Inverse conditional probability that a unit is selected, given that its cluster is; not
        negative. The same in all rows of a unit.
    clusters : ndarray of int, shape (nobs,)
        Cluster of each row, 0, 1, ...
    method : {"size", "effective"}
        The scaled weights of a cluster sum to its number of units, or to its effective sample size.
    units : ndarray of int, shape (nobs,), optional
        Unit of each row, 0, 1, ..., nested in `clusters`; rows are units if not given.

    Returns
    -------
    ndarray of float64, shape (nobs,)
        Scaled weight of each row's unit.

    Raises
    ------
    SpecificationError
        Unknown method, or a cluster whose weights are all zero.

    Notes
    -----
    With :math:`w_{i|j}` the weight of unit i in cluster j and :math:`n_j` the number of its units,

    .. math::

        w^*_{i|j} = w_{i|j} \frac{n_j}{\sum_i w_{i|j}} \quad (\text{size}), \qquad
        w^*_{i|j} = w_{i|j} \frac{\sum_i w_{i|j}}{\sum_i w_{i|j}^2} \quad (\text{effective}).

    "effective" is scaling method 1 and "size" scaling method 2 of Pfeffermann et al. (1998) and of
    Rabe-Hesketh & Skrondal (2006). Multiplying the weights of a cluster by a constant leaves the
    scaled weights as they are. Unscaled weights bias variances between clusters upwards where
    clusters are small.

    References
    ----------
    Pfeffermann, D., Skinner, C. J., Holmes, D. J., Goldstein, H. & Rasbash, J. (1998). Weighting
    for unequal selection probabilities in multilevel models. Journal of the Royal Statistical
    Society B 60, 23-40.

    Rabe-Hesketh, S. & Skrondal, A. (2006). Multilevel modelling of complex survey data. Journal of
    the Royal Statistical Society A 169, 805-827.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.survey.scaling import scale_weights
    >>> weights, schools = np.array([1.0, 3.0, 2.0, 2.0]), np.array([0, 0, 1, 1])
    >>> scale_weights(weights, schools, "size")
    array([0.5, 1.5, 1. , 1. ])
    >>> scale_weights(weights, schools, "effective")
    array([0.4, 1.2, 1. , 1. ])
    """
    if method not in SCALINGS:
        raise SpecificationError(
            f"Weight scaling {method!r} is not known; there are 'size' and 'effective'."
        )
    weights = np.asarray(weights, dtype=np.float64)
    if units is None:
        unit_weights, unit_clusters = weights, clusters
    else:
        first_rows = np.unique(units, return_index=True)[1]
        unit_weights, unit_clusters = weights[first_rows], clusters[first_rows]
    total = np.bincount(unit_clusters, weights=unit_weights)
    present = np.bincount(unit_clusters) > 0
    if (total[present] <= 0).any():
        cluster = int(np.flatnonzero(present & (total <= 0))[0])
        raise SpecificationError(
            f"The weights in cluster number {cluster} (counted from 0) are all zero, so that they "
            "cannot be scaled; leave the cluster out."
        )
    if method == "size":
        numerator, denominator = np.bincount(unit_clusters).astype(np.float64), total
    else:
        numerator, denominator = total, np.bincount(unit_clusters, weights=unit_weights**2)
    factor = np.divide(numerator, denominator, out=np.ones_like(total), where=present)
    return weights * factor[clusters]


def scale_level_weights(
    weights: Mapping[str, np.ndarray],
    levels: Mapping[str, np.ndarray],
    method: str | Mapping[str, str] | None,
) -> dict[str, np.ndarray]:
    """Scale the weights of rows and of every level but the top one within the level above.

    Parameters
    ----------
    weights : mapping of level name to ndarray of shape (nobs,)
        ``"row"`` for the rows. Levels left out have no weights and get none.
    levels : mapping of level name to ndarray of int, shape (nobs,)
        Cluster codes, bottom to top.
    method : {"size", "effective"}, mapping of level name to such, or None
        None leaves the weights as they are, as do levels that a mapping leaves out.

    Returns
    -------
    dict of str to ndarray of float64, shape (nobs,)
        The top level's weights are as given: only their ratios between clusters matter.

    Raises
    ------
    SpecificationError
    """
    inner = ["row", *levels]
    methods = method if isinstance(method, Mapping) else dict.fromkeys(inner[:-1], method)
    for name in methods:
        if name not in inner[:-1]:
            raise SpecificationError(
                f"weight_scaling names level {name!r}; weights can be scaled at "
                f"{', '.join(inner[:-1])}."
            )
    scaled = dict(weights)
    for name, above in zip(inner, levels, strict=False):
        chosen = methods.get(name)
        if name in weights and chosen is not None:
            units = None if name == "row" else levels[name]
            scaled[name] = scale_weights(weights[name], levels[above], chosen, units)
    return scaled
