"""Profile likelihoods of published parameters."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from sm_gllamm.exceptions import ConvergenceWarning, SpecificationError
from sm_gllamm.inference.constrained import LinearConstraints
from sm_gllamm.inference.profile import ProfilePoint, limit_at, trace_side

__all__ = ["ParameterProfile", "profile_limits", "profile_parameter"]

#: A profile above the maximum by more than this is warned about.
HIGHER = 1e-2


@dataclass(frozen=True)
class ParameterProfile:
    """Profile likelihood of one parameter.

    Attributes
    ----------
    name : str
        The parameter.
    estimate : float
    table : DataFrame
        Rows by increasing value: ``value``, ``zeta`` (signed root of the deviance), ``llf`` (maximum
        of the log-likelihood given the value), and the other parameters at that maximum.
    limits : ndarray, shape (2,)
        Interval with confidence level ``1 - alpha``.
    alpha : float

    Examples
    --------
    >>> import sm_gllamm.formula.api as smgf
    >>> from sm_gllamm.datasets import sleepstudy
    >>> data = sleepstudy.load_pandas().data
    >>> result = smgf.glmm("Reaction ~ Days + (1 | Subject)", data).fit()
    >>> profile = result.profile("Days")
    >>> print(profile.limits.round(3))
    [ 8.887 12.048]
    """

    name: str
    estimate: float
    table: pd.DataFrame
    limits: np.ndarray
    alpha: float


def _check(results):
    if results.settings.reml:
        raise SpecificationError("profiles are of the likelihood: fit by ML (reml=False)")
    if results.sampling_weights:
        raise SpecificationError("with sampling weights there is no likelihood to profile")
    if results.quasi:
        raise SpecificationError(
            "a quasi-likelihood (scale='X2') has no profile; use Wald intervals"
        )
    if results.model.endog is None:
        raise SpecificationError("the data were removed by remove_data(); profiles need them")


def _sides(results, position: int, alpha: float, extra: float):
    """Points on both sides, and a limit on each."""
    model, params = results.model, np.asarray(results.params)
    mapping = model.mapping
    row = np.eye(len(params))[position]
    held = results.constraints

    def maximum_at(value, theta):
        matrix, values = row[None, :], np.array([value])
        if held is not None:
            matrix = np.vstack([held.matrix, matrix])
            values = np.append(held.values, value)
        constraints = LinearConstraints.of(matrix, values, tuple(mapping.param_names))
        try:
            theta, llf = model.maximum_under(constraints, theta, results.quadrature)
        except SpecificationError:
            return -np.inf, theta
        return llf, theta

    start = ProfilePoint(float(params[position]), 0.0, results.llf, results.theta)
    quantile = stats.norm.ppf(1 - alpha / 2)
    variance = position in _variances(mapping)
    se = float(np.sqrt(max(results.cov_params()[position, position], 0.0)))
    if not se > 0:
        # a variance of zero: a tenth of the residual variance, or of what moves nu by one
        se = 0.1 * float(params[-1]) if mapping.dispersion else 0.1
    for side in (-1, 1):
        bound = 0.0 if variance and side < 0 else None
        if bound is not None and start.value <= 1e-10 * se:
            yield [start], 0.0
            continue
        points = trace_side(maximum_at, start, side, 0.5 * se, quantile + extra, bound)
        limit, at = limit_at(maximum_at, points, side, quantile)
        if at is not None:
            points = sorted([*points, at], key=lambda p: side * p.value)
        elif bound is not None and points[-1].value == bound:
            limit = bound
        _warn_if_higher(results, mapping.param_names[position], points)
        yield points, limit


def _warn_if_higher(results, name: str, points: list[ProfilePoint]):
    """A profile must not rise above the maximum."""
    best = max(points, key=lambda p: p.llf)
    if best.llf > results.llf + HIGHER:
        warnings.warn(
            f"the profile of {name} rises above the maximum (by {best.llf - results.llf:.2g} at "
            f"{best.value:g}): the fit stopped short of it, or its quadrature points are too few",
            ConvergenceWarning,
            stacklevel=5,
        )


def _variances(mapping) -> set[int]:
    """Positions of the variances of random effects, which may be zero."""
    return {
        block.start + k
        for _, _, block, covariance in mapping.terms
        for k, (r, c) in enumerate(covariance.params)
        if r == c
    }


def profile_parameter(
    results, name: str, alpha: float = 0.05, extra: float = 0.5
) -> ParameterProfile:
    """Profile of one parameter; see :meth:`LatentVariableResults.profile`."""
    _check(results)
    names = list(results.model.mapping.param_names)
    if name not in names:
        raise SpecificationError(f"no parameter {name!r}; the parameters are {names}")
    position = names.index(name)
    if not np.asarray(results.bse)[position] != 0.0:
        raise SpecificationError(f"{name} is fixed by the constraints; there is nothing to profile")
    (lower, low), (upper, high) = _sides(results, position, alpha, extra)
    points = {p.value: p for p in [*lower, *upper]}
    rows = [points[value] for value in sorted(points)]
    mapping = results.model.mapping
    curve = pd.DataFrame([(p.value, p.zeta, p.llf) for p in rows], columns=["value", "zeta", "llf"])
    others = pd.DataFrame([mapping.params(p.state) for p in rows], columns=names)
    table = pd.concat([curve, others.drop(columns=name)], axis=1)
    return ParameterProfile(
        name, float(np.asarray(results.params)[position]), table, np.array([low, high]), alpha
    )


def profile_limits(results, alpha: float) -> np.ndarray:
    """Profile intervals of all parameters, shape (k_params, 2); NaN where a constraint fixes one."""
    _check(results)
    limits = np.full((len(results.params), 2), np.nan)
    se = np.asarray(results.bse)
    for position in range(len(limits)):
        if se[position] != 0.0:
            limits[position] = [limit for _, limit in _sides(results, position, alpha, 0.0)]
    return limits
