"""The families of a model, and the values of their predictors that have no random effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.rows import PredictionRows
from sm_gllamm.responses.base import Response

__all__ = ["Member", "SlotValues", "member_rows", "members_of"]

#: Layouts of which predictions are probabilities of categories.
CATEGORIES = ("cumulative", "sequential", "adjacent", "nominal")
#: Layouts of which predictions are probabilities of the alternatives of a set.
ALTERNATIVES = ("choice", "ranking", "best_worst")


@dataclass(frozen=True, slots=True)
class Member:
    """One of the families of a model; the only one, but for mixed responses.

    Attributes
    ----------
    label : object
        Its label in ``family={label: family}``; None if it is the only one.
    family : statsmodels family or Family
    response : Response
    categories : tuple
        Labels of the response's categories.
    first : int
        Number of its first predictor without random effects.
    """

    label: Any
    family: Any
    response: Response
    categories: tuple = ()
    first: int = 0

    @property
    def layout(self) -> str:
        return getattr(self.family, "layout", "plain")

    @property
    def categorical(self) -> bool:
        """Whether the response has categories."""
        return self.layout in CATEGORIES

    @property
    def alternatives(self) -> bool:
        """Whether rows are alternatives of choice sets."""
        return self.layout in ALTERNATIVES

    @property
    def fixed_alpha(self) -> float | None:
        """Dispersion of statsmodels' negative binomial, which is known."""
        if self.layout == "plain" and self.response.family == "NegativeBinomial":
            return getattr(self.family, "alpha", None)
        return None

    @property
    def slot_names(self) -> list[str]:
        """Slots in the order of their predictors, thresholds left out."""
        if self.fixed_alpha is not None:
            return []
        names = [slot.name for slot in self.response.slots]
        return [name for name in names if (self.layout, name) != ("hurdle", "zero")]

    @property
    def needed(self) -> tuple[str, ...]:
        """Slots that the mean depends on."""
        if self.layout == "cumulative":
            return ("thresholds", "scale")
        if self.layout == "hurdle":
            return ("zero", "dispersion")
        if self.layout == "interval":
            return () if self.response.family == "CensoredGaussian" else ("dispersion",)
        prefixes = {"ZeroInflated": ("zero",), "ZeroTruncated": ("dispersion",)}
        return next((x for p, x in prefixes.items() if self.response.family.startswith(p)), ())


def members_of(model) -> tuple[Member, ...]:
    """The families of a model.

    Raises
    ------
    SpecificationError
        For mixed responses after ``remove_data()``.
    """
    family = model.family
    if getattr(family, "layout", "plain") != "mixed":
        return (Member(None, family, model.response, tuple(model.extras.labels)),)
    if model.responses is None:
        raise SpecificationError(
            "the data of the model, which predictions of mixed responses need, were removed by "
            "remove_data()"
        )
    out: list[Member] = []
    first = 0
    for label, its_family, response, _, share in model.responses.members:
        out.append(Member(label, its_family, response, tuple(share.labels), first))
        cumulative = out[-1].layout == "cumulative"
        first += len(share.labels) - 1 if cumulative else len(out[-1].slot_names)
    return tuple(out)


def member_rows(members, rows: PredictionRows):
    """Pairs of a member and the positions of its rows.

    Raises
    ------
    SpecificationError
        Rows of an unknown family.
    """
    if len(members) == 1 and members[0].label is None:
        return [(members[0], np.arange(rows.n))]
    if rows.member is None:
        raise SpecificationError(
            "the model has several families; say which of them new rows have by "
            "extras={'family_by': ...}"
        )
    known = {member.label for member in members}
    for row, label in enumerate(rows.member):
        if label not in known:
            raise SpecificationError(
                f"family_by is {label!r} in row {row}; the families are {[m.label for m in members]}"
            )
    pairs = [(m, np.flatnonzero([label == m.label for label in rows.member])) for m in members]
    return [(member, at) for member, at in pairs if len(at)]


class SlotValues:
    """Values of the predictors without random effects of a member's rows, computed as asked for.

    Parameters
    ----------
    mapping : GLMMMapping
    member : Member
    theta : ndarray, shape (p,)
        Internal parameters.
    rows : PredictionRows
    """

    def __init__(self, mapping, member: Member, theta: np.ndarray, rows: PredictionRows):
        self.mapping, self.member = mapping, member
        self.theta, self.rows = np.asarray(theta, dtype=float), rows

    def dispersion(self) -> np.ndarray:
        """Log of the dispersion (of gaussian responses: of the SD), zero without one; shape (n,)."""
        if self.member.fixed_alpha is not None:
            return np.full(self.rows.n, np.log(self.member.fixed_alpha))
        if "dispersion" not in self.member.slot_names:
            return np.zeros(self.rows.n)
        return self._channel(self.member.first + self.member.slot_names.index("dispersion"))

    def zero(self) -> np.ndarray:
        """Logit of the probability of a zero, shape (n,)."""
        if self.member.layout == "hurdle":
            design = self.rows.designs.get("zero", np.ones((self.rows.n, 1)))
            return design @ self._behind_covariates(design.shape[1])
        return self._channel(self.member.first + self.member.slot_names.index("zero"))

    def scale(self) -> np.ndarray:
        """Log scale of latent responses of ordinal models, shape (n,)."""
        if self.mapping.slot("scale") is None:
            return np.zeros(self.rows.n)
        return self._channel(self.member.first + len(self.member.categories) - 1)

    def thresholds(self) -> np.ndarray:
        """Thresholds of ordered categories, shape (n, K - 1)."""
        k = len(self.member.categories) - 1
        if self.member.layout == "cumulative":
            return np.column_stack([self._channel(self.member.first + s) for s in range(k)])
        return np.broadcast_to(self._behind_covariates(k), (self.rows.n, k))

    def _behind_covariates(self, k: int) -> np.ndarray:
        first = self.rows.exog.shape[1]
        return self.theta[first : first + k]

    def _channel(self, channel: int) -> np.ndarray:
        out = np.zeros(self.rows.n)
        for block, slot in self.mapping.slots:
            for entry in slot.entries:
                if entry.channel != channel:
                    continue
                value = self.theta[block.start + entry.parameter] * entry.coefficient
                if entry.design is not None:
                    value = value * self.rows.designs[entry.design][:, entry.column]
                out += value
        return out
