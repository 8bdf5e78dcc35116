"""Marginal effects of covariates on mean responses, with delta-method standard errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from statsmodels.discrete import discrete_margins

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.averaging import averages
from sm_gllamm.prediction.members import members_of
from sm_gllamm.prediction.rows import PredictionRows
from sm_gllamm.prediction.targets import Target

__all__ = ["EffectDesign", "MarginalEffects", "effect_design"]

#: Step of central differences, in units of one plus the absolute value.
STEP = 1e-4
AT = ("overall", "mean", "median", "zero", "all")
METHODS = ("dydx", "eyex", "dyex", "eydx")


@dataclass(frozen=True, slots=True)
class EffectDesign:
    """Rows at which effects are evaluated.

    Attributes
    ----------
    exog : ndarray, shape (n, k)
    offset : ndarray, shape (n,)
    random : list of ndarray, each of shape (n, q)
        Random-effects columns of each term, in the order of ``mapping.terms``.
    same_as : list of ndarray of intp, each of shape (q,)
        Column of exog that a random-effects column repeats, -1 if none: a change of the covariate
        changes both.
    """

    exog: np.ndarray
    offset: np.ndarray
    random: list[np.ndarray]
    same_as: list[np.ndarray]

    def changed(self, column: int, value) -> EffectDesign:
        """The rows with another value of one column, wherever it occurs."""
        exog = self.exog.copy()
        exog[:, column] = value
        random = []
        for z, same in zip(self.random, self.same_as, strict=True):
            z = z.copy()
            z[:, same == column] = exog[:, [column]]
            random.append(z)
        return EffectDesign(exog, self.offset, random, self.same_as)


def effect_design(rows, mapping, at: str, constant: np.ndarray, atexog=None) -> EffectDesign:
    """Rows for the option `at` of marginal effects.

    Parameters
    ----------
    rows : PredictionRows
        Of the fit, with levels.
    mapping : GLMMMapping
    at : {"overall", "mean", "median", "zero", "all"}
        The observed rows; or one row of means, medians, or zeros (constants stay).
    constant : ndarray of bool, shape (k,)
        Columns of exog that do not vary.
    atexog : dict of int to float, optional
        Values of columns of exog by position.
    """
    exog, random, same_as = rows.exog, [], []
    for level, position, _, covariance in mapping.terms:
        z = rows.levels[level].columns[:, position : position + len(covariance.names)]
        same = [
            next((k for k in range(exog.shape[1]) if np.array_equal(exog[:, k], column)), -1)
            for column in z.T
        ]
        random.append(z)
        same_as.append(np.array(same, dtype=np.intp))
    offset = np.zeros(len(exog)) if rows.offset is None else rows.offset
    if at in ("mean", "median", "zero"):
        centre = np.median if at == "median" else np.mean
        row = np.where(constant, exog[0], 0.0) if at == "zero" else centre(exog, axis=0)
        offset = np.array([centre(offset)])
        random = [
            np.where(same >= 0, row[same], centre(z, axis=0))[None]
            for z, same in zip(random, same_as, strict=True)
        ]
        exog = row[None]
    design = EffectDesign(exog, offset, random, same_as)
    for column, value in (atexog or {}).items():
        design = design.changed(column, value)
    return design


def _variance_columns(mapping, design: EffectDesign, column: int | None = None) -> np.ndarray:
    """Derivatives of the random part's variance in the parameters, shape (n, p).

    With `column`, their derivatives in that column of exog.
    """
    out = np.zeros((len(design.exog), mapping.k_params))
    for (_, _, block, covariance), z, same in zip(
        mapping.terms, design.random, design.same_as, strict=True
    ):
        slope = np.ones(z.shape[1]) if column is None else (same == column).astype(float)
        if covariance.structure == "equal":
            products = z**2 if column is None else 2.0 * z * slope
            out[:, block.start] = products.sum(axis=1)
            continue
        for k, (a, b) in enumerate(covariance.params):
            twice = 1.0 if a == b else 2.0
            if column is None:
                product = z[:, a] * z[:, b]
            else:
                product = slope[a] * z[:, b] + z[:, a] * slope[b]
            out[:, block.start + k] = twice * product
    return out


class _Moments:
    """Averages of the inverse link and its derivatives at the rows of a design."""

    def __init__(self, mapping, link: str, params, design: EffectDesign, random: bool, order: int):
        self.mapping, self.params, self.design, self.random = mapping, params, design, random
        k = mapping.k_exog
        linear = design.exog @ params[:k] + design.offset
        self.columns = np.zeros((len(linear), mapping.k_params))
        if random:
            self.columns = _variance_columns(mapping, design)
        variance = np.maximum(self.columns @ params, 0.0)
        self.m = averages(link, linear, variance, order)

    def mean_gradient(self) -> np.ndarray:
        out = 0.5 * self.m[2][:, None] * self.columns
        out[:, : self.mapping.k_exog] += self.m[1][:, None] * self.design.exog
        return out

    def derivative(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """d mean / d x of a column, shape (n,), and its gradient in the parameters, (n, p)."""
        m, k = self.m, self.mapping.k_exog
        beta = self.params[column]
        bend = np.zeros_like(self.columns)
        if self.random:
            bend = _variance_columns(self.mapping, self.design, column)
        widen = bend @ self.params
        value = m[1] * beta + 0.5 * m[2] * widen
        along = m[2] * beta + 0.5 * m[3] * widen
        across = m[3] * beta + 0.5 * m[4] * widen
        gradient = 0.5 * across[:, None] * self.columns + 0.5 * m[2][:, None] * bend
        gradient[:, :k] += along[:, None] * self.design.exog
        gradient[:, column] += m[1]
        return value, gradient


class MarginalEffects(discrete_margins.DiscreteMargins):
    """Marginal effects of a mixed model's covariates on mean responses.

    Attributes
    ----------
    margeff : ndarray, shape (number of covariates,), or (nobs, number) for ``at="all"``
    margeff_se : ndarray, shape (number of covariates,)
    margeff_cov : ndarray

    Notes
    -----
    With ``M_k`` the k-th derivative of the inverse link averaged over the random effects, eta and v
    mean and variance of the linear predictor, the effect of x is ``M_1 d eta/dx + M_2 dv/dx / 2``:
    a covariate with a random slope changes the variance as well. Derivatives of effects in the
    parameters are of the same form, so standard errors need no numerical differences, except for
    means that are not the inverse link itself (durations, zero-inflated and truncated counts).
    Methods are those of statsmodels' discrete models: ``summary()``, ``summary_frame()``,
    ``conf_int()``.
    """

    def get_margeff(
        self, at="overall", method="dydx", atexog=None, dummy=False, count=False, *, rows, kind
    ):
        """Compute the effects; arguments as in ``GLMMResults.get_margeff``."""
        if at not in AT or method not in METHODS:
            raise SpecificationError(f"at must be one of {AT}, method one of {METHODS}")
        if kind not in ("marginal", "conditional"):
            raise SpecificationError("marginal effects are on 'marginal' or 'conditional' means")
        if dummy or count:
            discrete_margins._check_discrete_args(at, method)
        self._reset()
        self.margeff_options = {"method": method, "at": at}
        model = self.results.model
        params = np.asarray(self.results.params, dtype=float)
        varies, const = discrete_margins._get_const_index(rows.exog)
        if not varies.any():
            raise SpecificationError("the model has no covariates, and so no marginal effects")
        steps: dict[int, tuple[int, int]] = {}
        if count:
            found, some = discrete_margins._get_count_index(rows.exog, const)
            steps |= dict.fromkeys(found if some else (), (-1, 1))
        if dummy:
            found, some = discrete_margins._get_dummy_index(rows.exog, const)
            steps |= dict.fromkeys(found if some else (), (0, 1))
        design = effect_design(rows, model.mapping, at, ~varies, atexog)
        target = _target(model, rows)
        link = target.plain_link(rows)
        columns = [(column, steps.get(column)) for column in np.flatnonzero(varies)]
        if link is not None:
            effects, jacobian = _plain_effects(
                (model.mapping, link, params), design, columns, method, kind
            )
        else:
            effects, jacobian = _numerical_effects(target, params, design, columns, method, kind)
        self.margeff = np.array(effects if at == "all" else [e.mean() for e in effects]).T
        if at != "all":
            self.margeff_cov = jacobian @ np.asarray(self.results.cov_params()) @ jacobian.T
            self.margeff_se = np.sqrt(np.diag(self.margeff_cov))


def _target(model, rows) -> Target:
    """The mean of a model whose rows have one."""
    members = members_of(model)
    member = members[0]
    if member.label is not None or member.layout not in ("plain", "interval"):
        raise SpecificationError(
            f"marginal effects are not available for {type(model.family).__name__} responses; compare "
            "predictions (get_prediction) for data that differ in a covariate"
        )
    if used := [name for name in member.law.needs if name in rows.designs]:
        raise SpecificationError(
            f"marginal effects are not available where the mean depends on covariates in {used}; compare "
            "predictions (get_prediction) for data that differ in a covariate"
        )
    return Target(model.mapping, member)


def _plain_effects(settings, design: EffectDesign, columns, method: str, kind: str):
    """Effects on the inverse link, a list by covariate, and the Jacobian of their averages."""
    moments = _Moments(*settings, design, kind == "marginal", 4)
    effects, gradients = [], []
    for column, step in columns:
        if step is None:
            effect, gradient = _slope(moments, column, method)
        else:
            effect, gradient = _step(settings, design, column, step, method, kind)
        effects.append(effect)
        gradients.append(gradient.mean(axis=0))
    return effects, np.array(gradients)


def _numerical_effects(
    target: Target, params, design: EffectDesign, columns, method: str, kind: str
):
    """The same for any mean, by central differences in the covariate and in theta."""
    mapping = target.mapping

    def mean(theta, rows: EffectDesign):
        linear = rows.exog @ theta[: rows.exog.shape[1]] + rows.offset
        variance = np.zeros(len(linear))
        if kind == "marginal":
            columns = _variance_columns(mapping, rows)
            variance = np.maximum(columns @ mapping.params(theta), 0.0)
        slots = target.slots(theta, PredictionRows(rows.exog, None, None, None))
        return target.over_normal(linear, variance, slots)

    def effects(theta):
        out = []
        for column, step in columns:
            x = design.exog[:, column]
            if step is None:
                width = STEP * (1.0 + np.abs(x))
                ends, between = (x - width, x + width), 2.0 * width
            elif step == (0, 1):
                ends, between = step, 1
            else:
                ends, between = (x + step[0], x + step[1]), step[1] - step[0]
            low, high = (mean(theta, design.changed(column, end)) for end in ends)
            if method.startswith("ey"):
                low, high = np.log(low), np.log(high)
            effect = (high - low) / between
            out.append(effect * x if step is None and method.endswith("ex") else effect)
        return out

    theta = mapping.theta(params)
    slopes = np.empty((len(columns), len(theta)))
    for t in range(len(theta)):
        move = np.zeros(len(theta))
        move[t] = STEP * (1.0 + abs(theta[t]))
        up, down = effects(theta + move), effects(theta - move)
        slopes[:, t] = [(a - b).mean() / (2.0 * move[t]) for a, b in zip(up, down, strict=True)]
    return effects(theta), slopes @ np.linalg.pinv(mapping.jacobian(theta))


def _slope(moments: _Moments, column: int, method: str):
    """Effect of a continuous covariate and its gradient, as the elasticity that is asked for."""
    value, gradient = moments.derivative(column)
    if method.startswith("ey"):
        mean = moments.m[0]
        gradient = gradient / mean[:, None] - (value / mean**2)[:, None] * moments.mean_gradient()
        value = value / mean
    if method.endswith("ex"):
        x = moments.design.exog[:, column]
        value, gradient = value * x, gradient * x[:, None]
    return value, gradient


def _step(settings, design: EffectDesign, column: int, step, method: str, kind: str):
    """Change of the mean from 0 to 1, or half the change from one less to one more."""
    ends = []
    for shift in step:
        value = shift if step == (0, 1) else design.exog[:, column] + shift
        end = _Moments(*settings, design.changed(column, value), kind == "marginal", 2)
        mean, gradient = end.m[0], end.mean_gradient()
        if method.startswith("ey"):
            mean, gradient = np.log(mean), gradient / mean[:, None]
        ends.append((mean, gradient))
    width = step[1] - step[0]
    (low, low_gradient), (high, high_gradient) = ends
    return (high - low) / width, (high_gradient - low_gradient) / width
