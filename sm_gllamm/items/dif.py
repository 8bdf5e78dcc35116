"""Size of differential item functioning: how far an item's expected scores differ between two groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import Item
from sm_gllamm.items.equally_spaced import normal_nodes

__all__ = ["DifEffect", "dif_effect", "ets_class"]

#: Distance of nodes over the distribution in the focal group by dimensions, and how far they reach.
SPACING, REACH = {1: 0.15, 2: 0.15, 3: 0.5}, 4.5
#: Differences in difficulty on the logit scale that separate ETS's classes A, B and C (1 and 1.5 delta).
SMALL, LARGE = 1.0 / 2.35, 1.5 / 2.35


@dataclass(frozen=True, slots=True)
class DifEffect:
    """Differences between a reference and a focal group, averaged over the focal group's distribution.

    Attributes
    ----------
    signed : float
        Mean of the focal minus the reference group's expected score (SIDS, Meade 2010).
    unsigned : float
        Mean of the absolute difference (UIDS).
    standardised : float
        `signed` divided by the pooled standard deviation of the expected scores (ESSD).
    largest : float
        The largest absolute difference on the nodes.
    """

    signed: float
    unsigned: float
    standardised: float
    largest: float


def dif_effect(reference: Item, focal: Item, mean: np.ndarray, covariance: np.ndarray) -> DifEffect:
    """Effect sizes of differential item functioning.

    Parameters
    ----------
    reference, focal : Item
        The item with the parameters of either group.
    mean : ndarray, shape (q,)
        Of the latent variables in the focal group.
    covariance : ndarray, shape (q, q)

    Returns
    -------
    DifEffect

    References
    ----------
    Meade, A. W. (2010). A taxonomy of effect size measures for the differential functioning of items
    and scales. Journal of Applied Psychology 95, 728-743.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.items.bank import Item
    >>> easy = Item("x", "binary", "2PL", np.array([1.0]), np.array([0.5]))
    >>> hard = Item("x", "binary", "2PL", np.array([1.0]), np.array([0.0]))
    >>> round(dif_effect(easy, hard, np.zeros(1), np.eye(1)).signed, 3)
    -0.102
    """
    if reference.n_categories != focal.n_categories:
        raise SpecificationError(f"item {reference.name!r} has other categories in the focal group")
    # an item depends on one direction only, unless it is nominal: the expected score is smooth
    theta, weight = _nodes(mean, covariance)
    there, here = reference.expected_score(theta), focal.expected_score(theta)
    difference = here - there

    def variance(score):
        return float(weight @ score**2 - (weight @ score) ** 2)

    pooled = np.sqrt(0.5 * (variance(there) + variance(here)))
    signed = float(weight @ difference)
    return DifEffect(
        signed,
        float(weight @ np.abs(difference)),
        signed / pooled if pooled > 0 else np.nan,
        float(np.abs(difference).max()),
    )


def _nodes(mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points with equal spacing in every dimension and their shares of a normal distribution."""
    q = len(mean)
    if q not in SPACING:
        raise SpecificationError("effect sizes of DIF are available for up to three dimensions")
    grid, weight = normal_nodes(q, SPACING[q], REACH)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return mean + grid @ root.T, weight


def ets_class(difference: float, p_value: float, alpha: float = 0.05) -> str:
    """ETS's class of uniform differential item functioning of a binary logistic item.

    Parameters
    ----------
    difference : float
        In difficulty, on the logit scale.
    p_value : float
    alpha : float

    Returns
    -------
    {"A", "B", "C"}
        A: not significant, or less than 1 delta (0.43 logits); C: 1.5 delta (0.64 logits) or more.

    References
    ----------
    Zwick, R. (2012). A review of ETS differential item functioning assessment procedures. ETS Research
    Report 12-08.
    """
    size = abs(difference)
    if not p_value < alpha or size < SMALL:
        return "A"
    return "C" if size >= LARGE else "B"
