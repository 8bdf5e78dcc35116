"""Profile likelihood of one parameter: signed roots on a grid of values, and limits.

The signed root of the deviance, zeta(v) = sign(v - estimate) sqrt(2 (l_max - l_profile(v))), is close
to linear in v where the estimate is close to normal; limits are where it is plus or minus a normal
quantile (Bates & Watts 1988, ch. 6; lme4's ``profile``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["ProfilePoint", "limit_at", "trace_side"]

#: Distance of neighbouring points aimed at, in units of zeta.
SPACING = 0.5
#: Points on one side before giving up.
MOST = 40
#: Values without a maximum on one side before giving up.
FAILURES = 4
#: zeta at a limit agrees with the quantile to this.
CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class ProfilePoint:
    """A value of the parameter, the maximum of the log-likelihood given it, and where that is.

    Attributes
    ----------
    value : float
    zeta : float
        Signed root of the deviance.
    llf : float
    state : object
        Whatever `maximum_at` returned, to start the next maximisation from.
    """

    value: float
    zeta: float
    llf: float
    state: Any


class _Evaluator:
    """Profile points at given values."""

    def __init__(self, maximum_at: Callable, start: ProfilePoint, side: int):
        self.maximum_at, self.top, self.side = maximum_at, start.llf, side

    def __call__(self, value: float, near: ProfilePoint) -> ProfilePoint | None:
        llf, state = self.maximum_at(value, near.state)
        if not np.isfinite(llf):
            return None
        return ProfilePoint(
            value, self.side * np.sqrt(max(2.0 * (self.top - llf), 0.0)), llf, state
        )


def trace_side(
    maximum_at: Callable,
    start: ProfilePoint,
    side: int,
    step: float,
    depth: float,
    bound: float | None = None,
) -> list[ProfilePoint]:
    """Profile from the estimate outwards, until the signed root passes `depth` or the bound is met.

    Parameters
    ----------
    maximum_at : callable
        ``maximum_at(value, state)`` returns the maximum of the log-likelihood at that value of the
        parameter (-inf if there is none) and a state to start from next time.
    start : ProfilePoint
        The estimate, with zeta 0.
    side : {-1, 1}
    step : float
        First step, about half a standard error.
    depth : float
        Positive.
    bound : float, optional
        End of the parameter space on this side.

    Returns
    -------
    list of ProfilePoint
        From the estimate outwards; the last one has \\|zeta\\| >= depth unless the bound came first or no
        maximum was found.
    """
    evaluate = _Evaluator(maximum_at, start, side)
    points = [start]
    failures = 0
    for _ in range(MOST):
        last = points[-1]
        if bound is not None and last.value == bound:
            break
        value = last.value + side * step
        if bound is not None and side * (value - bound) > 0:
            value = bound
        point = evaluate(value, last)
        if point is None:
            failures += 1
            if failures == FAILURES:
                break
            step /= 4.0
            continue
        gain = abs(point.zeta - last.zeta)
        if gain > 3.0 * SPACING and abs(point.zeta) > depth + SPACING:
            # far beyond: take a shorter step
            step = abs(value - last.value) * max(SPACING / gain, 0.1)
            continue
        points.append(point)
        if abs(point.zeta) >= depth:
            break
        moved = abs(point.value - last.value)
        step = moved * float(np.clip(SPACING / max(gain, 1e-12), 0.25, 3.0))
    return points


def limit_at(
    maximum_at: Callable, points: list[ProfilePoint], side: int, quantile: float
) -> tuple[float, ProfilePoint | None]:
    """Value of the parameter where the signed root is `quantile` on a side.

    Parameters
    ----------
    maximum_at : callable
        As in `trace_side`.
    points : list of ProfilePoint
        From `trace_side`.
    side : {-1, 1}
    quantile : float
        Positive.

    Returns
    -------
    limit : float
        The bound if zeta does not get as far as that; NaN if the profile broke off before.
    point : ProfilePoint or None
        The profile there.
    """
    beyond = next((i for i, p in enumerate(points) if abs(p.zeta) >= quantile), None)
    if beyond is None:
        return np.nan, None
    evaluate = _Evaluator(maximum_at, points[0], side)
    inner, outer = points[max(beyond - 1, 0)], points[beyond]
    best = outer
    for _ in range(25):
        best = min(inner, outer, key=lambda p: abs(abs(p.zeta) - quantile))
        if abs(abs(best.zeta) - quantile) <= CLOSE:
            break
        share = (quantile - abs(inner.zeta)) / (abs(outer.zeta) - abs(inner.zeta))
        # secant within the bracket, kept off its ends
        value = inner.value + float(np.clip(share, 0.02, 0.98)) * (outer.value - inner.value)
        point = evaluate(value, best)
        if point is None:
            return np.nan, None
        if abs(point.zeta) >= quantile:
            outer = point
        else:
            inner = point
        if abs(outer.value - inner.value) <= 1e-9 * max(abs(outer.value), abs(inner.value)):
            best = point
            break
    return best.value, best
