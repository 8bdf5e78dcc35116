"""Items and latent distribution of an item response model at given parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit

from sm_gllamm.items.bank import Item, ItemBank
from sm_gllamm.mapping.item_design import ItemDesign, dif_name, specific_name
from sm_gllamm.mapping.item_rows import asymptotic
from sm_gllamm.mapping.items import ItemLayout
from sm_gllamm.mapping.random_items import item_effects

__all__ = ["bank_of", "latent_means", "scale_of_group", "with_effects"]


def _values(terms, params: dict[str, float]) -> float:
    return sum(value * (1.0 if name is None else params[name]) for value, name in terms)


def _specific_slopes(
    layout: ItemLayout, params: dict[str, float], j: int, general: np.ndarray, group: int
) -> np.ndarray:
    """Slopes of an item on the specific dimensions, for slopes by category one row each."""
    design = layout.design
    out = np.zeros((len(general), len(design.specific_names)))
    s = design.specific[j] if design.specific else -1
    if s < 0:
        return out
    if design.testlets:
        own = general[:, design.first_dimension(j)]
        out[:, s] = own * params[f"sd({design.specific_names[s]})"]
        return out
    for c in range(len(general)):
        if design.models[j].slope == "categories":
            out[c, s] = params[specific_name(design, j, c + 1, group)]
        else:
            out[c, s] = (c + 1.0) * params[specific_name(design, j, None, group)]
    return out


def _add_direct_effects(layout, params, j: int, covariates, intercepts, slopes) -> None:
    """Effects of covariates on an item, added in place; of divide-by-total items once a step."""
    design = layout.design
    on_intercept, on_slope = design.dif[design.items[j]]
    steps = np.arange(1.0, len(intercepts) + 1)
    if design.models[j].form != "divide":
        steps = np.ones(len(intercepts))
    for k in on_intercept:
        intercepts += steps * covariates[k] * params[dif_name(design, j, k)]
    for k in on_slope:
        for d in np.flatnonzero(design.pattern[j]).tolist():
            slopes[:, d] += steps[: len(slopes)] * covariates[k] * params[dif_name(design, j, k, d)]


def bank_of(
    layout: ItemLayout, params: np.ndarray, group: int, categories, covariates=None
) -> ItemBank:
    """The items as a group of persons has them, and the distribution of its latent variables.

    Parameters
    ----------
    layout : ItemLayout
    params : ndarray, shape (k_params,)
        Published parameters.
    group : int
    categories : sequence of tuple
        Observed responses by code.
    covariates : array_like, shape (p,), optional
        Values of the persons' covariates, for direct effects on items; default zero.

    Returns
    -------
    ItemBank
        Latent means are those of the group without covariates.
    """
    design, mapping = layout.design, layout.mapping
    named = dict(zip(mapping.param_names, np.asarray(params, dtype=float).tolist(), strict=True))
    q = len(design.dimensions)
    items = []
    for j, (name, model) in enumerate(zip(design.items, design.models, strict=True)):
        intercepts = np.array([_values(terms, named) for terms in layout.intercepts[group, j]])
        slopes = np.zeros((len(layout.slopes[group, j]), q))
        for c, by_dimension in enumerate(layout.slopes[group, j]):
            for d, term in by_dimension.items():
                slopes[c, d] = _values([term], named)
        # slopes on testlets are proportional to those without direct effects
        specific = _specific_slopes(layout, named, j, slopes, group)
        if covariates is not None and name in design.dif:
            _add_direct_effects(layout, named, j, covariates, intercepts, slopes)
        if design.specific_names:
            slopes = np.column_stack([slopes, specific])
        code = layout.first_code[group, j]
        lower, upper = 0.0, 1.0
        if model.form == "binary" and asymptotic(layout, j):
            logit = layout.asymptote_base[code].copy()
            for side, what in enumerate(("lower", "upper")):
                if layout.asymptote_channel[code, side] >= 0:
                    own = [f"logit_{what}[{name}]", f"logit_{what}[{name}|{design.groups[group]}]"]
                    logit[side] = next(named[key] for key in own if key in named)
            lower, upper = expit(logit).tolist()
        if model.form == "divide":
            slopes = np.vstack([np.zeros(slopes.shape[1]), slopes])
            intercepts = np.concatenate([[0.0], intercepts])
        else:
            slopes = slopes[0]
        items.append(
            Item(name, model.form, model.name, slopes, intercepts, lower, upper, design.link,
                 tuple(categories[j]))
        )  # fmt: skip
    mean, covariance = _distribution(layout, named, np.asarray(params, dtype=float), group)
    return ItemBank(tuple(items), (*design.dimensions, *design.specific_names), mean, covariance)


def scale_of_group(layout: ItemLayout, params: np.ndarray, group: int) -> np.ndarray:
    """What the dimensions of the reference group are multiplied with in a group, shape (q, q).

    Parameters
    ----------
    layout : ItemLayout
    params : ndarray, shape (k_params,)
    group : int
    """
    design = layout.design
    named = dict(zip(layout.mapping.param_names, params, strict=True))
    label, out = design.groups[group], np.eye(len(design.dimensions))
    for d, name in enumerate(design.dimensions):
        out[d, d] = named.get(f"scale({name}|{label})", 1.0)
        for e in range(d):
            out[d, e] = named.get(f"scale({name},{design.dimensions[e]}|{label})", 0.0)
    return out


def _distribution(layout: ItemLayout, named, params, group: int):
    """Mean and covariance matrix of the latent variables of a group, specific ones last."""
    design, mapping = layout.design, layout.mapping
    q, s = len(design.dimensions), len(design.specific_names)
    mean = np.zeros(q + s)
    label = design.groups[group]
    for d, name in enumerate(design.dimensions):
        mean[d] = named.get(f"mean({name})", 0.0) + named.get(f"mean({name}|{label})", 0.0)
    scale = scale_of_group(layout, params, group)
    covariance = np.eye(q + s)
    matrices = {level: term.matrix(params[block]) for level, _, block, term in mapping.terms}
    person = int(bool(s))
    covariance[:q, :q] = scale @ matrices[person] @ scale.T
    if design.cluster:
        covariance[:q, :q] += matrices[person + 1][:q, :q]
    return mean, covariance


def latent_means(layout: ItemLayout, params: np.ndarray, group: np.ndarray, covariates):
    """Mean of the latent variables of each person, given group and covariates.

    Parameters
    ----------
    layout : ItemLayout
    params : ndarray, shape (k_params,)
    group : ndarray of int, shape (n,)
    covariates : ndarray, shape (n, p), or None

    Returns
    -------
    ndarray, shape (n, q)
        With the specific dimensions last, which have means of zero.
    """
    design = layout.design
    params = np.asarray(params, dtype=float)
    named = dict(zip(layout.mapping.param_names, params.tolist(), strict=True))
    of_group = np.array(
        [_distribution(layout, named, params, g)[0] for g in range(len(design.groups))]
    )
    out = of_group[group]
    if design.covariates:
        for d, name in enumerate(design.dimensions):
            for k in design.regression:
                out[:, d] += named[f"{name} ~ {design.covariates[k]}"] * covariates[:, k]
    return out


def with_effects(design: ItemDesign, bank: ItemBank, effects: np.ndarray) -> ItemBank:
    """The items as a cluster of persons has them.

    Parameters
    ----------
    design : ItemDesign
    bank : ItemBank
        As the average cluster has them.
    effects : ndarray, shape (number of effects,)
        Of the cluster, in the order of :func:`sm_gllamm.mapping.random_items.item_effects`.

    Returns
    -------
    ItemBank
    """
    items = list(bank.items)
    for effect, value in zip(item_effects(design), effects, strict=True):
        items[effect.item] = items[effect.item].shifted(value, effect.dimension)
    return replace(bank, items=tuple(items))
