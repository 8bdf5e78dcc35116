"""Responses seen from the predictor: crude link-scale values, and the size of a moderate effect."""

from __future__ import annotations

import numpy as np
from scipy import stats

from sm_gllamm.responses.densities import CODES, DENSITIES
from sm_gllamm.responses.families import link_of

__all__ = ["LinkedResponses", "distinct", "response_unit"]

#: Links on whose scale an effect of one is a moderate one.
_UNIT_LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit", "log")
#: Densities that have only such links.
_UNIT_FILES = ("binomial", "poisson_log", "nb", "z", "beta", "cumulative", "truncated")
#: Spread of log durations with unit scale: normal, logistic, minimum extreme value.
_ERROR_SD = {"lognormal": 1.0, "loglogistic": 1.814, "weibull_aft": 1.283, "weibull_ph": 1.283}
#: Size of the logits that asymptotes start with: 0.12 and 0.88.
ASYMPTOTE = 2.0
_DURATIONS = tuple(name for name, file, _ in DENSITIES if file == "duration")


def _link_name(density: str) -> str:
    """Name of the link in a density's name: ``gamma_inverse`` has "inverse"."""
    density = density.removesuffix("_asymptotes")
    for link in ("inverse_squared", "inverse", "identity", "log", "sqrt", *_UNIT_LINKS):
        if density.endswith("_" + link):
            return link
    return "identity"


def distinct(codes: np.ndarray) -> np.ndarray:
    """The codes of densities that occur, ascending."""
    return codes[:1] if len(codes) and (codes == codes[0]).all() else np.unique(codes)


class LinkedResponses:
    """Link-scale values of some rows of a problem.

    Parameters
    ----------
    problem : Problem
    rows : slice

    Attributes
    ----------
    linked : ndarray, shape (n,)
        Link of the response pulled towards its mean; zero for densities without such a thing.
    weight : ndarray, shape (n,)
        Row weights times binomial denominators; zero where `linked` says nothing of coefficients.
    pull : ndarray, shape (n,)
        Share of a deviation from the mean that is left in `linked`.
    spread : dict of int to float
        By code of a density: the random-effect SD on the predictor's scale that makes a difference.
    """

    def __init__(self, problem, rows: slice):
        self.problem, self.rows = problem, rows
        self.code = problem.family[rows]
        self.y, self.m = problem.y[rows], problem.trials[rows]
        n = len(self.y)
        self.offset = np.zeros(n) if problem.offset is None else problem.offset[rows]
        base = np.ones(n) if problem.row_weight is None else problem.row_weight[rows]
        self.linked, self.weight, self.pull = np.zeros(n), np.zeros(n), np.ones(n)
        self.mean: dict[int, float] = {}
        self.spread: dict[int, float] = {}
        for code in distinct(self.code):
            here = self.code == code
            self.spread[code] = 1.0
            if code < 0:
                continue
            if DENSITIES[code][1] == "cumulative":
                self.linked[here] = self._scores(DENSITIES[code][0], here)
            else:
                self._link(int(code), here, base)

    def _link(self, code: int, here: np.ndarray, base: np.ndarray) -> None:
        """Fill in the rows of one density."""
        name = DENSITIES[code][0]
        y, m, weight = self.y[here], self.m[here], base[here]
        if name in _DURATIONS:
            # bounds to a point: the middle of an interval, the bound where there is one
            low, high = np.where(np.isfinite(y), y, m), np.where(np.isfinite(m), m, y)
            y = (low + high) / 2.0
            mean = float(np.average(y, weights=weight))
            if name == "censored_gaussian":
                linked = y
            else:
                linked = np.log(0.5 * y + 0.5 * mean) * (-1.0 if name.endswith("_ph") else 1.0)
                self.pull[here] = 0.5
        else:
            trials = m if name.startswith("binomial") else np.ones(len(y))
            mean = float(np.average(y, weights=weight) / np.average(trials, weights=weight))
            # rows without trials say nothing: they are put at the mean
            share = np.where(trials > 0, y, mean) / np.maximum(trials, 1.0)
            weight = weight * trials
            if name == "gaussian_identity":
                linked = share
            else:
                centre = 0.5 if name.startswith("binomial") else mean
                with np.errstate(all="ignore"):
                    linked = link_of(_link_name(name))(0.25 * (share + centre) + 0.5 * mean)
                linked = np.where(np.isfinite(linked), linked, 0.0)
                self.pull[here] = 0.25
        self.mean[code] = mean
        self.linked[here], self.weight[here] = linked, weight
        if _link_name(name) not in _UNIT_LINKS and name not in _DURATIONS:
            self.spread[code] = float(np.std(linked)) or 1.0
        elif name == "censored_gaussian":
            self.spread[code] = float(np.std(linked)) or 1.0
        elif name == "gaussian_log":
            self.spread[code] = float(np.std(y)) / abs(mean) if mean else 1.0

    @property
    def unit(self) -> float:
        """The smallest of the spreads."""
        return min(self.spread.values())

    def slot_values(self, fitted: np.ndarray) -> np.ndarray:
        """Crude values of the predictors without random effects, shape (n_constants,).

        Parameters
        ----------
        fitted : ndarray, shape (n,)
            Least-squares predictor.
        """
        problem = self.problem
        values = np.zeros(problem.n_constants)
        behind = 1 + sum(problem.dimensions) + len(problem.products)
        channels = (
            None if problem.slot_channel is None else problem.slot_channel[self.rows] - behind
        )
        for code in distinct(self.code):
            here = self.code == code
            if code >= 0 and DENSITIES[code][1] == "cumulative":
                self._thresholds(DENSITIES[code][0], here, channels, values)
                continue
            slots = self._dispersions(int(code), here, fitted)
            for s, value in enumerate(slots):
                channel = s if channels is None else channels[here][0, s]
                if channel >= 0:
                    values[channel] = value
        return values

    def _scores(self, name: str, here: np.ndarray) -> np.ndarray:
        """Link of the middle of each category on the scale of cumulative shares."""
        channels = self.problem.slot_channel[self.rows][here]
        scores = np.zeros(len(channels))
        for _, size, rows, y in _threshold_sets(channels):
            counts = np.bincount(y, minlength=size) + 0.5
            middle = (np.cumsum(counts) - 0.5 * counts) / counts.sum()
            scores[rows] = link_of(name.removeprefix("cumulative_"))(middle)[y]
        return scores

    def _thresholds(self, name: str, here, channels, values) -> None:
        """Inverse distribution functions of cumulative shares."""
        for first, size, _, y in _threshold_sets(channels[here]):
            counts = np.bincount(y, minlength=size) + 0.5
            below = np.cumsum(counts)[:-1] / counts.sum()
            values[first : first + size - 1] = link_of(name.removeprefix("cumulative_"))(below)

    def _dispersions(self, code: int, here: np.ndarray, fitted: np.ndarray) -> list[float]:
        """Values of a density's slots by moments."""
        if code == CODES["composite_gaussian"]:
            return [float(np.log(np.std(self.y[here]) + 1e-8))]
        if code < 0:
            return []
        name, file, n_slots = DENSITIES[code]
        if n_slots == 0:
            return []
        y, mean = self.y[here], self.mean[code]
        weight = self.weight[here] if self.weight[here].any() else np.ones(len(y))
        variance = (
            float(np.average((y - np.average(y, weights=weight)) ** 2, weights=weight))
            if np.all(np.isfinite(y))
            else 1.0
        )
        if file == "asymptotes":
            return [-ASYMPTOTE, ASYMPTOTE]
        if file == "gaussian":
            centre = fitted[here] if name == "gaussian_identity" else mean
            spread = np.sqrt(np.average((y - centre) ** 2, weights=weight))
            return [float(np.log(max(spread, 1e-8 * np.sqrt(variance))))]
        if file == "duration":
            residual = float(np.std(self.linked[here] - fitted[here])) or 0.1
            if name == "censored_gaussian":
                return [np.log(residual)]
            if name == "gamma_duration":
                return [0.0]
            # linked values were pulled half-way to their mean
            scale = 2.0 * residual / _ERROR_SD[name]
            return [-np.log(scale) if name == "weibull_ph" else np.log(scale)]
        return _count_slots(name, mean, variance, float(np.mean(y == 0)))


def _threshold_sets(channels: np.ndarray) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """First channel, number of categories, rows and their categories of each set of thresholds.

    Parameters
    ----------
    channels : ndarray, shape (n, 2 or more)
        Channels of the upper and the lower threshold, negative where there is none: rows of the highest
        and the lowest category. A set's channels are consecutive.
    """
    upper, lower = channels[:, 0], channels[:, 1]
    own = np.where(upper >= 0, upper, lower)
    firsts = np.unique(np.append(upper[(lower < 0) & (upper >= 0)], own.min()))
    sizes = np.diff(np.append(firsts, max(upper.max(), lower.max()) + 1)) + 1
    number = np.searchsorted(firsts, own, side="right") - 1
    category = np.where(upper >= 0, upper, lower + 1) - firsts[number]
    return [
        (int(first), int(size), number == k, category[number == k])
        for k, (first, size) in enumerate(zip(firsts, sizes, strict=True))
    ]


def _count_slots(name: str, mean: float, variance: float, zeros: float) -> list[float]:
    """Log dispersions, and the logit of a zero probability, from mean, variance and share of zeros."""
    if name.startswith("gamma"):
        return [np.log(max(variance, 1e-12 * mean**2) / mean**2)]
    if name.startswith("inverse_gaussian"):
        return [np.log(max(variance, 1e-12 * mean**2) / mean**3)]
    if name.startswith("beta"):
        return [np.log(max(mean * (1.0 - mean) / variance - 1.0, 0.5))]
    excess = max(variance / mean - 1.0, 0.1)
    slots = []
    if "nb1" in name:
        slots.append(np.log(excess))
    elif "nb2" in name:
        slots.append(np.log(max(excess / mean, 0.05)))
    if name.startswith("z"):
        slots.append(float(stats.logistic.ppf(np.clip(zeros - np.exp(-mean), 0.05, 0.9))))
    return slots


def response_unit(problem, mapping, theta: np.ndarray) -> float:
    """The random-effect SD on the predictor's scale that makes a difference.

    Parameters
    ----------
    problem : Problem
    mapping : GLMMMapping
    theta : ndarray, shape (p,)
    """
    if problem.exact:
        return float(np.exp(mapping.slot_average(theta, problem.design)))
    codes = distinct(problem.family)
    if all(code >= 0 and DENSITIES[code][0].startswith(_UNIT_FILES) for code in codes):
        return 1.0
    rows = slice(None, None, max(1, len(problem.y) // 5_000))
    return LinkedResponses(problem, rows).unit
