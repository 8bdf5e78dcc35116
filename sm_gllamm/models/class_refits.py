"""Latent class models fitted again: to units drawn with replacement, or to simulated responses."""

from __future__ import annotations

import numpy as np

from sm_gllamm.models.class_boundary import canonical_logits
from sm_gllamm.models.class_simulation import SimulationMethods
from sm_gllamm.models.mixture_refits import CONTROLS, MixtureRefitMethods

__all__ = ["CONTROLS", "RefitMethods"]

#: Logits beyond this are drawn in before a fit: a probability may be zero in one sample only.
WITHIN = 6.0
#: Probabilities below this are held at zero.
NOTHING = 1e-9


class RefitMethods(MixtureRefitMethods, SimulationMethods):
    """Fits to bootstrap samples; part of :class:`sm_gllamm.models.latent_class.LatentClass`."""

    def _resampled_weights(self, rng: np.random.Generator) -> np.ndarray:
        layout = self.assembly.layout
        if layout.top_of_row is not None or not self.weights.sampling:
            return super()._resampled_weights(rng)
        # rows with other weights are one unit of the likelihood
        n = len(layout.row_weight)
        drawn = layout.row_weight * rng.multinomial(n, np.full(n, 1.0 / n))
        return np.bincount(layout.of_row, drawn, len(layout.first))

    def _simulated_model(self, params, rng: np.random.Generator):
        return self.with_responses(self.draw(params, rng))

    def _drawn_in(self, theta: np.ndarray) -> np.ndarray:
        """Parameters with the logits of response probabilities away from infinity."""
        out = np.array(theta, dtype=float)
        if self.nominal:
            for _, _, place in self._nominal_blocks():
                full = np.concatenate([[0.0], out[place]])
                full = np.maximum(full - full.max(), -WITHIN)
                out[place] = full[1:] - full[0]
        return self._with_fixed(out)

    def _far_out(self, theta: np.ndarray) -> np.ndarray:
        held = np.zeros(len(theta), dtype=bool)
        for _, _, place in self._nominal_blocks() if self.nominal else ():
            full = np.concatenate([[0.0], theta[place]])
            shares = np.exp(full - full.max())
            zero = shares / shares.sum() < NOTHING
            if zero.any():
                held[place] = canonical_logits(theta[place], zero)[1]
        return held
