"""Responses drawn from a latent class model, and the same model for them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.class_new_cases import NewCaseMethods, extended_indicator
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["DrawnResponses", "SimulationMethods"]


@dataclass(frozen=True, slots=True)
class DrawnResponses:
    """Responses of units with the classes that they were drawn from.

    Attributes
    ----------
    row : ndarray of intp, shape (n,)
        Row of the data whose covariates, cluster and missing responses a unit has; a row with frequency
        weight m has m units.
    values : dict of str to ndarray, shape (n,)
        By indicator: positions among its categories, or measurements; NaN where missing.
    classes : ndarray of intp, shape (n,)
    upper : ndarray of intp, shape (K,), or None
        Classes of the clusters.
    """

    row: np.ndarray
    values: dict[str, np.ndarray]
    classes: np.ndarray
    upper: np.ndarray | None


def _drawn_classes(rng: np.random.Generator, probabilities: np.ndarray) -> np.ndarray:
    """A class for each row of probabilities."""
    cumulated = np.cumsum(probabilities, axis=1)
    draw = rng.random(len(probabilities))[:, None] * cumulated[:, -1:]
    return (draw > cumulated[:, :-1]).sum(axis=1)


class SimulationMethods(NewCaseMethods):
    """Draws; part of :class:`sm_gllamm.models.latent_class.LatentClass`."""

    def _units_to_draw(self) -> np.ndarray:
        """Rows of the units, of frequency weights as many as they say."""
        n = len(self.assembly.layout.of_row)
        if self.weights.sampling:
            raise SpecificationError(
                "responses cannot be simulated for sampling weights, which say nothing about how units "
                "were drawn; use bootstrap(method='cluster') for standard errors"
            )
        frequency = self.weights.frequency
        if frequency is None:
            return np.arange(n)
        times = np.round(frequency).astype(np.intp)
        if np.any(np.abs(times - frequency) > 1e-9):
            raise SpecificationError("freq_weights are no whole numbers: units cannot be simulated")
        return np.repeat(np.arange(n), times)

    def draw(self, params, rng: np.random.Generator) -> DrawnResponses:
        """Responses of new units with the covariates, clusters and missing responses of the data.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        rng : numpy.random.Generator

        Raises
        ------
        SpecificationError
            Sampling weights, or data removed.
        """
        likelihood, params = self.likelihood, np.asarray(params, dtype=float)
        row, theta = self._units_to_draw(), self.mapping.theta(params)
        upper = None
        unit = self.assembly.layout.of_row[row]
        logits = likelihood.logits
        n_above = self.cluster_effect.n_above
        if n_above > 1:
            upper = _drawn_classes(rng, np.exp(likelihood.upper.log_probabilities(theta)))
            of_unit = upper[likelihood.units.group]
            by_upper = [np.exp(logits.log_probabilities(theta, h)) for h in range(n_above)]
            prior = np.array(by_upper)[of_unit, np.arange(len(of_unit))]
        else:
            prior = np.exp(logits.log_probabilities(theta))
        if likelihood.units.allowed is not None:
            prior = np.where(likelihood.units.allowed, prior, 0.0)
        classes = _drawn_classes(rng, prior[unit])
        codes = {i.name: i.codes[row] for i in (*self.nominal, *self.measured)}
        values = {}
        for name, (indicator, places) in self.indicator_responses.items():
            own = np.full(len(row), np.nan)
            for c in range(self.n_classes):
                at = np.flatnonzero((classes == c) & (codes[name] >= 0))
                own[at] = indicator.draw(rng, params[places[c]], codes[name][at], len(at))
            values[name] = own
        return DrawnResponses(row, values, classes, upper if self.n_upper > 1 else None)

    def with_responses(self, drawn: DrawnResponses):
        """The same model for drawn responses, without weights.

        Parameters
        ----------
        drawn : DrawnResponses

        Returns
        -------
        LatentClass
        """
        new, row, inputs = copy.copy(self), drawn.row, self.inputs
        indicators = []
        for indicator in inputs.indicators:
            values = drawn.values[indicator.name]
            if indicator.template is None:
                codes = np.where(np.isnan(values), -1.0, values).astype(np.intp)
                indicators.append(replace(indicator, codes=codes))
                continue
            view, _ = self.indicator_responses[indicator.name]
            if view.categorical and not indicator.categories:
                # categories that are numbers in the data
                labels = np.asarray(view.columns, dtype=float)
                codes = np.where(np.isnan(values), 0.0, values).astype(np.intp)
                values = np.where(np.isnan(values), np.nan, labels[codes])
            x = np.asarray(indicator.template.exog, dtype=float)[:, 1:]
            covariates = x[indicator.codes[row]] if x.shape[1] else None
            indicators.append(extended_indicator(indicator, values, covariates))
        new.inputs = replace(
            inputs,
            indicators=tuple(indicators),
            design=inputs.design[row],
            allowed=None if inputs.allowed is None else inputs.allowed[row],
            cluster=None if inputs.cluster is None else inputs.cluster[row],
            weights=LevelWeights({}),
        )
        new.weights, new.data, new._likelihood = new.inputs.weights, copy.copy(self.data), None
        new._set_up()
        return new
