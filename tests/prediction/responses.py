"""Small models of every kind of response, with their means and densities in scipy's terms."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from scipy.special import expit, ndtr

import sm_gllamm.formula.api as smgf
from sm_gllamm.responses import families as smf

links = sm.families.links
CATEGORIES = ["low", "mid", "high", "top"]
N_CLUSTERS, SIZE = 30, 6


def frame():
    """Responses of all kinds, driven by a covariate and a random intercept."""
    rng = np.random.default_rng(20)
    n = N_CLUSTERS * SIZE
    g, x = np.repeat(np.arange(N_CLUSTERS), SIZE), rng.standard_normal(n)
    nu = 0.3 + 0.5 * x + 0.6 * rng.standard_normal(N_CLUSTERS)[g]
    mu, p = np.exp(nu), expit(nu)
    level = np.digitize(nu + rng.logistic(size=n), [-1.0, 0.5, 1.5])
    table = pd.DataFrame({"g": g, "x": x, "w": rng.standard_normal(n)})
    table["binary"] = rng.binomial(1, p)
    table["count"] = rng.poisson(mu * rng.gamma(2.0, 0.5, n)) * rng.binomial(1, 0.8, n)
    table["some"] = rng.poisson(mu * rng.gamma(1.0, 1.0, n)) + 1
    table["v"] = rng.integers(0, 2, n)
    table["positive"] = rng.gamma(2.0, mu / 2.0)
    table["real"] = 2.0 + nu + 0.7 * rng.standard_normal(n)
    table["share"] = rng.beta(4.0 * p, 4.0 * (1.0 - p))
    table["level"] = pd.Categorical.from_codes(level, CATEGORIES, ordered=True)
    time = np.exp(nu + 0.5 * rng.standard_normal(n))
    limit = rng.uniform(0.5, 6.0, n)
    table["time"], table["event"] = np.minimum(time, limit), (time <= limit).astype(float)
    return table


@dataclass(frozen=True)
class Case:
    """A model with a random intercept, and its response's law given the linear predictor.

    `law(nu, p, data)` is a scipy distribution, or an array with the probabilities of categories along
    its last axis; `p` are the parameters by name, `data` the rows that nu (..., n) is of.
    """

    endog: str
    family: object
    law: object
    options: dict = field(default_factory=dict)
    categorical: bool = False

    def fit(self, data):
        formula = f"{self.endog} ~ x + (1 | g)"
        return smgf.glmm(formula, data, family=self.family, **self.options).fit(n_points=31)

    def mean(self, nu, p, data):
        law = self.law(nu, p, data)
        return law if self.categorical else law.mean()

    def log_density(self, nu, p, data):
        law = self.law(nu, p, data)
        if self.categorical:
            codes = data["level"].cat.codes.to_numpy()
            own = np.take_along_axis(law, np.broadcast_to(codes, nu.shape)[..., None], -1)[..., 0]
            with np.errstate(divide="ignore"):
                return np.log(own)
        if self.endog == "time + event":
            event = data["event"].to_numpy() == 1
            return np.where(event, law.logpdf(data["time"]), law.logsf(data["time"]))
        y = data[self.endog.split(" ")[0]].to_numpy()
        return law.logpmf(y) if hasattr(law, "logpmf") else law.logpdf(y)


class Mixture:
    """Zero with a probability, otherwise a count, which may be a positive one."""

    def __init__(self, zero, count, truncated=False):
        self.zero, self.count = zero, count
        self.scale = 1.0 / (1.0 - count.pmf(0)) if truncated else 1.0
        self.at_zero = zero if truncated else zero + (1.0 - zero) * count.pmf(0)

    def mean(self):
        return (1.0 - self.zero) * self.count.mean() * self.scale

    def var(self):
        second = self.count.var() + self.count.mean() ** 2
        return (1.0 - self.zero) * second * self.scale - self.mean() ** 2

    def logpmf(self, y):
        above = (1.0 - self.zero) * self.count.pmf(y) * self.scale
        with np.errstate(divide="ignore"):
            return np.log(np.where(y == 0, self.at_zero, above))


def nb2(nu, p, data=None):
    return stats.nbinom(1.0 / p["alpha"], 1.0 / (1.0 + p["alpha"] * np.exp(nu)))


def nb1(nu, p, data=None):
    return stats.nbinom(np.exp(nu) / p["alpha"], 1.0 / (1.0 + p["alpha"]))


def poisson(nu, p=None, data=None):
    return stats.poisson(np.exp(nu))


def logit_zero(p, data):
    return expit(p["zero:Intercept"] + p["zero:w"] * data["w"].to_numpy())


def gamma(mu, p):
    return stats.gamma(1.0 / p["dispersion"], scale=mu * p["dispersion"])


def inverse_gaussian(nu, p, data=None):
    mu, phi = np.exp(nu), p["dispersion"]
    return stats.invgauss(mu * phi, scale=1.0 / phi)


def beta(nu, p, data=None):
    mean, precision = expit(nu), p["precision"]
    return stats.beta(mean * precision, (1.0 - mean) * precision)


def thresholds(p):
    return np.array(
        [p[f"threshold({a}|{b})"] for a, b in zip(CATEGORIES, CATEGORIES[1:], strict=False)]
    )


def cumulative(distribution, scale=False):
    def law(nu, p, data):
        shrink = np.exp(-p["log_scale:w"] * data["w"].to_numpy()) if scale else 1.0
        below = [distribution((t - nu) * shrink) for t in thresholds(p)]
        return np.diff(np.stack([0.0 * nu, *below, 0.0 * nu + 1.0], axis=-1))

    return law


def partial(nu, p, data):
    """Cumulative logit with a covariate in the thresholds."""
    names = [f"threshold({a}|{b}):v" for a, b in zip(CATEGORIES, CATEGORIES[1:], strict=False)]
    shifted = thresholds(p) + data["v"].to_numpy()[:, None] * [p[name] for name in names]
    below = expit(shifted - nu[..., None])
    ends = np.concatenate([0.0 * below[..., :1], below, 0.0 * below[..., :1] + 1.0], axis=-1)
    return np.diff(ends)


def stages(distribution):
    def law(nu, p, data):
        stop = distribution(thresholds(p) - nu[..., None])
        on = np.cumprod(1.0 - stop, axis=-1)
        before = np.concatenate([np.ones_like(on[..., :1]), on[..., :-1]], axis=-1)
        return np.concatenate([before * stop, on[..., -1:]], axis=-1)

    return law


def adjacent(nu, p, data):
    steps = np.concatenate([[0.0], np.cumsum(thresholds(p))])
    weight = np.exp(nu[..., None] * np.arange(4) - steps)
    return weight / weight.sum(-1, keepdims=True)


def cloglog(z):
    return 1.0 - np.exp(-np.exp(z))


def loglog(z):
    return np.exp(-np.exp(-z))


CASES = {
    "loglog": Case(
        "binary", sm.families.Binomial(links.LogLog()), lambda nu, p, data: stats.bernoulli(loglog(nu))
    ),
    "cauchit": Case(
        "binary", sm.families.Binomial(links.Cauchy()),
        lambda nu, p, data: stats.bernoulli(stats.cauchy.cdf(nu)),
    ),
    "asymptotes": Case(
        "binary", smf.BinomialAsymptotes(upper=True),
        lambda nu, p, data: stats.bernoulli(
            expit(p["logit_lower"]) + (expit(p["logit_upper"]) - expit(p["logit_lower"])) * expit(nu)
        ),
    ),
    "guessing": Case(
        "binary", smf.BinomialAsymptotes(lower=0.2),
        lambda nu, p, data: stats.bernoulli(0.2 + 0.8 * expit(nu)),
    ),
    "nb2": Case("count", smf.NegativeBinomial(), nb2),
    "nb1": Case("count", smf.NegativeBinomial(kind="nb1"), nb1),
    "nb2 fixed": Case(
        "count", sm.families.NegativeBinomial(alpha=0.7), lambda nu, p, data: nb2(nu, {"alpha": 0.7})
    ),
    "gamma": Case(
        "positive", sm.families.Gamma(links.Log()), lambda nu, p, data: gamma(np.exp(nu), p)
    ),
    "inverse gaussian": Case(
        "positive", sm.families.InverseGaussian(links.Log()), inverse_gaussian
    ),
    "gaussian log": Case(
        "real", sm.families.Gaussian(links.Log()),
        lambda nu, p, data: stats.norm(np.exp(nu), np.sqrt(p["var(Residual)"])),
    ),
    "beta": Case("share", smf.Beta(), beta),
    "zip": Case(
        "count", smf.ZeroInflated(), lambda nu, p, data: Mixture(logit_zero(p, data), poisson(nu)),
        {"zero": "~ w"},
    ),
    "zinb1": Case(
        "count", smf.ZeroInflated("nb1"), lambda nu, p, data: Mixture(expit(p["zero"]), nb1(nu, p))
    ),
    "truncated poisson": Case(
        "some", smf.ZeroTruncated(), lambda nu, p, data: Mixture(0.0, poisson(nu), True)
    ),
    "truncated nb1": Case(
        "some", smf.ZeroTruncated("nb1"), lambda nu, p, data: Mixture(0.0, nb1(nu, p), True)
    ),
    "truncated nb2": Case(
        "some", smf.ZeroTruncated("nb2"), lambda nu, p, data: Mixture(0.0, nb2(nu, p), True)
    ),
    "hurdle": Case(
        "count", smf.Hurdle("nb2"), lambda nu, p, data: Mixture(logit_zero(p, data), nb2(nu, p), True),
        {"zero": "~ w"},
    ),
    "lognormal": Case(
        "time + event", smf.LogNormal(),
        lambda nu, p, data: stats.lognorm(p["scale"], scale=np.exp(nu)),
    ),
    "loglogistic": Case(
        "time + event", smf.LogLogistic(),
        lambda nu, p, data: stats.fisk(1.0 / p["scale"], scale=np.exp(nu)),
    ),
    "weibull aft": Case(
        "time + event", smf.Weibull("aft"),
        lambda nu, p, data: stats.weibull_min(1.0 / p["scale"], scale=np.exp(nu)),
    ),
    "weibull ph": Case(
        "time + event", smf.Weibull(),
        lambda nu, p, data: stats.weibull_min(p["shape"], scale=np.exp(-nu / p["shape"])),
    ),
    "exponential ph": Case(
        "time + event", smf.Exponential(), lambda nu, p, data: stats.expon(scale=np.exp(-nu))
    ),
    "exponential aft": Case(
        "time + event", smf.Exponential("aft"), lambda nu, p, data: stats.expon(scale=np.exp(nu))
    ),
    "gamma duration": Case(
        "time + event", smf.GammaDuration(), lambda nu, p, data: gamma(np.exp(nu), p)
    ),
    "ordinal logit": Case("level", smf.Ordinal(), cumulative(expit), {}, True),
    "ordinal probit, scale": Case(
        "level", smf.Ordinal("probit"), cumulative(ndtr, True), {"scale": "~ w"}, True
    ),
    "ordinal cloglog": Case("level", smf.Ordinal("cloglog"), cumulative(cloglog), {}, True),
    "ordinal loglog": Case("level", smf.Ordinal("loglog"), cumulative(loglog), {}, True),
    "ordinal, partial": Case("level", smf.Ordinal(), partial, {"thresholds": "~ v"}, True),
    "continuation ratio": Case("level", smf.ContinuationRatio(), stages(expit), {}, True),
    "continuation cloglog": Case("level", smf.ContinuationRatio("cloglog"), stages(cloglog), {}, True),
    "adjacent": Case("level", smf.AdjacentCategory(), adjacent, {}, True),
}  # fmt: skip


@cache
def data():
    return frame()


@cache
def fitted(name):
    return CASES[name].fit(data())


DURATIONS = [name for name, case in CASES.items() if case.endog == "time + event"]
CATEGORICAL = [name for name, case in CASES.items() if case.categorical]
