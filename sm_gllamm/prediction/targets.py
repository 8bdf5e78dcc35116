"""What is predicted of a response: its mean, its category probabilities, its survival function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from sm_gllamm.prediction.mean_form import (
    FunctionMean,
    MeanForm,
    TruncatedMean,
    cumulative_forms,
    mean_of,
    survival_of,
)
from sm_gllamm.prediction.means import loadings, variance_of_random_part
from sm_gllamm.prediction.members import Member, SlotValues
from sm_gllamm.prediction.rows import PredictionRows
from sm_gllamm.prediction.shares import (
    averaged_shares,
    sets_by_size,
    stage_average,
    stage_probabilities,
)

__all__ = ["Target", "composite_sums"]


def composite_sums(values: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Sums over the rows of each response, in all its rows."""
    _, codes = np.unique(sets, return_inverse=True)
    return np.bincount(codes, values)[codes]


@dataclass(frozen=True, slots=True)
class Target:
    """What is predicted for the rows of one family.

    Attributes
    ----------
    mapping : GLMMMapping
    member : Member
    times : tuple of float, or None
        Times at which survival probabilities are wanted; None for means or category probabilities.
    """

    mapping: object
    member: Member
    times: tuple[float, ...] | None = None

    @property
    def copies(self) -> int:
        """Number of linear predictors of a row, 0 where there is a single one."""
        return len(self.member.categories) - 1 if self.member.layout == "nominal" else 0

    @property
    def columns(self) -> tuple | None:
        """Labels where the prediction of a row is several numbers, otherwise None."""
        if self.times is not None:
            return self.times
        return self.member.categories if self.member.categorical else None

    @property
    def by_shares(self) -> bool:
        """Whether the predictions are shares of exponentials of utilities."""
        layout = self.member.layout
        return self.times is None and (
            layout in ("nominal", "adjacent") or self.member.alternatives
        )

    @property
    def by_stages(self) -> bool:
        """Whether the predictions are products of the probabilities of stages."""
        return self.times is None and self.member.layout == "sequential"

    def slots(self, theta: np.ndarray, rows: PredictionRows) -> SlotValues:
        """Predictors without random effects at internal parameters."""
        return SlotValues(self.mapping, self.member, theta, rows)

    def forms(self, slots: SlotValues) -> list[MeanForm | FunctionMean | TruncatedMean]:
        """Functions of the linear predictor that the prediction is combined from."""
        if self.times is not None:
            n = slots.rows.n
            return [survival_of(self.member, slots, np.full(n, time)) for time in self.times]
        if self.member.layout == "cumulative":
            return cumulative_forms(self.member, slots)
        return [mean_of(self.member, slots)]

    def combined(self, values: list[np.ndarray], rows: PredictionRows) -> np.ndarray:
        """The prediction from values of its forms."""
        if self.times is not None:
            return np.column_stack(values)
        if self.member.layout == "cumulative":
            ends = [np.zeros(rows.n), *values, np.ones(rows.n)]
            return np.maximum(np.diff(np.column_stack(ends), axis=1), 0.0)
        if self.member.layout == "composite":
            return composite_sums(values[0], rows.sets)
        return values[0]

    def _utilities(self, nu: np.ndarray, slots: SlotValues) -> np.ndarray:
        """Utilities of the categories, shape (n, K)."""
        if self.member.layout == "nominal":
            return np.column_stack([np.zeros(len(nu)), nu])
        steps = np.arange(len(self.member.categories))
        thresholds = np.cumsum(slots.thresholds(), axis=1)
        return nu[:, None] * steps - np.column_stack([np.zeros(len(nu)), thresholds])

    def at(self, nu: np.ndarray, slots: SlotValues) -> np.ndarray:
        """Predictions given linear predictors.

        Parameters
        ----------
        nu : ndarray, shape (n,) or (n, copies)
        slots : SlotValues

        Returns
        -------
        ndarray, shape (n,) or (n, number of columns)
        """
        if self.by_stages:
            return stage_probabilities(self.member.response.link, slots.thresholds()[0], nu)
        if self.member.alternatives:
            out = np.empty(len(nu))
            for at in sets_by_size(slots.rows.sets):
                out[at] = softmax(nu[at], axis=1)
            return out
        if self.by_shares:
            return softmax(self._utilities(nu, slots), axis=1)
        return self.combined([form.at(nu) for form in self.forms(slots)], slots.rows)

    def averaged(
        self, eta: np.ndarray, theta: np.ndarray, rows: PredictionRows
    ) -> np.ndarray:
        """Predictions averaged over the distribution of the random effects.

        Parameters
        ----------
        eta : ndarray, shape (n,) or (n, copies)
            Fixed parts of linear predictors.
        theta : ndarray, shape (p,)
        rows : PredictionRows
            With levels, unless the prediction is the linear predictor itself.

        Returns
        -------
        ndarray, shape (n,) or (n, number of columns)
        """
        if rows.latents is None:
            return self._over_normal(eta, theta, rows)
        pieces = rows.latents.parts(theta).normal_pieces()
        return sum(
            weight * self._over_normal(eta + shift, theta, rows, spread)
            for weight, shift, spread in pieces
        )

    def _over_normal(self, eta, theta, rows: PredictionRows, spread=None) -> np.ndarray:
        """The average where predictors are normal.

        `spread`, shape (n, q), is what standard normal variables multiply in the (one) predictor of a
        row; None is to take it from the random-effects columns of the rows.
        """
        slots = self.slots(theta, rows)
        if self.member.alternatives:
            if spread is None:
                spread = loadings(self.mapping, theta, rows)[:, 0]
            out = np.empty(rows.n)
            for at in sets_by_size(rows.sets):
                out[at] = averaged_shares(eta[at], spread[at])
            return out
        if self.by_shares:
            if spread is None:
                spread = loadings(self.mapping, theta, rows, self.copies)
            else:
                spread = spread[:, None]
            if self.member.layout == "nominal":
                spread = np.concatenate([np.zeros_like(spread[:, :1]), spread], axis=1)
            else:
                total = np.sqrt((spread[:, 0] ** 2).sum(axis=1))
                steps = np.arange(len(self.member.categories))
                spread = (total[:, None] * steps)[:, :, None]
            return averaged_shares(self._utilities(eta, slots), spread)
        variance = np.zeros(rows.n)
        if spread is not None:
            variance = (spread**2).sum(axis=1)
        elif rows.levels is not None:
            variance = variance_of_random_part(self.mapping, self.mapping.params(theta), rows)
        if self.by_stages:
            return stage_average(self.member.response.link, slots.thresholds()[0], eta, variance)
        values = [form.averaged(eta, variance) for form in self.forms(slots)]
        return self.combined(values, rows)
