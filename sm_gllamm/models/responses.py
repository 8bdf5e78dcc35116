"""From what a user passes as endog to responses the rows of the likelihood can be made of."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.tools.sm_exceptions import ModelWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.rows import ResponseData
from sm_gllamm.models.inputs import successes_and_trials
from sm_gllamm.models.member_rows import (
    NO_CONSTANT,
    SETS,
    USERS,
    columns_of,
    has_bounds,
    without_constants_of_members,
)
from sm_gllamm.preparation.categories import category_codes, nominal_codes
from sm_gllamm.preparation.choice_sets import check_choice_sets, encode_sets
from sm_gllamm.preparation.columns import missing_values
from sm_gllamm.responses.families import known_slots, link_of
from sm_gllamm.responses.links import LINK_CODES
from sm_gllamm.responses.registry import response_for
from sm_gllamm.specification.predictor_checks import check_predictor, check_thresholds
from sm_gllamm.specification.response_checks import check_response
from sm_gllamm.specification.response_ranges import (
    bounds_of,
    check_range,
    durations_of,
    limited,
)

__all__ = [
    "CATEGORICAL",
    "DESIGNS",
    "encode_categories",
    "encode_members",
    "family_by_label",
    "predictors_of",
    "prepare_responses",
    "report_broken_sets",
    "without_constant",
]

#: Layouts with ordered or unordered categories.
CATEGORICAL = ("cumulative", "sequential", "adjacent", "nominal")
#: Layouts with thresholds.
_THRESHOLDS = ("cumulative", "sequential", "adjacent")
#: Keywords of predictors without random effects.
DESIGNS = ("dispersion", "zero", "thresholds", "scale", "lower", "upper")


def encode_categories(family, values: Any, name: str) -> tuple[np.ndarray, tuple]:
    """Codes from 0 on, missing ones as NaN, and the labels of the categories.

    Parameters
    ----------
    family : Ordinal, ContinuationRatio, AdjacentCategory or Multinomial
    values : array_like, shape (n,)
    name : str
        Of the response.

    Raises
    ------
    SpecificationError
        Strings without an order, an empty category, a single category.
    """
    series = values if isinstance(values, pd.Series) else pd.Series(np.asarray(values))
    known = ~missing_values(series)
    if family.layout == "nominal" and family.order is not None:
        series = series.astype(pd.CategoricalDtype(list(family.order)))
    if not known.all():
        series = series[known]
    if family.layout == "nominal":
        codes, labels = nominal_codes(series, family.base, name=name)
    else:
        codes, labels = category_codes(series, family.order, name=name)
    if known.all():
        return codes.astype(float), tuple(labels)
    out = np.full(len(known), np.nan)
    out[known] = codes
    return out, tuple(labels)


def predictors_of(family) -> set[str]:
    """Keywords of the predictors without random effects that a family has."""
    family, response = response_for(family)
    layout = getattr(family, "layout", "plain")
    known = {slot.name for slot in response.slots}
    if layout == "cumulative":
        known |= {"thresholds", "scale"}
    if layout == "hurdle":
        known |= {"zero"}
    return known - set(known_slots(family))


def family_by_label(family: Any, by: Any) -> Any:
    """A family of its own for every label in `by`, where one is given for all.

    Parameters
    ----------
    family : statsmodels family, Family, class, name or dict
    by : array_like or None
        Labels of the rows; None: the family stays as it is.

    Returns
    -------
    dict of label to family, or `family` itself
    """
    if by is None or isinstance(family, dict) or getattr(family, "layout", "plain") == "mixed":
        return family
    return {label: family for label in pd.unique(pd.Series(np.asarray(by)).dropna())}


def encode_members(family, values: pd.Series, by: Any, name: str) -> tuple[np.ndarray, dict]:
    """Numbers of mixed responses some of which are categories, and the labels of these by family.

    Parameters
    ----------
    family : Mixed
    values : Series, shape (n,)
        Categories and numbers.
    by : array_like, shape (n,)
        Label of each row's family.
    name : str
        Of the response.

    Raises
    ------
    SpecificationError
        Strings without an order, an empty category, a value that is no number where one is needed.
    """
    out, labels = np.full(len(values), np.nan), {}
    family_of = np.asarray(by, dtype=object)
    for label, member in family.members.items():
        at = np.flatnonzero(family_of == label)
        own = values.iloc[at].astype(object)
        if getattr(member, "layout", "plain") in CATEGORICAL and own.notna().any():
            own = own.infer_objects()
            out[at], labels[label] = encode_categories(member, own, f"{name} ({label})")
            continue
        numbers = pd.to_numeric(own, errors="coerce")
        if (wrong := (numbers.isna() & own.notna()).to_numpy()).any():
            row = int(np.argmax(wrong))
            raise SpecificationError(
                f"The response '{name}' is {own.iloc[row]!r} in row {own.index[row]!r}, where family "
                f"{label!r} needs a number"
            )
        out[at] = numbers
    return out, labels


def without_constant(family, exog: np.ndarray, by: Any = None) -> np.ndarray:
    """Columns of exog that have coefficients, a boolean array of shape (k,).

    Parameters
    ----------
    family : statsmodels family or Family
    exog : ndarray, shape (n, k)
    by : array_like, shape (n,), optional
        Label of each row's family, of mixed responses.
    """
    layout = getattr(family, "layout", "plain")
    if layout == "mixed" and by is not None:
        return without_constants_of_members(family, exog, np.asarray(by, dtype=object))
    keep = np.ones(exog.shape[1], dtype=bool)
    if layout in NO_CONSTANT and len(exog):
        keep = ~np.all(exog == exog[:1], axis=0)
        if not keep.any() and family.layout in ("choice", "ranking", "best_worst"):
            raise SpecificationError(
                "the model has no covariates beside the constant, which this family leaves out"
            )
    return keep


def prepare_responses(
    family, response, endog, labels, name, rows, exog, exog_names, offset, designs, sets=None,
    entry=None, parts=None, links=None, family_by=None, in_mixture=False,
) -> ResponseData:  # fmt: skip
    """Checked responses with their designs.

    Parameters
    ----------
    family : statsmodels family or Family
    response : Response
    endog : ndarray, shape (n,) or (n, 2)
        Category codes for categorical responses.
    labels : tuple, or dict of label to tuple
        Of the categories; of mixed responses by family, where these are coded already.
    name : str
        Of the response.
    rows : pandas.Index or None
        Row labels, for messages.
    exog : ndarray, shape (n, k)
        Columns that have coefficients.
    exog_names : list of str
    offset : ndarray, shape (n,), or None
    designs : dict
        See ResponseData.
    sets, entry, parts, links, family_by : array_like, shape (n,), or None
    in_mixture : bool
        Whether these are the rows of one of several families.

    Raises
    ------
    SpecificationError
    """
    layout = getattr(family, "layout", "plain")
    if (family_by is not None) != (layout == "mixed"):
        raise SpecificationError(
            "family={...} needs family_by: a column that says which of the families a row has"
            if family_by is None
            else "family_by goes with family={...}, a dict of families"
        )
    if layout == "mixed":
        return _mixed(
            family, endog, labels, name, rows, exog, exog_names, offset, designs, family_by,
            {"sets": sets, "entry": entry, "parts": parts, "links": links},
        )  # fmt: skip
    if (sets is not None) != (layout in SETS):
        raise SpecificationError(
            f"{type(family).__name__} needs sets: a column that says which rows are one response"
            if sets is None
            else f"sets goes with choices, rankings and composite responses, not {type(family).__name__}"
        )
    _check_designs(family, response, designs)
    if layout == "cumulative" and not in_mixture:
        check_thresholds(exog, exog_names, [_of_thresholds(designs, len(exog))])
    endog = np.asarray(endog)
    if endog.dtype.kind not in "fiub":
        check_response(endog, "gaussian", name, rows)
    endog = endog.astype(float)
    y = endog if endog.ndim == 1 else endog[:, 0]
    m = np.ones(len(y))
    codes: Any = None
    if layout in CATEGORICAL:
        _check_categories(y, labels, name)
    elif layout == "choice":
        codes = check_choice_sets(pd.Series(y, index=rows), sets, name).codes
    elif layout in ("ranking", "best_worst", "composite"):
        codes = encode_sets(sets, len(y))[0]
    if layout == "best_worst":
        check_range(y, "best-worst", name, rows)
    elif layout == "interval":
        y, m = _bounds(family, endog, name, rows)
    elif layout in ("plain", "hurdle", "composite"):
        y, m = _values(family, response, endog, name, rows)
    if layout == "composite":
        _check_repeated(y, codes, name, rows)
    entry = _entry(entry, family, y, m, rows)
    if entry is not None:
        # nobody who entered late can have had the event before
        y = np.where(y == m, y, np.maximum(y, entry))
    return ResponseData(
        y, m, exog, exog_names, offset, designs, labels, codes, entry,
        _parts(parts, codes, rows) if layout == "composite" else None,
        _links(family, links, len(y)) if layout == "composite" else None,
    )  # fmt: skip


def report_broken_sets(family, sets, kept: np.ndarray) -> None:
    """Say which sets of rows lost some, but not all, of them to missing values.

    Parameters
    ----------
    family : statsmodels family or Family
    sets : array_like or DataFrame, n rows
        Of all rows.
    kept : ndarray of intp
        Rows without missing values.

    Raises
    ------
    SpecificationError
        A composite response, whose mean is another one without some of its rows.

    Warns
    -----
    ModelWarning
        Choices and rankings, which are among fewer alternatives then.
    """
    table = pd.DataFrame(sets).reset_index(drop=True)
    codes = table.groupby(list(table.columns), sort=False).ngroup().to_numpy()
    gone = np.ones(len(codes), dtype=bool)
    gone[kept] = False
    broken = np.intersect1d(codes[gone & (codes >= 0)], codes[~gone])
    if not len(broken):
        return
    first = table.iloc[int(np.argmax(codes == broken[0]))].tolist()
    label = first[0] if len(first) == 1 else tuple(first)
    what = f"{len(broken)} sets, the first of them {label!r}, have rows with missing values"
    if getattr(family, "layout", "plain") == "composite":
        raise SpecificationError(f"{what}; drop these sets or fill the values in")
    warnings.warn(
        f"{what}, which are left out: the choice is among the other alternatives of the set. If the "
        "decision maker had all of them, drop whole sets",
        ModelWarning,
        stacklevel=4,
    )


def _check_repeated(y, codes, name, rows) -> None:
    """A composite response stands in all of its rows."""
    differs = y != y[np.unique(codes, return_index=True)[1]][codes]
    if differs.any():
        row = int(np.argmax(differs))
        raise SpecificationError(
            f"The response '{name}' is {y[row]:g} in row {rows[row] if rows is not None else row!r}, "
            "another value than in the first row of its set; repeat it in all rows of a set."
        )


def _of_thresholds(designs, n: int, at=slice(None)) -> tuple[np.ndarray, list[str]]:
    """What the thresholds of an ordinal family can be: a constant and covariates in its rows `at`."""
    matrix, names = designs.get("thresholds", (np.empty((n, 0)), []))
    constant = np.zeros((n, 1))
    constant[at] = 1.0
    return np.column_stack([constant, matrix]), names


def _mixed(
    family, endog, labels, name, rows, exog, exog_names, offset, designs, family_by, values
) -> ResponseData:
    """Each family's rows checked by themselves; `values` are sets, times of entry, weights and links."""
    endog, by = np.asarray(endog), pd.Series(np.asarray(family_by))
    unknown = ~by.isin(list(family.members)).to_numpy()
    if unknown.any():
        row = int(np.argmax(unknown))
        raise SpecificationError(
            f"family_by is {by[row]!r} in row {rows[row] if rows is not None else row!r}; "
            f"the families are {list(family.members)}"
        )
    layouts = {getattr(member, "layout", "plain") for member in family.members.values()}
    if values["entry"] is not None and "interval" not in layouts:
        raise SpecificationError("entry (late entry) goes with durations")
    if values["sets"] is not None and not layouts.intersection(SETS):
        raise SpecificationError(
            "sets goes with choices, rankings and composite responses, which none of the families "
            f"{list(family.members)} is"
        )
    bounds = any(has_bounds(member) for member in family.members.values())
    members, thresholds = [], []
    for label, member in family.members.items():
        at = np.flatnonzero((by == label).to_numpy())
        if len(at) == 0:
            raise SpecificationError(f"no row has family_by {label!r}; leave the family out")
        layout = getattr(member, "layout", "plain")
        y = columns_of(member, endog[at], bounds)
        own = {key[0]: table for key, table in designs.items() if key[1] == label}
        categories: tuple = ()
        if layout in _THRESHOLDS:
            thresholds.append(_of_thresholds(own, len(by), at))
        if layout in CATEGORICAL:
            if label in labels:
                categories = labels[label]
            else:
                y, categories = encode_categories(member, y, f"{name} ({label})")
        share = prepare_responses(
            member, response_for(member)[1], y, categories, f"{name} ({label})",
            None if rows is None else rows[at], exog[at], exog_names, None,
            {keyword: (matrix[at], names) for keyword, (matrix, names) in own.items()},
            **_own_values(layout, values, at), in_mixture=True,
        )  # fmt: skip
        members.append((label, member, response_for(member)[1], at, share))
    check_thresholds(exog, exog_names, thresholds)
    y = endog.astype(float) if endog.ndim == 1 else endog[:, 0].astype(float)
    of_all = _of_all(members, len(y))
    return ResponseData(
        y, np.ones(len(y)), exog, exog_names, offset, designs, sets=of_all.get("sets"),
        parts=of_all.get("parts"), links=of_all.get("links"), members=tuple(members),
    )  # fmt: skip


def _own_values(layout: str, values: dict, at: np.ndarray) -> dict:
    """Sets, times of entry, weights and links of the rows `at`, as far as the layout uses them."""
    return {
        keyword: value.iloc[at] if hasattr(value, "iloc") else np.asarray(value)[at]
        for keyword, value in values.items()
        if value is not None and layout in USERS[keyword]
    }


def _of_all(members, n: int) -> dict[str, np.ndarray]:
    """Sets, weights and links of all rows; those of families without are sets of their own."""
    out: dict[str, np.ndarray] = {}
    if any(share.sets is not None for *_, share in members):
        out["sets"], count = np.empty(n, dtype=np.intp), 0
        for *_, at, share in members:
            own = np.arange(len(at)) if share.sets is None else share.sets
            out["sets"][at], count = count + own, count + own.max() + 1
    for keyword, default in (("parts", 1.0), ("links", 0)):
        for *_, at, share in members:
            own = getattr(share, keyword)
            if own is not None:
                out.setdefault(keyword, np.full(n, default, dtype=own.dtype))[at] = own
    return out


def _check_designs(family, response, designs: dict) -> None:
    """Refuse designs that the response has no predictor for, or whose coefficients are not determined."""
    known = predictors_of(family)
    for keyword, (matrix, names) in designs.items():
        if keyword not in known:
            raise SpecificationError(
                f"{keyword}= does not go with the {response.family} family"
                + (f"; it has {sorted(known)}" if known else "")
            )
        check_predictor(keyword, matrix, names, constant=keyword in ("thresholds", "scale"))


def _check_categories(y: np.ndarray, labels: tuple, name: str) -> None:
    counts = np.bincount(y.astype(np.intp), minlength=len(labels))
    if not counts.all():
        raise SpecificationError(
            f"Category {labels[int(np.argmin(counts))]!r} of the response '{name}' does not occur in "
            "the rows in use; merge it with another one, or drop it (cat.remove_unused_categories())."
        )


def _values(family, response, endog, name, rows) -> tuple[np.ndarray, np.ndarray]:
    """Response and denominator of one-row responses."""
    kind = response.kind
    if kind in ("positive", "proportion", "positive count"):
        if endog.ndim != 1:
            raise SpecificationError(
                f"The response '{name}' has {endog.shape[1]} columns, not one."
            )
        if getattr(family, "layout", "plain") == "hurdle":
            check_response(endog, "poisson", name, rows)
            if not (endog == 0).any():
                raise SpecificationError(
                    f"The response '{name}' has no zeros; a zero-truncated family needs no hurdle."
                )
        else:
            check_range(endog, kind, name, rows)
    elif kind == "binomial":
        check_response(endog, "bernoulli" if endog.ndim == 1 else "binomial", name, rows)
        return successes_and_trials(endog)
    else:
        check_response(endog, "poisson" if kind == "count" else "gaussian", name, rows)
    return endog, np.ones(len(endog))


def _bounds(family, endog, name, rows) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds of censored responses."""
    positive = family.name != "CensoredGaussian"
    if family.censoring == "interval":
        return bounds_of(endog, positive, name, rows)
    if family.censoring == "right":
        return durations_of(endog, name, rows)
    if endog.ndim != 1:
        raise SpecificationError(
            f"The response '{name}' has two columns; lower and upper bounds need censoring='interval'."
        )
    return limited(endog, family.lower, family.upper)


def _entry(entry, family, y, m, rows) -> np.ndarray | None:
    """Times of late entry, before the end of each duration."""
    if getattr(family, "layout", "plain") != "interval":
        if entry is not None:
            raise SpecificationError("entry (late entry) goes with durations")
        return None
    none = -np.inf if family.name == "CensoredGaussian" else 0.0
    if entry is None:
        return np.full(len(y), none) if none else None
    entry = np.asarray(entry, dtype=float)
    end = np.where(np.isfinite(m), m, y)
    bad = ~(entry < end) | ~(entry >= none)
    if bad.any():
        row = int(np.argmax(bad))
        raise SpecificationError(
            f"entry is {entry[row]:g} in row {rows[row] if rows is not None else row!r}, where the "
            f"duration ends at {end[row]:g}; it must come before, and not be negative"
        )
    return entry


def _parts(parts, codes, rows) -> np.ndarray:
    """Weights of the rows in their responses' means."""
    if parts is None:
        return np.ones(len(codes))
    parts = np.asarray(parts, dtype=float)
    largest = np.full(codes.max() + 1, -np.inf)
    np.maximum.at(largest, codes, parts)
    if not largest.min() > 0.0:
        row = int(np.argmax(codes == np.argmin(largest)))
        raise SpecificationError(
            f"parts= has no positive weight in the composite response of row "
            f"{rows[row] if rows is not None else row!r}"
        )
    return parts


def _links(family, links, n: int) -> np.ndarray:
    """Codes of the rows' links."""
    if links is None:
        return np.full(n, LINK_CODES[type(family.link).__name__], dtype=np.intc)
    values = np.asarray(links)
    if len(values) != n:
        raise SpecificationError(f"links has {len(values)} entries for {n} rows")
    code = {value: LINK_CODES[type(link_of(str(value))).__name__] for value in set(values.tolist())}
    return np.array([code[value] for value in values.tolist()], dtype=np.intc)
