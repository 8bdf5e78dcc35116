"""The rows a prediction is for: those of the model, of a new data frame, or of new arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.arrays import levels_for_new_arrays
from sm_gllamm.specification.checks import check_exposure
from sm_gllamm.specification.elements import Level, RandomTerm
from sm_gllamm.specification.row_arrays import numeric_rows

__all__ = ["PredictionRows", "as_frame", "frame_rows", "matrix_rows", "model_rows"]


@dataclass(frozen=True, slots=True)
class PredictionRows:
    """Designs of the rows to predict for.

    Attributes
    ----------
    exog : ndarray, shape (n, k)
        NaN in rows with missing values.
    offset : ndarray, shape (n,), or None
        With the logarithm of the exposure.
    levels : tuple of Level, or None
        Lowest first; codes are -1 in unknown clusters. None where not asked for.
    index : pandas.Index or None
        Row labels.
    observed : bool
        Whether these are the rows of the fit.
    """

    exog: np.ndarray
    offset: np.ndarray | None
    levels: tuple[Level, ...] | None
    index: pd.Index | None
    observed: bool = False

    @property
    def complete(self) -> np.ndarray:
        """Rows without missing values in anything that is used, shape (n,)."""
        good = np.isfinite(self.exog).all(axis=1)
        if self.offset is not None:
            good &= np.isfinite(self.offset)
        for level in self.levels or ():
            good &= np.isfinite(level.columns).all(axis=1)
        return good

    def take(self, keep: np.ndarray) -> PredictionRows:
        """The chosen rows."""

        def cut(level: Level) -> Level:
            terms = tuple(replace(term, columns=term.columns[keep]) for term in level.terms)
            return Level(level.name, level.codes[keep], level.labels, terms)

        return PredictionRows(
            self.exog[keep],
            None if self.offset is None else self.offset[keep],
            None if self.levels is None else tuple(cut(level) for level in self.levels),
            None if self.index is None else self.index[keep],
            self.observed and bool(np.all(keep)),
        )


def _total_offset(offset, exposure, index: pd.Index, data: pd.DataFrame | None = None):
    """Offset plus log exposure, from values, a single number, or names of columns."""
    frame = pd.DataFrame(index=index) if data is None else data
    total = None
    for role, value in (("offset", offset), ("exposure", exposure)):
        if value is None:
            continue
        if np.ndim(value) == 0 and not isinstance(value, str):
            value = np.full(len(frame), float(value))
        values = numeric_rows(value, frame, role)
        if role == "exposure":
            known = ~np.isnan(values)
            check_exposure(values[known], frame.index[known])
            values = np.log(values)
        total = values if total is None else total + values
    return total


def model_rows(model, offset=None, exposure=None) -> PredictionRows:
    """The rows of the fit; an offset or exposure given here takes the place of the model's.

    Parameters
    ----------
    model : GLMM
    offset, exposure : array_like, shape (nobs,), or float, optional

    Raises
    ------
    SpecificationError
        If the data are gone after ``remove_data()``.
    """
    if model.exog is None or model.assembly is None:
        raise SpecificationError(
            "the data of the model were removed by remove_data(); pass new data to predict"
        )
    labels = model.data.row_labels
    index = pd.RangeIndex(len(model.exog)) if labels is None else pd.Index(labels)
    total = _total_offset(
        model.offset if offset is None else offset,
        model.exposure if exposure is None else exposure,
        index,
    )
    exog = np.asarray(model.exog, dtype=float)
    observed = offset is None and exposure is None
    labels = None if labels is None else index
    return PredictionRows(exog, total, model.random, labels, observed)


def as_frame(data: Any) -> pd.DataFrame:
    """New data as a data frame: a dict of columns or values, or one row as a Series, will do."""
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, Mapping):
        scalar = all(np.ndim(value) == 0 for value in data.values())
        return pd.DataFrame(dict(data), index=[0] if scalar else None)
    if isinstance(data, pd.Series):
        return data.to_frame().T.infer_objects()
    raise SpecificationError(
        f"predict needs a DataFrame with the columns of the formula, not {type(data).__name__}; "
        "for rows of the design matrix itself use transform=False"
    )


def frame_rows(
    model, data: pd.DataFrame, random: bool, clusters: bool, offset=None, exposure=None
) -> PredictionRows:
    """Rows of new data for a model from a formula.

    Parameters
    ----------
    model : GLMM
    data : DataFrame
    random : bool
        Whether the random-effects columns are needed.
    clusters : bool
        Whether the grouping columns are needed.
    offset, exposure : str, array_like or float, optional

    Raises
    ------
    SpecificationError
        A column is lacking, or a factor has levels that the model's data did not have.
    """
    design = model.random_design
    spec = getattr(model, "model_spec", None) or model.data.model_spec
    result = design.engine.apply(spec, model.formula, data)
    exog = np.full((len(data), result.right.shape[1]), np.nan)
    exog[~result.missing] = result.right.to_numpy(dtype=np.float64)
    levels = design.transform(data, clusters=clusters) if random else None
    return PredictionRows(
        exog, _total_offset(offset, exposure, data.index, data), levels, data.index
    )


def matrix_rows(
    model, exog, index, random: bool, groups=None, exog_re=None, offset=None, exposure=None
) -> PredictionRows:
    """Rows of new arrays.

    Parameters
    ----------
    model : GLMM
    exog : array_like, shape (n, k) or (k,)
    index : pandas.Index or None
    random : bool
        Whether the random-effects columns are needed.
    groups, exog_re
        As for the model; `groups` only for known clusters, `exog_re` where there are random effects
        other than intercepts.
    offset, exposure : array_like, shape (n,), or float, optional

    Raises
    ------
    SpecificationError
        Wrong number of columns or rows, or `exog_re` is missing.
    """
    k = model.mapping.k_exog
    exog = np.asarray(exog, dtype=float)
    if exog.ndim < 2:
        exog = exog.reshape(-1, 1) if k == 1 else exog.reshape(1, -1)
    if exog.ndim != 2 or exog.shape[1] != k:
        raise SpecificationError(
            f"exog for prediction has shape {exog.shape}; the model has {k} columns"
        )
    labels = pd.RangeIndex(len(exog)) if index is None else pd.Index(index)
    total = _total_offset(offset, exposure, labels)
    levels = None
    if random:
        known = model.random or _skeleton(model.mapping)
        if any(len(level.terms) > 1 for level in known):
            raise SpecificationError(
                "a level of the model has several random-effects terms, which matrices cannot "
                "describe; pass a DataFrame and leave transform=True"
            )
        levels = levels_for_new_arrays(known, groups, exog_re, len(exog))
    return PredictionRows(exog, total, levels, index)


def _skeleton(mapping) -> tuple[Level, ...]:
    """The model's levels without data or clusters, for predictions after ``remove_data()``."""
    terms: dict[int, list[RandomTerm]] = {}
    names = {}
    for level, _, _, covariance in mapping.terms:
        columns = np.empty((0, len(covariance.names)))
        term = RandomTerm(covariance.names, columns, covariance.structure, covariance.label)
        terms.setdefault(level, []).append(term)
        names[level] = covariance.group
    none = np.empty(0, dtype=np.intp)
    return tuple(Level(names[i], none, pd.Index([]), tuple(terms[i])) for i in sorted(terms))
