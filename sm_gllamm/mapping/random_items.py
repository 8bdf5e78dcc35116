"""Items whose parameters vary between clusters of persons: latent variables of items and clusters.

    nu_pj = (a_j + s_jk)' theta_p + d_j + e_jk,    e_jk ~ N(0, var(e_j)),  s_jk ~ N(0, var(s_j)),

for person p of cluster k (De Jong, Steenkamp & Fox 2007, Journal of Consumer Research 34, 260-278, eq. 4
to 6; their random thresholds are -e_jk). Effects of different items are independent of each other and of
the cluster's random intercepts of theta, which are what all items have in common.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sm_gllamm.mapping.covariances import TermCovariance
from sm_gllamm.mapping.item_design import ItemDesign
from sm_gllamm.mapping.structural import Coefficient, LatentEquation, Path

__all__ = [
    "ItemEffect",
    "TiedVariances",
    "above",
    "cluster_covariance",
    "item_effects",
    "of_persons",
    "random_item_equations",
]


@dataclass(frozen=True, slots=True)
class ItemEffect:
    """What varies of an item between clusters.

    Attributes
    ----------
    name : str
        Such as ``intercept[x1]`` and ``slope[x1]``.
    item : int
    dimension : int or None
        Of a slope; None for the intercepts, all of which are shifted.
    """

    name: str
    item: int
    dimension: int | None = None


@dataclass(frozen=True)
class TiedVariances(TermCovariance):
    """A pattern of covariances in which some effects have one variance.

    Parameters
    ----------
    structure, names, label, group, pairs, known
        As of a TermCovariance; the structure is "pattern".
    tied : tuple of (str, tuple of int)
        Names of variances, and two or more effects, without covariances, that have each.
    """

    tied: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def __post_init__(self):
        super().__post_init__()
        first = {r: rows[0] for _, rows in self.tied for r in rows}
        params = [(r, c) for r, c in self.params if r != c or first.get(r, r) == r]
        place = {pair: k for k, pair in enumerate(params)}
        entries = [
            (r, c, place[pair] if pair in place else place[first[r], first[r]])
            for (r, c, _), pair in zip(self.entries, self.params, strict=True)
        ]
        object.__setattr__(self, "params", params)
        object.__setattr__(self, "entries", entries)

    @property
    def param_names(self) -> list[str]:
        """Names such as ``var(intercept|school)`` of a variance that several effects have."""
        labels = {(rows[0], rows[0]): label for label, rows in self.tied}
        own = super().param_names
        return [
            f"var({labels[pair]}|{self.group})" if pair in labels else name
            for name, pair in zip(own, self.params, strict=True)
        ]

    def variance_name(self, row: int) -> str:
        """Name of the variance of effect number `row`."""
        row = next((rows[0] for _, rows in self.tied if row in rows), row)
        return super().variance_name(row)

    def internal(self, published: np.ndarray) -> np.ndarray:
        """Cholesky factor's entries from published ones; an error where Psi is not positive semidefinite."""
        c = self._cholesky(self.matrix(published))
        out = np.empty(len(self.params))
        for row, column, k in self.entries:
            out[k] = c[row, column]
        return out

    def matrix(self, published: np.ndarray) -> np.ndarray:
        """Psi, shape (q, q), from its published entries."""
        psi = super().matrix(published)
        for _, rows in self.tied:
            for r in rows[1:]:
                psi[r, r] = psi[rows[0], rows[0]]
        return psi


def above(design: ItemDesign, name: str) -> str:
    """Name of a dimension's part that varies between clusters of persons."""
    return f"{name}({design.cluster})"


def of_persons(name: str) -> str:
    """Name of a dimension with everything that it is composed of, in models with groups or clusters."""
    return f"{name} of persons"


def item_effects(design: ItemDesign) -> tuple[ItemEffect, ...]:
    """Everything that varies of items between clusters, in the order of its covariance matrix."""
    out = [ItemEffect(f"intercept[{design.items[j]}]", j) for j in design.random_intercepts]
    for j in design.random_slopes:
        for d in np.flatnonzero(design.pattern[j]).tolist():
            where = f", {design.dimensions[d]}" if len(design.dimensions) > 1 else ""
            out.append(ItemEffect(f"slope[{design.items[j]}{where}]", j, d))
    return tuple(out)


def cluster_covariance(design: ItemDesign) -> TermCovariance:
    """Covariance matrix of what varies between clusters: the dimensions, and effects of items."""
    dimensions = tuple(above(design, name) for name in design.dimensions)
    assert design.cluster is not None
    effects = item_effects(design)
    if not effects:
        return TermCovariance("unstructured", dimensions, design.cluster, design.cluster)
    q = len(dimensions)
    names = (*dimensions, *(effect.name for effect in effects))
    pairs = tuple((r, c) for r in range(q) for c in range(r))
    tied = []
    if design.random_common:
        for label, slope in (("intercept", False), ("slope", True)):
            rows = tuple(
                q + k for k, one in enumerate(effects) if (one.dimension is not None) == slope
            )
            if rows:
                tied.append((label, rows))
    return TiedVariances("pattern", names, design.cluster, design.cluster, pairs, tied=tuple(tied))


def random_item_equations(
    design: ItemDesign, level: int, column: Callable[[int], int]
) -> tuple[list[LatentEquation], list[LatentEquation]]:
    """Equations of the effects of items.

    Parameters
    ----------
    design : ItemDesign
    level : int
        Number of the level of persons.
    column : callable
        From an item to the column that shifts its predictors.

    Returns
    -------
    varying : list of LatentEquation
        The effects, at the level above persons.
    products : list of LatentEquation
        Varying slopes times latent variables of persons.
    """
    varying, products = [], []
    one = Coefficient(None, 1.0)
    for effect in item_effects(design):
        if effect.dimension is None:
            loadings = ((column(effect.item), one),)
            varying.append(LatentEquation(effect.name, level + 1, loadings))
            continue
        varying.append(LatentEquation(effect.name, level + 1, ()))
        dimension = of_persons(design.dimensions[effect.dimension])
        path = Path(f"{effect.name}:{dimension}", (effect.name, dimension), None, one)
        loadings = ((column(effect.item), one),)
        products.append(
            LatentEquation(f"{effect.name} times {dimension}", level, loadings, (path,), False)
        )
    return varying, products
