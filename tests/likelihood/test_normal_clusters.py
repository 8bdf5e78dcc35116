"""Clusters with missing values and weights in closed form: whole clusters, differences, replication."""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from scipy.stats import multivariate_normal

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.sem import SEM
from tests.likelihood.test_normal_two_levels import TEXT, away, differences, frame

RANDOM = TEXT + "\nfb ~~ fb\nz ~ fb"


def holes(n_clusters=30, seed=0):
    """Missing responses, rows without any, and a cluster-level variable that some clusters miss."""
    data = frame(seed, n_clusters)
    rng = np.random.default_rng(seed + 100)
    for name in ("y1", "y2", "y3"):
        data.loc[rng.uniform(size=len(data)) < 0.25, name] = np.nan
    z = rng.normal(size=n_clusters)
    z[rng.uniform(size=n_clusters) < 0.3] = np.nan
    data["z"] = z[data["g"]] + 0.4 * data["w"]
    data.loc[data["g"] == 4, ["y1", "y2", "y3"]] = np.nan
    return data


@pytest.fixture(params=["one group", "two groups"])
def model(request):
    options = {"groups": "country"} if request.param == "two groups" else {}
    return SEM(RANDOM, holes(), cluster="g", **options)


def joint(rows, low, high):
    """Deviations from the mean, and their covariance matrix, of all observed values of a cluster."""
    names = list(dict.fromkeys([*low[1].index, *high[1].index]))
    inside = low[1].reindex(index=names, columns=names).fillna(0.0)
    above = high[1].reindex(index=names, columns=names).fillna(0.0)
    mean = low[0].reindex(names).fillna(0.0) + high[0].reindex(names).fillna(0.0)
    n, p = len(rows), len(names)
    total = np.kron(np.eye(n), inside) + np.kron(np.ones((n, n)), above)
    values = rows[names].to_numpy().ravel()
    keep = ~np.isnan(values)
    for i in range(n * p):
        if names[i % p] not in low[1].index and i >= p:
            keep[i] = False
    return (values - np.tile(mean, n))[keep], total[np.ix_(keep, keep)]


def test_density_of_clusters():
    data = holes()
    model = SEM(RANDOM, data, cluster="g")
    at = away(model)
    moments = model.implied_moments(at)
    total = 0.0
    for _, rows in data.groupby("g"):
        e, v = joint(rows, *moments)
        total += multivariate_normal(np.zeros(len(e)), v).logpdf(e)
    x, w = data["x"], data.groupby("g")["w"].first()
    for given in (x, w):
        total -= stats.norm(given.mean(), given.std(ddof=0)).logpdf(given).sum()
    assert model.loglike(at) == pytest.approx(total, rel=1e-11)


def test_derivatives(model):
    at = away(model)
    np.testing.assert_allclose(
        model.score(at), differences(model.loglike, at), rtol=1e-6, atol=1e-5
    )
    np.testing.assert_allclose(
        model.hessian(at), differences(model.score, at), rtol=1e-6, atol=1e-4
    )


def test_contributions_of_clusters(model):
    at = away(model)
    found = model.score_obs(at)
    assert model.loglikeobs(at).sum() == pytest.approx(model.loglike(at), rel=1e-12)
    np.testing.assert_allclose(found.sum(0), model.score(at), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.T, differences(model.loglikeobs, at), rtol=1e-5, atol=1e-6)


def test_expected_information():
    """Of normal vectors: from differences of their means and covariance matrices."""
    data = holes(8)
    model = SEM("level: 1 \n y1 + y2 ~ x \n level: 2 \n y1 + y2 ~ w \n z ~ y1", data, cluster="g")
    at = away(model)
    k, step = len(at), 1e-5

    def moments_of(rows, theta):
        e, v = joint(rows, *model.implied_moments(theta))
        return -e, v

    information = np.zeros((k, k))
    for _, rows in data.groupby("g"):
        inverse = np.linalg.inv(moments_of(rows, at)[1])
        of_mean, scaled = [], []
        for move in step * np.eye(k):
            up, down = moments_of(rows, at + move), moments_of(rows, at - move)
            of_mean.append((up[0] - down[0]) / (2 * step))
            scaled.append(inverse @ (up[1] - down[1]) / (2 * step))
        of_mean = np.array(of_mean)
        information += of_mean @ inverse @ of_mean.T
        information += 0.5 * np.einsum("aij,bji->ab", scaled, scaled)
    np.testing.assert_allclose(model.expected_information(at), information, rtol=1e-6, atol=1e-6)


def test_without_holes_the_same_as_by_means():
    """Cells and means of clusters are two ways to one log-likelihood."""
    data = frame()
    plain = SEM(TEXT, data, cluster="g")
    ones = SEM(TEXT, data, cluster="g", weights=np.where(np.arange(len(data)) == 0, 1 + 1e-13, 1.0))
    assert plain.assembly.problem.sets and ones.assembly.problem.clusters
    at = away(plain)
    assert ones.loglike(at) == pytest.approx(plain.loglike(at), rel=1e-11)
    np.testing.assert_allclose(ones.score(at), plain.score(at), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(ones.hessian(at), plain.hessian(at), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(
        ones.expected_information(at), plain.expected_information(at), rtol=1e-8, atol=1e-8
    )


@pytest.mark.filterwarnings("ignore:Improper solution")
@pytest.mark.parametrize("complete", [True, False])
def test_frequencies_of_clusters_are_replications(complete):
    data = frame(n_clusters=60) if complete else holes(60)
    often = 1.0 + data["g"] % 3
    copies = pd.concat(
        [data.assign(g=data["g"] + 1000 * k)[often > k] for k in range(3)], ignore_index=True
    )
    text = TEXT if complete else RANDOM
    weighted = SEM(text, data.assign(n=often), cluster="g", freq_weights={"g": "n"})
    copied = SEM(text, copies, cluster="g")
    assert weighted.nobs == copied.nobs
    one, other = weighted.fit(), copied.fit()
    assert one.llf == pytest.approx(other.llf, rel=1e-11)
    np.testing.assert_allclose(one.params, other.params, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(one.bse, other.bse, rtol=1e-6)
    robust = weighted.fit(cov_type="robust"), copied.fit(cov_type="robust")
    np.testing.assert_allclose(robust[0].bse, robust[1].bse, rtol=1e-6)
    np.testing.assert_allclose(one.fit_measures(), other.fit_measures(), rtol=1e-5, atol=1e-7)


@pytest.mark.filterwarnings("ignore:Improper solution")
@pytest.mark.parametrize("complete", [True, False])
def test_frequencies_of_rows_are_replications(complete):
    data = frame(n_clusters=60) if complete else holes(60)
    often = 1.0 + np.arange(len(data)) % 3
    copies = data.loc[np.repeat(np.arange(len(data)), often.astype(int))].reset_index(drop=True)
    text = TEXT if complete else RANDOM
    weighted = SEM(text, data.assign(n=often), cluster="g", freq_weights="n")
    one, other = weighted.fit(), SEM(text, copies, cluster="g").fit()
    assert one.nobs == other.nobs
    assert one.llf == pytest.approx(other.llf, rel=1e-11)
    np.testing.assert_allclose(one.params, other.params, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(one.bse, other.bse, rtol=1e-6)


def test_sampling_weights_are_powers_of_densities():
    """A random intercept, integrated numerically: densities of rows to the power of their weights."""
    data = frame(n_clusters=15)
    rng = np.random.default_rng(5)
    data["w1"] = rng.uniform(0.3, 3.0, len(data))
    data["w2"] = rng.uniform(0.5, 2.0, 15)[data["g"]]
    text = "level: 1 \n y1 ~~ y1 \n level: 2 \n y1 ~ 1"
    model = SEM(text, data, cluster="g", weights={"row": "w1", "g": "w2"})
    at = dict(zip(model.param_names, model.start_params, strict=True))
    inside, mean, above = at["y1~~y1"], at["y1~1.l2"], at["y1~~y1.l2"]
    total, scale = 0.0, data.groupby("g")["w2"].first().mean()
    for _, rows in data.groupby("g"):
        y, weight = rows["y1"].to_numpy(), rows["w1"].to_numpy()

        def density(b, y=y, weight=weight):
            of_rows = stats.norm.logpdf(y, mean + b, np.sqrt(inside))
            return np.exp(weight @ of_rows) * stats.norm.pdf(b, 0.0, np.sqrt(above))

        value = integrate.quad(density, -12, 12, epsabs=0, epsrel=1e-11, limit=200, points=[0.0])[0]
        total += rows["w2"].iloc[0] / scale * np.log(value)
    assert model.loglike(model.start_params) == pytest.approx(total, rel=1e-9)
    result = model.fit()
    assert result.cov_type == "robust"


def test_sampling_weights_as_the_engine():
    """The quadrature engine's pseudo-likelihood of a random intercept model."""
    import sm_gllamm.formula.api as smgf

    data = frame(n_clusters=40)
    rng = np.random.default_rng(5)
    data["w1"] = rng.uniform(0.3, 3.0, len(data))
    weights = {"row": "w1"}
    text = "level: 1 \n y1 ~ x \n level: 2 \n y1 ~ w"
    closed = SEM(text, data, cluster="g", weights=weights, weight_scaling="size").fit()
    mixed = smgf.glmm(
        "y1 ~ x + w + (1 | g)", data, weights=weights, weight_scaling="size"
    ).fit()  # fmt: skip
    names = {
        "y1~1.l2": "Intercept", "y1~x": "x", "y1~w.l2": "w", "y1~~y1.l2": "var(Intercept|g)",
        "y1~~y1": "var(Residual)",
    }  # fmt: skip
    order = [list(mixed.params.index).index(names[name]) for name in closed.params.index]
    assert closed.llf == pytest.approx(mixed.llf, abs=1e-7)
    np.testing.assert_allclose(closed.params, mixed.params.iloc[order], rtol=1e-4)
    hessian = np.asarray(mixed.model.hessian(mixed.params))[np.ix_(order, order)]
    found = closed.model.hessian(closed.params)
    np.testing.assert_allclose(found, hessian, rtol=1e-3, atol=1e-3)


def test_wrong_weights_are_named():
    data = frame().assign(n=lambda d: np.arange(len(d)) % 3 + 1.0)
    with pytest.raises(SpecificationError, match="same in all rows of a cluster"):
        SEM(TEXT, data, cluster="g", freq_weights={"g": "n"})
    with pytest.raises(SpecificationError, match="school"):
        SEM(TEXT, data, cluster="g", freq_weights={"school": "n"})
    with pytest.raises(SpecificationError, match="in row"):
        SEM(TEXT, data.assign(n=-1.0), cluster="g", freq_weights="n")
    with pytest.raises(SpecificationError, match="two levels"):
        SEM("y1 ~ x", data, weights="n", weight_scaling="size")


def test_few_values_in_some_clusters():
    """Variances between clusters that are negative keep the log-likelihood that of whole clusters."""
    data = holes().dropna(subset=["y1", "y2"], how="all").reset_index()
    model = SEM("level: 1 \n y1 ~~ y2 \n level: 2 \n y1 ~~ y2", data, cluster="g")
    at = np.array(model.start_params)
    names = list(model.param_names)
    at[names.index("y1~~y1.l2")] = -0.1
    at[names.index("y1~~y2.l2")] = 0.0
    total = 0.0
    for _, rows in data.groupby("g"):
        e, v = joint(rows, *model.implied_moments(at))
        if len(e):
            total += multivariate_normal(np.zeros(len(e)), v).logpdf(e)
    assert model.loglike(at) == pytest.approx(total, rel=1e-11)
    at[names.index("y1~~y1.l2")] = -50.0
    assert model.loglike(at) == -np.inf
