"""Results of mixtures of models."""

from __future__ import annotations

import copy

from statsmodels.base.wrapper import populate_wrapper

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.class_number import ClassNumberMethods
from sm_gllamm.results.latent_class import MixtureResults
from sm_gllamm.results.mixture_trajectories import TrajectoryMethods

__all__ = ["MixtureModelResults", "MixtureModelResultsWrapper"]


class MixtureModelResults(TrajectoryMethods, ClassNumberMethods, MixtureResults):
    """Results of :meth:`sm_gllamm.models.mixture.Mixture.fit`."""

    title = "Mixture Model Results"

    def __init__(self, model, *args, **kwargs):
        super().__init__(model, *args, **kwargs)
        # without continuous latent variables nothing is integrated numerically
        self.quadrature_exact = self.quadrature_exact or not model._integrated

    def _at_boundary(self):
        """What has no standard error of its own."""
        return self.held | self.model.made_up(self.theta, self.held)

    @property
    def remarks(self) -> list[str]:
        """Further notes below the tables of `summary`."""
        out, made_up = super().remarks, self.model.made_up(self.theta, self.held)
        if made_up.any():
            names = [name for name, m in zip(self.model.param_names, made_up, strict=True) if m]
            out = [
                *out,
                f"{', '.join(names)}: only the sum with the coefficient that is held at infinity is "
                "estimated; predictions have standard errors.",
            ]
        return out

    @property
    def described(self) -> list[tuple[str, str]]:
        """The model whose parameters differ, and what is known of the classes."""
        template = self.model.template
        return [("Mixture of:", type(template).__name__), *super().described]

    def compare_lmr(self, smaller):
        """Not available for mixtures of models: SpecificationError; see :meth:`compare_blrt`."""
        raise SpecificationError(
            "the Lo-Mendell-Rubin test is for latent class models; use compare_blrt"
        )

    def _pattern_fit_or_nothing(self):
        """Response patterns make no table here."""
        return None

    def simulate(self, n: int = 1, seed=None):
        """Responses drawn from the fitted model, with new classes and random effects in every draw.

        Parameters
        ----------
        n : int
            Number of draws.
        seed : int or numpy.random.Generator, optional

        Returns
        -------
        ndarray
            As :meth:`sm_gllamm.models.mixture.Mixture.simulate`.
        """
        return self.model.simulate(self.params, n, seed)

    def remove_data(self) -> None:
        """Remove everything that has the length of the data, here and on the model.

        Estimates, tests, intervals (but profiles), class sizes, summaries and predictions for new data
        remain.
        """
        template = copy.copy(self.model.template)
        # found when first asked for, by what is removed
        _ = self.model.endog_names
        super().remove_data()
        template.data = copy.copy(template.data)
        extras = getattr(template, "extras", None)
        for name in template._data_attr:
            holder, _, attribute = name.rpartition(".")
            setattr(getattr(template, holder) if holder else template, attribute, None)
        if extras is not None:
            template.extras = extras.without_data()
        self.model.template = template


class MixtureModelResultsWrapper(LatentVariableResultsWrapper):
    """Results with pandas labels."""


populate_wrapper(MixtureModelResultsWrapper, MixtureModelResults)
