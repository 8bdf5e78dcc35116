"""Classes of mixtures in a reproducible order."""

from __future__ import annotations

import numpy as np

from sm_gllamm.models.discrete import DiscreteModel

__all__ = ["OrderMethods"]


class OrderMethods(DiscreteModel):
    """Order of the classes; part of :class:`sm_gllamm.models.mixture.Mixture`."""

    n_classes: int
    n_upper: int
    _by_upper: bool
    _allowed: np.ndarray | None

    @property
    def _class_columns(self) -> list[str]:
        """Columns of the logits of the classes."""
        raise NotImplementedError

    def _ordered(self, theta: np.ndarray, held: np.ndarray):
        """Classes by falling size; as they are where some are known."""
        if self._allowed is not None:
            return theta, held
        out, held, width = theta.copy(), held.copy(), len(self._class_columns)
        at = self.mapping.class_places
        if self.n_classes > 1:
            order = np.argsort(-self._class_sizes(self.likelihood, theta), kind="stable")
            out, held = self._moved(order, out, held)
            own = at[: (self.n_classes - 1) * width].reshape(-1, width)
            table = np.vstack([np.zeros(width), theta[own]])[order]
            out[own] = table[1:] - table[0]
        if self.n_upper > 1:
            out, held = self._ordered_above(out, held)
        return self.cluster_effect.oriented(out, self.param_names), held

    def _moved(self, order: np.ndarray, theta: np.ndarray, held: np.ndarray):
        """Parameters of the classes, what is held of them, and their nodes, in another order."""
        likelihood, places = self.likelihood, self.mapping.places
        likelihood.components = tuple(likelihood.components[c] for c in order)
        moved, kept = theta.copy(), held.copy()
        for c, place in enumerate(places):
            source = places[order[c]]
            own = place != source
            moved[place[own]], kept[place[own]] = theta[source[own]], held[source[own]]
        return moved, kept

    def _ordered_above(self, theta: np.ndarray, held: np.ndarray):
        """Upper classes by falling size."""
        out, width = theta.copy(), len(self._class_columns)
        at = self.mapping.class_places
        rest = at[(self.n_classes - 1) * width :]
        logits = np.concatenate([[0.0], theta[rest]])
        order = np.argsort(-logits, kind="stable")
        out[rest] = (logits[order] - logits[order[0]])[1:]
        for c in range(self.n_classes - 1):
            own = at[c * width : (c + 1) * width][-self.n_upper :]
            out[own] = theta[own][order]
        return self._moved(order, out, held) if self._by_upper else (out, held)
