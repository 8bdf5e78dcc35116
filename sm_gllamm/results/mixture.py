"""Results of models with discrete latent variables."""

from __future__ import annotations

from statsmodels.base.wrapper import populate_wrapper

from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.latent_class import MixtureResults

__all__ = ["MixtureModelResults", "MixtureModelResultsWrapper"]


class MixtureModelResults(MixtureResults):
    """Results of :meth:`sm_gllamm.models.mixture.Mixture.fit`."""

    title = "Mixture Model Results"

    @property
    def described(self) -> list[tuple[str, str]]:
        """The model whose parameters differ, and number of classes."""
        template = self.model.template
        return [
            ("Mixture of:", type(template).__name__),
            ("No. Classes:", str(self.model.n_classes)),
        ]


class MixtureModelResultsWrapper(LatentVariableResultsWrapper):
    """Results with pandas labels."""


populate_wrapper(MixtureModelResultsWrapper, MixtureModelResults)
