"""Predictions with delta-method standard errors and intervals within the range of the mean."""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.base._prediction_inference import PredictionResultsMonotonic
from statsmodels.genmod.families import links

from sm_gllamm.prediction.means import MeanWithGradient
from sm_gllamm.prediction.members import members_of

__all__ = [
    "MixedPrediction",
    "averaged",
    "flattened",
    "interval_link",
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


def averaged(mean: MeanWithGradient, weights: np.ndarray | None = None) -> MeanWithGradient:
    """Average of predictions over the rows without missing values, as a prediction of one row."""
    n = len(mean.value)
    complete = np.isfinite(mean.value.reshape(n, -1)).all(axis=1)
    complete &= np.isfinite(mean.gradient.reshape(n, -1)).all(axis=1)
    weights = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    share = weights[complete] / weights[complete].sum()
    return MeanWithGradient(
        np.tensordot(share, mean.value[complete], 1)[None],
        np.tensordot(share, mean.gradient[complete], 1)[None],
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


def interval_link(model, survival=None):
    """Link on the scale of which intervals of predictions are symmetric.

    The response's own where means are its inverse and it rises; the logit of other probabilities, the
    logarithm of other positive means.
    """
    member = members_of(model)[0]
    if survival is not None:
        return links.Logit()
    name = member.law.interval or member.response.link
    if member.label is not None or name == "InversePower":
        return links.Identity()
    return getattr(links, name)()


def prediction_table(
    mean: MeanWithGradient, cov_params: np.ndarray, link, which: str, row_labels=None, df=None
) -> MixedPrediction:
    """Standard errors and intervals of predictions.

    Parameters
    ----------
    mean : MeanWithGradient
    cov_params : ndarray, shape (p, p)
    link : statsmodels link
    which : str
        The linear predictor gets symmetric intervals, means symmetric ones on the scale of the
        link.
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
        with np.errstate(divide="ignore", invalid="ignore"):
            func, linear = link.inverse, link(mean.value)
            linear_se = np.sqrt(variance) * np.abs(link.deriv(mean.value))
    table = MixedPrediction(
        mean.value, variance, linpred=linear, linpred_se=linear_se, func=func, df=df,
        dist=None if df is None else "t", row_labels=row_labels,
    )  # fmt: skip
    table.which = which
    return table
