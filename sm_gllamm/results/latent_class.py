"""Results of latent class models."""

from __future__ import annotations

from collections import Counter

import numpy as np
from statsmodels.base.wrapper import populate_wrapper

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.class_comparison import ClassComparisonMethods, IndicatorComparisonMethods
from sm_gllamm.results.class_fit import ClassFitMethods
from sm_gllamm.results.class_number import ClassNumberMethods
from sm_gllamm.results.class_plots import ClassPlotMethods
from sm_gllamm.results.class_predictions import ClassPredictionMethods
from sm_gllamm.results.class_profiles import EDGE
from sm_gllamm.results.class_summary import ClassSummaryMethods
from sm_gllamm.results.class_three_step import ThreeStepMethods
from sm_gllamm.results.profile import ParameterProfile
from sm_gllamm.results.summary import family_name

__all__ = ["LatentClassResults", "LatentClassResultsWrapper", "MixtureResults"]


class MixtureResults(ClassComparisonMethods, ClassSummaryMethods):
    """Results of models with discrete latent variables."""

    def __init__(self, *args, held=None, **kwargs):
        super().__init__(*args, **kwargs)
        nodes = self.model.cluster_effect.n_nodes
        # the header has the nodes of a random effect of clusters, which are of no level
        self.quadrature_exact |= bool(nodes) or self.verdict.quadrature_error == 0.0
        #: parameters held where a probability is zero
        self.held = np.zeros(len(self.params), dtype=bool) if held is None else held

    def _at_boundary(self) -> np.ndarray:
        return self.held

    def profile(self, name: str, alpha: float = 0.05) -> ParameterProfile:
        """Profile likelihood of one parameter; see :meth:`LatentVariableResults.profile`.

        Parameters
        ----------
        name : str
            Any of the published parameters but those of probabilities estimated as zero or one, which stay
            where they are along the profiles of the others.
        alpha : float
            One minus the confidence level.

        Returns
        -------
        ParameterProfile

        Raises
        ------
        SpecificationError
            Unknown parameter, or one on the boundary.
        """
        names = list(self.model.mapping.param_names)
        if name in names and self.held[names.index(name)]:
            raise SpecificationError(
                f"{name} belongs to a probability on the boundary and has no finite maximum to profile around"
            )
        return super().profile(name, alpha)

    def conf_int(self, alpha: float = 0.05, method: str | None = None) -> np.ndarray:
        """Confidence intervals of all parameters; see :meth:`LatentVariableResults.conf_int`.

        Parameters
        ----------
        alpha : float
            One minus the confidence level.
        method : {None, "transformed", "profile"}

        Returns
        -------
        ndarray or DataFrame, shape (k_params, 2)
            NaN for probabilities estimated as zero or one.
        """
        if method != "profile":
            return super().conf_int(alpha, method)
        limits = np.full((len(self.params), 2), np.nan)
        for k, name in enumerate(self.model.mapping.param_names):
            if not self.held[k]:
                limits[k] = self.profile(name, alpha).limits
        return limits


class LatentClassResults(
    IndicatorComparisonMethods,
    MixtureResults,
    ClassNumberMethods,
    ThreeStepMethods,
    ClassFitMethods,
    ClassPlotMethods,
    ClassPredictionMethods,
):
    """Results of :meth:`sm_gllamm.models.latent_class.LatentClass.fit`."""

    title = "Latent Class Model Results"

    @property
    def described(self) -> list[tuple[str, str]]:
        """Classes, indicators, starts, and fit of the table of patterns."""
        model = self.model
        kinds = Counter(["nominal"] * len(model.nominal))
        kinds.update(family_name(indicator.template.family) for indicator in model.measured)
        out = super().described
        out[1:1] = [("Indicators:", ", ".join(f"{n} {kind}" for kind, n in kinds.items() if n))]
        if (fit := self._pattern_fit_or_nothing()) is not None:
            out += [(f"G2 (df={self.pattern_df}):", f"{fit['g2']:.3f}")]
        return out

    def _boundary_cells(self) -> dict[int, str]:
        """Probabilities of categories, where one of them is zero."""
        out: dict[int, str] = {}
        params = np.asarray(self.params)
        for view, places in self.model.indicator_responses.values():
            if view.template is not None:
                continue
            for place in places:
                shares = view.expected(params[place], None)[0]
                if shares[0] < EDGE:
                    # logits against a category that does not occur
                    out |= {int(k): _share(p) for k, p in zip(place, shares[1:], strict=True)}
                else:
                    zero = place[shares[1:] < EDGE]
                    out |= {int(k): "P = 0" for k in zero}
        return out

    @property
    def cov_re(self):
        """Not available: there are no random effects."""
        raise SpecificationError("a latent class model has no random effects; see profiles()")

    def get_prediction(self, *args, **kwargs):
        """Not available in this form."""
        raise SpecificationError(
            "standard errors are in class_sizes(), profiles() and class_probabilities(data); predict() has "
            "expected responses"
        )

    @property
    def remarks(self) -> list[str]:
        """Further notes below the tables of `summary`."""
        out = super().remarks
        if self.model.ordered_items:
            out = [
                *out,
                f"In the order of the classes: {', '.join(self.model.ordered_items)}. Classes that would "
                "break it are equal there; standard errors are given that they are.",
            ]
        if self._boundary_cells():
            out = [
                *out,
                "P = ... is the probability of the category, in classes where one of the indicator's "
                "categories has probability zero; other coefficients are logits.",
            ]
        return out


def _share(p: float) -> str:
    return f"P = {round(p)}" if min(p, 1.0 - p) < EDGE else f"P = {p:.3f}"


class LatentClassResultsWrapper(LatentVariableResultsWrapper):
    """Results with pandas labels."""


populate_wrapper(LatentClassResultsWrapper, LatentClassResults)
