"""Units of mixtures, and the rows of the data that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.mixture import Units
from sm_gllamm.models.discrete import DiscreteModel, UnitLayout
from sm_gllamm.models.irt import IRT
from sm_gllamm.specification.formula import has_bars

__all__ = ["LayoutMethods", "frame_of", "offset_columns", "rows_in_use", "unit_options"]


class LayoutMethods(DiscreteModel):
    """Units of the template; part of :class:`sm_gllamm.models.mixture.Mixture`."""

    template: Any
    _design: np.ndarray
    _allowed: np.ndarray | None
    _cluster: np.ndarray | None
    #: responses to items that take the place of the template's
    _drawn_codes: np.ndarray | None = None

    def _unit_layout(self) -> tuple[Any, UnitLayout]:
        """The template's problem, units of clusters one after another, and the rows behind them."""
        template, n = self.template, self.template.endog.shape[0]
        if isinstance(template, IRT):
            return self._person_layout(template)
        assembly = template.assembly
        problem = assembly.problem
        rows = np.arange(len(problem.y)) if assembly.source is None else assembly.source
        of_row = np.empty(n, dtype=np.intp)
        of_row[rows] = np.repeat(np.arange(problem.n_top), problem.rows_of_top)
        weight = problem.cluster_weights[-1]
        weight = np.ones(problem.n_top) if weight is None else weight
        first = assembly.first_row
        for what, values in (
            ("classes", self._design),
            ("known", self._allowed),
            ("clusters", self._cluster),
        ):
            if values is not None and np.any(differs := values != values[first][of_row]):
                row = int(np.argmax(differs.reshape(n, -1).any(axis=1)))
                raise SpecificationError(
                    f"{what}= varies within a unit of {template.level_names[-1]!r} (row {row}); it must be "
                    "the same in all its rows"
                )
        top = of_row if self._cluster is None else self._cluster
        layout = UnitLayout(first, of_row, weight, np.ones(n), top)
        return problem, layout

    def _person_layout(self, template: IRT) -> tuple[Any, UnitLayout]:
        """Persons with the same responses and covariates as units."""
        more: list[np.ndarray] = [self._design[:, 1:]] if self._design.shape[1] > 1 else []
        if self._allowed is not None:
            more.append(self._allowed.astype(float))
        if self._cluster is not None:
            more.append(self._cluster)
        assembly = template._assemble(self._drawn_codes, more=more)
        patterns: Any = assembly.patterns
        weight = template.person_weights
        layout = UnitLayout(
            patterns.first, patterns.of_person, patterns.weight, weight, self._cluster
        )
        return assembly.problem, layout

    def _units(self) -> Units:
        layout = self.assembly.layout
        allowed = None if self._allowed is None else self._allowed[layout.first]
        if self._cluster is None:
            return Units(np.ones(len(layout.first)), None, layout.weight, allowed)
        cluster = self._cluster[layout.first]
        return Units(layout.weight, cluster, np.ones(int(cluster.max()) + 1), allowed)


def frame_of(model) -> pd.DataFrame | None:
    """The data frame that a model was made of, a row a row of the model."""
    if isinstance(model, IRT):
        return model.persons_data
    return getattr(model.data, "frame", None)


def unit_options(formula: str, data: pd.DataFrame, groups: str | None, options: dict):
    """Data and options of a GLMM whose top level are the units in classes.

    Parameters
    ----------
    formula : str
    data : DataFrame
    groups : str or None
        Column of the units of a formula without bars; None: rows are units of their own.
    options : dict
        Of the GLMM.

    Returns
    -------
    data : DataFrame
    options : dict
    """
    if has_bars(formula):
        return data, options
    if groups is None:
        groups = "case"
        while groups in data:
            groups += "_"
        data = data.assign(**{groups: np.arange(len(data))})
        for key in ("weights", "freq_weights"):
            value = options.get(key)
            if isinstance(value, Mapping) and set(value) == {"row"}:
                value = value["row"]
            if value is not None and not isinstance(value, Mapping):
                # a weight of rows inside a unit would be copies in the same class
                options = options | {key: {groups: value}}
    return data, options | {"groups": groups, "re_formula": False}


def offset_columns(options: Mapping) -> dict[str, str]:
    """Offset and exposure, where they are names of columns."""
    given = {key: options.get(key) for key in ("offset", "exposure")}
    return {key: value for key, value in given.items() if isinstance(value, str)}


def rows_in_use(value, model, n: int):
    """Values of the rows that a model kept."""
    if value is None or isinstance(value, str) or len(value) != n:
        return value
    return np.asarray(value)[model.kept_rows]
