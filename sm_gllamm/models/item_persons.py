"""The persons behind the engine's clusters in item response models; part of
:class:`sm_gllamm.models.irt.IRT`."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.item_rows import PersonAssembly
from sm_gllamm.mapping.items import ItemLayout
from sm_gllamm.models.glmm_fit import FitMethods
from sm_gllamm.models.item_drawing import draw_responses, draw_weights
from sm_gllamm.models.item_priors import ItemPriors
from sm_gllamm.specification.item_responses import ItemResponses

__all__ = ["PersonMethods"]


class PersonMethods(FitMethods):
    """Persons counted by pattern of responses, or in clusters, and how many there are."""

    item_responses: ItemResponses
    assembly: PersonAssembly
    layout: ItemLayout
    priors: ItemPriors
    cluster: Any
    cluster_labels: Any
    covariates: Any
    group_labels: tuple[str, ...]
    level_names: Any
    person_weights: Any

    @property
    def n_observations(self) -> float:
        """Number of persons, the sum of the frequency weights where there are any."""
        frequency = self.weights.frequency
        return float(self.item_responses.n_persons if frequency is None else frequency.sum())

    @property
    def cluster_counts(self) -> dict[str, int]:
        """Number of clusters of each level above the items, from the top level down."""
        out = {} if self.cluster is None else {self.level_names[-1]: len(self.cluster_labels)}
        if self.layout.design.specific_names:
            out["person"] = int(self.n_observations)
            out[self.level_names[0]] = int(len(self.assembly.problem.cluster_offsets[0]) - 1)
        else:
            out["person"] = int(self.n_observations)
        return out

    def lacking(self) -> str:
        """What is to be said where there are too few items for the parameters."""
        design, k = self.layout.design, len(self.param_names)
        if self.covariates is None and self.cluster is None and not self.priors.terms:
            distinct = len(self.group_labels) * (float(prod(design.n_categories)) - 1.0)
            if k > distinct:
                return (
                    f"the model is not identified: it has {k} parameters, and {len(design.items)} items have "
                    f"{distinct:g} free probabilities of responses; use more items, equal slopes ('1PL') or "
                    "known ones"
                )
        for d, name in enumerate(design.dimensions):
            measuring = np.flatnonzero(design.pattern[:, d])
            j = int(measuring[0])
            free = (
                design.models[j].slope in ("free", "common") and design.known("slope", j, d) is None
            )
            if len(measuring) == 1 and len(design.items) > 1 and free:
                return (
                    f"dimension {name!r} is measured by item {design.items[j]!r} alone: its slope cannot be "
                    "told from the correlations of the dimension; fix the slope, or name more items"
                )
        return ""

    def _per_person(self, values: np.ndarray) -> np.ndarray:
        """Weighted contributions of top-level clusters, by person where these are the clusters."""
        patterns = self.assembly.patterns
        if patterns is None:
            out = np.zeros((self.item_responses.n_persons, *values.shape[1:]))
            out[self.assembly.first_row] = values
            return out
        share = self.person_weights / patterns.weight[patterns.of_person]
        return values[patterns.of_person] * share.reshape(-1, *(1,) * (values.ndim - 1))

    def _scatter(self, values: np.ndarray) -> np.ndarray:
        return self._per_person(values)

    def _scores_of_units(self, score: np.ndarray) -> np.ndarray:
        """Scores of the independent units: of persons, of frequency weights one row for each."""
        if self.assembly.patterns is None:
            return score
        frequency = self.weights.frequency
        scores = self._per_person(score)
        if frequency is None:
            return scores
        # w persons with score s each contribute w s s'
        return scores / np.sqrt(np.maximum(frequency, 1e-300))[:, None]

    def _group_of_unit(self, codes: np.ndarray) -> np.ndarray:
        """Group of each independent unit from groups of persons."""
        if self.assembly.patterns is not None:
            return codes
        of_cluster = codes[self.assembly.first_row]
        if np.any(codes != of_cluster[self.cluster]):
            raise SpecificationError(
                f"cov_kwds['groups'] must contain whole clusters of {self.level_names[-1]}"
            )
        return of_cluster

    def resampled_problem(self, rng: np.random.Generator):
        """The engine's problem with persons, or clusters of them, drawn with replacement."""
        patterns = self.assembly.patterns
        if patterns is None:
            return super().resampled_problem(rng)
        problem, weight = self.assembly.problem, draw_weights(self, rng)
        return replace(problem, cluster_weights=(*problem.cluster_weights[:-1], weight))

    def simulated_problem(self, params: np.ndarray, rng: np.random.Generator):
        """The engine's problem with responses drawn at given parameters."""
        return self._assemble(draw_responses(self, np.asarray(params, dtype=float), rng)).problem
