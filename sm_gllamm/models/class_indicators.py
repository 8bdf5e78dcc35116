"""Indicators of a latent class model with the parameters that each class has for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sm_gllamm.models.class_inputs import ClassInputs, Indicator
from sm_gllamm.models.discrete import DiscreteModel
from sm_gllamm.prediction.class_indicators import IndicatorResponses
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["IndicatorMethods"]


class IndicatorMethods(DiscreteModel):
    """Which parameters belong to which indicator; part of
    :class:`sm_gllamm.models.latent_class.LatentClass`."""

    inputs: ClassInputs
    nominal: tuple[Indicator, ...]
    measured: tuple[Indicator, ...]
    n_classes: int
    n_upper: int

    @property
    def indicator_responses(self) -> dict[str, tuple[IndicatorResponses, list[np.ndarray]]]:
        """Indicators in the order of the data, each with the positions of its parameters by class."""
        out, first = {}, 0
        # parameters of nominal indicators come first
        for indicator in (*self.nominal, *self.measured):
            view = IndicatorResponses(indicator.name, indicator.categories, indicator.template)
            last = first + view.k_params
            out[indicator.name] = view, [place[first:last] for place in self.mapping.places]
            first = last
        return {name: out[name] for name in self.data.ynames}

    def without_rows(self):
        """Inputs and indicators without what has the length of the data.

        Returns
        -------
        inputs : ClassInputs
        nominal, measured : tuple of Indicator
        """
        nobody = np.empty(0, dtype=np.intp)
        nominal, measured = (
            tuple(replace(indicator, codes=nobody) for indicator in indicators)
            for indicators in (self.nominal, self.measured)
        )
        inputs = self.inputs
        kept = replace(
            inputs, indicators=tuple(replace(i, codes=nobody) for i in inputs.indicators),
            design=inputs.design[:0], allowed=None, cluster=None, cluster_labels=None,
            weights=LevelWeights({}), kept=nobody, frame=inputs.frame.iloc[:0],
            index=inputs.index[:0],
        )  # fmt: skip
        return kept, nominal, measured
