"""Which model each item has, and what it measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sm_gllamm.exceptions import SpecificationError

__all__ = ["ITEM_MODELS", "ItemModel", "item_models", "slopes_pattern"]


@dataclass(frozen=True, slots=True)
class ItemModel:
    """A response model of an item.

    Attributes
    ----------
    name : str
    form : {"binary", "graded", "divide"}
        As for :class:`sm_gllamm.items.bank.Item`.
    slope : {"one", "common", "free", "categories"}
        Fixed at one, equal in all items of the model, the item's own, one a category.
    lower, upper : bool
        Whether the asymptotes of a binary item are free.
    shared_steps : bool
        Whether distances between categories are those of all items of the model (rating scale).
    binary : str
        Name of the model of the same kind for an item with two categories.
    reference : str
    """

    name: str
    form: str
    slope: str
    lower: bool = False
    upper: bool = False
    shared_steps: bool = False
    binary: str = ""
    reference: str = ""


#: Item models by name.
ITEM_MODELS = {
    model.name: model
    for model in (
        ItemModel("Rasch", "binary", "one", reference="Rasch 1960"),
        ItemModel("1PL", "binary", "common", reference="Thissen 1982"),
        ItemModel("2PL", "binary", "free", reference="Birnbaum 1968"),
        ItemModel("3PL", "binary", "free", lower=True, reference="Birnbaum 1968"),
        ItemModel("3PLu", "binary", "free", upper=True, reference="Barton & Lord 1981"),
        ItemModel("4PL", "binary", "free", lower=True, upper=True, reference="Barton & Lord 1981"),
        ItemModel("graded", "graded", "free", binary="2PL", reference="Samejima 1969"),
        ItemModel("PCM", "divide", "one", binary="Rasch", reference="Masters 1982"),
        ItemModel("GPCM", "divide", "free", binary="2PL", reference="Muraki 1992"),
        ItemModel(
            "RSM", "divide", "one", shared_steps=True, binary="Rasch", reference="Andrich 1978"
        ),
        ItemModel("nominal", "divide", "categories", binary="2PL", reference="Bock 1972"),
    )
}

_OTHER_NAMES = {
    "rasch": "Rasch", "1pl": "1PL", "2pl": "2PL", "3pl": "3PL", "3plu": "3PLu", "4pl": "4PL",
    "graded": "graded", "grm": "graded", "pcm": "PCM", "partial credit": "PCM", "gpcm": "GPCM",
    "generalized partial credit": "GPCM", "rsm": "RSM", "rating scale": "RSM", "nominal": "nominal",
    "nrm": "nominal",
}  # fmt: skip


def _model(name, item: str) -> ItemModel:
    known = _OTHER_NAMES.get(str(name).lower())
    if known is None:
        raise SpecificationError(
            f"model={name!r} (item {item!r}) is not known; use one of {list(ITEM_MODELS)}"
        )
    return ITEM_MODELS[known]


def item_models(model, items: Sequence[str], n_categories: Sequence[int]) -> list[ItemModel]:
    """The model of every item.

    Parameters
    ----------
    model : None, str or dict of str to str
        Of all items, or by item; None is "2PL" for two categories and "graded" for more.
    items : sequence of str
    n_categories : sequence of int

    Returns
    -------
    list of ItemModel

    Raises
    ------
    SpecificationError
        An unknown model or item, or a binary model of an item with more categories.
    """
    if isinstance(model, Mapping) and (unknown := [name for name in model if name not in items]):
        raise SpecificationError(
            f"model names {unknown[0]!r}, which is no item; they are {list(items)}"
        )
    out = []
    for name, k in zip(items, n_categories, strict=True):
        asked = model.get(name) if isinstance(model, Mapping) else model
        if asked is None:
            asked = "2PL" if k == 2 else "graded"
        found = _model(asked, name)
        if k == 2 and found.binary:
            found = ITEM_MODELS[found.binary]
        if k > 2 and found.form == "binary":
            if found.name == "Rasch":
                # Masters' model is Rasch's for more categories
                found = ITEM_MODELS["PCM"]
            else:
                raise SpecificationError(
                    f"item {name!r} has {k} categories, model {found.name!r} is for two; use 'graded', "
                    "'GPCM', 'PCM', 'RSM' or 'nominal', by item: model={'"
                    + name
                    + "': 'graded', ...}"
                )
        out.append(found)
    scales = [k for found, k in zip(out, n_categories, strict=True) if found.shared_steps]
    if len(set(scales)) > 1:
        raise SpecificationError(
            "items of a rating scale model must have the same number of categories, not "
            f"{sorted(set(scales))}"
        )
    return out


def slopes_pattern(dimensions, items: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray, bool]:
    """Which items measure which dimension.

    Parameters
    ----------
    dimensions : int, or dict of str to sequence of str
        Number of dimensions that all items may measure (exploratory), or the items of each.
    items : sequence of str

    Returns
    -------
    names : tuple of str
    pattern : ndarray of bool, shape (n_items, q)
        Of an exploratory model without the slopes of the first items that fix the rotation.
    exploratory : bool

    Raises
    ------
    SpecificationError
        Unknown items, a dimension without items or an item that measures none.
    """
    n = len(items)
    if isinstance(dimensions, Mapping):
        names = tuple(str(name) for name in dimensions)
        pattern = np.zeros((n, len(names)), dtype=bool)
        for d, listed in enumerate(dimensions.values()):
            for item in [listed] if isinstance(listed, str) else listed:
                if str(item) not in items:
                    raise SpecificationError(
                        f"dimension {names[d]!r} names {item!r}, which is no item; they are {list(items)}"
                    )
                pattern[list(items).index(str(item)), d] = True
        if not names or not pattern.any(axis=0).all():
            empty = [
                name for name, used in zip(names, pattern.any(axis=0), strict=True) if not used
            ]
            raise SpecificationError(f"no item measures {', '.join(empty) or 'anything'}")
        if not pattern.any(axis=1).all():
            lost = items[int(np.argmin(pattern.any(axis=1)))]
            raise SpecificationError(f"item {lost!r} measures no dimension; name it in dimensions")
        return names, pattern, False
    if isinstance(dimensions, bool) or not isinstance(dimensions, (int, np.integer)):
        raise SpecificationError(
            f"dimensions must be a number or a dict of the items of each, not {dimensions!r}"
        )
    if dimensions < 1 or 2 * dimensions >= n + 1 + (dimensions == 1) * n:
        raise SpecificationError(f"dimensions={dimensions} is not possible with {n} items")
    if dimensions == 1:
        return ("theta",), np.ones((n, 1), dtype=bool), False
    names = tuple(f"theta{d + 1}" for d in range(dimensions))
    pattern = np.ones((n, dimensions), dtype=bool)
    for d in range(1, dimensions):
        pattern[:d, d] = False
    return names, pattern, True
