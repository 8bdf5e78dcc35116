"""A model with the parameters of a fit and other data: new clusters whose responses are known."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import CrossedDesignError, SpecificationError
from sm_gllamm.likelihood.marginal import Quadrature
from sm_gllamm.likelihood.quadrature import Ladders, exact_quadrature
from sm_gllamm.mapping.assemble import assemble
from sm_gllamm.mapping.rows import ResponseData, rows_of
from sm_gllamm.models.extras import ROWS
from sm_gllamm.models.fitting import FitSettings
from sm_gllamm.models.glmm_fit import FitMethods
from sm_gllamm.models.member_rows import filled_ranks
from sm_gllamm.models.responses import CATEGORICAL, prepare_responses
from sm_gllamm.prediction.rows import PredictionRows, as_frame, frame_rows
from sm_gllamm.responses.densities import CODES
from sm_gllamm.specification.elements import Level
from sm_gllamm.specification.grouping import show_label
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["NewDataMethods"]

#: Choices of nodes before giving up.
ROUNDS = 12


def _codes(values: pd.Series, labels, name: str) -> np.ndarray:
    """Codes of categories that the model knows, NaN where missing."""
    code = {label: k for k, label in enumerate(labels)}
    for value in values.dropna().unique():
        if value not in code:
            raise SpecificationError(
                f"The response '{name}' is {value!r}; the categories of the model are {list(labels)}"
            )
    return values.astype(object).map(code).to_numpy(dtype=float)


def _coded_response(model, data: pd.DataFrame) -> pd.DataFrame:
    """New data with the categories of the response as the model's codes."""
    layout = getattr(model.family, "layout", "plain")
    name = model.formula.partition("~")[0].strip()
    if name not in data.columns:
        return data
    labels = model.extras.labels
    if layout in CATEGORICAL:
        return data.assign(**{name: _codes(data[name], labels, name)})
    if layout == "ranking":
        return data.assign(**{name: filled_ranks(model.family, data[name])})
    if layout == "mixed":
        by = np.asarray(model.extras.row_values("family_by", data), dtype=object)
        data = data.assign(**{name: filled_ranks(model.family, data[name], by)})
    if layout == "mixed" and labels:
        values = data[name].astype(object).copy()
        for label, categories in labels.items():
            values[by == label] = _codes(data[name][by == label], categories, f"{name} ({label})")
        return data.assign(**{name: pd.to_numeric(values)})
    return data


def _levels(model, rows: PredictionRows, data: pd.DataFrame) -> tuple[Level, ...]:
    """Levels of the new rows, with clusters of their own.

    Raises
    ------
    SpecificationError
        A row without a cluster.
    CrossedDesignError
        A cluster lies in several clusters of a higher level.
    """
    levels: list[Level] = []
    for level, (codes, labels) in zip(
        rows.levels or (), model.random_design.clusters(data), strict=True
    ):
        levels.append(Level(level.name, codes, labels, level.terms))
    for lower, upper in zip(levels, levels[1:], strict=False):
        parent = np.empty(lower.n_clusters, dtype=np.intp)
        parent[lower.codes] = upper.codes
        wrong = parent[lower.codes] != upper.codes
        if wrong.any():
            cluster = show_label(lower.labels[lower.codes[int(np.argmax(wrong))]])
            raise CrossedDesignError(
                f"{lower.name} = {cluster} has rows in several clusters of {upper.name}"
            )
    return tuple(levels)


def _responses(model, rows: PredictionRows, endog: np.ndarray, data: pd.DataFrame) -> ResponseData:
    """Responses of the new rows, checked together with the model's, which have all categories."""
    fit, extras = model.responses, model.extras
    n = len(fit.y)
    values: dict = {}
    for keyword in ROWS:
        given = extras.rows.get(keyword)
        if given is None:
            continue
        if keyword == "sets":
            values[keyword] = np.concatenate([fit.sets, 1 + fit.sets.max() + rows.sets])
        else:
            new = np.asarray(extras.row_values(keyword, data))
            values[keyword] = np.concatenate([np.asarray(given), new])
    offset = None
    if fit.offset is not None or rows.offset is not None:
        parts = [(fit.offset, n), (rows.offset, rows.n)]
        offset = np.concatenate([np.zeros(k) if x is None else x for x, k in parts])
    name = model.endog_names if isinstance(model.endog_names, str) else model.endog_names[0]
    everything = prepare_responses(
        model.family, model.response, np.concatenate([np.asarray(model.endog, dtype=float), endog]),
        extras.labels, name, None, np.concatenate([fit.exog, rows.exog]), fit.exog_names, offset,
        {
            key: (np.concatenate([matrix, rows.designs[key]]), names)
            for key, (matrix, names) in fit.designs.items()
        },
        **values,
    )  # fmt: skip
    return replace(everything.take(np.arange(n, n + rows.n)), used=fit.used)


class NewDataMethods(FitMethods):
    """The same model for other data; part of :class:`sm_gllamm.models.glmm.GLMM`."""

    def applied(self, data, params, settings: FitSettings, offset=None, exposure=None):
        """The model with other data, for everything but estimation.

        Parameters
        ----------
        data : DataFrame
            With all columns that the model uses. Rows with missing values are left out.
        params : array_like, shape (k_params,)
            Where the quadrature is to be accurate.
        settings : FitSettings
            Of the fit: number of nodes, or accuracy.
        offset, exposure : str, array_like or float, optional

        Returns
        -------
        GLMM
            Without weights.

        Raises
        ------
        SpecificationError
            A column or a cluster's label is missing, unknown categories, or a model from arrays.
        """
        if not hasattr(self, "formula"):
            raise SpecificationError("a model from arrays cannot be applied to other data")
        if self.responses is None:
            raise SpecificationError(
                "the data of the model, with which new ones are compared, were removed by remove_data()"
            )
        data = _coded_response(self, as_frame(data))
        left = self.formula.partition("~")[0]
        result = self.random_design.engine.evaluate(f"{left} ~ 1", data)
        endog = np.full((len(data), result.left.shape[1]), np.nan)
        endog[~result.missing] = result.left.to_numpy(dtype=float)
        if np.ndim(self.endog) == 1:
            endog = endog[:, 0]
        rows = frame_rows(
            self, data, True, False, offset, exposure, tuple(self.extras.formulas), True
        )
        seen = rows.complete & np.isfinite(endog.reshape(len(data), -1)).all(axis=1)
        if rows.sets is not None:
            seen &= ~np.isin(rows.sets, rows.sets[~seen])
        if not seen.any():
            raise SpecificationError("the new data have no row without missing values")
        at = np.flatnonzero(seen)
        data, rows, endog = data.iloc[at], rows.take(at), endog[at]
        if rows.sets is not None:
            rows = replace(rows, sets=np.unique(rows.sets, return_inverse=True)[1])
        return self._with(data, rows, endog, params, settings)

    def _with(self, data, rows: PredictionRows, endog, params, settings: FitSettings):
        """A copy of the model that has other rows."""
        new = copy.copy(self)
        new.random = _levels(self, rows, data)
        new.responses = _responses(self, rows, endog, data)
        if rows.latents is not None:
            new.latents = rows.latents.columns
        exog = np.repeat(np.asarray(self.exog, dtype=float)[:1], rows.n, axis=0)
        exog[:, self.kept_columns] = rows.exog
        new.endog, new.exog, new.nobs = endog, exog, rows.n
        new.data = copy.copy(self.data)
        new.data._cache = {k: v for k, v in self.data._cache.items() if k != "row_labels"}
        new.data.endog, new.data.exog = endog, exog
        # categories and transformations are learned from the frame of the fit
        new.applied_frame = data
        new.data.orig_endog = pd.DataFrame(endog, index=data.index).squeeze(axis=1)
        new.data.orig_exog = pd.DataFrame(exog, index=data.index)
        new.offset, new.exposure, new.weights = rows.offset, None, LevelWeights({})
        new.kept_rows = np.arange(rows.n)
        new.extras = replace(
            self.extras,
            designs=new.responses.designs,
            rows={
                key: rows.sets if key == "sets" else self.extras.row_values(key, data)
                for key in self.extras.rows
            },
        )
        likelihood_rows = rows_of(new.family, new.response, new.responses)
        exact = bool(np.all(likelihood_rows.code == CODES["gaussian_identity"]))
        new.assembly = assemble(
            new.responses, likelihood_rows, new.random, exact, {}, new._lay_out()
        )
        # columns that are the same in few rows share an entry of the engine's design
        new._mapping = new.assembly.mapping
        new._likelihood = new._quadrature = None
        new.df_resid = new.nobs - new.mapping.k_params
        new._quadrature = new._accurate(new.mapping.theta(params), settings)
        return new

    def _accurate(self, theta, settings: FitSettings) -> Quadrature:
        """Rules of the fit where the user chose them, otherwise such that they are accurate at theta."""
        likelihood, problem = self.likelihood, self.assembly.problem
        if problem.exact:
            return exact_quadrature(problem)
        fixed = self._quadrature_for(settings.n_points, settings.integration)
        if fixed is not None:
            return fixed
        ladders = Ladders(problem, "meansd" if settings.integration == "meansd" else "mode")
        for _ in range(ROUNDS):
            likelihood.use(ladders.quadrature())
            errors = ladders.errors(likelihood, theta)
            enough = errors.sum() <= settings.quadrature_tol
            if enough or not ladders.raise_rungs(errors, settings.quadrature_tol):
                break
        return likelihood.quadrature
