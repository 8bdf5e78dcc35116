"""What is predicted of a response: its mean, its category probabilities, its survival function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.averaging import average
from sm_gllamm.prediction.means import PredictorLayout, loadings, variance_of_random_part
from sm_gllamm.prediction.members import Member, SlotValues
from sm_gllamm.prediction.rows import PredictionRows
from sm_gllamm.prediction.shares import averaged_shares
from sm_gllamm.responses.categories import Shares
from sm_gllamm.responses.durations import Survival
from sm_gllamm.responses.forms import Form

__all__ = ["Target"]


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

    def __post_init__(self):
        if self.times is None:
            return
        law = self.member.law
        if not isinstance(law, Survival) or law.lowest < 0:
            raise SpecificationError(
                f"survival is for durations; the family is {self.member.response.family}"
            )
        if not min(self.times, default=1.0) > 0:
            raise SpecificationError(
                f"survival: times must be positive; the smallest is {min(self.times):g}"
            )

    @property
    def layout(self) -> PredictorLayout:
        """The linear predictors of a row."""
        return self.member.predictors

    @property
    def columns(self) -> tuple | None:
        """Labels where the prediction of a row is several numbers, otherwise None."""
        if self.times is not None:
            return self.times
        return self.member.categories if self.member.law.categorical else None

    @property
    def by_shares(self) -> bool:
        """Whether the predictions are shares of exponentials of utilities."""
        return isinstance(self.member.law, Shares)

    def slots(self, theta: np.ndarray, rows: PredictionRows, data=None) -> SlotValues:
        """What the law asks for beside the linear predictor, at internal parameters."""
        return SlotValues(self.mapping, self.member, theta, rows, data)

    def forms(self, slots: SlotValues) -> list[Form]:
        """Functions of the linear predictor that the prediction is combined from."""
        law = self.member.law
        if self.times is None:
            return law.forms(slots)
        return [law.survival(np.full(slots.n, time), slots) for time in self.times]

    def plain_link(self, rows: PredictionRows) -> str | None:
        """The link, if the prediction is its inverse and no more."""
        if self.by_shares:
            return None
        form, *others = self.forms(self.slots(np.zeros(self.mapping.k_params), rows))
        return form.link if form.plain and not others else None

    def combined(self, values: list[np.ndarray], slots: SlotValues) -> np.ndarray:
        """The prediction from values of its forms."""
        if self.times is None:
            return self.member.law.combined(values, slots)
        return np.column_stack(values)

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
        if self.times is None:
            return self.member.law.at(nu, slots)
        return self.combined([form.at(nu) for form in self.forms(slots)], slots)

    def averaged(self, eta: np.ndarray, theta: np.ndarray, rows: PredictionRows) -> np.ndarray:
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
            return self._over_random_part(eta, theta, rows)
        pieces = rows.latents.parts(theta).normal_pieces()
        return sum(
            weight * self._over_random_part(eta + shift, theta, rows, spread)
            for weight, shift, spread in pieces
        )

    def _over_random_part(self, eta, theta, rows: PredictionRows, spread=None) -> np.ndarray:
        """The average where predictors are normal.

        `spread`, shape (n, q), is what standard normal variables multiply in the (one) predictor of a
        row; None is to take it from the random-effects columns of the rows.
        """
        slots = self.slots(theta, rows)
        if self.by_shares:
            if spread is None:
                spread = loadings(self.mapping, theta, rows, self.layout)
            else:
                spread = spread[:, None]
            return self._averaged_shares(eta, spread, slots)
        variance = np.zeros(rows.n)
        if spread is None and rows.levels is not None and self.layout.random:
            spread = loadings(self.mapping, theta, rows, self.layout)[:, 0]
        if spread is not None:
            variance = (spread**2).sum(axis=1)
        elif rows.levels is not None:
            variance = variance_of_random_part(self.mapping, self.mapping.params(theta), rows)
        return self.over_normal(eta, variance, slots)

    def over_normal(self, eta: np.ndarray, variance: np.ndarray, slots: SlotValues) -> np.ndarray:
        """Predictions averaged over predictors from N(eta, variance), shape (n,) or (n, columns)."""
        return self.combined([average(form, eta, variance) for form in self.forms(slots)], slots)

    def _averaged_shares(
        self, eta: np.ndarray, spread: np.ndarray, slots: SlotValues
    ) -> np.ndarray:
        law = self.member.law
        out = law.empty(slots)
        for at in law.groups(slots):
            utilities = law.utilities(eta, at, slots)
            out[at] = averaged_shares(utilities, law.of_alternatives(spread, at, slots))
        return out
