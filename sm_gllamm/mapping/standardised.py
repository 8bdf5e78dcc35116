"""Parameters of item response models whose covariates of persons are centred and scaled inside.

With x = m + s x*, a latent regression and direct effects on items

    nu_j = a_j (gamma x + zeta) + d_j + beta_j x

are those of x* with gamma* = s gamma, beta_j* = s beta_j and d_j* = d_j + a_j gamma m + beta_j m. The
optimiser sees the latter, which say little about each other however far x is from zero; published are the
former.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sm_gllamm.mapping.item_design import ItemDesign, dif_name
from sm_gllamm.mapping.structural import StructuralMapping

__all__ = ["Standard", "StandardisedMapping", "shifts_of_intercepts"]

#: Means over standard deviations, and standard deviations, of covariates that do no harm as they are.
FAR, SCALES = 5.0, (0.05, 20.0)

#: A coefficient, and positions of the one or two parameters it multiplies.
Shift = tuple[float, tuple[int, ...]]


class Standard:
    """Origins and scales of covariates.

    Parameters
    ----------
    centre, scale : ndarray, shape (p,)
    """

    def __init__(self, centre: np.ndarray, scale: np.ndarray):
        self.centre, self.scale = centre, scale

    @classmethod
    def of(cls, values: np.ndarray | None) -> Standard | None:
        """Those of covariates of persons, shape (n, p); None where all of them do no harm."""
        if values is None:
            return None
        mean, sd = values.mean(axis=0), values.std(axis=0)
        near = np.abs(mean) <= FAR * sd
        if (near & (sd >= SCALES[0]) & (sd <= SCALES[1])).all():
            return None
        return cls(mean, np.where(sd > 0.0, sd, 1.0))

    def without_centre(self) -> Standard:
        """The scales alone."""
        return Standard(np.zeros_like(self.centre), self.scale)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Covariates in these units, shape (n, p)."""
        return (values - self.centre) / self.scale


class StandardisedMapping(StructuralMapping):
    """Maps between published parameters and those of the model with standardised covariates."""

    shifts: dict[int, list[Shift]]
    divisor: np.ndarray

    def publish(self, shifts: Mapping[int, list[Shift]], divisor: np.ndarray) -> None:
        """Say how parameters are published.

        Parameters
        ----------
        shifts : dict of int to list of (float, tuple of int)
            By position: what is added, products of other inner parameters.
        divisor : ndarray, shape (p,)
        """
        self.shifts, self.divisor = dict(shifts), divisor

    def _shift(self, inner: np.ndarray) -> np.ndarray:
        out = np.zeros(len(inner))
        for target, terms in self.shifts.items():
            out[target] = sum(value * np.prod(inner[list(places)]) for value, places in terms)
        return out

    def theta(self, params) -> np.ndarray:
        """Internal parameters of published ones; SpecificationError outside the parameter space."""
        inner = np.asarray(params, dtype=float)
        if inner.shape == self.divisor.shape:
            # what is shifted is no factor of shifts
            inner = inner * self.divisor
            inner = inner - self._shift(inner)
        return super().theta(inner)

    def params(self, theta) -> np.ndarray:
        """Published parameters."""
        inner = super().params(theta)
        return (inner + self._shift(inner)) / self.divisor

    def jacobian(self, theta) -> np.ndarray:
        """d params / d theta, shape (p, p)."""
        return self._outer_jacobian(super().params(theta)) @ super().jacobian(theta)

    def _outer_jacobian(self, inner: np.ndarray) -> np.ndarray:
        out = np.diag(1.0 / self.divisor)
        for target, terms in self.shifts.items():
            for value, places in terms:
                for k, place in enumerate(places):
                    others = [p for i, p in enumerate(places) if i != k]
                    out[target, place] += value * np.prod(inner[others])
        return out

    def curvature(self, theta, gradient) -> np.ndarray:
        """sum_t gradient_t d2 params_t / d theta d theta', shape (p, p)."""
        inner = super().params(theta)
        out = super().curvature(theta, gradient @ self._outer_jacobian(inner))
        bend = np.zeros_like(out)
        for target, terms in self.shifts.items():
            for value, places in terms:
                if len(places) == 2:
                    r, c = places
                    bend[r, c] += gradient[target] * value
                    bend[c, r] += gradient[target] * value
        slope = super().jacobian(theta)
        return out + slope.T @ bend @ slope


def shifts_of_intercepts(
    design: ItemDesign, intercepts: dict, slopes: dict, place: Mapping[str, int], standard: Standard
) -> dict[int, list[Shift]] | None:
    """What intercepts, or means of latent variables, are published with besides themselves.

    Parameters
    ----------
    design : ItemDesign
    intercepts, slopes : dict
        Of an :class:`sm_gllamm.mapping.items.ItemLayout`.
    place : dict of str to int
        Positions of parameters.
    standard : Standard

    Returns
    -------
    dict of int to list of (float, tuple of int), or None
        None where a model with other origins of covariates is another model.
    """
    if design.random_slopes or design.item_covariates is not None:
        return None
    if any(on_slope for _, on_slope in design.dif.values()):
        return None
    ratio = standard.centre / standard.scale
    found: dict[int, list[Shift]] = {}
    absorbed = set()
    for d, name in enumerate(design.dimensions):
        if f"mean({name})" in place:
            absorbed.add(d)
            found[place[f"mean({name})"]] = [
                (-ratio[k], (place[f"{name} ~ {design.covariates[k]}"],)) for k in design.regression
            ]
    for (g, j), by_category in intercepts.items():
        divide = design.models[j].form == "divide"
        for c, term in enumerate(by_category):
            wanted: list[Shift] = []
            for d, (factor, name) in slopes[g, j][c if divide else 0].items():
                own = () if name is None else (place[name],)
                for k in design.regression if d not in absorbed else ():
                    path = place[f"{design.dimensions[d]} ~ {design.covariates[k]}"]
                    wanted.append((-factor * ratio[k], (*own, path)))
            for k in design.dif.get(design.items[j], ((), ()))[0]:
                step = c + 1.0 if divide else 1.0
                wanted.append((-step * ratio[k], (place[dif_name(design, j, k)],)))
            if not wanted:
                continue
            free = [
                (value, place[name])
                for value, name in term
                if name is not None and not name.startswith("step[")
            ]
            if len(free) != 1:
                return None
            value, target = free[0]
            wanted = [(weight / value, places) for weight, places in wanted]
            before = found.setdefault(target, wanted)
            same = [places for _, places in before] == [places for _, places in wanted]
            if not same or not np.allclose([x for x, _ in before], [x for x, _ in wanted]):
                # groups share an intercept and not the slopes
                return None
    return found
