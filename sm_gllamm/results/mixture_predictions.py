"""Predictions of mixtures: in each class, over the classes, and at the posterior of a unit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.classes.delta import softmax_gradient
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.intervals import (
    MixedPrediction,
    flattened,
    interval_links,
    prediction_table,
    row_column_labels,
)
from sm_gllamm.prediction.means import MeanWithGradient
from sm_gllamm.prediction.predict import (
    predicted,
    predicted_with_gradient,
    prediction_columns,
    rows_for,
)
from sm_gllamm.prediction.rows import as_frame
from sm_gllamm.results.class_posterior import ClassPosteriorMethods

__all__ = ["MixturePredictionMethods"]

_WHICH = {
    "marginal": "marginal", "mean": "marginal", "conditional": "conditional", "linear": "linear",
    "linpred": "linear", "posterior": "posterior", "class": "class",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Shares:
    """Probabilities of the components of rows, and their derivatives in the parameters.

    Attributes
    ----------
    value : ndarray, shape (n, M)
    gradient : ndarray, shape (n, M, p)
    """

    value: np.ndarray
    gradient: np.ndarray


class MixturePredictionMethods(ClassPosteriorMethods):
    """Predictions; part of :class:`sm_gllamm.results.mixture.MixtureModelResults`."""

    def _cases(self, data):
        """Likelihood, unit of each row, labels of the rows and of the clusters."""
        if data is not None:
            return self.model.likelihood_for(data, self.params, self.settings)
        self.model.settled_likelihood(self.theta)
        return super()._cases(None)

    @property
    def _component_names(self) -> list[str]:
        """Names of the classes whose parameters differ: of units, or of clusters."""
        names = self._class_names
        return names if len(self.model.mapping.places) == len(names) else self._upper_names

    def _regression(self, what: str):
        """The model of the classes, if it is a regression."""
        template = self.model.template
        if not hasattr(template, "responses"):
            raise SpecificationError(
                f"{what} is for mixtures of regressions, not of {type(template).__name__} models"
            )
        return template

    def _rows(self, kind: str, exog, offset=None, exposure=None):
        index = exog.index if isinstance(exog, pd.DataFrame) else None
        template = self.model.template
        return rows_for(template, kind, exog, True, index, offset=offset, exposure=exposure)

    def _shares(self, exog, n: int) -> _Shares:
        """Prior probabilities of the components of rows."""
        model, p = self.model, len(self.params)
        if len(model.mapping.places) == 1:
            return _Shares(np.ones((n, 1)), np.zeros((n, 1, p)))
        if exog is None:
            design = model._design
        elif model.classes_formula is None:
            design = np.ones((n, 1))
        else:
            design = model.design_for(as_frame(exog))
        theta, by_upper = self.theta, not model.class_names[1:]
        # classes of clusters, or nodes over their random effect
        n_above = model.cluster_effect.n_above
        logits, upper = model.class_logits(design, n if n_above > 1 else None)
        if upper is not None:
            above = np.exp(upper.log_probabilities(theta))
            slopes = _logit_gradient(upper, 0, above, p)
            if by_upper:
                return _Shares(above, slopes)
        value, gradient = np.zeros((n, model.n_classes)), np.zeros((n, model.n_classes, p))
        for h in range(n_above):
            share = np.exp(logits.log_probabilities(theta, h if upper is not None else 0))
            own = _logit_gradient(logits, h, share, p)
            if upper is None:
                return _Shares(share, own)
            value = value + above[:, h : h + 1] * share
            gradient = gradient + above[:, h, None, None] * own
            gradient = gradient + share[:, :, None] * slopes[:, h][:, None, :]
        return _Shares(value, gradient)

    def _means(self, rows, kind: str, survival=None) -> list[MeanWithGradient]:
        """Predictions in each component, with derivatives in the parameters of the mixture."""
        params, p, out = np.asarray(self.params), len(self.params), []
        for place in self.model.mapping.places:
            own = predicted_with_gradient(
                self.model.template, params[place], rows, kind, survival=survival
            )
            gradient = np.zeros((*own.value.shape, p))
            gradient[..., place] = own.gradient
            out.append(MeanWithGradient(own.value, gradient))
        return out

    def _average(self, rows, exog, survival) -> MeanWithGradient:
        """Predictions over the prior distribution of the classes."""
        shares = self._shares(exog, rows.n)
        value: Any = 0.0
        gradient: Any = 0.0
        for m, own in enumerate(self._means(rows, "marginal", survival)):
            extra = (1,) * (own.value.ndim - 1)
            weight = shares.value[:, m].reshape(-1, *extra)
            value = value + weight * own.value
            slope = shares.gradient[:, m].reshape(rows.n, *extra, -1)
            gradient = gradient + weight[..., None] * own.gradient + own.value[..., None] * slope
        return MeanWithGradient(value, gradient)

    def _posterior_shares(self, rows) -> np.ndarray:
        """Posterior probabilities of the components of rows; of unknown units the prior ones."""
        model = self.model
        likelihood = model.settled_likelihood(self.theta)
        found, units = likelihood.posterior(self.theta), likelihood.units
        of_unit = np.zeros((len(units.weight), len(model.mapping.places)))
        for h, row in enumerate(likelihood.index):
            for c, m in enumerate(row):
                of_unit[:, m] += found.upper[units.group, h] * found.lower[h, :, c]
        if rows.positions is not None:
            return of_unit[model.assembly.layout.of_row]
        code = rows.levels[-1].codes
        unit_of_code = np.argsort(model.template.assembly.cluster_codes[-1])
        if (code < 0).any():
            raise SpecificationError(
                f"row {rows.index[int(np.argmin(code))]!r} of the new data is of an unknown "
                f"{rows.levels[-1].name!r}; predict it with which='marginal', or give its responses to "
                "posterior()"
            )
        return of_unit[unit_of_code[code]]

    def _at_posterior(self, rows) -> np.ndarray:
        """Predictions over the posterior distribution of classes and random effects."""
        params, template = np.asarray(self.params), self.model.template
        shares, components = self._posterior_shares(rows), self.model.likelihood.components
        # without random effects the posterior of a class is a point
        kind = "posterior" if self.model._integrated else "conditional"
        if kind == "conditional":
            rows = replace(rows, levels=None)
        total: Any = 0.0
        for m, place in enumerate(self.model.mapping.places):
            rules = getattr(components[m], "quadrature", None)
            own = predicted(template, params[place], rows, kind, None, rules)
            total = total + shares[:, m].reshape(-1, *(1,) * (own.ndim - 1)) * own
        return total

    def predict(
        self, exog=None, which: str = "marginal", *, offset=None, exposure=None, survival=None
    ):
        """Predicted means, over the classes or in each of them, for the rows of the fit or new ones.

        Parameters
        ----------
        exog : DataFrame, optional
            New data with the columns of the formula; default the rows of the fit.
        which : {"marginal", "conditional", "linear", "posterior", "class"}
            * "marginal" (also "mean"): over the prior class probabilities of the row, and over the
              random effects where classes have some;
            * "conditional": in each class, over its random effects;
            * "linear": fixed part of the linear predictor in each class;
            * "posterior": over the posterior distribution of class and random effects of the row's
              unit, which is one of the fit;
            * "class": prior class probabilities (:meth:`posterior` has the others).
        offset, exposure : array_like of shape (n,), float, or name of a column of `exog`, optional
            Default as in :meth:`sm_gllamm.results.glmm.GLMMResults.predict`.
        survival : float or sequence of float, optional
            For durations: the probabilities that they exceed these times.

        Returns
        -------
        Series, ndarray or DataFrame
            As for mixed models; for "conditional", "linear" and "class" a DataFrame with a column a
            class, or (class, category).

        Raises
        ------
        SpecificationError
            Unknown `which`, missing columns, units that are not those of the fit, item response models.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import epil
        >>> data = epil.load_pandas().data
        >>> model = smg.Mixture.from_formula("y ~ trt", data, 2, groups="subject", family="poisson")
        >>> result = model.fit()
        >>> print(result.predict(data.iloc[[0, 60]], "conditional").round(2))
            class1  class2
        0     4.35   20.93
        60    4.35   20.93
        """
        kind = _kind(which)
        template = self._regression("predict")
        if kind == "class":
            return self._prior_frame(exog)
        rows = self._rows("marginal" if kind == "conditional" else kind, exog, offset, exposure)
        index = pd.RangeIndex(rows.n) if rows.index is None else rows.index
        columns = prediction_columns(
            template, rows, "linear" if kind == "linear" else "marginal", survival
        )
        if kind in ("conditional", "linear"):
            own = self._means(rows, "linear" if kind == "linear" else "marginal", survival)
            values = np.stack([mean.value for mean in own], axis=1)
            return pd.DataFrame(values.reshape(rows.n, -1), index, self._columns_by_class(columns))
        if kind == "posterior":
            values = self._at_posterior(rows)
        else:
            values = self._average(rows, exog, survival).value
        if values.ndim == 2:
            return pd.DataFrame(values, index, pd.Index(columns))
        if exog is None or rows.index is None:
            return values
        return pd.Series(values, index)

    def _columns_by_class(self, columns) -> pd.Index:
        names = self._component_names
        if columns is None:
            return pd.Index(names)
        return pd.MultiIndex.from_product([names, list(columns)], names=["class", None])

    def _prior_frame(self, exog) -> pd.DataFrame:
        """Prior class probabilities of rows."""
        if exog is None:
            n, index = len(self.model._design), self._cases(None)[2]
        else:
            exog = as_frame(exog)
            n, index = len(exog), exog.index
        return pd.DataFrame(self._shares(exog, n).value, index, self._component_names)

    def get_prediction(
        self, exog=None, which: str = "marginal", *, offset=None, exposure=None, survival=None
    ) -> MixedPrediction:
        """Predictions with standard errors and confidence intervals.

        Parameters
        ----------
        exog, offset, exposure, survival
            As in :meth:`predict`.
        which : {"marginal", "conditional", "linear"}

        Returns
        -------
        MixedPrediction
            With ``predicted``, ``se``, ``conf_int()`` and ``summary_frame()``; predictions of the
            classes stand one below the other, labelled by row and class.

        Raises
        ------
        SpecificationError
            As :meth:`predict`; the posterior is taken as known there, without standard errors.

        Notes
        -----
        Standard errors are by the delta method, with the class probabilities among what is estimated.
        Intervals are symmetric on the scale of the link.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import epil
        >>> data = epil.load_pandas().data
        >>> model = smg.Mixture.from_formula("y ~ trt", data, 2, groups="subject", family="poisson")
        >>> table = model.fit().get_prediction(data.iloc[[0]], "conditional").summary_frame()
        >>> table.shape
        (2, 4)
        """
        kind = _kind(which)
        if kind not in ("marginal", "conditional", "linear"):
            raise SpecificationError(
                f"which={which!r} has no standard errors; use 'marginal', 'conditional' or 'linear'"
            )
        template = self._regression("get_prediction")
        inner = "linear" if kind == "linear" else "marginal"
        rows = self._rows(inner, exog, offset, exposure)
        columns = prediction_columns(template, rows, inner, survival)
        links, labels = interval_links(template, rows, inner, survival), rows.index
        if kind == "marginal":
            mean = self._average(rows, exog, survival)
        else:
            own = self._means(rows, inner, survival)
            mean = MeanWithGradient(
                np.stack([one.value for one in own], axis=1),
                np.stack([one.gradient for one in own], axis=1),
            )
            if links is not None:
                links = np.repeat(links[:, None], len(own), axis=1)
            labels = row_column_labels(labels, self._component_names, rows.n)
        if columns is not None:
            n = rows.n * (1 if kind == "marginal" else len(self._component_names))
            labels = row_column_labels(labels, columns, n)
        mean = flattened(mean)
        if links is not None:
            links = links.ravel()
        df = getattr(self, "df_resid_inference", self.df_resid) if self.use_t else None
        return prediction_table(mean, np.asarray(self.cov_params()), links, inner, labels, df)


def _kind(which: str) -> str:
    if which not in _WHICH:
        raise SpecificationError(
            f"which={which!r} is not known; use 'marginal', 'conditional', 'linear', 'posterior' or 'class'"
        )
    return _WHICH[which]


def _logit_gradient(logits, h: int, share: np.ndarray, p: int) -> np.ndarray:
    """Derivatives of class probabilities in the parameters, shape (n, C, p)."""
    out = np.zeros((*share.shape, p))
    if logits.places:
        x, slopes = logits.columns(h), softmax_gradient(share)
        for d, place in enumerate(logits.places):
            out[:, :, place] += slopes[:, :, d, None] * x[:, None, :]
    return out
