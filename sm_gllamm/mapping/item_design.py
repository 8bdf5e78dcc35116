"""What an item response model says of items, groups and latent variables, and names of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["ItemDesign", "dif_name", "specific_name"]


@dataclass(frozen=True, slots=True)
class ItemDesign:
    """Everything that determines the parameters of an item response model.

    Attributes
    ----------
    items : tuple of str
    models : tuple of ItemModel
    n_categories : tuple of int
    dimensions : tuple of str
    pattern : ndarray of bool, shape (n_items, q)
        Which slopes there are.
    correlated : bool
    link : {"logit", "probit"}
    groups : tuple of str
        Labels of groups of persons, one for a single group.
    by_group : dict of {"slopes", "intercepts", "asymptotes"} to ndarray of bool, shape (n_items,)
        Which items have parameters of their own in every group.
    covariates : tuple of str
        Of persons.
    regression : tuple of int
        Those that the latent variables are regressed on.
    dif : dict of str to (tuple of int, tuple of int)
        By item: covariates with direct effects on its intercepts, and on its slopes (differential item
        functioning).
    fixed : dict of str to dict
        By item: "slope" (a number, or a dict by dimension), "intercept" (a number, or one a category),
        "lower", "upper" (probabilities).
    item_covariates : ndarray, shape (n_items, m), or None
        What intercepts are linear in, instead of being free.
    item_covariate_names : tuple of str
    specific : tuple of int
        Number of each item's testlet, -1 for none.
    specific_names : tuple of str
    testlets : bool
        Whether slopes on the specific dimensions are proportional to the general ones.
    cluster : str or None
        Name of the level above persons.
    random_intercepts, random_slopes : tuple of int
        Items whose intercepts, and whose slopes, vary between clusters.
    random_common : bool
        Whether all such intercepts have one variance, and all such slopes.
    """

    items: tuple[str, ...]
    models: tuple
    n_categories: tuple[int, ...]
    dimensions: tuple[str, ...]
    pattern: np.ndarray
    correlated: bool = True
    link: str = "logit"
    groups: tuple[str, ...] = ("",)
    by_group: Mapping[str, np.ndarray] = field(default_factory=dict)
    covariates: tuple[str, ...] = ()
    regression: tuple[int, ...] = ()
    dif: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    fixed: Mapping[str, Mapping] = field(default_factory=dict)
    item_covariates: np.ndarray | None = None
    item_covariate_names: tuple[str, ...] = ()
    specific: tuple[int, ...] = ()
    specific_names: tuple[str, ...] = ()
    testlets: bool = False
    cluster: str | None = None
    random_intercepts: tuple[int, ...] = ()
    random_slopes: tuple[int, ...] = ()
    random_common: bool = False

    def own(self, what: str, j: int) -> bool:
        """Whether item j has parameters of its own in every group."""
        return len(self.groups) > 1 and bool(self.by_group[what][j])

    def known(self, what: str, j: int, d: int):
        """The known slope on dimension d, or intercept, of item j; None where it is free."""
        value = self.fixed.get(self.items[j], {}).get(what)
        return value.get(self.dimensions[d]) if isinstance(value, Mapping) else value

    def first_dimension(self, j: int) -> int:
        """The first of the dimensions that item j measures."""
        return int(np.argmax(self.pattern[j]))

    def anchored(self, what: str, d: int) -> bool:
        """Whether some item of dimension d has the same parameters in all groups."""
        return any(
            not self.by_group[what][j]
            or self.known(what.removesuffix("s"), j, d) is not None
            # slopes of one, and of all items together, are those of all groups
            or (what == "slopes" and self.models[j].slope in ("one", "common"))
            for j in np.flatnonzero(self.pattern[:, d])
        )


def specific_name(design: ItemDesign, j: int, category: int | None, group: int | None) -> str:
    """Name of the slope of item j on its specific dimension."""
    text = design.items[j] + ("" if category is None else f":{category}")
    if group is not None and design.own("slopes", j):
        text += f"|{design.groups[group]}"
    return f"slope[{text}, {design.specific_names[design.specific[j]]}]"


def dif_name(design: ItemDesign, j: int, k: int, d: int | None = None) -> str:
    """Name of the direct effect of covariate k on the intercepts of item j, or on its slope on d."""
    text = f"{design.items[j]}: {design.covariates[k]}"
    if d is None:
        return f"dif[{text}]"
    where = f", {design.dimensions[d]}" if len(design.dimensions) > 1 else ""
    return f"dif_slope[{text}{where}]"
