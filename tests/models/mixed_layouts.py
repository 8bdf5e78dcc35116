"""Simulated responses of every layout, in the same clusters, and the models that each is alone."""

from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf

F = smg.families
CLUSTERS, ROWS, SIZE, NODES = 40, 5, 3, 9
FAMILIES = {
    "count": "poisson", "binary": "binomial", "vote": F.Multinomial(), "grade": F.AdjacentCategory(),
    "stage": F.ContinuationRatio("cloglog"), "visits": F.Hurdle("nb2"), "trip": F.Choice(),
    "rank": F.Ranking(), "extreme": F.BestWorst(), "total": F.Composite("poisson"),
    "level": F.Composite("gaussian", "identity"),
}  # fmt: skip
CHOICES = ("trip", "rank", "extreme")
SETS = (*CHOICES, "total", "level")


@cache
def responses():
    """A data frame for each response; what a response does not have is missing."""
    rng = np.random.default_rng(3)
    n = CLUSTERS * ROWS
    g = np.repeat(np.arange(CLUSTERS), ROWS)
    x, w = rng.normal(size=n), rng.normal(size=n)
    u = 0.8 * rng.normal(size=CLUSTERS)[g]
    nu = 0.5 * x + u
    utility = np.column_stack([0.0 * nu, 0.3 + nu, -0.2 - nu]) + rng.gumbel(size=(n, 3))
    one = {
        "count": rng.poisson(np.exp(0.3 + nu)),
        "binary": nu + rng.logistic(size=n) > 0,
        "vote": 1 + np.argmax(utility, axis=1),
        "grade": 1 + np.digitize(nu + rng.logistic(size=n), [-1.0, 0.7]),
        "stage": 1 + np.digitize(nu + rng.logistic(size=n), [-1.0, 0.7]),
        "visits": rng.poisson(np.exp(0.5 + nu) * rng.gamma(2, 0.5, n))
        * (w + rng.normal(size=n) > -1),
    }
    frame = pd.DataFrame({"g": g, "x": x, "w": w})
    out = {kind: frame.assign(y=y * 1.0) for kind, y in one.items()}
    # three alternatives a set, in any order
    sets, alternative = np.repeat(np.arange(n), SIZE), np.tile(np.arange(SIZE), n)
    price, bus = rng.normal(size=n * SIZE), (alternative == 1) * 1.0
    value = (0.8 * price + (0.4 + 1.5 * u[sets]) * bus).reshape(n, SIZE) + rng.gumbel(
        size=(n, SIZE)
    )
    place = np.argsort(np.argsort(-value, axis=1), axis=1).ravel() + 1.0
    frame = pd.DataFrame({"g": g[sets], "set": sets, "price": price, "bus": bus})
    mixed_up = rng.permutation(len(frame))
    out["trip"] = frame.assign(y=(place == 1) * 1.0).iloc[mixed_up]
    out["rank"] = frame.assign(y=np.where(place == SIZE, np.nan, place)).iloc[mixed_up]
    out["extreme"] = frame.assign(y=1.0 * (place == 1) - (place == SIZE)).iloc[mixed_up]
    sets = np.repeat(np.arange(n), 2)
    x = rng.normal(size=2 * n)
    frame = pd.DataFrame({"g": g[sets], "set": sets, "x": x})
    mean = np.exp(0.2 + 0.4 * x + u[sets]).reshape(n, 2).sum(axis=1)
    out["total"] = frame.assign(y=1.0 * rng.poisson(mean)[sets])
    mean = (1.0 + 0.4 * x + u[sets]).reshape(n, 2).sum(axis=1)
    out["level"] = frame.assign(y=rng.normal(mean, 0.7)[sets])
    return out


def stacked(*kinds):
    """Rows of several responses; covariates are zero in the rows of others."""
    data = pd.concat([responses()[kind].assign(kind=kind) for kind in kinds], ignore_index=True)
    zero = {name: 0.0 for name in ("x", "price", "bus") if name in data}
    data = data.fillna(zero)
    return data.assign(one=(~data["kind"].isin(CHOICES)) * 1.0)


def options(*kinds):
    """Keywords of a model of several responses."""
    out = {"family": {kind: FAMILIES[kind] for kind in kinds}, "family_by": "kind"}
    if any(kind in SETS for kind in kinds):
        out["sets"] = "set"
    if "visits" in kinds:
        out["zero"] = {"visits": "~ w"}
    return out


def together(*kinds, covariance="||"):
    """A model in which responses share nothing, with ``||``."""
    choices = [kind for kind in kinds if kind in CHOICES]
    fixed, random = "0 + kind + kind:x", [f"(0 + one:kind {covariance} g)"]
    if choices:
        fixed, random = "0 + kind + x + price + bus", [f"(0 + one + bus {covariance} g)"]
    return smgf.glmm(f"y ~ {fixed} + {' + '.join(random)}", stacked(*kinds), **options(*kinds))


def alone(kind):
    """The model of one response."""
    more = {"sets": "set"} if kind in SETS else {}
    if kind == "visits":
        more["zero"] = "~ w"
    formula = "y ~ price + bus + (0 + bus | g)" if kind in CHOICES else "y ~ x + (1 || g)"
    return smgf.glmm(formula, responses()[kind], family=FAMILIES[kind], **more)


@cache
def fitted(kind):
    """Fits of a model with counts and another response that share nothing, and of the latter alone."""
    return together("count", kind).fit(n_points=NODES), alone(kind).fit(n_points=NODES)


#: Those that one random effect can be in; unordered categories have one each.
LINKED = [kind for kind in FAMILIES if kind != "vote"]


@cache
def linked():
    """A model of all these with one random effect that all share, and parameters."""
    data = stacked(*LINKED)
    data["z"] = data["one"] + data["bus"]
    model = smgf.glmm(
        "y ~ 0 + kind + x + price + bus + (0 + z | g)", data, **options(*LINKED)
    )  # fmt: skip
    params = pd.Series(0.3 + 0.2 * np.cos(np.arange(len(model.param_names))), model.param_names)
    params[[name for name in model.param_names if name.startswith("threshold(2|3)")]] = 0.9
    return model, params


def softmax(values):
    e = np.exp(values - values.max(axis=0))
    return e / e.sum(axis=0)


def expected(kind, rows, p, u):
    """What is predicted of the rows of one response and set in `linked`, by column; u of shape (m,).

    An array of shape (rows, m), or (rows, categories, m).
    """
    constant = p.get(f"kind[{kind}]", 0.0)
    nu = constant + rows[["x", "price", "bus"]].to_numpy() @ p[["x", "price", "bus"]].to_numpy()
    nu = nu[:, None] + rows[["z"]].to_numpy() * u
    if kind in ("count", "binary"):
        return np.exp(nu) if kind == "count" else 1 / (1 + np.exp(-nu))
    if kind in ("grade", "stage"):
        cuts = [p[f"threshold({s}|{s + 1})[{kind}]"] for s in (1, 2)]
    if kind == "grade":
        utility = [0.0 * nu, nu - cuts[0], 2 * nu - cuts[0] - cuts[1]]
        return np.moveaxis(softmax(np.array(utility)), 0, 1)
    if kind == "stage":
        stop = [1 - np.exp(-np.exp(cut - nu)) for cut in cuts]
        rest = (1 - stop[0]) * (1 - stop[1])
        return np.stack([stop[0], (1 - stop[0]) * stop[1], rest], axis=1)
    if kind == "visits":
        zero = p["zero:Intercept[visits]"] + p["zero:w[visits]"] * rows["w"].to_numpy()[:, None]
        alpha, mean = p["alpha[visits]"], np.exp(nu)
        return mean / (1 - (1 + alpha * mean) ** (-1 / alpha)) / (1 + np.exp(zero))
    if kind in CHOICES:
        return softmax(nu)
    mean = np.exp(nu) if kind == "total" else nu
    return np.broadcast_to(mean.sum(axis=0), mean.shape)


def log_density(kind, rows, p, u):
    """Logarithm of the density of the rows of one response and set in `linked`, shape (m,)."""
    y, e = rows["y"].to_numpy(), expected(kind, rows, p, u)
    if kind == "count":
        return stats.poisson.logpmf(y[:, None], e).sum(axis=0)
    if kind == "binary":
        return np.log(np.where(y[:, None] == 1, e, 1 - e)).sum(axis=0)
    if kind in ("grade", "stage"):
        return np.log(np.maximum(e[np.arange(len(y)), y.astype(int) - 1], 1e-300)).sum(axis=0)
    if kind == "visits":
        logit = p["zero:Intercept[visits]"] + p["zero:w[visits]"] * rows["w"].to_numpy()[:, None]
        passed, size = 1 / (1 + np.exp(logit)), 1 / p["alpha[visits]"]
        # mean of the count before it is truncated
        nu = p["kind[visits]"] + p["x"] * rows["x"].to_numpy()[:, None] + u
        law = stats.nbinom(size, size / (size + np.exp(nu)))
        above = np.log(passed) + law.logpmf(y[:, None]) - np.log1p(-law.pmf(0))
        return np.where(y[:, None] == 0, np.log(1 - passed), above).sum(axis=0)
    if kind == "trip":
        return np.log(e[y == 1][0])
    if kind in ("rank", "extreme"):
        best = np.flatnonzero(y == 1)[0]
        rest = np.delete(np.arange(len(y)), best)
        second = e[rest] / e[rest].sum(axis=0)
        if kind == "extreme":
            second = (1 / e[rest]) / (1 / e[rest]).sum(axis=0)
        chosen = y[rest] == (2 if kind == "rank" else -1)
        return np.log(e[best]) + np.log(second[chosen][0])
    if kind == "total":
        return stats.poisson.logpmf(y[0], e[0])
    return stats.norm.logpdf(y[0], e[0], np.sqrt(p["var(Residual)[level]"]))


def responses_of(data, g):
    """Each response in the rows of a cluster, with the rows that it has."""
    for kind, rows in data[data["g"] == g].groupby("kind"):
        labels = rows["set"] if kind in SETS else pd.Series(range(len(rows)), rows.index)
        for _, own in rows.groupby(labels):
            yield kind, own
