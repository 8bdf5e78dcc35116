"""Whether one item response model is nested in another."""

from __future__ import annotations

import warnings

import numpy as np
from statsmodels.tools.sm_exceptions import InvalidTestWarning

from sm_gllamm.exceptions import SpecificationError

__all__ = ["check_item_models_nested"]

#: What each item model contains, asymptotes apart: for two categories, and for more.
_CONTAINS = {
    "Rasch": {"Rasch"}, "1PL": {"Rasch", "1PL"}, "2PL": {"Rasch", "1PL", "2PL"},
    "graded": {"graded"}, "RSM": {"RSM"}, "PCM": {"RSM", "PCM"}, "GPCM": {"RSM", "PCM", "GPCM"},
    "nominal": {"RSM", "PCM", "GPCM", "nominal"},
}  # fmt: skip
#: Models with free asymptotes, without which they are the 2PL.
_ASYMPTOTIC = ("3PL", "3PLu", "4PL")


def check_item_models_nested(full, restricted) -> int:
    """Refuse item response models that are not nested.

    Parameters
    ----------
    full, restricted : IRT
        Models of the same responses.

    Returns
    -------
    int
        Number of variances, asymptotes and correlations that are at the edge of their values under the
        restriction.

    Raises
    ------
    SpecificationError
        What the restricted model has and the other has not.

    Warns
    -----
    InvalidTestWarning
        Slopes of a dimension that the restricted model lacks are zero, where the likelihood is even in
        them, so that no chi-square distribution is known.
    """
    mine, other = full.layout.design, restricted.layout.design
    if mine.items != other.items or not np.array_equal(
        full.person_weights, restricted.person_weights
    ):
        raise SpecificationError("the models are fitted to different items or weights")
    if full.priors.terms or restricted.priors.terms:
        raise SpecificationError(
            "posterior modes (priors=) have no likelihood-ratio test; use wald_test"
        )
    if mine.link != other.link:
        raise _not_nested(f"the links differ: {mine.link} and {other.link}")
    edge = _items(mine, other)
    edge += _dimensions(mine, other)
    edge += _specific(mine, other)
    _groups(full, restricted)
    _covariates(mine, other)
    if other.cluster is not None:
        if mine.cluster is None or not np.array_equal(full.cluster, restricted.cluster):
            raise _not_nested("the restricted model has clusters that this one has not")
    elif mine.cluster is not None:
        edge += len(mine.dimensions)
    return edge + _random_items(mine, other)


def _not_nested(why: str) -> SpecificationError:
    return SpecificationError(f"not nested: {why}")


def _items(mine, other) -> int:
    """Models and known parameters of items; the number of asymptotes at zero or one."""
    edge = 0
    for item, model, restricted in zip(mine.items, mine.models, other.models, strict=True):
        kinds = ["2PL" if one.name in _ASYMPTOTIC else one.name for one in (model, restricted)]
        if kinds[1] not in _CONTAINS[kinds[0]]:
            raise _not_nested(
                f"item {item!r} is {restricted.name!r} in the restricted model and {model.name!r} here"
            )
        own, theirs = mine.fixed.get(item, {}), other.fixed.get(item, {})
        for what in ("slope", "intercept"):
            if what in own and (what not in theirs or not _equal(own[what], theirs[what])):
                raise _not_nested(
                    f"the {what} of item {item!r} is known here and not in the restricted model"
                )
        for side, none in (("lower", 0.0), ("upper", 1.0)):
            here, there = (
                _asymptote(model, own, side, none),
                _asymptote(restricted, theirs, side, none),
            )
            if here is None:
                edge += there == none
            elif here != there:
                value = "free" if there is None else f"{there:g}"
                raise _not_nested(
                    f"the {side} asymptote of item {item!r} is {here:g} here and {value} in the restricted "
                    "model"
                )
    if mine.item_covariates is not None:
        narrow = other.item_covariates
        if narrow is None or not _spans(mine.item_covariates, narrow):
            raise _not_nested(
                "item_formula= explains intercepts here, and not in the restricted model"
            )
    return int(edge)


def _asymptote(model, known, side: str, none: float) -> float | None:
    """The known asymptote of an item, None where it is free."""
    if side in known:
        return float(known[side])
    return None if getattr(model, side) else none


def _equal(one, two) -> bool:
    if isinstance(one, dict) or isinstance(two, dict):
        return one == two
    return bool(np.array_equal(np.ravel(one), np.ravel(two)))


def _spans(wide: np.ndarray, narrow: np.ndarray) -> bool:
    """Whether the columns of one matrix are combinations of those of another."""
    left = narrow - wide @ np.linalg.lstsq(wide, narrow, rcond=None)[0]
    return bool(np.abs(left).max() <= 1e-8 * max(np.abs(narrow).max(), 1e-300))


def _dimensions(mine, other) -> int:
    """What items measure; the number of correlations that are one."""
    q, fewer = len(mine.dimensions), len(other.dimensions)
    if fewer == q:
        place = list(range(q))
        if set(mine.dimensions) == set(other.dimensions):
            place = [other.dimensions.index(name) for name in mine.dimensions]
        extra = other.pattern[:, place] & ~mine.pattern
        if extra.any():
            j, d = np.argwhere(extra)[0]
            raise _not_nested(
                f"item {other.items[j]!r} measures {mine.dimensions[d]!r} in the restricted model only"
            )
        if other.correlated and not mine.correlated and q > 1:
            raise _not_nested("dimensions are correlated in the restricted model only")
        return 0
    whole = [d for d in range(q) if mine.pattern[:, d].all()]
    if fewer > q or (fewer > 1 and len(whole) < fewer):
        raise _not_nested(
            f"this model has dimensions {mine.dimensions}, the other {other.dimensions}"
        )
    if fewer == 1 and mine.correlated and not whole:
        return q - 1
    if not whole:
        raise _not_nested(
            "uncorrelated dimensions never are the single one of the restricted model"
        )
    _warn_of_slopes()
    return 0


def _specific(mine, other) -> int:
    """Specific dimensions; the number of standard deviations of testlets that are zero."""
    if not mine.specific_names and not other.specific_names:
        return 0
    names = [
        [design.specific_names[s] if s >= 0 else None for s in design.specific]
        if design.specific_names
        else [None] * len(design.items)
        for design in (mine, other)
    ]
    for item, own, theirs in zip(mine.items, *names, strict=True):
        if theirs is not None and own != theirs:
            raise _not_nested(
                f"item {item!r} has the specific dimension {theirs!r} in the restricted model only"
            )
    if other.specific_names and mine.testlets and not other.testlets:
        raise _not_nested("slopes on specific dimensions are proportional to others here only")
    lacking = set(mine.specific_names) - set(other.specific_names)
    if mine.testlets:
        return len(lacking)
    if lacking:
        _warn_of_slopes()
    return 0


def _random_items(mine, other) -> int:
    """What of items varies between clusters; the number of variances that are zero."""
    edge = 0
    for what in ("random_intercepts", "random_slopes"):
        own, theirs = set(getattr(mine, what)), set(getattr(other, what))
        thing = what.replace("_", " ")
        if lacking := theirs - own:
            raise _not_nested(
                f"item {mine.items[min(lacking)]!r} has {thing} in the restricted model only"
            )
        if mine.random_common and theirs and (own != theirs or not other.random_common):
            raise _not_nested(f"{thing} have one variance here, and not in the restricted model")
        edge += bool(own) and not theirs if mine.random_common else len(own - theirs)
    return edge


def _warn_of_slopes() -> None:
    warnings.warn(
        "the restricted model lacks a dimension, whose slopes are zero then: the likelihood-ratio statistic "
        "has no chi-square distribution there, and the p-value is a rough one; a parametric bootstrap of "
        "the restricted model gives a better one",
        InvalidTestWarning,
        stacklevel=6,
    )


def _groups(full, restricted) -> None:
    """Parameters that groups have of their own."""
    mine, other = full.layout.design, restricted.layout.design
    if len(other.groups) < 2:
        return
    same = mine.groups == other.groups and np.array_equal(full.groups, restricted.groups)
    if not same:
        raise _not_nested("the restricted model has groups that this one has not")
    for j, (item, model) in enumerate(zip(other.items, other.models, strict=True)):
        has = {
            "slopes": model.slope in ("free", "categories"),
            "intercepts": True,
            "asymptotes": model.lower or model.upper,
        }
        for what in (name for name, there in has.items() if there):
            if other.own(what, j) and not mine.own(what, j):
                raise _not_nested(
                    f"{what} of item {item!r} differ between groups in the restricted model only"
                )


def _covariates(mine, other) -> None:
    """Latent regressions and direct effects."""

    def named(design, columns):
        return {design.covariates[k] for k in columns}

    if lacking := named(other, other.regression) - named(mine, mine.regression):
        raise _not_nested(
            f"the restricted model has a latent regression on {sorted(lacking)}, this one has not"
        )
    for item, both in other.dif.items():
        for own, theirs in zip(mine.dif.get(item, ((), ())), both, strict=True):
            if lacking := named(other, theirs) - named(mine, own):
                raise _not_nested(
                    f"the restricted model has direct effects of {sorted(lacking)} on item {item!r}, this "
                    "one has not"
                )
