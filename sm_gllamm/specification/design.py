"""From a formula and a data frame to the arrays of a generalized linear mixed model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.formula
from statsmodels.formula._manager import FormulaManager

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.checks import check_exposure, check_level_weights
from sm_gllamm.specification.elements import Level
from sm_gllamm.specification.evaluation import (
    Evaluated,
    FormulaEngine,
    did_you_mean,
    names_in_scope,
)
from sm_gllamm.specification.formula import parse
from sm_gllamm.specification.random_design import RandomDesign, build_random, component_factor
from sm_gllamm.specification.random_plan import RandomPlan, plan_from_bars, plan_from_groups
from sm_gllamm.specification.row_arrays import (
    align,
    column,
    numeric_rows,
    select_rows,
    weights_by_level,
)

__all__ = ["GLMMDesign", "build_design"]

MISSING = ("drop", "raise", "none")


@dataclass(frozen=True, slots=True)
class GLMMDesign:
    """Everything that a formula and a data frame say about a mixed model.

    All arrays have one entry (row) for each of the nobs rows of `frame`, in its order.

    Attributes
    ----------
    formula : str
        As given, with bars.
    fixed_formula : str
        Without bars: what patsy or formulaic read, and what unpickling evaluates again.
    frame : DataFrame, nobs rows
        The data after `subset` and without the rows that have missing values in what is used.
    endog : DataFrame, shape (nobs, 1 or more)
        Response; two columns are successes and failures.
    exog : DataFrame, shape (nobs, k)
        Fixed part, ``drop_cols`` left out.
    model_spec : object
        The formula library's record of `exog`'s encoding.
    levels : tuple of Level
        Bottom to top.
    random : RandomDesign
        Builds `levels` for new data.
    offset, exposure : ndarray of float64, shape (nobs,), or None
        As given; the exposure is not logged.
    weights, freq_weights : dict of str to ndarray of float64, shape (nobs,)
        By level, ``"row"`` for the rows; a cluster's weight is repeated in its rows.
    kept : ndarray of intp, shape (nobs,)
        Position in the data as given of each row of `frame`.
    n_dropped : int
        Rows left out because of missing values (not by `subset`).
    environment : dict
        Names that the formulas use besides columns, to be passed on as ``eval_env``.
    engine : {"patsy", "formulaic"}
    """

    formula: str
    fixed_formula: str
    frame: pd.DataFrame
    endog: pd.DataFrame
    exog: pd.DataFrame
    model_spec: Any
    levels: tuple[Level, ...]
    random: RandomDesign
    offset: np.ndarray | None
    exposure: np.ndarray | None
    weights: dict[str, np.ndarray]
    freq_weights: dict[str, np.ndarray]
    kept: np.ndarray
    n_dropped: int
    environment: dict[str, Any]
    engine: str


@dataclass(frozen=True, slots=True)
class _RowValues:
    """What is given with one value a row, before and after rows are left out."""

    offset: np.ndarray | None
    exposure: np.ndarray | None
    weights: dict[str, np.ndarray]
    freq_weights: dict[str, np.ndarray]

    def by_role(self) -> dict[str, np.ndarray]:
        named = {"offset": self.offset, "exposure": self.exposure}
        values = {role: array for role, array in named.items() if array is not None}
        values |= {f"weights[{level!r}]": array for level, array in self.weights.items()}
        values |= {f"freq_weights[{level!r}]": array for level, array in self.freq_weights.items()}
        return values

    def cut(self, kept: np.ndarray) -> _RowValues:
        return _RowValues(
            None if self.offset is None else self.offset[kept],
            None if self.exposure is None else self.exposure[kept],
            {level: array[kept] for level, array in self.weights.items()},
            {level: array[kept] for level, array in self.freq_weights.items()},
        )

    def check(self, levels: Sequence[Level], labels: pd.Index) -> None:
        if self.exposure is not None:
            check_exposure(self.exposure, labels)
        check_level_weights(self.weights, levels, labels, "weights")
        check_level_weights(self.freq_weights, levels, labels, "freq_weights")


def build_design(
    formula: str,
    data: Any,
    *,
    subset: Any = None,
    drop_cols: Sequence[str] | None = None,
    groups: Any = None,
    re_formula: str | Mapping[str, str] | None = None,
    vc_formula: Mapping[str, str] | None = None,
    covariance: str | Mapping[str, str] = "unstructured",
    offset: Any = None,
    exposure: Any = None,
    weights: Any = None,
    freq_weights: Any = None,
    missing: str = "drop",
    eval_env: int | Mapping[str, Any] = 0,
) -> GLMMDesign:
    """Evaluate all parts of a mixed model on one data frame with one rule for missing values.

    Parameters
    ----------
    formula : str
        ``"y ~ x + (1 + x | school)"``, or ``"y ~ x"`` with `groups`.
    data : DataFrame
        Or what pandas makes one of.
    subset : str, array_like of bool, or row labels
        Rows to use, applied before everything else; see `select_rows`.
    drop_cols : sequence of str
        Columns of the fixed part to leave out, as in statsmodels.
    groups : str, sequence of str, or array_like of shape (len(data),)
        MixedLM's way of saying the random part: a column, nested columns from top to bottom, or
        labels. Not together with bars.
    re_formula : str or dict of level name to str
        Right-hand side of the random effects of `groups`; a random intercept if not given (and no
        `vc_formula`).
    vc_formula : dict of str to str
        Variance components within `groups`. One that consists of dummy variables,
        ``"0 + C(classroom)"``, is a nested level with a random intercept, named
        ``"<groups>:<name>"``; any other is a term whose random effects share one variance.
    covariance : {"unstructured", "diagonal", "equal"} or dict of level name to such
        Of terms that are not written with a double bar.
    offset, exposure : str or array_like of shape (len(data),)
        Column or values; a Series is aligned on its index.
    weights, freq_weights : str, array_like, or dict of level name to either
        Anything but a dict is the weight of the rows, ``{"row": ...}``.
    missing : {"drop", "raise", "none"}
        Drop rows with a missing value in anything used, or raise; "none" raises, too.
    eval_env : int or dict
        Frames to go up from the caller to find functions that the formulas use; or these.

    Returns
    -------
    GLMMDesign

    Raises
    ------
    SpecificationError
        Names the column, row, level or term at fault and the remedy.
    CrossedDesignError
        Grouping factors are not nested.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.specification.design import build_design
    >>> data = pd.DataFrame({"y": [1, 0, 1, 1], "x": [0.5, 1.5, None, 2.5], "g": list("aabb")})
    >>> design = build_design("y ~ x + (1 | g)", data)
    >>> design.n_dropped, design.levels[0].name, design.levels[0].n_clusters
    (1, 'g', 2)
    """
    if missing not in MISSING:
        raise SpecificationError(
            f"missing={missing!r} is not known{did_you_mean(missing, MISSING)}"
        )
    parsed = parse(formula)
    data = _as_frame(data)
    data, groups = _with_group_column(data, groups)
    plan = _plan(parsed.bars, groups, re_formula, vc_formula, covariance)
    texts = (parsed.fixed, *plan.expressions)
    environment = names_in_scope(eval_env, texts, map(str, data.columns), depth=1)
    engine = FormulaEngine(statsmodels.formula.options.formula_engine, environment)

    level_names = _level_names(plan)
    rows = _RowValues(
        offset=None if offset is None else numeric_rows(offset, data, "offset"),
        exposure=None if exposure is None else numeric_rows(exposure, data, "exposure"),
        weights=weights_by_level(weights, data, level_names, "weights"),
        freq_weights=weights_by_level(freq_weights, data, level_names, "freq_weights"),
    )
    kept = select_rows(data, subset)
    frame = data if subset is None else data.iloc[kept]
    frame, evaluated, present = _without_missing(
        frame,
        engine,
        _expressions_to_evaluate(parsed.fixed, plan, frame),
        _grouping_columns(plan, frame),
        rows.cut(kept).by_role(),
        missing,
    )
    n_dropped = len(kept) - int(np.count_nonzero(present))
    kept = kept[present]

    levels, random = build_random(plan, frame, engine, evaluated)
    fixed = evaluated[parsed.fixed]
    assert fixed.left is not None
    exog, spec = _drop_columns(fixed, drop_cols, engine.name)
    rows = rows.cut(kept)
    rows.check(levels, frame.index)
    return GLMMDesign(
        formula=formula,
        fixed_formula=parsed.fixed,
        frame=frame,
        endog=fixed.left,
        exog=exog,
        model_spec=spec,
        levels=levels,
        random=random,
        offset=rows.offset,
        exposure=rows.exposure,
        weights=rows.weights,
        freq_weights=rows.freq_weights,
        kept=kept,
        n_dropped=n_dropped,
        environment=environment,
        engine=engine.name,
    )


def _as_frame(data: Any) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        return data
    try:
        return data.to_pandas() if hasattr(data, "to_pandas") else pd.DataFrame(data)
    except (TypeError, ValueError) as error:
        raise SpecificationError(f"data must be a pandas DataFrame: {error}") from error


def _with_group_column(data: pd.DataFrame, groups: Any) -> tuple[pd.DataFrame, Any]:
    """Labels given as values become a column, so that subset and missing rows cut them alike."""
    if groups is None or isinstance(groups, str):
        return data, groups
    if isinstance(groups, (list, tuple)) and all(isinstance(name, str) for name in groups):
        return data, groups
    if getattr(groups, "ndim", 1) != 1:
        raise SpecificationError(
            "groups beside a formula must be column names, or one label for each row; nested "
            "levels are given as a list of columns, top to bottom."
        )
    values = align(groups, data.index, len(data), "groups")
    name = getattr(values, "name", None)
    if not isinstance(name, str) or name in data.columns:
        name = "groups"
    labels = values if isinstance(values, pd.Series) else pd.Series(values, index=data.index)
    return data.assign(**{name: labels}), name


def _plan(
    bars: Sequence[Any], groups: Any, re_formula: Any, vc_formula: Any, covariance: Any
) -> RandomPlan:
    if bars and (groups is not None or re_formula is not None or vc_formula is not None):
        raise SpecificationError(
            "The formula has random-effects bars; leave out groups, re_formula and vc_formula, or "
            "leave out the bars."
        )
    if bars:
        return plan_from_bars(bars, covariance)
    if groups is None:
        raise SpecificationError(
            "The model has no random effects: add a term such as (1 | g) to the formula, or name "
            "the grouping column by groups."
        )
    return plan_from_groups(groups, re_formula, vc_formula, covariance)


def _level_names(plan: RandomPlan) -> list[str]:
    """Names of levels the plan can lead to; components become levels only if the data say so."""
    group = plan.factors[0].name
    return [factor.name for factor in plan.factors] + [
        f"{group}:{name}" for name, _ in plan.components
    ]


def _grouping_columns(plan: RandomPlan, frame: pd.DataFrame) -> list[str]:
    names = [name for factor in plan.factors for name in factor.columns]
    simple = (component_factor(text, frame) for _, text in plan.components)
    names += [name for name in simple if name is not None]
    for name in names:
        column(frame, name, "Grouping factor")
    return list(dict.fromkeys(names))


def _expressions_to_evaluate(fixed: str, plan: RandomPlan, frame: pd.DataFrame) -> tuple[str, ...]:
    """All but components that are a column's dummy variables: those would be a huge matrix."""
    simple = {text for _, text in plan.components if component_factor(text, frame) is not None}
    return (fixed, *(text for text in plan.expressions if text not in simple))


def _without_missing(
    frame: pd.DataFrame,
    engine: FormulaEngine,
    texts: Sequence[str],
    grouping: Sequence[str],
    rows: Mapping[str, np.ndarray],
    missing: str,
) -> tuple[pd.DataFrame, dict[str, Evaluated], np.ndarray]:
    """The frame without rows that miss a value, the formulas on it, and which rows it kept.

    Formulas are evaluated a second time if anything was dropped: categories and the state of
    transformations such as ``center`` come from the rows used, and levels of a factor that only
    dropped rows had do not leave columns of zeros.
    """
    evaluated = {text: engine.evaluate(text, frame) for text in texts}
    masks = {f"'{text}'": result.missing for text, result in evaluated.items()}
    for name in grouping:
        labels = frame[name]
        # whole numbers are never missing
        if not (isinstance(labels.dtype, np.dtype) and labels.dtype.kind in "iu"):
            masks[f"grouping factor '{name}'"] = labels.isna().to_numpy()
    masks |= {role: np.isnan(values) for role, values in rows.items()}
    present = ~np.logical_or.reduce(list(masks.values()))
    if present.all():
        return frame, evaluated, present
    if missing != "drop":
        source, mask = next((source, mask) for source, mask in masks.items() if mask.any())
        labels = ", ".join(repr(label) for label in frame.index[mask][:5].tolist())
        more = ", ..." if np.count_nonzero(mask) > 5 else ""
        raise SpecificationError(
            f"Missing values in {source}, rows {labels}{more}. "
            "Use missing='drop' to leave out such rows."
        )
    if not present.any():
        raise SpecificationError("Every row has a missing value in something the model uses.")
    del evaluated
    frame = frame.iloc[np.flatnonzero(present)]
    return frame, {text: engine.evaluate(text, frame) for text in texts}, present


def _drop_columns(
    fixed: Evaluated, drop_cols: Sequence[str] | None, engine: str
) -> tuple[pd.DataFrame, Any]:
    """The fixed part without `drop_cols`, as statsmodels leaves them out."""
    dropped = {drop_cols} if isinstance(drop_cols, str) else set(drop_cols or ())
    if not dropped:
        return fixed.right, fixed.spec
    unknown = [name for name in dropped if name not in fixed.right.columns]
    if unknown:
        raise SpecificationError(
            f"drop_cols: the fixed part has no column {unknown[0]!r}"
            f"{did_you_mean(str(unknown[0]), fixed.right.columns)}"
        )
    exog = fixed.right[[name for name in fixed.right.columns if name not in dropped]]
    constant = "1" if engine == "formulaic" else "Intercept"
    terms = {constant if name == "Intercept" else name for name in dropped}
    kept = [name for name in FormulaManager(engine).get_term_names(fixed.spec) if name not in terms]
    return exog, fixed.spec.subset(kept)
