"""Predictions with delta-method standard errors and intervals within the range of the mean."""

from __future__ import annotations

import numpy as np
from statsmodels.base._prediction_inference import PredictionResultsMonotonic

from sm_gllamm.prediction.means import MeanWithGradient

__all__ = ["MixedPrediction", "averaged", "prediction_table"]


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
    complete = np.isfinite(mean.value) & np.isfinite(mean.gradient).all(axis=1)
    weights = np.ones(len(mean.value)) if weights is None else np.asarray(weights, dtype=float)
    share = weights[complete] / weights[complete].sum()
    return MeanWithGradient(
        (share @ mean.value[complete])[None], (share @ mean.gradient[complete])[None]
    )


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
