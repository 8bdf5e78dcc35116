"""Predictions with delta-method standard errors and intervals within the range of the mean."""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.base._prediction_inference import PredictionResultsMonotonic
from statsmodels.genmod.families import links

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.means import MeanWithGradient
from sm_gllamm.prediction.members import member_rows, members_of
from sm_gllamm.prediction.predict import cells, prediction_columns, targets_of

__all__ = [
    "MixedPrediction",
    "averaged",
    "flattened",
    "interval_links",
    "link_of_average",
    "prediction_table",
    "row_column_labels",
]


def _same(values):
    return values


class MixedPrediction(PredictionResultsMonotonic):
    """Predicted values with standard errors and confidence intervals.

    Attributes
    ----------
    predicted, se : ndarray, shape (n,)
    which : str
        The kind of prediction.
    row_labels : pandas.Index or None

    Notes
    -----
    Standard errors are by the delta method. ``conf_int()`` is symmetric on the scale of the link
    and transformed back (``method="endpoint"``), so that probabilities stay between 0 and 1; use
    ``method="delta"`` for the symmetric interval.
    """

    which: str = "marginal"

    @property
    def predicted_mean(self) -> np.ndarray:
        """The name that statsmodels' linear models use."""
        return self.predicted

    @property
    def se_mean(self) -> np.ndarray:
        """The name that statsmodels' linear models use."""
        return self.se

    def conf_int(self, method: str = "endpoint", alpha: float = 0.05, **kwds) -> np.ndarray:
        """Confidence intervals.

        Parameters
        ----------
        method : {"endpoint", "delta"}
            Symmetric on the scale of the link, or for the prediction itself.
        alpha : float
            One minus the confidence level.

        Returns
        -------
        ndarray, shape (n, 2)
        """
        if method not in ("endpoint", "delta"):
            raise SpecificationError(f"method={method!r} is not known; use 'endpoint' or 'delta'")
        ends = (self.predicted, self.se) if method == "delta" else (self.linpred, self.linpred_se)
        interval = self._conf_int_generic(*ends, alpha, dist_args=self.dist_args)
        return interval if method == "delta" else self.func(interval)


def averaged(mean: MeanWithGradient, weights: np.ndarray | None = None) -> MeanWithGradient:
    """Averages of predictions over the rows that have them, as a prediction of one row."""
    value, gradient = mean.value, mean.gradient
    known = np.isfinite(value) & np.isfinite(gradient).all(axis=-1)
    weights = np.ones(len(value)) if weights is None else np.asarray(weights, dtype=float)
    share = np.where(known.T, weights, 0.0).T
    share = share / share.sum(axis=0)
    return MeanWithGradient(
        (share * np.where(known, value, 0.0)).sum(axis=0)[None],
        (share[..., None] * np.where(known[..., None], gradient, 0.0)).sum(axis=0)[None],
    )


def flattened(mean: MeanWithGradient) -> MeanWithGradient:
    """Several predictions a row, one below the other."""
    return MeanWithGradient(
        mean.value.reshape(-1), mean.gradient.reshape(-1, mean.gradient.shape[-1])
    )


def row_column_labels(rows, columns, n: int) -> pd.Index:
    """Labels of flattened predictions: row and column, of a single unlabelled row the column."""
    columns = pd.Index(columns)
    if rows is None and n == 1:
        return columns
    rows = pd.RangeIndex(n) if rows is None else pd.Index(rows)
    return pd.MultiIndex.from_arrays(
        [rows.repeat(len(columns)).to_flat_index(), np.tile(columns, n)], names=[rows.name, None]
    )


def interval_links(model, rows, kind: str, survival=None) -> np.ndarray | None:
    """Names of the links on the scale of which intervals of predictions are symmetric.

    The response's own where means are its inverse and it rises; the logit of other probabilities, the
    logarithm of other positive means.

    Parameters
    ----------
    model : GLMM
    rows : PredictionRows
    kind : {"linear", "conditional", "posterior", "marginal"}
    survival : sequence of float, optional

    Returns
    -------
    ndarray of str, shape (n,) or (n, number of columns), or None
        Empty in columns that are not the row's family's. None for the linear predictor where rows have
        a single one.
    """
    columns = prediction_columns(model, rows, kind, survival)
    if kind == "linear" and columns is None:
        return None
    names = np.full(rows.n if columns is None else (rows.n, len(columns)), "", dtype=object)
    if kind == "linear":
        for member, at in member_rows(members_of(model), rows):
            names[cells(member.own_predictors, at, columns)] = "Identity"
        return names
    for target, at in targets_of(model, rows, survival):
        name = target.member.law.interval or target.member.response.link
        if survival is not None:
            name = "Logit"
        names[cells(target.columns, at, columns)] = "Identity" if name == "InversePower" else name
    return names


def link_of_average(names: np.ndarray) -> np.ndarray:
    """Links for averages over rows: theirs if they have one in common, shape (1,) or (1, columns)."""
    distinct = [set(column) - {""} for column in names.reshape(len(names), -1).T]
    common = [one.pop() if len(one) == 1 else "Identity" for one in distinct]
    return np.array(common, dtype=object).reshape(1, *names.shape[1:])


class _LinkByRow:
    """Links that differ between rows."""

    def __init__(self, names: np.ndarray):
        self._links = [
            (getattr(links, name)(), np.flatnonzero(names == name)) for name in set(names) - {""}
        ]

    def _each(self, function, values: np.ndarray) -> np.ndarray:
        out = np.full_like(values, np.nan)
        for link, at in self._links:
            out[at] = function(link, values[at])
        return out

    def __call__(self, mean):
        return self._each(lambda link, x: link(x), mean)

    def deriv(self, mean):
        return self._each(lambda link, x: link.deriv(x), mean)

    def inverse(self, linear):
        return self._each(lambda link, x: link.inverse(x), linear)


def prediction_table(
    mean: MeanWithGradient, cov_params: np.ndarray, names, which: str, row_labels=None, df=None
) -> MixedPrediction:
    """Standard errors and intervals of predictions.

    Parameters
    ----------
    mean : MeanWithGradient
    cov_params : ndarray, shape (p, p)
    names : ndarray of str, shape (n,)
        Names of links.
    which : str
        The linear predictor gets symmetric intervals, means symmetric ones on the scales of the
        links.
    row_labels : pandas.Index, optional
    df : float, optional
        Degrees of freedom of a t distribution; None is the normal.

    Returns
    -------
    MixedPrediction
    """
    variance = np.einsum("np,pq,nq->n", mean.gradient, cov_params, mean.gradient)
    func, linear, linear_se = _same, mean.value, np.sqrt(variance)
    if which != "linear":
        link = _LinkByRow(names)
        with np.errstate(divide="ignore", invalid="ignore"):
            func, linear = link.inverse, link(mean.value)
            linear_se = np.sqrt(variance) * np.abs(link.deriv(mean.value))
    table = MixedPrediction(
        mean.value, variance, linpred=linear, linpred_se=linear_se, func=func, df=df,
        dist=None if df is None else "t", row_labels=row_labels,
    )  # fmt: skip
    table.which = which
    return table
