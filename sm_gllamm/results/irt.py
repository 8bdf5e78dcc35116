"""Results of item response models."""

from __future__ import annotations

from collections import Counter

import numpy as np
from statsmodels.base.wrapper import populate_wrapper

from sm_gllamm.items.bank import ItemBank
from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.irt_dif import DifMethods
from sm_gllamm.results.irt_explain import ExplainMethods
from sm_gllamm.results.irt_fit import ModelFitMethods
from sm_gllamm.results.irt_items import ItemMethods
from sm_gllamm.results.irt_plots import ItemPlotMethods
from sm_gllamm.results.irt_predictions import ItemPredictionMethods
from sm_gllamm.results.irt_scores import ScoreMethods

__all__ = ["IRTResults", "IRTResultsWrapper"]


class IRTResults(
    DifMethods,
    ExplainMethods,
    ItemPlotMethods,
    ModelFitMethods,
    ItemMethods,
    ItemPredictionMethods,
    ScoreMethods,
):
    """Results of :meth:`sm_gllamm.models.irt.IRT.fit`."""

    title = "Item Response Model Results"
    slot_titles = {
        "threshold": "Intercepts of graded items",
        "loading": "Slopes",
        "regression": "Latent regression, groups",
    }

    @property
    def penalized(self) -> bool:
        """Whether prior densities are part of what was maximised."""
        return bool(self.model.priors.terms)

    @property
    def log_prior(self) -> float:
        """Log prior density at the estimates, without constants."""
        if not self.penalized:
            return 0.0
        return self.model.priors.evaluate(self.theta)[0]

    @property
    def llf(self) -> float:
        """Log-likelihood at the estimates, without prior densities."""
        return self._llf - self.log_prior

    @property
    def remarks(self) -> list[str]:
        """Further notes below the tables of `summary`."""
        if not self.penalized:
            return []
        return [
            "Estimates are posterior modes with prior densities " + ", ".join(self.model.priors.text)
            + f"; log prior {self.log_prior:.4f}. The log-likelihood is without them."
        ]  # fmt: skip

    @property
    def described(self) -> list[tuple[str, str]]:
        """Models of the items, and the link."""
        design = self.model.layout.design
        counts = Counter(model.name for model in design.models)
        text = ", ".join(f"{count} x {name}" for name, count in counts.items())
        return [("Items:", text), ("Link:", design.link)]

    def simulate(self, n: int = 1, seed=None) -> np.ndarray:
        """Responses drawn at the estimates for persons with new latent variables.

        Parameters
        ----------
        n : int
        seed : int or numpy.random.Generator, optional

        Returns
        -------
        ndarray of int, shape (n_persons, n_items, n), or (n_persons, n_items) for n = 1
            Codes, -1 where the data are missing.
        """
        return self.model.simulate(np.asarray(self.params), n, seed)

    @property
    def bank(self) -> ItemBank:
        """Items and latent distribution at the estimates, of several groups those of the first."""
        return self.model.bank_at(np.asarray(self.params))

    @property
    def banks(self) -> dict[str, ItemBank]:
        """Items and latent distribution by group."""
        params = np.asarray(self.params)
        return {
            label: self.model.bank_at(params, g) for g, label in enumerate(self.model.group_labels)
        }


class IRTResultsWrapper(LatentVariableResultsWrapper):
    """Results with pandas labels."""


populate_wrapper(IRTResultsWrapper, IRTResults)
