"""Results of latent class models."""

from __future__ import annotations

import numpy as np
from statsmodels.base.wrapper import populate_wrapper

from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.class_posterior import ClassPosteriorMethods
from sm_gllamm.results.class_profiles import ClassProfileMethods

__all__ = ["LatentClassResults", "LatentClassResultsWrapper"]


class MixtureResults(ClassPosteriorMethods):
    """Results of models with discrete latent variables."""

    def __init__(self, *args, held=None, **kwargs):
        super().__init__(*args, **kwargs)
        #: parameters held where a probability is zero
        self.held = np.zeros(len(self.params), dtype=bool) if held is None else held

    def _at_boundary(self) -> np.ndarray:
        return self.held


class LatentClassResults(MixtureResults, ClassProfileMethods):
    """Results of :meth:`sm_gllamm.models.latent_class.LatentClass.fit`."""

    title = "Latent Class Model Results"

    @property
    def described(self) -> list[tuple[str, str]]:
        """Number of classes and indicators."""
        return [
            ("No. Classes:", str(self.model.n_classes)),
            ("No. Indicators:", str(len(self.model.nominal) + len(self.model.measured))),
        ]


class LatentClassResultsWrapper(LatentVariableResultsWrapper):
    """Results with pandas labels."""


populate_wrapper(LatentClassResultsWrapper, LatentClassResults)
