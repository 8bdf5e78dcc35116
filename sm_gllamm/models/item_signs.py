"""Signs of item response models that the likelihood does not know, as people expect them."""

from __future__ import annotations

import numpy as np

from sm_gllamm.mapping.item_design import ItemDesign
from sm_gllamm.mapping.structural import StructuralMapping

__all__ = ["with_positive_directions"]

#: Diagonal of a Cholesky factor below which correlations are one and signs mean nothing.
CORRELATED = 1e-4


def with_positive_directions(
    design: ItemDesign, mapping: StructuralMapping, theta: np.ndarray
) -> np.ndarray:
    """The same distribution with specific dimensions and scales of groups that are positive.

    Parameters
    ----------
    design : ItemDesign
    mapping : StructuralMapping
    theta : ndarray, shape (p,)
        Internal parameters.

    Returns
    -------
    ndarray, shape (p,)
    """
    place = {name: k for k, name in enumerate(mapping.param_names)}
    out = np.array(theta, dtype=float)
    for label in design.specific_names:
        # each is integrated on its own, so that the likelihood is the same
        own = [k for name, k in place.items() if name.endswith((f", {label}]", f"sd({label})"))]
        if out[own].sum() < 0.0:
            out[own] *= -1.0
    for label in design.groups[1:]:
        _turn_group(design, mapping, out, place, label)
    return out


def _turn_group(design, mapping, theta: np.ndarray, place: dict[str, int], label: str) -> None:
    """Make the scales of a group positive, in place."""
    entries, root = {}, np.eye(len(design.dimensions))
    for d, name in enumerate(design.dimensions):
        for e, other in enumerate(design.dimensions[: d + 1]):
            pair = name if d == e else f"{name},{other}"
            if (k := place.get(f"scale({pair}|{label})")) is not None:
                entries[d, e] = k
                root[d, e] = theta[k]
    if (np.diag(root) >= 0.0).all():
        return
    level = int(bool(design.specific_names))
    _, _, block, term = next(t for t in mapping.terms if t[0] == level)
    reference = term.factor(theta[block])
    if np.abs(np.diag(reference)).min() < CORRELATED:
        return
    factor = root @ reference
    factor = factor * np.where(np.diag(factor) < 0.0, -1.0, 1.0)
    turned = factor @ np.linalg.inv(reference)
    for (d, e), k in entries.items():
        theta[k] = turned[d, e]
