"""The families of a model, and the values of their predictors that have no random effects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.means import ONE, PredictorLayout
from sm_gllamm.prediction.rows import PredictionRows
from sm_gllamm.responses.base import Response
from sm_gllamm.responses.families import known_slots
from sm_gllamm.responses.laws import Law
from sm_gllamm.responses.links import LINK_NAMES

__all__ = ["Member", "SlotValues", "member_rows", "members_of"]


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
    predictors : PredictorLayout
        Coefficients and random effects of its linear predictors.
    behind : int
        Position of the first coefficient of what its predictor has beside covariates: thresholds of
        sequential models, the zero part of hurdle models.
    """

    label: Any
    family: Any
    response: Response
    categories: tuple = ()
    first: int = 0
    predictors: PredictorLayout = ONE
    behind: int = 0

    @property
    def layout(self) -> str:
        return getattr(self.family, "layout", "plain")

    @property
    def law(self) -> Law:
        """What the response is."""
        return self.response.law

    @property
    def known_slots(self) -> dict[str, float]:
        """Values of predictors that the family knows, by slot."""
        return known_slots(self.family)

    @property
    def slot_names(self) -> list[str]:
        """Slots in the order of their predictors, thresholds and known ones left out."""
        known = self.known_slots
        return [slot.name for slot in self.response.slots if slot.name not in known]

    @property
    def needed(self) -> tuple[Any, ...]:
        """Keys of the designs that the mean depends on."""
        if self.label is None:
            return self.law.needs
        return tuple((name, self.label) for name in self.law.needs)

    @property
    def own_predictors(self) -> tuple | None:
        """Categories that have a linear predictor of their own; None if there is a single predictor."""
        return self.categories[1:] if self.predictors.copies else None

    def channel(self, slot: str) -> int:
        """Number of the predictor without random effects that a slot reads."""
        return self.first + self.slot_names.index(slot)


def members_of(model) -> tuple[Member, ...]:
    """The families of a model.

    Raises
    ------
    SpecificationError
        For mixed responses after ``remove_data()``.
    """
    family = model.family
    if getattr(family, "layout", "plain") != "mixed":
        labels, behind = tuple(model.extras.labels), int(model.kept_columns.sum())
        layout = PredictorLayout(model.response.law.copies(len(labels)))
        return (Member(None, family, model.response, labels, 0, layout, behind),)
    if model.responses is None:
        raise SpecificationError(
            "the data of the model, which predictions of mixed responses need, were removed by "
            "remove_data()"
        )
    data, out = model.responses, []
    copies = [r.law.copies(len(share.labels)) for _, _, r, _, share in data.members]
    fixed, random = _numbered(data.used, model.random)
    first, behind = 0, data.exog.shape[1] if fixed is None else int(fixed.max()) + 1
    # copies of unordered categories are behind the one that all other families share
    copy = int(0 in copies)
    for (label, its_family, response, _, share), n in zip(data.members, copies, strict=True):
        layout = PredictorLayout(n)
        if fixed is not None:
            own = slice(copy, copy + n) if n else slice(0, 1)
            layout = PredictorLayout(n, fixed[own], tuple(places[own] for places in random))
        member = Member(label, its_family, response, tuple(share.labels), first, layout, behind)
        out.append(member)
        copy += n
        if member.layout == "cumulative":
            first += len(share.labels) - 1 + ("scale" in share.designs)
        else:
            first += len(member.slot_names)
        if member.layout in ("sequential", "adjacent"):
            behind += len(share.labels) - 1
        elif member.layout == "hurdle":
            behind += share.designs["zero"][0].shape[1] if "zero" in share.designs else 1
    return tuple(out)


def _numbered(used: dict, levels) -> tuple[np.ndarray | None, list[np.ndarray]]:
    """Numbers of the coefficients, and by level of the random effects, of columns by copy; -1 for none."""
    if not used:
        return None, []

    def numbers(mask: np.ndarray, first: int) -> np.ndarray:
        return np.where(mask, first + np.cumsum(mask).reshape(mask.shape) - 1, -1)

    random = []
    for level in levels:
        blocks, first = [], 0
        for number, _ in enumerate(level.terms):
            mask = used[level.name, number]
            blocks.append(numbers(mask, first))
            first += int(mask.sum())
        random.append(np.concatenate(blocks, axis=1))
    return numbers(used["exog"], 0), random


def member_rows(members, rows: PredictionRows):
    """Pairs of a member and the positions of its rows; rows with a missing label are nobody's.

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
        if label not in known and label == label:
            raise SpecificationError(
                f"family_by is {label!r} in row {row}; the families are {[m.label for m in members]}"
            )
    pairs = [(m, np.flatnonzero([label == m.label for label in rows.member])) for m in members]
    return [(member, at) for member, at in pairs if len(at)]


class SlotValues:
    """What a law asks for beside the linear predictor, of a member's rows, computed as asked for.

    The attributes are those of :class:`sm_gllamm.responses.laws.Given`.

    Parameters
    ----------
    mapping : GLMMMapping
    member : Member
    theta : ndarray, shape (p,)
        Internal parameters.
    rows : PredictionRows
    data : ResponseData, optional
        The rows' responses, for draws and residuals.
    """

    def __init__(self, mapping, member: Member, theta: np.ndarray, rows: PredictionRows, data=None):
        self.mapping, self.member, self.data = mapping, member, data
        self.theta, self.rows = np.asarray(theta, dtype=float), rows
        self.n, self.link, self.categories = rows.n, member.response.link, member.categories

    @cached_property
    def dispersion(self) -> np.ndarray:
        return np.exp(self._slot("dispersion", 0.0))

    @cached_property
    def passed(self) -> np.ndarray:
        if self.member.layout == "hurdle":
            key = "zero" if self.member.label is None else ("zero", self.member.label)
            design = self.rows.designs.get(key, np.ones((self.n, 1)))
            return expit(-design @ self._behind_covariates(design.shape[1]))
        return expit(-self._slot("zero", -np.inf))

    @cached_property
    def lower(self) -> np.ndarray:
        return expit(self._slot("lower", -np.inf))

    @cached_property
    def upper(self) -> np.ndarray:
        return expit(self._slot("upper", np.inf))

    @cached_property
    def scale(self) -> np.ndarray:
        channel = self.member.first + len(self.categories) - 1
        scales = [slot for _, slot in self.mapping.slots if slot.slot == "scale"]
        if not any(slot.entries[0].channel == channel for slot in scales):
            return np.ones(self.n)
        return np.exp(self._channel(channel))

    @cached_property
    def thresholds(self) -> np.ndarray:
        k = len(self.categories) - 1
        if self.member.layout == "cumulative":
            return np.column_stack([self._channel(self.member.first + s) for s in range(k)])
        return np.broadcast_to(self._behind_covariates(k), (self.n, k))

    @property
    def trials(self) -> np.ndarray:
        return self.data.m if self.member.response.kind == "binomial" else np.ones(self.n)

    @property
    def entry(self) -> np.ndarray | None:
        return self.data.entry

    @property
    def y(self) -> np.ndarray:
        return self.data.y

    @cached_property
    def groups(self) -> list[np.ndarray]:
        order = np.argsort(self.rows.sets, kind="stable")
        _, first, sizes = np.unique(self.rows.sets[order], return_index=True, return_counts=True)
        return [order[first[sizes == size][:, None] + np.arange(size)] for size in np.unique(sizes)]

    @property
    def parts(self) -> np.ndarray:
        return self.rows.parts

    @property
    def links(self) -> np.ndarray:
        return LINK_NAMES[self.rows.links]

    def _behind_covariates(self, k: int) -> np.ndarray:
        return self.theta[self.member.behind : self.member.behind + k]

    def _slot(self, name: str, absent: float) -> np.ndarray:
        """Predictor of a slot, `absent` where the response has none."""
        if name in self.member.slot_names:
            return self._channel(self.member.channel(name))
        return np.full(self.n, self.member.known_slots.get(name, absent))

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
