"""Standardized loadings, omega and rotated solutions."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
from sm_gllamm.datasets import lsat
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.rotation import rotate


def two_dimensions(n=600, seed=5):
    """Four items each of two correlated abilities."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(n, 2)) @ [[1.0, 0.4], [0.0, 0.917]]
    nu = np.repeat([1.2, 1.8], 4) * np.repeat(theta, 4, axis=1) + np.tile([-1, 0, 0.5, 1], 2)
    return pd.DataFrame((rng.random(nu.shape) < 1 / (1 + np.exp(-nu))).astype(int)).add_prefix("x")


@pytest.fixture(scope="module")
def exploratory():
    return smg.IRT(two_dimensions(), dimensions=2).fit()


@pytest.fixture(scope="module")
def confirmatory():
    data = two_dimensions()
    return smg.IRT(data, dimensions={"A": list(data)[:4], "B": list(data)[4:]}).fit()


def delta_method(result, function):
    params = np.asarray(result.params)
    steps = 1e-4 * np.eye(len(params))
    gradient = np.array([(function(params + h) - function(params - h)) / 2e-4 for h in steps])
    return np.sqrt(np.einsum("pn,pq,qn->n", gradient, result.cov_params(), gradient))


def test_loadings_against_their_definition(confirmatory):
    model = confirmatory.model

    def loadings(params, scale=1.702):
        bank = model.bank_at(params)
        slopes = np.array([item.slopes for item in bank.items])
        explained = np.einsum("ir,rs,is->i", slopes, bank.covariance, slopes)
        values = slopes * np.sqrt(np.diag(bank.covariance)) / np.sqrt(scale**2 + explained)[:, None]
        return np.concatenate([values.ravel(), explained / (scale**2 + explained)])

    table = confirmatory.standardized_loadings()
    expected, se = loadings(np.asarray(confirmatory.params)), delta_method(confirmatory, loadings)
    assert np.allclose(table[["A", "B"]].to_numpy().ravel(), expected[:16])
    assert np.allclose(table["communality"], expected[16:])
    own = table[["se(A)", "se(B)"]].to_numpy().ravel()
    assert np.array_equal(np.isnan(own), se[:16] == 0.0)
    assert np.allclose(own[~np.isnan(own)], se[:16][se[:16] > 0.0], rtol=1e-5)
    assert np.allclose(table["se(communality)"], se[16:], rtol=1e-5)
    logistic = confirmatory.standardized_loadings("logistic")["A"]
    assert np.allclose(logistic, loadings(np.asarray(confirmatory.params), np.pi / 3**0.5)[:16:2])


def test_variances_that_are_free_are_standardized():
    data = lsat.load_pandas().data[[f"item_{j}" for j in range(1, 6)]]
    rasch = smg.IRT(data, "Rasch").fit().standardized_loadings()
    common = smg.IRT(data, "1PL").fit().standardized_loadings()
    assert np.allclose(rasch, common, rtol=1e-5)


def test_rotated_solution_fits_as_the_unrotated(exploratory):
    rotated = exploratory.rotate()
    slopes = np.array([item.slopes for item in exploratory.bank.items])
    own = rotated.slopes.to_numpy()
    assert np.allclose(own @ rotated.correlations @ own.T, slopes @ slopes.T)
    loadings = rotated.loadings.to_numpy()
    explained = np.diag(loadings @ rotated.correlations.to_numpy() @ loadings.T)
    assert np.allclose(rotated.communalities, explained)
    assert np.allclose(rotated.communalities, exploratory.standardized_loadings()["communality"])
    assert (rotated.loadings.sum() > 0).all()
    assert rotated.loadings.pow(2).sum().is_monotonic_decreasing
    assert (rotated.loadings["F1"].iloc[4:] > 0.6).all()
    assert (rotated.loadings["F1"].iloc[:4].abs() < 0.25).all()


@pytest.mark.parametrize("method, normalize", [("oblimin", False), ("varimax", True)])
def test_standard_errors_are_those_of_rotating_again(exploratory, method, normalize):
    rotated = exploratory.rotate(method, normalize=normalize)
    model = exploratory.model

    def again(params):
        slopes = np.array([item.slopes for item in model.bank_at(params).items])
        loadings = slopes / np.sqrt(1.702**2 + (slopes**2).sum(axis=1))[:, None]
        matrix = rotate(loadings, method, normalize).matrix
        inverse = np.linalg.inv(matrix.T)
        return np.concatenate(
            [(slopes @ inverse).ravel(), (loadings @ inverse).ravel(), (matrix.T @ matrix).ravel()]
        )

    expected = again(np.asarray(exploratory.params))
    se = delta_method(exploratory, again)
    found = [rotated.slopes, rotated.loadings, rotated.correlations]
    assert np.allclose(np.concatenate([t.to_numpy().ravel() for t in found]), expected, atol=1e-7)
    own = np.concatenate([t.to_numpy().ravel() for t in (rotated.slopes_se, rotated.loadings_se)])
    assert np.allclose(own, se[:32], rtol=1e-4)
    between = rotated.correlations_se.loc["F1", "F2"]
    if method == "varimax":
        assert np.isnan(between)
    else:
        assert between == pytest.approx(se[33], rel=1e-4)
        assert between > 0.0


def test_confirmatory_and_rotated_solutions_are_alike(exploratory, confirmatory):
    rotated = exploratory.rotate()
    r, se = rotated.correlations.loc["F1", "F2"], rotated.correlations_se.loc["F1", "F2"]
    known = confirmatory.latent_distribution().loc["corr(A,B)"]
    assert abs(r - known["estimate"]) < 2.5 * max(se, known["std_err"])
    frame = rotated.summary_frame()
    assert list(frame.columns) == ["F1", "se(F1)", "F2", "se(F2)", "communality"]


def test_coverage_of_rotated_loadings_in_simulated_samples():
    # loadings of the population, of slopes 1.2 and 1.8
    z = []
    for seed in range(8):
        rotated = smg.IRT(two_dimensions(500, seed), dimensions=2).fit().rotate("quartimin")
        truth = np.repeat([0.0, 1.8], 4) / np.sqrt(1.702**2 + 1.8**2)
        z.append((rotated.loadings["F1"] - truth) / rotated.loadings_se["F1"])
    z = np.concatenate(z)
    assert z.std() == pytest.approx(1.0, abs=0.2)
    assert (np.abs(z) > 1.96).mean() < 0.12


def test_omega_of_a_bifactor_model():
    rng = np.random.default_rng(6)
    g, s = rng.normal(size=(800, 1)), np.repeat(rng.normal(size=(800, 2)), 3, axis=1)
    nu = 1.6 * g + 1.0 * s
    items = [f"x{j}" for j in range(6)]
    data = pd.DataFrame((rng.random(nu.shape) < 1 / (1 + np.exp(-nu))).astype(int), columns=items)
    result = smg.IRT(data, specific={"s1": items[:3], "s2": items[3:]}).fit()
    table, loadings = result.omega(), result.standardized_loadings()
    unique = (1 - loadings["communality"]).sum()
    parts = loadings[["theta", "s1", "s2"]].sum() ** 2
    assert table.loc["total", "omega"] == pytest.approx(parts.sum() / (parts.sum() + unique))
    assert table.loc["total", "omega_hierarchical"] == pytest.approx(
        parts["theta"] / (parts.sum() + unique)
    )
    first = loadings.iloc[:3]
    both = first[["theta", "s1"]].sum() ** 2
    total = both.sum() + (1 - first["communality"]).sum()
    assert table.loc["s1", "omega_hierarchical"] == pytest.approx(both["s1"] / total)


def test_what_cannot_be_rotated(exploratory, confirmatory):
    with pytest.raises(SpecificationError, match="exploratory"):
        confirmatory.rotate()
    with pytest.raises(SpecificationError, match="method='promin'"):
        exploratory.rotate("promin")
    with pytest.raises(SpecificationError, match="gamma"):
        exploratory.rotate("varimax", gamma=1)
    with pytest.raises(SpecificationError, match="metric"):
        exploratory.rotate(metric="other")
