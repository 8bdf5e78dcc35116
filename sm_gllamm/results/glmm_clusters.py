"""What results say about clusters: random effects and log-likelihood contributions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.cluster_ml import cluster_maximum_likelihood
from sm_gllamm.prediction.means import linear_predictor
from sm_gllamm.prediction.members import SlotValues, members_of
from sm_gllamm.prediction.random_effects import (
    ClusterEffects,
    covariance_frame,
    diagnostic_sd,
    effects_frame,
    effects_from_modes,
    effects_from_posterior,
    level_position,
    loglike_series,
)
from sm_gllamm.prediction.residuals import glm_family, has_glm_family
from sm_gllamm.prediction.rows import model_rows
from sm_gllamm.results.base import LatentVariableResults

__all__ = ["ClusterMethods"]


class ClusterMethods(LatentVariableResults):
    """Random effects by cluster; part of :class:`sm_gllamm.results.glmm.GLMMResults`."""

    def _with_data(self):
        """The model, or an error that says that ``remove_data`` took its data."""
        model_rows(self.model)
        return self.model

    def _cluster_effects(self, kind: str) -> tuple[ClusterEffects, ...]:
        """Predicted random effects of all levels, lowest first."""
        model = self._with_data()
        if kind == "mean":
            posterior = self._posterior
            return effects_from_posterior(posterior, model.assembly, model.random, self.theta)
        if kind == "mode":
            modes = model._ready(self.quadrature).modes(self.theta)
            return effects_from_modes(modes, model.assembly, model.random, self.theta)
        if kind == "ml":
            return (self._maximum_likelihood_effects(),)
        raise SpecificationError(f"kind={kind!r} is not known; use 'mean', 'mode' or 'ml'")

    def _maximum_likelihood_effects(self) -> ClusterEffects:
        model = self.model
        if len(model.random) > 1:
            raise SpecificationError(
                "kind='ml' is for models with one level of clusters: with several, the data of a "
                "cluster do not tell its random effects from those of the levels above"
            )
        (level,), data, rows = model.random, model.responses, model_rows(model)
        member, *others = members_of(model)
        if others or not has_glm_family(member):
            raise SpecificationError(
                f"kind='ml' is not available for {type(model.family).__name__} responses; use 'mean' or "
                "'mode'"
            )
        family, dispersion = glm_family(
            member, SlotValues(model.mapping, member, self.theta, rows, data)
        )
        weight = data.m / dispersion
        if "row" in model.weights.by_level:
            weight = weight * model.weights.by_level["row"]
        values, covariance = cluster_maximum_likelihood(
            family, data.y / data.m, weight, linear_predictor(np.asarray(self.params), rows),
            level.columns, level.codes, level.n_clusters,
        )  # fmt: skip
        factor = model.mapping.factor(self.theta, 0)
        return ClusterEffects(
            level.name, level.labels, level.names, values, covariance, factor @ factor.T
        )

    def _by_level(self, effects, to_frame):
        """One frame for one level, otherwise a dict from the top level down."""
        frames = {item.level: to_frame(item) for item in reversed(effects)}
        return next(iter(frames.values())) if len(frames) == 1 else frames

    @property
    def random_effects(self) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Empirical Bayes predictions: posterior means of the random effects.

        Returns
        -------
        DataFrame, shape (n_clusters, q), or dict of level name to DataFrame
            Rows are clusters by label, columns random effects. With several levels a dict from the
            top level down.

        Notes
        -----
        On the scale of the random effects (covariance matrix Psi), given the estimated parameters.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> result = smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", data).fit()
        >>> print(result.random_effects.head(2).round(2))
                 Intercept  Days
        Subject
        308           2.82  9.08
        309         -40.05 -8.64
        """
        return self._by_level(self._cluster_effects("mean"), effects_frame)

    @property
    def random_effects_cov(self) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Posterior covariance matrices of the random effects.

        Returns
        -------
        DataFrame or dict of level name to DataFrame
            Rows are (cluster, effect), columns effects: ``result.random_effects_cov.loc[label]`` is
            the matrix of a cluster.
        """
        return self._by_level(self._cluster_effects("mean"), covariance_frame)

    def ranef(
        self, kind: str = "mean", level: str | None = None, se: str | None = "posterior"
    ) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Predicted random effects with standard deviations.

        Parameters
        ----------
        kind : {"mean", "mode", "ml"}
            Posterior mean (empirical Bayes); posterior mode, jointly over levels; maximum
            likelihood: each cluster's own estimate given the coefficients, without the prior (one
            level of clusters only).
        level : str, optional
            Name of a level; all if not given.
        se : {"posterior", "comparative", "diagnostic", None}
            Standard deviations to add as columns ``sd(<effect>)``. "posterior" is the conditional
            SD given the responses, which for the posterior mean also is the "comparative" SD of the
            prediction error, for comparing clusters. "diagnostic" is the SD of the prediction
            itself over repeated samples, for finding outlying clusters. For modes it comes from the
            curvature at the mode, given the levels above; for "ml" it is the standard error.

        Returns
        -------
        DataFrame or dict of level name to DataFrame

        Raises
        ------
        SpecificationError
            Unknown options; "ml" with several levels or for other families than statsmodels' and the
            negative binomial; "diagnostic" for anything but "mean".

        Notes
        -----
        Maximum likelihood values are infinite for clusters whose responses are all 0 or all 1
        (binary) or all zero (counts), and NaN where a cluster's rows do not determine all its
        random effects or where one of several is infinite.

        References
        ----------
        Skrondal, A. & Rabe-Hesketh, S. (2009). Prediction in multilevel generalized linear models.
        Journal of the Royal Statistical Society A 172, 659-687, sections 3.1-3.2.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> result = smgf.glmm("Reaction ~ Days + (1 | Subject)", data).fit()
        >>> print(result.ranef(se="diagnostic").head(2).round(2))
                 Intercept  sd(Intercept)
        Subject
        308          40.64          34.76
        309         -77.57          34.76
        """
        if se not in ("posterior", "comparative", "diagnostic", None):
            raise SpecificationError(
                f"se={se!r} is not known; use 'posterior', 'comparative', 'diagnostic' or None"
            )
        if se == "diagnostic" and kind != "mean":
            raise SpecificationError("se='diagnostic' goes with kind='mean'")
        effects = self._cluster_effects(kind)
        if level is not None:
            effects = (effects[level_position(self.model.level_names, level)],)

        def frame(item: ClusterEffects) -> pd.DataFrame:
            if se is None:
                return effects_frame(item)
            if se == "diagnostic":
                return effects_frame(item, diagnostic_sd(item))
            return effects_frame(item, np.sqrt(np.einsum("jqq->jq", item.covariance)))

        return self._by_level(effects, frame)

    @property
    def loglike_by_cluster(self) -> pd.Series:
        """Log-likelihood contributions of top-level clusters by label; they sum to the total."""
        model = self._with_data()
        loglike = model._ready(self.quadrature).evaluate(self.theta).loglike
        return loglike_series(loglike, model.assembly, model.random[-1])
