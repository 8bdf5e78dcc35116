"""Posterior means by densities: in models with latent variables, and of one of several families."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logsumexp

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.responses import families as smf
from tests.prediction.responses import CASES, data

NAMES = [
    "truncated poisson",
    "truncated nb2",
    "truncated nb1",
    "gamma duration",
    "continuation ratio",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_latent_variable_that_is_a_random_intercept(name):
    case = CASES[name]
    mixed = smgf.glmm(f"{case.endog} ~ x + (1 | g)", data(), family=case.family).fit(n_points=15)
    latent = smg.GLLAMM.from_formula(
        f"{case.endog} ~ x", data(), latent=[smg.Latent("u", "g")], family=case.family
    ).fit(n_points=15)
    options = [{}, {"survival": [0.5, 2.0]}] if name == "gamma duration" else [{}]
    for new in (None, data().iloc[[3, 50]]):
        for which in ("marginal", "posterior"):
            for option in options:
                np.testing.assert_allclose(
                    latent.predict(new, which=which, **option),
                    mixed.predict(new, which=which, **option),
                    rtol=1e-6,
                )


def test_truncated_counts_among_several_families():
    rng = np.random.default_rng(5)
    n = 240
    g, x = np.repeat(np.arange(40), 6), rng.standard_normal(n)
    kind = np.tile(["score", "some"], n // 2)
    mu = np.exp(0.4 * x + 0.5 * rng.standard_normal(40)[g])
    count = 1 + rng.poisson(mu * rng.gamma(1.5, 1 / 1.5, n))
    y = np.where(kind == "score", np.log(mu) + 0.5 * rng.standard_normal(n), count)
    rows = pd.DataFrame({"y": y, "x": x, "g": g, "kind": kind})
    family = {"score": "gaussian", "some": smf.ZeroTruncated("nb2")}
    result = smgf.glmm("y ~ x + (1 | g)", rows, family=family, family_by="kind").fit(n_points=21)
    p, own = result.params, rows[rows["g"] == 6]
    u = np.sqrt(p["var(Intercept|g)"]) * np.linspace(-9.0, 9.0, 2001)
    log, means = -0.5 * np.linspace(-9.0, 9.0, 2001) ** 2, []
    for _, row in own.iterrows():
        nu = p["Intercept"] + p["x"] * row["x"] + u
        law = stats.nbinom(1.0 / p["alpha[some]"], 1.0 / (1.0 + p["alpha[some]"] * np.exp(nu)))
        means.append(nu if row["kind"] == "score" else law.mean() / law.sf(0))
        sd = np.sqrt(p["var(Residual)[score]"])
        log = log + (
            stats.norm.logpdf(row["y"], nu, sd)
            if row["kind"] == "score"
            else law.logpmf(row["y"]) - law.logsf(0)
        )
    weights = np.exp(log - logsumexp(log))
    expected = np.array(means) @ weights
    np.testing.assert_allclose(result.predict(own, which="posterior"), expected, rtol=1e-6)
    np.testing.assert_allclose(result.predict(which="posterior")[own.index], expected, rtol=1e-6)
