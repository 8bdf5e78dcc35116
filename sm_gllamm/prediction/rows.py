"""The rows a prediction is for: those of the model, of a new data frame, or of new arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.latent_design import LatentDesign
from sm_gllamm.responses.families import link_of
from sm_gllamm.responses.links import LINK_CODES
from sm_gllamm.specification.arrays import levels_for_new_arrays
from sm_gllamm.specification.checks import check_exposure
from sm_gllamm.specification.elements import Level, RandomTerm
from sm_gllamm.specification.row_arrays import column, numeric_rows
from sm_gllamm.specification.variance_by import with_variances_by_group

__all__ = ["PredictionRows", "as_frame", "frame_rows", "matrix_rows", "model_rows"]


@dataclass(frozen=True, slots=True)
class PredictionRows:
    """Designs of the rows to predict for.

    Attributes
    ----------
    exog : ndarray, shape (n, k)
        Columns that have coefficients; NaN in rows with missing values.
    offset : ndarray, shape (n,), or None
        With the logarithm of the exposure.
    levels : tuple of Level, or None
        Lowest first; codes are -1 in unknown clusters. None where not asked for.
    index : pandas.Index or None
        Row labels.
    positions : ndarray of intp, shape (n,), or None
        Positions among the rows of the fit; None for other rows.
    designs : dict of str, or of (str, label of a family), to ndarray of shape (n, r)
        Designs of predictors without random effects, as far as the prediction needs them.
    sets : ndarray of intp, shape (n,), or None
        Which rows are one response, -1 if missing.
    member : ndarray of object, shape (n,), or None
        Which of several families a row has.
    parts : ndarray, shape (n,), or None
        Weights of composite responses.
    links : ndarray of intc, shape (n,), or None
        Links of composite responses.
    latents : LatentDesign or None
        Equations of latent variables; None in models with random effects alone.
    """

    exog: np.ndarray
    offset: np.ndarray | None
    levels: tuple[Level, ...] | None
    index: pd.Index | None
    positions: np.ndarray | None = None
    designs: dict[Any, np.ndarray] = field(default_factory=dict)
    sets: np.ndarray | None = None
    member: np.ndarray | None = None
    parts: np.ndarray | None = None
    links: np.ndarray | None = None
    latents: LatentDesign | None = None

    @property
    def n(self) -> int:
        return len(self.exog)

    @property
    def complete(self) -> np.ndarray:
        """Rows without missing values in anything that is used, shape (n,).

        A row of a set with an incomplete row is incomplete, too.
        """
        good = np.isfinite(self.exog).all(axis=1)
        if self.offset is not None:
            good &= np.isfinite(self.offset)
        for level in self.levels or ():
            good &= np.isfinite(level.columns).all(axis=1)
        for design in self.designs.values():
            good &= np.isfinite(design).all(axis=1)
        if self.parts is not None:
            good &= np.isfinite(self.parts)
        if self.latents is not None:
            good &= self.latents.complete
        if self.sets is not None:
            good &= self.sets >= 0
            good &= ~np.isin(self.sets, self.sets[~good])
        return good

    def take(self, keep: np.ndarray) -> PredictionRows:
        """The chosen rows."""

        def cut(level: Level) -> Level:
            terms = tuple(replace(term, columns=term.columns[keep]) for term in level.terms)
            return Level(level.name, level.codes[keep], level.labels, terms)

        by_row = ("offset", "index", "positions", "sets", "member", "parts", "links")
        taken = {name: getattr(self, name) for name in by_row}
        return replace(
            self,
            exog=self.exog[keep],
            levels=None if self.levels is None else tuple(cut(level) for level in self.levels),
            designs={key: design[keep] for key, design in self.designs.items()},
            latents=None if self.latents is None else self.latents.take(keep),
            **{name: None if value is None else value[keep] for name, value in taken.items()},
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
    data = model.responses
    return PredictionRows(
        data.exog, total, model.random, None if labels is None else index,
        np.arange(len(index)) if offset is None and exposure is None else None,
        {key: matrix for key, (matrix, _) in data.designs.items()}, data.sets,
        _member_labels(model.extras.rows.get("family_by")), data.parts, data.links,
        LatentDesign.of(model, model.latents) if model.latents else None,
    )  # fmt: skip


def _member_labels(values) -> np.ndarray | None:
    """Labels of the rows' families, one object each."""
    return None if values is None else np.asarray(values, dtype=object)


def _set_codes(sets, n: int) -> np.ndarray:
    """Numbers of the sets that rows are in, -1 where a label is missing."""
    labels = sets if isinstance(sets, pd.DataFrame) else pd.DataFrame({"sets": np.asarray(sets)})
    if len(labels) != n:
        raise SpecificationError(f"sets has {len(labels)} entries for {n} rows")
    by = labels.groupby(list(labels.columns), sort=False, dropna=False)
    codes = by.ngroup().to_numpy(dtype=np.intp)
    return np.where(labels.isna().any(axis=1), -1, codes)


#: Row values that a layout needs to know for new rows.
_ROW_VALUES = {
    "choice": ("sets",), "ranking": ("sets",), "best_worst": ("sets",),
    "composite": ("sets", "parts", "links"),
}  # fmt: skip


def _row_values(model, value_of, n: int) -> dict[str, Any]:
    """Sets, families, weights and links of new rows; `value_of` gives them by keyword, or None."""
    if getattr(model.family, "layout", "plain") != "mixed":
        return _values_of_family(model.family, value_of, n, slice(None))
    labels = np.asarray(value_of("family_by"), dtype=object)
    out: dict[str, Any] = {"member": labels}
    # rows of other families are sets of their own
    empty = {"sets": np.arange(n), "parts": np.ones(n), "links": np.zeros(n, dtype=np.intc)}
    for label, family in model.family.members.items():
        at = np.flatnonzero([one == label for one in labels])
        if not len(at):
            continue
        for keyword, own in _values_of_family(family, value_of, n, at).items():
            if keyword == "sets":
                # sets of several families may have the same labels
                own = np.where(own >= 0, own + max(n, out.get("sets", empty["sets"]).max() + 1), -1)
            out.setdefault(keyword, empty[keyword].copy())[at] = own
    return out


def _values_of_family(family, value_of, n: int, at) -> dict[str, Any]:
    """Sets, weights and links of the rows `at` of n, which have one family."""
    out: dict[str, Any] = {}
    for keyword in _ROW_VALUES.get(getattr(family, "layout", "plain"), ()):
        value = value_of(keyword)
        if keyword == "sets":
            out["sets"] = _set_codes(value, n)[at]
        elif keyword == "parts":
            out["parts"] = (np.ones(n) if value is None else np.asarray(value, dtype=float))[at]
        elif value is None:
            code = LINK_CODES[type(family.link).__name__]
            out["links"] = np.full(n, code, dtype=np.intc)[at]
        else:
            names = np.asarray(value)[at].tolist()
            codes = [LINK_CODES[type(link_of(str(name))).__name__] for name in names]
            out["links"] = np.array(codes, dtype=np.intc)
    return out


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
    model, data: pd.DataFrame, random: bool, clusters: bool, offset=None, exposure=None, wanted=(),
    values: bool = True,
) -> PredictionRows:  # fmt: skip
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
    wanted : sequence of str
        Predictors without random effects whose designs are needed.
    values : bool
        Whether choice sets and the like are needed.

    Raises
    ------
    SpecificationError
        A column is lacking, or a factor has levels that the model's data did not have.
    """
    design, extras = model.random_design, model.extras
    spec = getattr(model, "model_spec", None) or model.data.model_spec
    result = design.engine.apply(spec, model.formula, data)
    # without columns that drop_cols took out of a term
    right = result.right[model.design_names]
    exog = np.full((len(data), right.shape[1]), np.nan)
    exog[~result.missing] = right.to_numpy(dtype=np.float64)
    levels = None
    if random:
        levels = design.transform(data, clusters=clusters)
        groups = {
            level: pd.Categorical.from_codes(
                categories.get_indexer(column(data, name, "variance_by")), categories
            )
            for level, (name, categories) in getattr(model, "variance_by", {}).items()
        }
        levels = with_variances_by_group(levels, groups, check=False)
    designs = {key: extras.design(key, data, model.data.frame) for key in wanted}

    def value_of(keyword):
        if keyword in ("parts", "links") and keyword not in {*extras.names, *extras.rows}:
            return None
        return extras.row_values(keyword, data)

    latents = LatentDesign.of(model, model.latent_columns(data)) if model.latents else None
    return PredictionRows(
        exog[:, model.kept_columns],
        _total_offset(offset, exposure, data.index, data),
        levels,
        data.index,
        designs={key: matrix for key, matrix in designs.items() if matrix is not None},
        latents=latents,
        **(_row_values(model, value_of, len(data)) if values else {}),
    )


def matrix_rows(
    model, exog, index, random: bool, groups=None, exog_re=None, offset=None, exposure=None,
    wanted=(), extras=None, values: bool = True,
) -> PredictionRows:  # fmt: skip
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
    wanted : sequence of str
        Predictors without random effects whose designs are needed.
    extras : dict, optional
        Their designs, "sets" and the like.
    values : bool
        Whether choice sets and the like are needed.

    Raises
    ------
    SpecificationError
        Wrong number of columns or rows, or `exog_re` is missing; a model with latent variables.
    """
    if model.latents:
        raise SpecificationError(
            "rows of a model with latent variables are described by a DataFrame with the columns of all "
            "its formulas, not by a design matrix of the fixed part: pass one to results of a model from "
            "a formula"
        )
    k = len(model.kept_columns)
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
        known = model.random or _skeleton(model)
        if any(len(level.terms) > 1 for level in known):
            raise SpecificationError(
                "a level of the model has several random-effects terms, which matrices cannot "
                "describe; pass a DataFrame and leave transform=True"
            )
        levels = levels_for_new_arrays(known, groups, exog_re, len(exog))
    given = dict(extras or {})

    def value_of(keyword):
        if keyword not in given and keyword not in ("parts", "links"):
            raise SpecificationError(
                f"predictions for new rows need {keyword}: pass extras={{{keyword!r}: ...}}"
            )
        return given.get(keyword)

    designs = {}
    for key in wanted:
        if width := _design_width(model, key):
            designs[key] = _array_design(key, value_of, len(exog), width)
    return PredictionRows(
        exog[:, model.kept_columns], total, levels, index, designs=designs,
        **(_row_values(model, value_of, len(exog)) if values else {}),
    )  # fmt: skip


def _array_design(key, value_of, n: int, width: int) -> np.ndarray:
    """Design of a predictor from extras, of one of several families with zeros in others' rows."""
    if not isinstance(key, tuple):
        return _given_design(key, value_of(key), n, width)
    keyword, label = key
    value = value_of(keyword)
    if isinstance(value, Mapping):
        if label not in value:
            raise SpecificationError(
                f"predictions for new rows need {keyword} of family {label!r}: pass "
                f"extras={{{keyword!r}: {{{label!r}: ...}}}}"
            )
        value = value[label]
    inside = np.array([one == label for one in value_of("family_by")])
    matrix = _given_design(keyword, value, n, width)
    return np.where(inside[:, None], matrix, 0.0)


def _design_width(model, keyword) -> int:
    """Number of columns of the design of a predictor without random effects, 0 for a constant."""
    if isinstance(keyword, tuple):
        designs = model.responses.designs
        return designs[keyword][0].shape[1] if keyword in designs else 0
    columns = [
        entry.column
        for _, slot in model.mapping.slots
        for entry in slot.entries
        if entry.design == keyword
    ]
    if columns:
        return max(columns) + 1
    if keyword != "zero" or getattr(model.family, "layout", "plain") != "hurdle":
        return 0
    # the zero part of a hurdle model is among the coefficients
    names = model.mapping.param_names[int(model.kept_columns.sum()) : model.mapping.k_exog]
    return 0 if names == ["zero:Intercept"] else len(names)


def _given_design(keyword: str, value, n: int, width: int) -> np.ndarray:
    matrix = np.asarray(value, dtype=float)
    matrix = matrix.reshape(len(matrix), -1)
    if matrix.shape != (n, width):
        raise SpecificationError(
            f"extras[{keyword!r}] has shape {matrix.shape}; needed is {(n, width)}"
        )
    return matrix


def _skeleton(model) -> tuple[Level, ...]:
    """The model's levels without data or clusters, for predictions after ``remove_data()``."""
    terms: dict[int, list[RandomTerm]] = {}
    names = {}
    nominal = getattr(model.family, "layout", "plain") == "nominal"
    copies = len(model.extras.labels) - 1 if nominal else 1
    for level, _, _, covariance in model.mapping.terms:
        own = covariance.names[: len(covariance.names) // copies]
        if nominal:
            own = tuple(name.removesuffix(f":{model.extras.labels[1]}") for name in own)
        columns = np.empty((0, len(own)))
        term = RandomTerm(own, columns, covariance.structure, covariance.label)
        terms.setdefault(level, []).append(term)
        names[level] = covariance.group
    none = np.empty(0, dtype=np.intp)
    return tuple(Level(names[i], none, pd.Index([]), tuple(terms[i])) for i in sorted(terms))
