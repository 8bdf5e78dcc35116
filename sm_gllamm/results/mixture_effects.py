"""Random effects within the classes of a mixture."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.random_effects import ClusterEffects, effects_from_posterior
from sm_gllamm.results.mixture_predictions import MixturePredictionMethods

__all__ = ["MixtureEffectMethods"]


class MixtureEffectMethods(MixturePredictionMethods):
    """Random effects; part of :class:`sm_gllamm.results.mixture.MixtureModelResults`."""

    def _effects_by_class(self) -> list[tuple[ClusterEffects, ...]]:
        """Random effects of all levels, lowest first, in each component."""
        template = self._regression("random_effects")
        if not getattr(self.model, "_integrated", False):
            raise SpecificationError("the classes have no random effects")
        if not template.effects_are_columns:
            raise SpecificationError(
                "random_effects is for mixed models; latent variables with equations of their own are not "
                "available by class"
            )
        out = []
        likelihood, theta = self.model.settled_likelihood(self.theta), self.theta
        for component, place in zip(likelihood.components, self.model.mapping.places, strict=True):
            posterior = component.posterior(theta[place])
            out.append(
                effects_from_posterior(posterior, template.assembly, template.random, theta[place])
            )
        return out

    def _shares_of_clusters(self, level: int) -> np.ndarray:
        """Posterior probabilities of the components by label of a level's clusters."""
        rows = self._rows("marginal", None)
        codes = self.model.template.random[level].codes
        first = np.unique(codes, return_index=True)[1]
        return self._posterior_shares(rows)[first]

    def _frames(self, averaged: bool, sd: bool) -> pd.DataFrame | dict[str, pd.DataFrame]:
        by_class, out = self._effects_by_class(), {}
        for level in reversed(range(len(by_class[0]))):
            own = [effects[level] for effects in by_class]
            means = np.stack([one.values for one in own], axis=1)
            variances = np.stack([np.einsum("jqq->jq", one.covariance) for one in own], axis=1)
            names = list(own[0].names)
            if averaged:
                share = self._shares_of_clusters(level)
                mean = np.einsum("jc,jcq->jq", share, means)
                # within the classes, and between them
                variance = np.einsum("jc,jcq->jq", share, variances + means**2) - mean**2
                blocks = [mean, np.sqrt(np.maximum(variance, 0.0))]
                columns: pd.Index = pd.Index(names + [f"sd({name})" for name in names])
            else:
                both = np.concatenate([means, np.sqrt(variances)], axis=2)
                labels = names + [f"sd({name})" for name in names]
                if not sd:
                    both, labels = means, names
                blocks = [both.reshape(len(both), -1)]
                columns = pd.MultiIndex.from_product(
                    [self._component_names, labels], names=["class", "effect"]
                )
            values = np.hstack(blocks)
            if averaged and not sd:
                values, columns = values[:, : len(names)], columns[: len(names)]
            out[own[0].level] = pd.DataFrame(values, own[0].labels, columns)
        return next(iter(out.values())) if len(out) == 1 else out

    @property
    def random_effects(self) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Posterior means of the random effects, averaged over the posterior class probabilities.

        Returns
        -------
        DataFrame, or dict of level name to DataFrame
            Rows are clusters by label. With several levels a dict from the top level down.

        Raises
        ------
        SpecificationError
            The classes have no random effects.

        Notes
        -----
        A random effect is a deviation from the mean of the cluster's class; see :meth:`ranef` for
        those in each class.
        """
        return self._frames(averaged=True, sd=False)

    def ranef(self, by_class: bool = True, sd: bool = True):
        """Posterior means and standard deviations of the random effects.

        Parameters
        ----------
        by_class : bool
            Given each class; False for averages over the posterior class probabilities, with the variance
            between the classes in the standard deviation.
        sd : bool
            Whether to add columns ``sd(<effect>)``.

        Returns
        -------
        DataFrame, or dict of level name to DataFrame
            Columns (class, effect), or effects.

        Raises
        ------
        SpecificationError
            The classes have no random effects.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> growth = smg.GLMM.from_formula("Reaction ~ Days + (1 | Subject)", data)
        >>> result = smg.Mixture(growth, n_classes=2).fit(n_starts=5)
        >>> print(result.ranef(sd=False).head(2).round(1))
        class      class1    class2
        effect  Intercept Intercept
        Subject
        308          25.1      67.3
        309         -91.6     -49.4
        """
        return self._frames(averaged=not by_class, sd=sd)
