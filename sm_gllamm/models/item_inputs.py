"""What users say of persons and items, checked and laid out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.item_design import ItemDesign
from sm_gllamm.models.designs import design_of
from sm_gllamm.specification.evaluation import FormulaEngine, names_in_scope
from sm_gllamm.specification.item_models import item_models, slopes_pattern
from sm_gllamm.specification.item_responses import ItemResponses
from sm_gllamm.survey.weights import LevelWeights

__all__ = [
    "EQUAL",
    "by_person",
    "check_constant",
    "clusters_of",
    "groups_of",
    "item_design",
    "person_weights",
    "random_items_of",
]

#: What may be the same in all groups.
EQUAL = ("slopes", "intercepts", "asymptotes")


def by_person(value, what: str, data, n_given: int, coded: ItemResponses) -> pd.Series | None:
    """A column, or values, of the persons in use."""
    if value is None:
        return None
    if isinstance(value, str):
        if data is None or value not in data:
            have = [] if data is None else list(data.columns)
            raise SpecificationError(f"{what}={value!r} is no column of the data; it has {have}")
        if value in coded.items:
            raise SpecificationError(
                f"{what}={value!r} is one of the items; name the items with items=[...]"
            )
        value = data[value]
    if isinstance(value, pd.Series):
        series = value.reset_index(drop=True)
    else:
        array = np.asarray(value) if not isinstance(value, pd.Categorical) else value
        if np.ndim(array) != 1:
            raise SpecificationError(f"{what} must have one value a person")
        series = pd.Series(array)
    if len(series) != n_given:
        raise SpecificationError(f"{what} has {len(series)} values for {n_given} persons")
    series = series.iloc[coded.kept]
    if series.isna().any():
        person = coded.persons[int(np.argmax(series.isna()))]
        raise SpecificationError(f"{what} is missing for person {person!r}; drop the person")
    return series


def groups_of(series, coded: ItemResponses):
    """Labels of groups and the group of each person."""
    if series is None:
        return ("",), np.zeros(coded.n_persons, dtype=np.intp)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.cat.remove_unused_categories()
        labels, codes = series.cat.categories, series.cat.codes.to_numpy()
    else:
        try:
            labels, codes = np.unique(series.to_numpy(), return_inverse=True)
        except TypeError:
            raise SpecificationError(
                "groups has labels that cannot be sorted, such as numbers and strings; use strings"
            ) from None
    labels = [str(label) for label in labels]
    if len(labels) < 2:
        raise SpecificationError(f"groups has one group, {labels[0]!r}; leave it out")
    if len(set(labels)) < len(labels):
        raise SpecificationError(f"groups has two labels that read the same among {labels}")
    codes = np.asarray(codes, dtype=np.intp)
    for j, item in enumerate(coded.items):
        for g, label in enumerate(labels):
            seen = np.unique(coded.codes[codes == g, j])
            if not (seen >= 0).any():
                raise SpecificationError(f"nobody of group {label!r} responded to item {item!r}")
    return tuple(labels), codes


def clusters_of(series, coded: ItemResponses):
    """Labels of clusters and the cluster of each person."""
    if series is None:
        return None, None
    codes, labels = pd.factorize(series, sort=True)
    if len(labels) < 2:
        raise SpecificationError(f"clusters has one cluster, {str(labels[0])!r}; leave it out")
    if len(labels) == coded.n_persons:
        raise SpecificationError(
            "every cluster of clusters= has one person: differences between clusters cannot be told from "
            "those between persons; leave it out"
        )
    return pd.Index(labels), codes.astype(np.intp)


def random_items_of(intercepts, slopes, common, coded: ItemResponses, cluster, name, specific):
    """Items whose intercepts and slopes vary between clusters, and whether they have one variance."""
    found = []
    for argument, given in (("random_items", intercepts), ("random_item_slopes", slopes)):
        if isinstance(given, str):
            given = coded.items if given == "all" and "all" not in coded.items else [given]
        listed = list(dict.fromkeys(() if given is None else given))
        if unknown := [item for item in listed if item not in coded.items]:
            raise SpecificationError(
                f"{argument} names {unknown[0]!r}, which is no item; they are {list(coded.items)}"
            )
        if listed and cluster is None:
            raise SpecificationError(
                f"{argument}= is for items that vary between clusters of persons: give clusters=, too"
            )
        for item in listed:
            responded = coded.codes[:, coded.items.index(item)] >= 0
            if len(there := np.unique(cluster[responded])) < 2:
                raise SpecificationError(
                    f"{argument}: item {item!r} has responses in {len(there)} cluster of {name} only, which "
                    "tells nothing about how it varies; leave it out"
                )
        if listed and specific:
            raise SpecificationError(
                f"{argument}= is not available with specific dimensions; leave one of them out"
            )
        # in the order of the items
        found.append(tuple(j for j, item in enumerate(coded.items) if item in listed))
    if common and not (found[0] or found[1]):
        raise SpecificationError(
            "random_items_common=True needs random_items= or random_item_slopes="
        )
    return (*found, bool(common))


def person_weights(sampling, frequency, coded: ItemResponses) -> LevelWeights:
    if sampling is not None and frequency is not None:
        raise SpecificationError("give weights or freq_weights, not both")
    given = sampling if sampling is not None else frequency
    if given is None:
        return LevelWeights({})
    what = "weights" if sampling is not None else "freq_weights"
    try:
        values = given.to_numpy(dtype=float)
    except (TypeError, ValueError):
        raise SpecificationError(f"{what} are not numeric") from None
    bad = ~np.isfinite(values) | (values < 0 if frequency is not None else values <= 0)
    if bad.any():
        person = coded.persons[int(np.argmax(bad))]
        raise SpecificationError(
            f"{what} of person {person!r} is {values[bad][0]:g}; weights must be positive"
        )
    if not values.any():
        raise SpecificationError(f"all {what} are zero: there are no persons")
    if sampling is not None:
        # the scale does not matter for estimates; the log-likelihood is that of n persons
        values = values * len(values) / values.sum()
    return LevelWeights(
        {"person": values}, sampling is not None, None if frequency is None else values
    )


def check_constant(data: pd.DataFrame, person: str, right: str, options: Mapping) -> None:
    """Refuse covariates of persons that vary within persons."""
    columns = {
        value
        for key, value in options.items()
        if key in ("groups", "clusters", "weights", "freq_weights") and isinstance(value, str)
    }
    direct = [*(options.get("dif") or {}).values(), *(options.get("dif_slopes") or {}).values()]
    for text in (right, options.get("regression") or "", *direct):
        # names of columns as whole words
        columns |= {
            str(c) for c in data.columns if re.search(rf"(?<![\w.]){re.escape(str(c))}(?!\w)", text)
        }
    for column in sorted(columns & set(map(str, data.columns))):
        varies = data.groupby(person, observed=True)[column].nunique(dropna=False) > 1
        if varies.any():
            raise SpecificationError(
                f"{column!r} varies within person {varies.index[int(np.argmax(varies))]!r}; covariates of a "
                "latent regression, groups, clusters and weights belong to persons"
            )


def item_design(
    coded: ItemResponses, model, dimensions, groups, group_of, group_equal, free_items, covariates, specific,
    testlets, item_formula, item_data, fixed, correlated, link, cluster, random, eval_env,
) -> tuple[ItemDesign, bool]:  # fmt: skip
    """The item design, and whether the model is exploratory."""
    items, counts = coded.items, coded.n_categories
    models = item_models(model, items, counts.tolist())
    names, pattern, exploratory = slopes_pattern(dimensions, items)
    if isinstance(group_equal, str):
        group_equal = (group_equal,)
    if unknown := [what for what in group_equal if what not in EQUAL]:
        raise SpecificationError(
            f"group_equal names {unknown[0]!r}; it knows {', '.join(map(repr, EQUAL))}"
        )
    free_items = [free_items] if isinstance(free_items, str) else list(free_items)
    for argument, listed in (("free_items", free_items), ("fixed", list(fixed or {}))):
        if unknown := [item for item in listed if item not in items]:
            raise SpecificationError(
                f"{argument} names {unknown[0]!r}, which is no item; they are {list(items)}"
            )
    free = np.isin(items, free_items)
    if (
        item_formula is not None
        and len(groups) > 1
        and ("intercepts" not in group_equal or free.any())
    ):
        raise SpecificationError(
            "item_formula= explains intercepts in all groups alike; leave 'intercepts' in group_equal and "
            "free_items out"
        )
    by_group = {what: free | (what not in group_equal) for what in EQUAL}
    check_categories_of_groups(coded, models, groups, group_of, by_group["intercepts"])
    of_item, specific_names = specific_of(specific, items)
    if twice := [name for name in names if name in specific_names]:
        raise SpecificationError(
            f"{twice[0]!r} is the name of a dimension and of a specific one; give the specific one another"
        )
    if testlets and not specific_names:
        raise SpecificationError("testlets=True needs specific={name: items, ...}")
    item_covariates, item_names = item_covariates_of(
        item_formula, item_data, items, models, eval_env
    )
    for item, known in (fixed or {}).items():
        j = list(items).index(item)
        measured = [name for name, one in zip(names, pattern[j], strict=True) if one]
        check_known(item, known, models[j], int(counts[j]), measured)
    if link == "probit" and any(m.form == "divide" or m.lower or m.upper for m in models):
        raise SpecificationError("link='probit' is for '1PL', '2PL', 'Rasch' and 'graded' items")
    if correlated is None:
        correlated = not exploratory and not specific_names
    design = ItemDesign(
        items, tuple(models), tuple(int(k) for k in counts), names, pattern, bool(correlated), link,
        groups, by_group, covariates.names, covariates.regression, covariates.dif, fixed or {},
        item_covariates, item_names, of_item, specific_names, bool(testlets), cluster, *random,
    )  # fmt: skip
    return design, exploratory


def check_categories_of_groups(coded: ItemResponses, models, groups, group_of, own) -> None:
    """Refuse items with intercepts of their own in a group where nobody chose one of the categories."""
    for j in np.flatnonzero(own) if len(groups) > 1 else ():
        if models[j].shared_steps:
            continue
        for g, label in enumerate(groups):
            seen = np.unique(coded.codes[group_of == g, j])
            if lacking := [c for k, c in enumerate(coded.categories[j]) if k not in seen]:
                raise SpecificationError(
                    f"nobody of group {label!r} chose category {lacking[0]!r} of item {coded.items[j]!r}, "
                    "whose intercepts are to differ between groups: they would be infinite; hold them equal "
                    "(group_equal), merge categories or leave the item out"
                )


def check_known(item: str, known, model, n_categories: int, dimensions: Sequence[str]) -> None:
    """Refuse known parameters of an item that are no numbers, or not as many as it has."""
    if not isinstance(known, Mapping):
        raise SpecificationError(
            f"fixed[{item!r}] must be a dict such as {{'slope': 1.0}}, not {known!r}"
        )
    if unknown := [key for key in known if key not in ("slope", "intercept", "lower", "upper")]:
        raise SpecificationError(
            f"fixed[{item!r}] names {unknown[0]!r}; it knows 'slope', 'intercept', 'lower', 'upper'"
        )
    slopes = known.get("slope", {})
    if not isinstance(slopes, Mapping):
        slopes = dict.fromkeys(dimensions, slopes)
    elif lost := [name for name in slopes if name not in dimensions]:
        raise SpecificationError(
            f"fixed[{item!r}] has a slope on {lost[0]!r}; the item measures {list(dimensions)}"
        )
    each = n_categories - 1 if model.slope == "categories" else 1
    expected = {f"slope on {name}": (value, each) for name, value in slopes.items()}
    for what, count in (("intercept", n_categories - 1), ("lower", 1), ("upper", 1)):
        if what in known:
            expected[what] = (known[what], count)
    for what, (value, count) in expected.items():
        try:
            numbers = np.atleast_1d(np.asarray(value, dtype=float))
        except (TypeError, ValueError):
            numbers = np.array([np.nan])
        if numbers.shape != (count,) or not np.isfinite(numbers).all():
            raise SpecificationError(
                f"fixed[{item!r}]: the {what} must be {'one number' if count == 1 else f'{count} numbers'}, "
                f"not {value!r}"
            )
        if what == "intercept" and model.form == "graded" and np.any(np.diff(numbers) >= 0):
            raise SpecificationError(
                f"fixed[{item!r}]: intercepts of a graded item must descend, not {value!r}"
            )


def specific_of(specific, items: Sequence[str]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Specific dimension of each item, -1 for none, and their names."""
    of_item = [-1] * len(items)
    if specific is None:
        return tuple(of_item), ()
    if not isinstance(specific, Mapping) or not specific:
        raise SpecificationError("specific must be a dict of the items of each specific dimension")
    names = tuple(str(name) for name in specific)
    for s, (name, listed) in enumerate(zip(names, specific.values(), strict=True)):
        for item in [listed] if isinstance(listed, str) else listed:
            if item not in items:
                raise SpecificationError(f"specific[{name!r}] names {item!r}, which is no item")
            j = list(items).index(item)
            if of_item[j] >= 0:
                raise SpecificationError(
                    f"item {item!r} belongs to {names[of_item[j]]!r} and to {name!r}; specific dimensions "
                    "share no items (use dimensions= for those that do)"
                )
            of_item[j] = s
        if of_item.count(s) < 2:
            raise SpecificationError(
                f"specific dimension {name!r} has {of_item.count(s)} items; it needs two or more"
            )
    return tuple(of_item), names


def item_covariates_of(formula, data, items, models, eval_env):
    """Covariates of items by item."""
    if formula is None:
        return None, ()
    if not isinstance(data, pd.DataFrame):
        raise SpecificationError(
            "item_formula= needs item_data=, a data frame with the items in its index"
        )
    if unsuitable := [
        item
        for item, m in zip(items, models, strict=True)
        if m.form != "binary" and not m.shared_steps
    ]:
        raise SpecificationError(
            "item_formula= explains intercepts of binary and rating scale items; "
            f"{unsuitable[0]!r} is neither"
        )
    frame = data.copy()
    frame.index = frame.index.map(str)
    if lacking := [item for item in items if item not in frame.index]:
        raise SpecificationError(f"item_data has no row for item {lacking[0]!r}")
    frame = frame.loc[list(items)]
    engine = FormulaEngine(
        "patsy", names_in_scope(eval_env, [formula], map(str, frame.columns), depth=3)
    )
    text = formula if formula.lstrip().startswith("~") else f"~ {formula}"
    matrix, names = design_of("item_formula", text, frame, None, engine)
    if np.isnan(matrix).any():
        item = items[int(np.argmax(np.isnan(matrix).any(axis=1)))]
        raise SpecificationError(f"covariates of item {item!r} are missing")
    if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        raise SpecificationError(
            f"item_formula={formula!r}: the covariates of the {len(items)} items are collinear"
        )
    return matrix, tuple(names)
