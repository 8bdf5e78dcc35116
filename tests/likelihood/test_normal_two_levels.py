"""Two-level normal data in closed form: against the density of whole clusters, and differences."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.sem import SEM

TEXT = """level: 1
fw =~ y1 + y2 + y3
fw ~ x
y2 ~ x
level: 2
fb =~ y1 + y2 + y3
fb ~ w"""


def frame(seed=0, n_clusters=30):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 6, n_clusters)
    g = np.repeat(np.arange(n_clusters), size)
    n = len(g)
    w, u = rng.normal(size=n_clusters), rng.normal(size=n_clusters)
    data = pd.DataFrame({"g": g, "w": w[g], "x": rng.normal(size=n)})
    f = rng.normal(size=n) + u[g] + 0.5 * data["w"] + 0.4 * data["x"]
    for k in range(1, 4):
        data[f"y{k}"] = (
            f * (0.6 + 0.2 * k) + rng.normal(size=n_clusters)[g] * 0.4 + rng.normal(size=n)
        )
    data["country"] = np.where(g < 18, "a", "b")
    return data.sample(frac=1.0, random_state=seed).reset_index(drop=True)


@pytest.fixture(params=["one group", "two groups"])
def model(request):
    options = {"groups": "country"} if request.param == "two groups" else {}
    return SEM(TEXT, frame(), cluster="g", **options)


def away(model):
    rng = np.random.default_rng(3)
    start = model.start_params
    return start + 0.05 * np.abs(start) + 0.03 * rng.uniform(-1, 1, len(start))


def differences(function, at, step=1e-5):
    moves = step * np.eye(len(at))
    return np.array([(function(at + m) - function(at - m)) / (2 * step) for m in moves])


def test_density_of_clusters():
    data = frame()
    model = SEM(TEXT, data, cluster="g")
    at = away(model)
    (mw, sw), (mb, sb) = model.implied_moments(at)
    names, y = ["y1", "y2", "y3", "x", "w"], ["y1", "y2", "y3"]
    inside, above = pd.DataFrame(0.0, names, names), pd.DataFrame(0.0, names, names)
    inside.loc[sw.index, sw.columns] = sw
    above.loc[sb.index, sb.columns] = sb
    mean = mw.reindex(names).fillna(0.0) + mb.reindex(names).fillna(0.0)
    total = 0.0
    for _, rows in data.groupby("g"):
        n = len(rows)
        joint = np.kron(np.eye(n), inside) + np.kron(np.ones((n, n)), above)
        # the cluster-level variable counts once
        keep = [i for i in range(5 * n) if i % 5 != 4 or i == 4]
        values = rows[names].to_numpy().ravel()
        law = multivariate_normal(np.tile(mean, n)[keep], joint[np.ix_(keep, keep)])
        total += law.logpdf(values[keep])
    x = data["x"]
    w = data.groupby("g")["w"].first()
    for v in (x, w):
        total -= multivariate_normal(v.mean(), v.var(ddof=0)).logpdf(v).sum()
    assert model.loglike(at) == pytest.approx(total, rel=1e-11)
    assert set(y) <= set(sw.index)


def test_derivatives(model):
    at = away(model)
    score = model.score(at)
    np.testing.assert_allclose(score, differences(model.loglike, at), rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(
        model.hessian(at), differences(model.score, at), rtol=1e-6, atol=1e-4
    )


def test_contributions_of_clusters(model):
    at = away(model)
    found = model.score_obs(at)
    assert (np.abs(found).max(1) > 0).sum() == 30
    assert model.loglikeobs(at).sum() == pytest.approx(model.loglike(at), rel=1e-12)
    np.testing.assert_allclose(found.T, differences(model.loglikeobs, at), rtol=1e-5, atol=1e-6)


def test_order_of_rows_does_not_matter():
    data = frame(n_clusters=120)
    first = SEM(TEXT, data, cluster="g").fit()
    second = SEM(TEXT, data.sort_values("x"), cluster="g").fit()
    np.testing.assert_allclose(first.params, second.params, rtol=1e-7)


def test_same_as_the_engine():
    """A random intercept: the linear mixed model that the quadrature engine fits exactly."""
    import sm_gllamm.formula.api as smgf

    data = frame()
    text = "level: 1 \n y1 ~ x \n level: 2 \n y1 ~ w"
    closed = SEM(text, data, cluster="g").fit()
    mixed = smgf.glmm("y1 ~ x + w + (1 | g)", data).fit()
    assert closed.llf == pytest.approx(mixed.llf, abs=1e-7)
    assert closed.params["y1~x"] == pytest.approx(mixed.params["x"], rel=1e-5)
    assert closed.params["y1~~y1.l2"] == pytest.approx(mixed.params["var(Intercept|g)"], rel=1e-4)


def test_variables_on_the_wrong_level():
    with pytest.raises(SpecificationError, match="varies within cluster"):
        SEM("level: 1 \n y1 ~ y2 \n level: 2 \n y1 ~ x", frame(), cluster="g")
    with pytest.raises(SpecificationError, match="does not vary within clusters"):
        SEM("level: 1 \n y1 ~ w \n level: 2 \n y1 ~~ y1", frame(), cluster="g")


def test_levels_need_clusters():
    with pytest.raises(SpecificationError, match="cluster="):
        SEM(TEXT, frame())


def test_few_clusters_are_warned_of():
    data = frame()
    with pytest.warns(UserWarning, match="too few"):
        SEM(TEXT, data[data["g"] < 4], cluster="g")


def test_missing_values():
    data = frame()
    data.loc[3, "y1"] = np.nan
    assert SEM(TEXT, data, cluster="g").nobs == len(data)
    with pytest.warns(UserWarning, match="1 rows with missing values"):
        SEM(TEXT, data, cluster="g", missing="listwise")


def test_scores_are_conditional_means():
    """Latent variables given all rows of a cluster, from the joint normal distribution."""
    data = frame(n_clusters=120)
    result = SEM(TEXT, data, cluster="g").fit()
    low, high = result.model.mapping.implied(np.asarray(result.params))
    scores = result.factor_scores(se=True)
    n_low, n_high = low.block.n_observed, high.block.n_observed
    place = {name: i for i, name in enumerate(low.block.variables)}
    above = {name: i for i, name in enumerate(high.block.variables)}
    for cluster in (0, 7, 21):
        rows = data[data["g"] == cluster]
        n, q = len(rows), len(low.block.variables)
        total = np.zeros((n * q + len(above),) * 2)
        total[: n * q, : n * q] = np.kron(np.eye(n), low.covariance)
        total[n * q :, n * q :] = high.covariance
        mean = np.concatenate([np.tile(low.mean, n), high.mean])
        picks, values = [], []
        for i, (_, row) in enumerate(rows.iterrows()):
            for name in low.block.variables[:n_low]:
                pick = np.zeros(len(mean))
                pick[i * q + place[name]] = 1.0
                if name in above:
                    pick[n * q + above[name]] = 1.0
                picks.append(pick)
                values.append(row[name])
        for name in high.block.variables[:n_high]:
            if name not in place:
                pick = np.zeros(len(mean))
                pick[n * q + above[name]] = 1.0
                picks.append(pick)
                values.append(rows[name].iloc[0])
        seen = np.array(picks)
        cross = total @ seen.T
        slope = cross @ np.linalg.inv(seen @ cross)
        posterior = mean + slope @ (np.array(values) - seen @ mean)
        spread = np.sqrt(np.maximum(np.diag(total - slope @ cross.T), 0.0))
        fw = [i * q + place["fw"] for i in range(n)]
        fb = n * q + above["fb"]
        np.testing.assert_allclose(scores.loc[rows.index, "fw"], posterior[fw], rtol=1e-8)
        np.testing.assert_allclose(scores.loc[rows.index, "fb"], posterior[fb], rtol=1e-8)
        np.testing.assert_allclose(scores.loc[rows.index, "se(fw)"], spread[fw], rtol=1e-7)
        np.testing.assert_allclose(scores.loc[rows.index, "se(fb)"], spread[fb], rtol=1e-7)


def test_scores_of_new_clusters():
    data = frame(n_clusters=120)
    result = SEM(TEXT, data, cluster="g").fit()
    some = data[data["g"].isin([3, 4])]
    pd.testing.assert_frame_equal(
        result.factor_scores(some), result.factor_scores().loc[some.index]
    )


def test_simulated_data_have_the_implied_moments():
    rng = np.random.default_rng(0)
    data = pd.concat([frame(k).assign(g=lambda d, k=k: d["g"] + 100 * k) for k in range(8)])
    data = data.reset_index(drop=True)
    model = SEM(TEXT, data, cluster="g")
    at = model.fit().params.to_numpy()
    draws = [model.with_inputs(model.inputs.with_values(d)) for d in model.simulate(at, 20, rng)]
    scores = np.array([sample.score(at) for sample in draws])
    information = model.expected_information(at)
    z = scores.mean(0) / np.sqrt(np.diag(information) / len(scores))
    assert np.abs(z).max() < 4.0
    assert draws[0].inputs.endog["x"].equals(model.inputs.endog["x"])


def test_bootstrap_of_clusters():
    model = SEM("level: 1 \n y1 ~ x \n level: 2 \n y1 ~ w", frame(), cluster="g")
    result = model.fit()
    assert (result.bootstrap(30, seed=1).bse / result.bse).between(0.4, 2.5).all()
