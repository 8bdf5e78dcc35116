"""Predictions of results: means of several kinds with standard errors."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.prediction.intervals import (
    MixedPrediction,
    averaged,
    flattened,
    interval_links,
    link_of_average,
    prediction_table,
    row_column_labels,
)
from sm_gllamm.prediction.means import kind_of_prediction
from sm_gllamm.prediction.predict import (
    predicted,
    predicted_with_gradient,
    prediction_columns,
    rows_for,
)
from sm_gllamm.prediction.rows import PredictionRows
from sm_gllamm.results.base import LatentVariableResults

__all__ = ["PredictionMethods"]


def _labels(exog) -> pd.Index | None:
    """Row labels of array-like new data."""
    if isinstance(exog, pd.DataFrame):
        return exog.index
    return None


class PredictionMethods(LatentVariableResults):
    """Predictions; part of :class:`sm_gllamm.results.glmm.GLMMResults`."""

    def _rows(self, kind, exog, transform, options) -> PredictionRows:
        if not transform and isinstance(exog, pd.Series) or not hasattr(self.model, "formula"):
            # one row, or the values of the only column, as statsmodels takes a Series
            if isinstance(exog, pd.Series):
                one = len(self.model.kept_columns) == 1
                exog = exog.to_frame() if one else exog.to_frame().T
        return rows_for(self.model, kind, exog, transform, _labels(exog), **options)

    def predict(
        self, exog=None, transform: bool = True, which: str = "marginal", *, groups=None,
        exog_re=None, offset=None, exposure=None, random_effects=None, extras=None, survival=None,
    ):  # fmt: skip
        """Predicted means, probabilities or linear predictors, for the data of the fit or for new data.

        Parameters
        ----------
        exog : DataFrame, or array_like of shape (n, k), optional
            New data: a data frame with the columns of the formula, or rows of the design matrix for
            a model from arrays (or with ``transform=False``). Default: the data of the fit.
        transform : bool
            Whether a formula is applied to `exog`.
        which : {"marginal", "conditional", "posterior", "linear"}
            * "marginal" (also "mean"): mean response over the population of clusters, the inverse
              link integrated over the distribution of the random effects;
            * "conditional" (also "median"): mean response for given random effects, by default
              zero. With a random intercept this is the median over clusters;
            * "posterior": mean response in the cluster of the row, the inverse link integrated over
              the posterior distribution of its random effects. Unknown clusters have the marginal
              mean; unknown clusters within known ones the prior at their own level only;
            * "linear" (also "linpred"): fixed part of the linear predictor, ``x'beta + offset``.
        groups : array_like, DataFrame or dict, optional
            For arrays: labels of clusters as in the model; needed for "posterior".
        exog_re : array_like or dict of level name to array_like, optional
            For arrays: random-effects columns as in the model; needed for random slopes.
        offset, exposure : array_like of shape (n,), float, or name of a column of `exog`, optional
            Default for the data of the fit: the model's; for new data: 0 and 1.
        random_effects : DataFrame, array_like, or dict of level name to these, optional
            For "conditional": one line of numbers for all rows or a line for each row, or a frame
            by cluster label such as :attr:`random_effects`.
        extras : dict, optional
            For arrays: what else the model was given by row, as far as the prediction depends on it:
            designs "zero", "dispersion", "thresholds", "scale", "lower", "upper"; "sets",
            "family_by", "parts", "links".
        survival : float or sequence of float, optional
            For durations: the probabilities that they exceed these times, in place of their means.

        Returns
        -------
        ndarray, Series or DataFrame
            Of shape (n,), a Series with the index of `exog` if that is a DataFrame. Of shape (n, K),
            a DataFrame with a column a category, or a time, for categorical responses and for
            `survival`. NaN in rows with missing values. If rows of several families are among them of
            which one is categorical: a DataFrame with a column "mean" and one for each category, NaN
            where a column is not about the row's family; probabilities of alternatives of choices are
            in "mean". Linear predictors of unordered categories are in columns of theirs beside
            "linear".

        Raises
        ------
        SpecificationError
            A column is lacking, a factor has levels that the model's data did not have, a known
            cluster appears in another cluster than in the model's data; marginal means with
            reciprocal links, which do not exist.

        Notes
        -----
        The mean of a zero-inflated or hurdle count includes its zeros, that of a zero-truncated one
        is the truncated mean, those of durations and censored responses are as if nothing were
        censored. Of choices, rankings and best-worst data rows get the probability to be the first
        choice of their set.

        Averages over random effects are in closed form or by trapezoidal rules with about ten digits
        or more. Only averages of multinomial and choice probabilities over more than two or so
        dimensions are by 4096 points of a Sobol sequence, with three to four digits.

        References
        ----------
        Skrondal, A. & Rabe-Hesketh, S. (2009). Prediction in multilevel generalized linear models.
        Journal of the Royal Statistical Society A 172, 659-687, section 4.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import bacteria
        >>> data = bacteria.load_pandas().data
        >>> result = smgf.glmm("y ~ week + (1 | ID)", data, family="binomial").fit()
        >>> new = data[["week", "ID"]].head(2)
        >>> for which in ("marginal", "conditional", "posterior"):
        ...     print(which, result.predict(new, which=which).round(3).tolist())
        marginal [0.879, 0.851]
        conditional [0.929, 0.908]
        posterior [0.946, 0.93]
        """
        kind = kind_of_prediction(which)
        options = dict(
            groups=groups, exog_re=exog_re, offset=offset, exposure=exposure, extras=extras
        )
        rows = self._rows(kind, exog, transform, {**options, "random_effects": random_effects})
        values = predicted(
            self.model, self.params, rows, kind, random_effects, self.quadrature, survival
        )
        if values.ndim == 2:
            columns = prediction_columns(self.model, rows, kind, survival)
            return pd.DataFrame(values, index=rows.index, columns=pd.Index(columns))
        if exog is None or rows.index is None:
            return values
        return pd.Series(values, index=rows.index)

    def get_prediction(
        self, exog=None, which: str = "marginal", transform: bool = True, row_labels=None,
        average: bool = False, agg_weights=None, *, groups=None, exog_re=None, offset=None,
        exposure=None, random_effects=None, extras=None, survival=None,
    ) -> MixedPrediction:  # fmt: skip
        """Predictions with standard errors and confidence intervals.

        Parameters
        ----------
        exog, which, transform, groups, exog_re, offset, exposure, random_effects, extras, survival
            As in :meth:`predict`.
        row_labels : sequence, optional
            Labels for the rows; default the index of `exog` or of the model's data.
        average : bool
            Average over the rows (those without missing values; of families with categories and others
            those that have a category, or a mean).
        agg_weights : array_like, shape (n,), optional
            Weights of the average.

        Returns
        -------
        MixedPrediction
            With ``predicted``, ``se``, ``conf_int(alpha=0.05, method="endpoint")`` and
            ``summary_frame()``. Where predictions of a row are several numbers (categories, times),
            they stand one below the other, labelled by row and category.

        Notes
        -----
        Standard errors are by the delta method, with the estimated variances and covariances among
        the parameters whose uncertainty counts. Intervals are symmetric for the linear predictor;
        for means they are symmetric on the scale of the link and transformed back, so they respect
        the range of the mean; those of probabilities on the logit scale where the mean is not the
        inverse link of a single predictor. For "posterior" and given `random_effects` the interval
        is about the parameters only: the cluster's posterior distribution is taken as it is.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import bacteria
        >>> data = bacteria.load_pandas().data
        >>> result = smgf.glmm("y ~ week + (1 | ID)", data, family="binomial").fit()
        >>> print(result.get_prediction(data.head(2)).summary_frame().round(3))
           predicted     se  ci_lower  ci_upper
        0      0.879  0.034     0.795     0.932
        1      0.851  0.034     0.772     0.907
        """
        kind = kind_of_prediction(which)
        options = dict(
            groups=groups, exog_re=exog_re, offset=offset, exposure=exposure, extras=extras
        )
        rows = self._rows(kind, exog, transform, {**options, "random_effects": random_effects})
        mean = predicted_with_gradient(
            self.model, self.params, rows, kind, random_effects, self.quadrature, survival
        )
        links = interval_links(self.model, rows, kind, survival)
        labels = rows.index if row_labels is None and not average else row_labels
        if average:
            mean = averaged(mean, agg_weights)
            links = None if links is None else link_of_average(links)
        if mean.value.ndim == 2:
            columns = prediction_columns(self.model, rows, kind, survival)
            labels = row_column_labels(labels, columns, len(mean.value))
            mean = flattened(mean)
            if links is not None:
                # a row has the columns of its own family
                own = np.flatnonzero(links.ravel() != "")
                mean, labels, links = mean.take(own), labels[own], links.ravel()[own]
        df = getattr(self, "df_resid_inference", self.df_resid) if self.use_t else None
        return prediction_table(mean, np.asarray(self.cov_params()), links, kind, labels, df)
