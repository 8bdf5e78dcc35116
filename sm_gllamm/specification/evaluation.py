"""The one door to the formula library: formulas on data frames, with errors that name the cause."""

from __future__ import annotations

import difflib
import re
import sys
import warnings
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType
from typing import Any

import formulaic.errors
import numpy as np
import pandas as pd
import patsy
from patsy.eval import EvalEnvironment
from statsmodels.formula._manager import FormulaManager, NAAction

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.column_factors import (
    ColumnFactor,
    encoded,
    encoded_as,
    kinds_of,
    patsy_data,
    with_columns,
)
from sm_gllamm.specification.formula_columns import (
    as_fitted,
    framed,
    numeric_response,
    plain_columns,
    refuse_numbers_as_objects,
    used_columns,
)

__all__ = ["Evaluated", "FormulaEngine", "did_you_mean", "names_in_scope"]

_LIBRARY_ERRORS = (patsy.PatsyError, formulaic.errors.FormulaicError)
_LEFT_SIDE = re.compile(r"\s*[^\s~][^~]*~")
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


@lru_cache(maxsize=256)
def _described(formula: str) -> patsy.ModelDesc:
    """What patsy reads in a formula, which does not depend on any data."""
    return patsy.ModelDesc.from_formula(formula)


@dataclass(frozen=True, slots=True)
class _Described:
    """A formula with its description, of which the text says everything."""

    text: str
    model: patsy.ModelDesc = field(compare=False)


@lru_cache(maxsize=128)
def _encoding(
    described: _Described,
    factors: tuple[ColumnFactor, ...],
    kinds: tuple[Any, ...],
    two_sided: bool,
) -> tuple[patsy.DesignInfo, ...]:
    """patsy's record of the encoding of each side, which depends on the kinds of the columns alone."""
    row = {
        factor: np.zeros(1) if kind == "number" else _first_level(kind[0], kind[2])
        for factor, kind in zip(factors, kinds, strict=True)
    }
    model = described.model
    sides = [model.lhs_termlist, model.rhs_termlist] if two_sided else [model.rhs_termlist]
    return tuple(patsy.design_matrix_builders(sides, lambda: iter([row]), EvalEnvironment([])))


def _first_level(levels: tuple[Any, ...], ordered: bool) -> pd.Categorical:
    """A single value with the levels of a categorical."""
    kind = pd.CategoricalDtype(pd.Index(levels, tupleize_cols=False), ordered)
    return pd.Categorical.from_codes([0], dtype=kind)


def _build(infos: tuple[patsy.DesignInfo, ...], data: Any, env: Any, NA_action: Any) -> Any:
    """Matrices of one or both sides, as patsy.dmatrix and patsy.dmatrices make them."""
    matrices = patsy.build_design_matrices(infos, data, NA_action=NA_action)
    return tuple(matrices) if len(matrices) > 1 else matrices[0]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A formula evaluated on a data frame.

    Attributes
    ----------
    left : DataFrame or None
        Columns before ``~``, rows with missing values dropped.
    right : DataFrame
        Columns after it, the same rows.
    spec : object
        The library's record of the encoding, for new data.
    missing : ndarray of bool, shape (number of rows given,)
        True where a value of either side is missing.
    """

    left: pd.DataFrame | None
    right: pd.DataFrame
    spec: Any
    missing: np.ndarray


class _DropMissing(NAAction):
    """patsy's dropping of rows, without copying every column when no row is dropped."""

    def __init__(self) -> None:
        super().__init__(on_NA="drop", NA_types=["None", "NaN"])

    def _handle_NA_drop(self, values: Any, is_nas: Any, origins: Any) -> Any:
        if any(is_missing.any() for is_missing in is_nas):
            return super()._handle_NA_drop(values, is_nas, origins)
        return values


@dataclass(frozen=True)
class FormulaEngine:
    """patsy or formulaic, with the names that formulas may use besides the data's columns.

    Attributes
    ----------
    name : {"patsy", "formulaic"}
        Model and new data must be evaluated by the same library.
    environment : dict
        Functions and variables by name.
    """

    name: str
    environment: dict[str, Any]

    def evaluate(self, formula: str, frame: pd.DataFrame) -> Evaluated:
        """Evaluate a formula and leave out the rows with missing values.

        Parameters
        ----------
        formula : str
            ``"y ~ x"``, or a right-hand side alone.
        frame : DataFrame, n rows

        Returns
        -------
        Evaluated

        Raises
        ------
        SpecificationError
            Names the unknown variable, with similar columns of the data, or repeats what the
            formula library has to say.
        """
        columns = plain_columns(frame, used_columns(formula, frame))
        for name, values in columns.items():
            refuse_numbers_as_objects(values, name)
        with self._explained(formula, frame.columns):
            if self.name == "formulaic":
                return self._formulaic(formula, columns, frame.index)
            model = with_columns(_described(formula), columns, self.environment)
            terms = (*model.lhs_termlist, *model.rhs_termlist)
            factors = tuple(dict.fromkeys(factor for term in terms for factor in term.factors))
            data = patsy_data(factors, columns, encoded(factors, columns), frame.index)
            kinds = kinds_of(data, factors) if isinstance(data, dict) else None
            response = [term.name() for term in model.lhs_termlist]
            two_sided = _LEFT_SIDE.match(formula) is not None
            if kinds is not None:
                infos = _encoding(_Described(formula, model), factors, kinds, two_sided)
                return self._patsy(_build, infos, data, frame.index, response)
            build = patsy.dmatrices if two_sided else patsy.dmatrix
            return self._patsy(build, model, data, frame.index, response)

    def apply(self, spec: Any, formula: str, frame: pd.DataFrame) -> Evaluated:
        """Evaluate new data as `spec` encoded the data of the model.

        Parameters
        ----------
        spec : object
            `Evaluated.spec` of the model's data.
        formula : str
            Its formula, for messages and to find the columns.
        frame : DataFrame
            New data.

        Returns
        -------
        Evaluated

        Raises
        ------
        SpecificationError
            A column is lacking, or a factor has levels that the model's data did not have.
        """
        columns = as_fitted(spec, plain_columns(frame, used_columns(formula, frame)))
        with self._explained(formula, frame.columns):
            if self.name == "formulaic":
                return self._formulaic(spec, columns, frame.index)
            prepared = encoded_as(spec, columns)
            data = patsy_data(spec.factor_infos, columns, prepared, frame.index)
            return self._patsy(patsy.dmatrix, spec, data, frame.index)

    def _patsy(
        self,
        build: Callable[..., Any],
        recipe: Any,
        data: Any,
        index: pd.Index,
        response: Sequence[str] = (),
    ) -> Evaluated:
        """Matrices that `build` makes of data by a recipe; `response` has the terms on the left."""
        drop = _DropMissing()
        result = build(recipe, data, EvalEnvironment([self.environment]), NA_action=drop)
        left, right = result if isinstance(result, tuple) else (None, result)
        missing = getattr(drop, "missing_mask", np.zeros(len(index), dtype=bool))
        kept = index[~missing] if missing.any() else index
        return Evaluated(
            None
            if left is None
            else numeric_response(_labelled(left, kept), left.design_info, response),
            _labelled(right, kept),
            right.design_info,
            missing,
        )

    def _formulaic(
        self, formula: Any, columns: Mapping[Any, pd.Series], index: pd.Index
    ) -> Evaluated:
        manager = FormulaManager("formulaic")
        result = manager.get_matrices(
            formula,
            framed(columns, index),
            eval_env=self.environment,
            pandas=True,
            na_action="drop",
        )
        left, right = result if isinstance(result, tuple) else (None, result)
        if left is not None:
            left = numeric_response(left, left.model_spec, list(map(str, left.model_spec.terms)))
        return Evaluated(left, right, manager.spec, np.array(manager.missing_mask, dtype=bool))

    @contextmanager
    def _explained(self, text: str, columns: pd.Index) -> Iterator[None]:
        """The library's errors in words that name the variable and the remedy."""
        with warnings.catch_warnings():
            warnings.simplefilter("error", formulaic.errors.DataMismatchWarning)
            try:
                yield
            except formulaic.errors.DataMismatchWarning as mismatch:
                raise _unseen_levels(str(mismatch), text) from mismatch
            except SyntaxError as error:
                piece = (error.text or "").strip()
                raise SpecificationError(
                    f"The formula '{text}' cannot be evaluated: {error.msg} in '{piece}'."
                ) from error
            except _LIBRARY_ERRORS as error:
                raise _explain(error, columns, text) from error

    def __getstate__(self) -> dict[str, Any]:
        # modules do not pickle; their names do
        environment = {
            name: _Module(value.__name__) if isinstance(value, ModuleType) else value
            for name, value in self.environment.items()
        }
        return {"name": self.name, "environment": environment}

    def __setstate__(self, state: dict[str, Any]) -> None:
        environment = {
            name: value.load() if isinstance(value, _Module) else value
            for name, value in state["environment"].items()
        }
        object.__setattr__(self, "name", state["name"])
        object.__setattr__(self, "environment", environment)


def _labelled(matrix: patsy.DesignMatrix, index: pd.Index) -> pd.DataFrame:
    """A design matrix as a data frame on the same memory; patsy's own would be a copy."""
    columns = matrix.design_info.column_names
    return pd.DataFrame(np.asarray(matrix), index=index, columns=columns, copy=False)


@dataclass(frozen=True, slots=True)
class _Module:
    name: str

    def load(self) -> ModuleType:
        __import__(self.name)
        return sys.modules[self.name]


def names_in_scope(
    eval_env: int | Mapping[str, Any] | EvalEnvironment,
    formulas: Iterable[str],
    columns: Iterable[Any],
    depth: int = 0,
) -> dict[str, Any]:
    """Functions and variables that formulas mention, taken from the caller's scope.

    Only the names that occur in the formulas and are no columns of the data are taken, so that
    nothing else is kept alive or pickled with a model.

    Parameters
    ----------
    eval_env : int, mapping, or patsy EvalEnvironment
        Frames to go up from the caller, as in statsmodels; or the names themselves. -1 is the
        empty environment.
    formulas : iterable of str
    columns : iterable
        Columns of the data, which come before names in scope.
    depth : int
        Frames between the caller that `eval_env` counts from and this function's caller.

    Returns
    -------
    dict
    """
    scope: Mapping[str, Any]
    if isinstance(eval_env, (int, np.integer)):
        if eval_env < 0:
            return {}
        frame = sys._getframe(int(eval_env) + depth + 1)
        scope = ChainMap(frame.f_locals, frame.f_globals)
    elif isinstance(eval_env, EvalEnvironment):
        scope = eval_env.namespace
    elif isinstance(eval_env, Mapping):
        scope = eval_env
    else:
        raise SpecificationError(
            "eval_env must be a number of frames or a dict of names, not "
            f"{type(eval_env).__name__}."
        )
    mentioned = {name for text in formulas for name in _IDENTIFIER.findall(text)}
    return {name: scope[name] for name in sorted(mentioned - set(columns)) if name in scope}


def did_you_mean(name: str, known: Iterable[Any]) -> str:
    """A half-sentence with names similar to a wrong one, or the names there are, or nothing."""
    candidates = [str(item) for item in known]
    lowered = {item.lower(): item for item in candidates}
    close = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.6)
    if close:
        return "; did you mean " + " or ".join(repr(lowered[item]) for item in close) + "?"
    if 0 < len(candidates) <= 12:
        return "; there are " + ", ".join(repr(item) for item in candidates) + "."
    return "."


def _explain(error: Exception, columns: pd.Index, text: str) -> SpecificationError:
    """The library's error in words that name the variable and the remedy."""
    message = str(error)
    if "expected levels" in message:
        return _unseen_levels(message.splitlines()[0], text)
    cause = error.__cause__
    if isinstance(cause, (NameError, KeyError)):
        quoted = re.search(r"[`'\"]([^`'\"]+)[`'\"]", str(cause))
        name = getattr(cause, "name", None) or (quoted[1] if quoted else str(cause))
        return SpecificationError(
            f"The formula '{text}' uses '{name}', which is no column of the data"
            f"{did_you_mean(name, columns)}"
        )
    return SpecificationError(f"The formula '{text}' cannot be evaluated: {message}")


def _unseen_levels(message: str, text: str) -> SpecificationError:
    return SpecificationError(
        f"The new data have levels of a factor in '{text}' that the model's data did not have: "
        f"{message}"
    )
