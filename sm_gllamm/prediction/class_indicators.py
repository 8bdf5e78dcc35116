"""Responses to an indicator given the class: probabilities or means, variances, draws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sm_gllamm.mapping.rows import ResponseData
from sm_gllamm.prediction.intervals import interval_links
from sm_gllamm.prediction.means import MeanWithGradient, linear_predictor
from sm_gllamm.prediction.predict import (
    predicted,
    predicted_with_gradient,
    prediction_columns,
    targets_of,
)
from sm_gllamm.prediction.rows import PredictionRows, matrix_rows, model_rows

__all__ = ["IndicatorResponses"]

#: Names of the links on the scale of which intervals are symmetric.
_LINKS = {"Logit": "logit", "Log": "log"}
#: What the mean of a response that is no category is called in tables.
MEAN = "mean"


@dataclass(frozen=True)
class IndicatorResponses:
    """An indicator as a function of the parameters that a class has for it.

    Attributes
    ----------
    name : str
    categories : tuple
        Labels, of indicators with free response probabilities; the reference category first.
    template : GLMM or None
        Of its different responses; None for nominal indicators without direct effects, whose parameters
        are logits of the categories.
    """

    name: str
    categories: tuple
    template: Any = None

    # ------------------------------------------------------------ rows
    @property
    def k_params(self) -> int:
        """Number of parameters in a class."""
        if self.template is None:
            return len(self.categories) - 1
        return int(self.template.mapping.k_params)

    @property
    def varying(self) -> bool:
        """Whether covariates have direct effects."""
        return self.template is not None and self.template.exog.shape[1] > 1

    def rows(self, covariates: np.ndarray | None = None) -> PredictionRows | None:
        """Rows of covariates with direct effects, shape (m, k); a single row where there are none."""
        if self.template is None:
            return None
        if self.varying and covariates is not None:
            exog = np.column_stack([np.ones(len(covariates)), covariates])
            return matrix_rows(self.template, exog, None, False)
        return self._rows_of_fit

    @cached_property
    def _rows_of_fit(self) -> PredictionRows:
        # there are no random effects, of which the level would be
        rows = replace(model_rows(self.template), levels=None)
        return rows if self.varying else rows.take(np.zeros(1, dtype=np.intp))

    # ------------------------------------------------------------ what is expected
    @cached_property
    def columns(self) -> tuple:
        """Labels of what is expected: categories, or "mean"."""
        if self.template is None:
            return self.categories
        labels = prediction_columns(self.template, self.rows(), "conditional")
        if labels is None:
            return self.categories or (MEAN,)
        if self.categories:
            return tuple(self.categories[int(label)] for label in labels)
        return labels

    @property
    def categorical(self) -> bool:
        """Whether probabilities of categories are expected."""
        return self.columns != (MEAN,)

    def expected(self, params: np.ndarray, rows: PredictionRows | None) -> np.ndarray:
        """Probabilities or means, shape (m, number of columns), m being 1 without covariates."""
        if self.template is None:
            return _softmax(params)[None]
        value = predicted(self.template, params, rows, "conditional")
        return self._in_columns(value)

    def expected_with_gradient(
        self, params: np.ndarray, rows: PredictionRows | None
    ) -> MeanWithGradient:
        """The same with derivatives, shape (m, number of columns, number of parameters)."""
        if self.template is None:
            p = _softmax(params)
            gradient = p[:, None] * (np.eye(len(p)) - p)
            return MeanWithGradient(p[None], gradient[None, :, 1:])
        found = predicted_with_gradient(self.template, params, rows, "conditional")
        if found.value.ndim == 2:
            return found
        gradient = found.gradient[:, None]
        if self.categorical:
            gradient = np.concatenate([-gradient, gradient], axis=1)
        return MeanWithGradient(self._in_columns(found.value), gradient)

    def _in_columns(self, value: np.ndarray) -> np.ndarray:
        if value.ndim == 2:
            return value
        if self.categorical:
            return np.column_stack([1.0 - value, value])
        return value[:, None]

    def link(self) -> str:
        """Scale on which intervals are symmetric: "logit", "log" or "identity"."""
        if self.categorical:
            return "logit"
        names = interval_links(self.template, self.rows(), "conditional")
        return _LINKS.get(str(names.flat[0]), "identity")

    def variance(self, params: np.ndarray, rows: PredictionRows | None) -> np.ndarray:
        """Variances, shape (m, number of columns)."""
        mean = self.expected(params, rows)
        if self.categorical:
            return mean * (1.0 - mean)
        theta = self.template.mapping.theta(params)
        ((target, _),) = targets_of(self.template, rows)
        data = self.template.responses.take(np.zeros(rows.n, dtype=np.intp))
        return target.member.law.variance(mean[:, 0], target.slots(theta, rows, data))[:, None]

    # ------------------------------------------------------------ draws
    def draw(
        self, rng: np.random.Generator, params: np.ndarray, at: np.ndarray, n: int
    ) -> np.ndarray:
        """Responses of n units: positions among `columns` of categories, else values.

        Parameters
        ----------
        rng : numpy.random.Generator
        params : ndarray, shape (k_params,)
        at : ndarray of intp, shape (n,)
            Row of the template whose covariates a unit has; not looked at where there are none.
        n : int

        Returns
        -------
        ndarray, shape (n,)
        """
        if self.template is None:
            p = _softmax(params)
            return rng.choice(len(p), n, p=p).astype(float)
        at = at if self.varying else np.zeros(n, dtype=np.intp)
        rows = self._rows_of_fit.take(at)
        data: ResponseData = self.template.responses.take(at)
        theta = self.template.mapping.theta(params)
        ((target, _),) = targets_of(self.template, rows)
        nu = linear_predictor(theta, rows, target.layout)
        return target.member.law.draw(rng, nu, target.slots(theta, rows, data))


def _softmax(logits: np.ndarray) -> np.ndarray:
    full = np.concatenate([[0.0], logits])
    p = np.exp(full - full.max())
    return p / p.sum()
