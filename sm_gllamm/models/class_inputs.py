"""What users say of indicators and classes, checked and laid out."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.tools.sm_exceptions import SpecificationWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.class_responses import categorical_problem
from sm_gllamm.models.designs import design_of
from sm_gllamm.models.glmm import GLMM
from sm_gllamm.specification.elements import Level
from sm_gllamm.specification.evaluation import FormulaEngine, did_you_mean
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["ClassInputs", "Indicator", "allowed_classes", "class_inputs", "nominal_part", "split_formula"]

#: Families of indicators whose response probabilities are free.
CATEGORICAL = ("nominal", "categorical", "binary")
#: More categories than this are measurements or counts.
MOST_CATEGORIES = 20


@dataclass(frozen=True, slots=True)
class Indicator:
    """An indicator of the classes.

    Attributes
    ----------
    name : str
    family : object
        "nominal", or what :class:`sm_gllamm.models.glmm.GLMM` takes.
    categories : tuple
        Of nominal ones, the reference category first.
    codes : ndarray of int, shape (n,)
        Number of the response, -1 where missing.
    template : GLMM or None
        Of the different responses, of all but nominal indicators.
    shared : tuple of str
        Parameters of the template that are the same in all classes.
    """

    name: str
    family: Any
    categories: tuple
    codes: np.ndarray
    template: Any = None
    shared: tuple[str, ...] = ()

    @property
    def n_responses(self) -> int:
        return len(self.categories) if self.template is None else int(self.codes.max()) + 1


@dataclass(frozen=True, slots=True)
class ClassInputs:
    """Data of a latent class model, one entry a row in use.

    Attributes
    ----------
    indicators : tuple of Indicator
    design : ndarray, shape (n, k)
        Covariates of the class probabilities, with a constant.
    design_names : tuple of str
    allowed : ndarray of bool, shape (n, C), or None
        Classes that a row may be in.
    cluster : ndarray of int, shape (n,), or None
    cluster_labels : pandas.Index or None
    weights : LevelWeights
    kept : ndarray of intp
        Position of each row in the data given.
    frame : DataFrame
        The data in use.
    index : pandas.Index
    """

    indicators: tuple[Indicator, ...]
    design: np.ndarray
    design_names: tuple[str, ...]
    allowed: np.ndarray | None
    cluster: np.ndarray | None
    cluster_labels: pd.Index | None
    weights: LevelWeights
    kept: np.ndarray
    frame: pd.DataFrame
    index: pd.Index

    @property
    def varying(self) -> list[int]:
        """Columns of the design but the constant."""
        return [k for k, name in enumerate(self.design_names) if name != "Intercept"]


def split_formula(formula: str) -> tuple[list[str], str]:
    """Indicators and right-hand side of ``"A + B + C ~ gpa"`` (or ``"cbind(A, B, C) ~ gpa"``)."""
    left, tilde, right = formula.partition("~")
    if not tilde:
        raise SpecificationError(
            f"formula={formula!r} has no '~': indicators stand before it, covariates of the classes "
            "behind, 'A + B + C ~ 1'"
        )
    left = re.sub(r"^\s*cbind\s*\((.*)\)\s*$", r"\1", left)
    names = [name.strip().strip("`") for name in re.split(r"[+,]", left)]
    if not all(names):
        raise SpecificationError(f"formula={formula!r} has no indicators before the '~'")
    return names, right.strip() or "1"


def _codes_of_categories(values: pd.Series, name: str) -> tuple[np.ndarray, tuple]:
    """Codes and categories of a nominal indicator."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.cat.remove_unused_categories()
        return values.cat.codes.to_numpy().astype(np.intp), tuple(values.cat.categories)
    missing = values.isna().to_numpy()
    present = values[~missing]
    try:
        found, codes = np.unique(np.asarray(present), return_inverse=True)
    except TypeError:
        raise SpecificationError(
            f"indicator {name!r} has responses that cannot be sorted, such as numbers and strings"
        ) from None
    out = np.full(len(values), -1, dtype=np.intp)
    out[~missing] = codes
    labels = [
        int(value)
        if isinstance(value, (float, np.floating)) and float(value).is_integer()
        else value
        for value in found.tolist()
    ]
    return out, tuple(labels)


def _family_of(values: pd.Series, name: str, families: Mapping) -> Any:
    if name in families:
        return families[name]
    if pd.api.types.is_float_dtype(values.dtype):
        array = values.to_numpy(dtype=float)
        array = array[~np.isnan(array)]
        if np.any(~np.isfinite(array)):
            row = values.index[int(np.argmax(~np.isfinite(values.to_numpy(dtype=float))))]
            raise SpecificationError(f"indicator {name!r} is infinite in row {row!r}")
        if np.any(array != np.round(array)):
            return "gaussian"
    return "nominal"


def _nominal(values: pd.Series, name: str, family) -> Indicator:
    codes, categories = _codes_of_categories(values, name)
    if not len(categories):
        raise SpecificationError(f"nobody responded to indicator {name!r}; leave it out")
    if len(categories) == 1:
        raise SpecificationError(
            f"indicator {name!r} has one category ({categories[0]!r}): it says nothing about the classes; "
            "leave it out"
        )
    if len(categories) > MOST_CATEGORIES:
        raise SpecificationError(
            f"indicator {name!r} has {len(categories)} different responses; say what it is, "
            f"families={{{name!r}: 'gaussian'}} or 'poisson'"
        )
    if family == "binary" and len(categories) != 2:
        raise SpecificationError(
            f"indicator {name!r} is said to be binary and has {len(categories)} categories: "
            f"{list(categories)}"
        )
    return Indicator(name, "nominal", categories, codes)


def _measured(values: pd.Series, name: str, family, direct, direct_names) -> Indicator:
    """An indicator with a family of its own: its different responses, and a model of them."""
    missing = values.isna().to_numpy()
    if missing.all():
        raise SpecificationError(f"nobody responded to indicator {name!r}; leave it out")
    present = values[~missing]
    categories: tuple = ()
    if family in CATEGORICAL:
        codes, categories = _codes_of_categories(values, name)
        array = codes[~missing].astype(float)
        family = "binomial" if len(categories) == 2 else "multinomial"
    elif isinstance(present.dtype, pd.CategoricalDtype) or present.dtype == object:
        codes, categories = _codes_of_categories(values, name)
        array = codes[~missing].astype(float)
    else:
        array = present.to_numpy(dtype=float)
    if len(np.unique(array)) == 1:
        raise SpecificationError(
            f"indicator {name!r} is constant ({array[0]:g}): it says nothing about the classes; leave it out"
        )
    key = array[:, None] if direct is None else np.column_stack([array, direct[~missing]])
    different, of_row = np.unique(key, axis=0, return_inverse=True)
    codes = np.full(len(values), -1, dtype=np.intp)
    codes[~missing] = of_row.reshape(-1)
    exog = pd.DataFrame({"const": np.ones(len(different))})
    shared: list[str] = []
    for k, column in enumerate(direct_names):
        exog[column] = different[:, 1 + k]
    level = Level("response", np.arange(len(different)), pd.RangeIndex(len(different)), ())
    response = different[:, 0]
    endog = pd.Series(response.astype(int) if categories else response, name=name)
    try:
        template = GLMM(endog, exog, random=(level,), family=family)
    except SpecificationError as error:
        raise SpecificationError(f"indicator {name!r}: {error}") from None
    for parameter in template.param_names:
        stem = parameter.split(":")[0]
        if stem in direct_names:
            shared.append(parameter)
    return Indicator(name, template.family, categories, codes, template, tuple(shared))


def allowed_classes(known, n_classes: int, frame: pd.DataFrame) -> np.ndarray | None:
    """Classes that rows may be in, from class numbers or a table of booleans."""
    if known is None:
        return None
    if isinstance(known, str):
        if known not in frame:
            raise SpecificationError(
                f"known={known!r} is no column of the data{did_you_mean(known, frame.columns)}"
            )
        known = frame[known]
    values = np.asarray(known)
    if values.ndim == 2:
        if values.shape != (len(frame), n_classes):
            raise SpecificationError(
                f"known has shape {values.shape}; a row for each of {len(frame)} rows and a column for each "
                f"of {n_classes} classes are needed"
            )
        if not np.isin(values, (0, 1)).all():
            row = frame.index[int(np.argmin(np.isin(values, (0, 1)).all(axis=1)))]
            raise SpecificationError(
                f"known has an entry in row {row!r} that is neither true nor false; probabilities of classes "
                "cannot be given"
            )
        allowed = values.astype(bool)
    else:
        if values.shape != (len(frame),):
            raise SpecificationError(f"known has {len(values)} entries for {len(frame)} rows")
        try:
            numbers = values.astype(float)
        except (TypeError, ValueError):
            raise SpecificationError(
                "known must hold numbers of classes (1, 2, ...) and NaN where the class is not known, or be "
                "a table of booleans"
            ) from None
        unknown = np.isnan(numbers)
        wrong = ~unknown & ~np.isin(numbers, np.arange(1, n_classes + 1))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise SpecificationError(
                f"known is {numbers[row]:g} in row {frame.index[row]!r}; classes are numbered from 1 to "
                f"{n_classes}"
            )
        allowed = np.ones((len(values), n_classes), dtype=bool)
        rows = np.flatnonzero(~unknown)
        allowed[rows] = False
        allowed[rows, numbers[rows].astype(int) - 1] = True
    if not allowed.any(axis=1).all():
        row = frame.index[int(np.argmin(allowed.any(axis=1)))]
        raise SpecificationError(f"known leaves no class for row {row!r}")
    return allowed


def _weights(sampling, frequency, frame: pd.DataFrame) -> LevelWeights:
    if sampling is not None and frequency is not None:
        raise SpecificationError("give weights or freq_weights, not both")
    given = sampling if sampling is not None else frequency
    if given is None:
        return LevelWeights({})
    what = "weights" if sampling is not None else "freq_weights"
    if isinstance(given, str):
        if given not in frame:
            raise SpecificationError(
                f"{what}={given!r} is no column of the data{did_you_mean(given, frame.columns)}"
            )
        given = frame[given]
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise SpecificationError(f"{what} are not numeric") from None
    if values.shape != (len(frame),):
        raise SpecificationError(f"{what} has {len(values)} entries for {len(frame)} rows")
    bad = ~np.isfinite(values) | (values < 0 if frequency is not None else values <= 0)
    if bad.any():
        row = int(np.argmax(bad))
        raise SpecificationError(
            f"{what} of row {frame.index[row]!r} is {values[row]:g}; weights must be positive"
        )
    if not values.any():
        raise SpecificationError(f"all {what} are zero")
    if sampling is not None:
        # the scale does not matter for estimates; the log-likelihood is that of n rows
        values = values * len(values) / values.sum()
    return LevelWeights(
        {"row": values}, sampling is not None, None if frequency is None else values
    )


def class_inputs(
    data: pd.DataFrame, items: Sequence[str], n_classes: int, classes: str | None, families, direct,
    known, clusters, weights, freq_weights, scope: dict,
) -> ClassInputs:  # fmt: skip
    """Everything that a latent class model needs to know of its data.

    Raises
    ------
    SpecificationError
        Names the indicator, column or row at fault.
    """
    families, direct = dict(families or {}), dict(direct or {})
    for what, given in (("families", families), ("direct", direct)):
        if unknown := [name for name in given if name not in items]:
            raise SpecificationError(
                f"{what} names {unknown[0]!r}, which is no indicator{did_you_mean(unknown[0], items)}"
            )
    if len(set(items)) < len(items):
        twice = next(name for name in items if list(items).count(name) > 1)
        raise SpecificationError(f"indicator {twice!r} occurs twice")
    for name in items:
        if name not in data:
            raise SpecificationError(
                f"indicator {name!r} is no column of the data{did_you_mean(name, data.columns)}"
            )
    if not len(items):
        raise SpecificationError("there are no indicators; name them with items=[...]")
    frame = pd.DataFrame({name: data[name] for name in items})
    present = frame.notna().to_numpy()
    engine = FormulaEngine("patsy", scope)
    design, names = np.ones((len(data), 1)), ["Intercept"]
    if classes is not None and classes.strip().lstrip("~").strip() not in ("", "1"):
        text = classes if classes.lstrip().startswith("~") else f"~ {classes}"
        design, names = design_of("classes", text, data, engine=engine)
    designs = {
        name: design_of(f"direct[{name!r}]", formula, data, engine=engine)
        for name, formula in direct.items()
    }
    whole = ~np.isnan(design).any(axis=1)
    for matrix, _ in designs.values():
        whole &= ~np.isnan(matrix).any(axis=1)
    if isinstance(clusters, str):
        if clusters not in data:
            raise SpecificationError(
                f"clusters={clusters!r} is no column of the data{did_you_mean(clusters, data.columns)}"
            )
        clusters = data[clusters]
    if clusters is not None:
        if len(clusters) != len(data):
            raise SpecificationError(f"clusters has {len(clusters)} entries for {len(data)} rows")
        whole &= ~pd.isna(np.asarray(clusters, dtype=object))
    answered = present.any(axis=1)
    if (lost := int((~answered).sum())) and lost < len(data):
        label = data.index[int(np.argmin(answered))]
        warnings.warn(
            f"rows without a response to any indicator are left out: {lost}, the first of them is {label!r}",
            SpecificationWarning,
            stacklevel=4,
        )
    kept = np.flatnonzero(answered & whole)
    if not len(kept):
        raise SpecificationError("no row has a response to any indicator")
    used = data.iloc[kept]

    def take(value):
        if value is None or isinstance(value, str):
            return value
        if len(value) == len(data):
            return np.asarray(value)[kept]
        return value

    indicators = []
    for name in items:
        values = used[name]
        family = _family_of(values, name, families)
        nominal = isinstance(family, str) and family in CATEGORICAL
        if nominal and name not in direct:
            indicators.append(_nominal(values, name, family))
            continue
        matrix, columns = None, []
        if name in designs:
            matrix, columns = designs[name]
            inside = [k for k, column in enumerate(columns) if column != "Intercept"]
            matrix, columns = matrix[kept][:, inside], [columns[k] for k in inside]
        indicators.append(_measured(values, name, family, matrix, columns))
    cluster = labels = None
    if clusters is not None:
        cluster, labels = pd.factorize(np.asarray(clusters)[kept], sort=True)
        labels = pd.Index(labels)
        if len(labels) < 2:
            raise SpecificationError("clusters has one cluster; leave it out")
    return ClassInputs(
        tuple(indicators), design[kept], tuple(names), allowed_classes(take(known), n_classes, used),
        cluster, labels, _weights(take(weights), take(freq_weights), used), kept, used, used.index,
    )  # fmt: skip


def nominal_part(indicators: Sequence[Indicator]):
    """Problem and mapping of the nominal indicators."""
    return categorical_problem(
        [indicator.name for indicator in indicators],
        [indicator.categories for indicator in indicators],
    )
