"""Covariates of persons in an item response model, from formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.designs import design_of
from sm_gllamm.specification.evaluation import FormulaEngine, names_in_scope

__all__ = ["PersonCovariates"]


@dataclass(frozen=True)
class PersonCovariates:
    """What formulas of the latent regression and of direct effects come to.

    Attributes
    ----------
    values : ndarray, shape (n_persons, p), or None
    names : tuple of str
    regression : tuple of int
        Columns that the latent variables are regressed on.
    dif : dict of str to (tuple of int, tuple of int)
        By item: columns with direct effects on intercepts, and on slopes.
    formulas : tuple of (str, FormulaEngine)
        In the order of their columns, for new data.
    frame : DataFrame or None
        The data that codings of categories were learned from.
    """

    values: np.ndarray | None = None
    names: tuple[str, ...] = ()
    regression: tuple[int, ...] = ()
    dif: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    formulas: tuple[tuple[str, FormulaEngine], ...] = ()
    frame: pd.DataFrame | None = None

    @property
    def direct(self) -> tuple[int, ...]:
        """Columns with direct effects on some item."""
        used = {k for pair in self.dif.values() for columns in pair for k in columns}
        return tuple(sorted(used))

    @classmethod
    def of(
        cls, regression, dif, dif_slopes, data, items: Sequence[str], eval_env
    ) -> PersonCovariates:
        """Evaluate the formulas.

        Parameters
        ----------
        regression : str or None
        dif, dif_slopes : dict of str to str, or None
            By item.
        data : DataFrame or None
            Of the persons in use.
        items : sequence of str
        eval_env : int or dict

        Raises
        ------
        SpecificationError
            No data, missing values, collinear covariates, items that do not exist.
        """
        if regression is None and not dif and not dif_slopes:
            return cls()
        for argument, given in (("dif", dif), ("dif_slopes", dif_slopes)):
            if given is not None and not isinstance(given, Mapping):
                raise SpecificationError(
                    f"{argument} must be a dict of formulas by item, not {given!r}"
                )
            if unknown := [item for item in given or {} if item not in items]:
                raise SpecificationError(
                    f"{argument} names {unknown[0]!r}, which is no item; they are {list(items)}"
                )
        if data is None:
            raise SpecificationError(
                "regression= and dif= need data=, a data frame of covariates of persons"
            )
        columns: dict[str, np.ndarray] = {}
        formulas: dict[str, tuple[str, FormulaEngine]] = {}

        def evaluated(what: str, formula: str) -> tuple[int, ...]:
            text = formula if formula.lstrip().startswith("~") else f"~ {formula}"
            scope = names_in_scope(eval_env, [formula], map(str, data.columns), depth=3)
            engine = FormulaEngine("patsy", scope)
            matrix, names = design_of(what, text, data, None, engine)
            kept = [k for k, name in enumerate(names) if name != "Intercept"]
            if not kept:
                raise SpecificationError(f"{what}={formula!r} has no covariates")
            matrix = matrix[:, kept]
            if np.isnan(matrix).any():
                row = data.index[int(np.argmax(np.isnan(matrix).any(axis=1)))]
                raise SpecificationError(
                    f"{what}={formula!r}: covariates of person {row!r} are missing; drop the person"
                )
            if np.linalg.matrix_rank(matrix - matrix.mean(axis=0)) < matrix.shape[1]:
                raise SpecificationError(
                    f"{what}={formula!r}: the covariates are collinear or constant"
                )
            formulas.setdefault(text, (text, engine))
            for k, column in zip(kept, matrix.T, strict=True):
                columns.setdefault(names[k], column)
            order = list(columns)
            return tuple(order.index(names[k]) for k in kept)

        paths = () if regression is None else evaluated("regression", regression)
        uniform = {item: evaluated(f"dif[{item!r}]", text) for item, text in (dif or {}).items()}
        slopes = {
            item: evaluated(f"dif_slopes[{item!r}]", text)
            for item, text in (dif_slopes or {}).items()
        }
        both = {item: (uniform.get(item, ()), slopes.get(item, ())) for item in (*uniform, *slopes)}
        return cls(
            np.column_stack(list(columns.values())), tuple(columns), paths, both,
            tuple(formulas.values()), data,
        )  # fmt: skip

    def of_new(self, data: pd.DataFrame) -> np.ndarray | None:
        """Values for new persons, coded as in the model's data; NaN where missing.

        Parameters
        ----------
        data : DataFrame

        Returns
        -------
        ndarray, shape (len(data), p), or None

        Raises
        ------
        SpecificationError
            A column is lacking.
        """
        if not self.names:
            return None
        found: dict[str, np.ndarray] = {}
        for text, engine in self.formulas:
            matrix, names = design_of("regression", text, data, self.frame, engine)
            found |= dict(zip(names, matrix.T, strict=True))
        return np.column_stack([found[name] for name in self.names])
