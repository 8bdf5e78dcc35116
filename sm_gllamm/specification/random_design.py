"""Random-effects columns and cluster codes from data frames, the model's and new ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.elements import Level, RandomTerm, constant_column
from sm_gllamm.specification.evaluation import Evaluated, FormulaEngine
from sm_gllamm.specification.grouping import encode, order_by_nesting, recode
from sm_gllamm.specification.random_plan import RandomPlan, TermPlan, is_constant
from sm_gllamm.specification.row_arrays import column

__all__ = ["RandomDesign", "build_random"]

_FACTOR_ONLY = re.compile(r"(?:0\s*\+|-\s*1\s*\+)\s*(?:C\(\s*(?P<in_c>\w+)\s*\)|(?P<bare>\w+))\Z")


@dataclass(frozen=True, slots=True)
class ColumnKey:
    """Labels of clusters that are a column of the data."""

    name: str

    def labels(self, frame: pd.DataFrame, engine: FormulaEngine) -> Any:
        return column(frame, self.name, "Grouping factor")


@dataclass(frozen=True, slots=True)
class IndicatorKey:
    """Labels of clusters that are the names of the dummy variables of a formula."""

    expression: str
    names: tuple[str, ...]
    spec: Any

    def labels(self, frame: pd.DataFrame, engine: FormulaEngine) -> Any:
        columns = _filled(engine.apply(self.spec, self.expression, frame))
        labels = np.asarray(self.names, dtype=object)[np.argmax(columns, axis=1)]
        labels[np.isnan(columns).any(axis=1)] = None
        return labels


@dataclass(frozen=True, slots=True)
class TermRecipe:
    """How to build the columns of one term; `spec` is None for the random intercept alone."""

    names: tuple[str, ...]
    expression: str
    structure: str
    label: str
    spec: Any
    asked: str = "unstructured"

    def build(self, columns: np.ndarray) -> RandomTerm:
        return RandomTerm(self.names, columns, self.structure, self.label, self.asked)


@dataclass(frozen=True, slots=True)
class LevelRecipe:
    """How to build one level: what defines its clusters, which there are, and its terms."""

    name: str
    keys: tuple[ColumnKey | IndicatorKey, ...]
    labels: pd.Index
    terms: tuple[TermRecipe, ...]


@dataclass(frozen=True)
class RandomDesign:
    """The random part of a model, ready for new data.

    Attributes
    ----------
    engine : FormulaEngine
    recipes : tuple of LevelRecipe
        Bottom to top.
    training : DataFrame
        The model's data, for pickling: formula libraries' records do not pickle and are rebuilt.
    """

    engine: FormulaEngine
    recipes: tuple[LevelRecipe, ...]
    training: pd.DataFrame

    def transform(self, data: pd.DataFrame, clusters: bool = True) -> tuple[Level, ...]:
        """Levels of new data, encoded as the model's data were.

        Parameters
        ----------
        data : DataFrame, n rows
        clusters : bool
            False leaves the grouping columns unread: all rows are in unknown clusters.

        Returns
        -------
        tuple of Level
            Bottom to top, with the model's labels. Codes are -1 in clusters that the model's data
            did not have (and where a label is missing); columns are NaN in rows with missing
            values.

        Raises
        ------
        SpecificationError
            A column is lacking or a covariate has a level that the model's data did not have.
        """
        return tuple(self._level(recipe, data, clusters) for recipe in self.recipes)

    def _level(self, recipe: LevelRecipe, data: pd.DataFrame, clusters: bool) -> Level:
        if clusters:
            codes = recode([key.labels(data, self.engine) for key in recipe.keys], recipe.labels)
        else:
            codes = np.full(len(data), -1, dtype=np.intp)
        terms = tuple(
            term.build(
                constant_column(len(data))
                if term.spec is None
                else _filled(self.engine.apply(term.spec, term.expression, data))
            )
            for term in recipe.terms
        )
        return Level(recipe.name, codes, recipe.labels, terms)

    def clusters(self, data: pd.DataFrame) -> list[tuple[np.ndarray, pd.Index]]:
        """Codes and labels of the clusters of new data, without regard to those of the model's data.

        Parameters
        ----------
        data : DataFrame

        Returns
        -------
        list of (ndarray of intp, pandas.Index)
            Bottom to top.

        Raises
        ------
        SpecificationError
            A column or a label is missing.
        """
        out = []
        for recipe in self.recipes:
            labels = [key.labels(data, self.engine) for key in recipe.keys]
            for key, values in zip(recipe.keys, labels, strict=True):
                if (lacking := pd.isna(values)).any():
                    row = data.index[int(np.argmax(lacking))]
                    raise SpecificationError(
                        f"Grouping factor '{_key_name(key)}' is missing in row {row!r}"
                    )
            out.append(encode(labels, [_key_name(key) for key in recipe.keys]))
        return out

    def __getstate__(self) -> dict[str, Any]:
        expressions = " ".join(
            item.expression
            for recipe in self.recipes
            for item in (*recipe.terms, *recipe.keys)
            if not isinstance(item, ColumnKey) and item.spec is not None
        )
        kept = [name for name in self.training.columns if str(name) in expressions]
        return {
            "engine": self.engine,
            "recipes": tuple(_map_specs(recipe, lambda item: False) for recipe in self.recipes),
            "training": self.training[kept],
        }

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        engine, training = state["engine"], state["training"]

        def evaluate(item: TermRecipe | IndicatorKey) -> Any:
            return engine.evaluate(item.expression, training).spec

        recipes = tuple(_map_specs(recipe, evaluate) for recipe in state["recipes"])
        for name, value in (("engine", engine), ("recipes", recipes), ("training", training)):
            object.__setattr__(self, name, value)


def _map_specs(recipe: LevelRecipe, spec_of: Any) -> LevelRecipe:
    """The recipe with `spec_of(item)` in place of each formula library's record."""
    terms = tuple(
        term if term.spec is None else replace(term, spec=spec_of(term)) for term in recipe.terms
    )
    keys = tuple(
        replace(key, spec=spec_of(key)) if isinstance(key, IndicatorKey) else key
        for key in recipe.keys
    )
    return replace(recipe, terms=terms, keys=keys)


def build_random(
    plan: RandomPlan,
    frame: pd.DataFrame,
    engine: FormulaEngine,
    evaluated: Mapping[str, Evaluated],
) -> tuple[tuple[Level, ...], RandomDesign]:
    """Levels of the model's data and the means to build them for new data.

    Parameters
    ----------
    plan : RandomPlan
    frame : DataFrame
        Without missing values in what the plan uses.
    engine : FormulaEngine
    evaluated : mapping of str to Evaluated
        ``plan.expressions`` evaluated on `frame`.

    Returns
    -------
    levels : tuple of Level
        Bottom to top.
    design : RandomDesign

    Raises
    ------
    SpecificationError, CrossedDesignError
    """
    keys: dict[str, tuple[ColumnKey | IndicatorKey, ...]] = {
        factor.name: tuple(ColumnKey(name) for name in factor.columns) for factor in plan.factors
    }
    terms: dict[str, list[tuple[TermRecipe, np.ndarray]]] = {name: [] for name in keys}
    for term in plan.terms:
        terms[term.level].append(_term(term, frame, evaluated))
    for name, text in plan.components:
        _add_component(name, text, plan.factors[0].name, frame, evaluated, keys, terms)
    names = [name for name in keys if terms[name] or name in plan.bare]
    if not names:
        raise SpecificationError("The model has no random effects; add a term such as (1 | g).")
    encoded = []
    for name in names:
        _refuse_repeated_columns(name, [recipe for recipe, _ in terms[name]])
        labels = [key.labels(frame, engine) for key in keys[name]]
        encoded.append((name, *encode(labels, [_key_name(key) for key in keys[name]])))
    levels, recipes = [], []
    for position in order_by_nesting(encoded):
        name, codes, labels_of_level = encoded[position]
        built = tuple(recipe.build(columns) for recipe, columns in terms[name])
        levels.append(Level(name, codes, labels_of_level, built))
        term_recipes = tuple(recipe for recipe, _ in terms[name])
        recipes.append(LevelRecipe(name, keys[name], labels_of_level, term_recipes))
    return tuple(levels), RandomDesign(engine, tuple(recipes), frame)


def component_factor(expression: str, frame: pd.DataFrame) -> str | None:
    """The column whose dummy variables a variance component consists of, if it is that simple.

    Parameters
    ----------
    expression : str
        Such as ``"0 + C(classroom)"``.
    frame : DataFrame

    Returns
    -------
    str or None
    """
    match = _FACTOR_ONLY.match(expression)
    if match is None:
        return None
    name = match["in_c"] or match["bare"]
    if name not in frame.columns:
        return None
    if match["bare"] and pd.api.types.is_numeric_dtype(frame[name]):
        return None
    return str(name)


def _add_component(
    name: str,
    text: str,
    group: str,
    frame: pd.DataFrame,
    evaluated: Mapping[str, Evaluated],
    keys: dict[str, tuple[ColumnKey | IndicatorKey, ...]],
    terms: dict[str, list[tuple[TermRecipe, np.ndarray]]],
) -> None:
    """A variance component: a nested random intercept if it is dummy variables, else a term."""
    nested = f"{group}:{name}"
    intercept = TermPlan(nested, "1", "unstructured", "1")
    factor = component_factor(text, frame)
    if factor is not None:
        keys[nested] = (*keys[group], ColumnKey(factor))
        terms[nested] = [_term(intercept, frame, evaluated)]
        return
    recipe, columns = _term(TermPlan(group, text, "equal", name), frame, evaluated)
    one_hot = columns.shape[1] > 1 and (np.count_nonzero(columns, axis=1) == 1).all()
    if one_hot and (columns.sum(axis=1) == 1).all():
        keys[nested] = (*keys[group], IndicatorKey(text, recipe.names, recipe.spec))
        terms[nested] = [_term(intercept, frame, evaluated)]
    else:
        terms[group].append((recipe, columns))


def _term(
    plan: TermPlan, frame: pd.DataFrame, evaluated: Mapping[str, Evaluated]
) -> tuple[TermRecipe, np.ndarray]:
    if is_constant(plan.expression):
        structure = "equal" if plan.label != plan.expression else "unstructured"
        recipe = TermRecipe(
            ("Intercept",), plan.expression, structure, plan.label, None, plan.structure
        )
        return recipe, constant_column(len(frame))
    result = evaluated[plan.expression]
    names = tuple(str(name) for name in result.right.columns)
    if not names:
        raise SpecificationError(
            f"The random-effects term ({plan.expression} | {plan.level}) has no columns; write 1 "
            "for a random intercept."
        )
    # the structure of a single random effect is moot, unless its variance has a name of its own
    moot = len(names) == 1 and plan.label == plan.expression
    structure = "unstructured" if moot else plan.structure
    recipe = TermRecipe(names, plan.expression, structure, plan.label, result.spec, plan.structure)
    return recipe, np.ascontiguousarray(result.right.to_numpy(dtype=np.float64))


def _filled(result: Evaluated) -> np.ndarray:
    """Columns with NaN in the rows that the formula library dropped."""
    columns = result.right.to_numpy(dtype=np.float64)
    if not result.missing.any():
        return np.ascontiguousarray(columns)
    filled = np.full((len(result.missing), columns.shape[1]), np.nan)
    filled[~result.missing] = columns
    return filled


def _key_name(key: ColumnKey | IndicatorKey) -> str:
    return key.name if isinstance(key, ColumnKey) else key.expression


def _refuse_repeated_columns(level: str, recipes: list[TermRecipe]) -> None:
    seen: set[str] = set()
    for recipe in recipes:
        for name in recipe.names:
            if name in seen:
                raise SpecificationError(
                    f"The random effect of '{name}' occurs in two terms of level '{level}', "
                    f"which cannot be told apart; leave it out of ({recipe.expression} | "
                    f"{level}), for instance by '0 +'."
                )
            seen.add(name)
