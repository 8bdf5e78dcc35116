"""Every public method and attribute of mixed models' results works for general models, or says why not."""

import warnings

import numpy as np
import pandas as pd
import pytest
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.summary2 import Summary as Summary2
from statsmodels.iolib.summary2 import summary_col

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.results.gllamm import GLLAMMResults
from sm_gllamm.results.glmm import GLMMResults
from tests.mapping.test_structural import ITEMS, items

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


@pytest.fixture(scope="module")
def data():
    frame = items(30, 4, seed=6)
    return frame.assign(person_weight=1.0 + frame["person"] % 3, region=frame["cluster"] // 2)


def fit(y, data, **options):
    family = options.pop("family", "binomial" if y == "binary" else "gaussian")
    model_options = {
        key: options.pop(key) for key in ("weights", "freq_weights", "offset") if key in options
    }
    return smg.GLLAMM.from_formula(
        f"{y} ~ 0 + C(item) + z", data,
        [smg.Latent("f", "person", ITEMS), smg.Latent("h", "cluster")],
        regressions=["f ~ x"], family=family, **model_options,
    ).fit(**options)  # fmt: skip


@pytest.fixture(scope="module", params=["binary", "gaussian"])
def result(request, data):
    return fit(request.param, data)


#: Arguments where a call needs some.
CALLS = {
    "apply": lambda r: r.apply(items(3, 3)),
    "bootstrap": lambda r: r.bootstrap(1, seed=1),
    "compare_lr_test": lambda r: r.compare_lr_test(r),
    "f_test": lambda r: r.f_test("z = 0"),
    "info_criteria": lambda r: r.info_criteria("aic"),
    "plot_prediction": lambda r: r.plot_prediction("x", n=3),
    "plot_profile": lambda r: r.plot_profile("f ~ x"),
    "profile": lambda r: r.profile("f ~ x"),
    "t_test": lambda r: r.t_test("f ~ x = 0.2, loading(f: C(item)[2]) = 1"),
    "t_test_pairwise": lambda r: r.t_test_pairwise("C(item)"),
    "wald_test": lambda r: r.wald_test("f ~ x = 0, z = 0"),
}
#: What is there for other purposes: files, statsmodels' own plumbing.
ELSEWHERE = {"save", "load", "remove_data", "initialize", "get_nlfun"}
#: What the model does not have, and what the message says.
REFUSED = {
    "icc": "differs between pairs of items",
    "median_odds_ratio": "differs between items",
    "incidence_rate_ratios": "exponentials of coefficients are",
}
OF_GAUSSIAN = {
    "odds_ratios": "exponentials of coefficients",
    "ratios": "exponentials of coefficients",
}
PUBLIC = {
    name
    for name in {*dir(GLMMResults), *dir(GLLAMMResults)} - ELSEWHERE
    if not name.startswith("_")
}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_works_or_says_why_not(result, name):
    refused = dict(REFUSED)
    if result.model.response.family == "Gaussian":
        refused |= OF_GAUSSIAN

    def ask():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name in CALLS:
                return CALLS[name](result)
            value = getattr(result, name)
            return value() if callable(value) and not isinstance(value, type) else value

    if name in refused:
        with pytest.raises(SpecificationError, match=refused[name]):
            ask()
        return
    value = ask()
    if isinstance(value, (float, np.ndarray)) and np.asarray(value).dtype.kind == "f":
        assert np.isfinite(value).all()
    if isinstance(value, (pd.Series, pd.DataFrame)) and name not in (
        "param_table", "random_effects_table"
    ):  # fmt: skip
        assert not value.isna().any(axis=None)
    if isinstance(value, (Summary, Summary2)):
        assert "f ~ x" in value.as_text()


def test_tables_of_several_models(result):
    assert "f ~ x" in summary_col([result, result]).as_text()


def test_tests_are_those_of_the_covariance_matrix(result):
    p, covariance = result.params, result.cov_params()
    name = "loading(f: C(item)[2])"
    test = result.t_test(f"{name} = 1")
    expected = (p[name] - 1) / np.sqrt(covariance.loc[name, name])
    assert float(test.tvalue.item()) == pytest.approx(expected, rel=1e-10)
    names = ["f ~ x", "z"]
    part = covariance.loc[names, names].to_numpy()
    wald = result.wald_test("f ~ x = 0, z = 0", scalar=True)
    expected = p[names] @ np.linalg.solve(part, p[names])
    assert float(wald.statistic) == pytest.approx(float(expected), rel=1e-10)
    terms = result.wald_test_terms().table
    assert {"C(item)", "z"} <= set(terms.index)
    assert terms.loc["z", "statistic"] == pytest.approx(
        float(p["z"] ** 2 / covariance.loc["z", "z"]), rel=1e-8
    )


def test_residuals_by_hand(data):
    result = fit("binary", data)
    mean, y = result.predict(which="posterior"), data["binary"].to_numpy()
    np.testing.assert_allclose(result.resid_response, y - mean, rtol=1e-10)
    np.testing.assert_allclose(result.resid_pearson, (y - mean) / np.sqrt(mean * (1 - mean)))
    deviance = np.sign(y - mean) * np.sqrt(-2 * np.log(np.where(y == 1, mean, 1 - mean)))
    np.testing.assert_allclose(result.resid_deviance, deviance, rtol=1e-8)
    np.testing.assert_allclose(result.resid, y - result.predict(), rtol=1e-10)
    simulated = result.resid_simulated(200, seed=1)
    assert 0.45 < simulated.mean() < 0.55
    inside = result.resid_simulated(200, seed=1, conditional=True)
    assert np.corrcoef(inside, result.resid_response)[0, 1] > 0.5


# ------------------------------------------------------------ covariance matrices and weights
@pytest.fixture(scope="module")
def scores(data):
    """Score contributions of clusters and the inverse information at the estimates."""
    result = fit("gaussian", data)
    model, params = result.model, np.asarray(result.params)
    by_row = model.score_obs(params)
    by_cluster = pd.DataFrame(by_row).groupby(data["cluster"].to_numpy()).sum().to_numpy()
    return result, by_cluster, np.linalg.inv(model.information(params))


def test_robust_and_clustered_by_hand(data, scores):
    result, by_cluster, bread = scores
    meat = by_cluster.T @ by_cluster
    robust = fit("gaussian", data, cov_type="robust")
    assert robust.cov_type == "robust"
    expected = np.sqrt(np.diag(bread @ meat @ bread))
    np.testing.assert_allclose(robust.bse, expected, rtol=1e-4)
    groups = data["region"]
    clustered = fit(
        "gaussian", data, cov_type="cluster",
        cov_kwds={"groups": groups, "use_correction": False},
    )  # fmt: skip
    region = data.groupby("cluster")["region"].first().to_numpy()
    by_region = pd.DataFrame(by_cluster).groupby(region).sum().to_numpy()
    expected = np.sqrt(np.diag(bread @ by_region.T @ by_region @ bread))
    np.testing.assert_allclose(clustered.bse, expected, rtol=1e-4)
    # predictions take their standard errors from it
    assert robust.get_prediction(data.head(3)).se[0] != result.get_prediction(data.head(3)).se[0]


@pytest.mark.parametrize("level", ["person", "cluster"])
def test_frequency_weights_are_copies(data, level):
    """Weights of units of a level are as many copies of them, each with a label of its own."""
    unit = data[level]
    weight = 1 + unit % 2
    copied = []
    for copy in (0, 1):
        part = data[weight > copy].copy()
        for name in ("person", "cluster"):
            if name == "person" or level == "cluster":
                part[name] = part[name] + 1000 * copy
        copied.append(part)
    weighted = fit("gaussian", data.assign(w=weight), freq_weights={level: "w"})
    replicated = fit("gaussian", pd.concat(copied, ignore_index=True))
    np.testing.assert_allclose(weighted.params, replicated.params, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(weighted.bse, replicated.bse, rtol=1e-3)
    assert weighted.llf == pytest.approx(replicated.llf, rel=1e-8)
    ours, theirs = weighted.latent_scores, replicated.latent_scores
    first = theirs["person"].loc[ours["person"].index]
    np.testing.assert_allclose(ours["person"], first, rtol=1e-3, atol=1e-4)


def test_sampling_weights_have_the_sandwich(data):
    result = fit("gaussian", data, weights={"person": "person_weight"})
    assert result.sampling_weights and result.cov_type == "robust"
    assert np.isfinite(result.latent_scores["person"]).all().all()
    assert np.isfinite(result.predict(data.head(5), which="posterior")).all()


def test_offset_of_new_rows(data):
    shifted = data.assign(o=0.7, gaussian=data["gaussian"] + 0.7)
    result, plain = fit("gaussian", shifted, offset="o"), fit("gaussian", data)
    np.testing.assert_allclose(result.params, plain.params, rtol=1e-4, atol=1e-5)
    new = data.head(4)
    np.testing.assert_allclose(result.predict(new), plain.predict(new), rtol=1e-5, atol=1e-6)
    given = result.predict(new.assign(o=0.7), offset="o")
    np.testing.assert_allclose(given, plain.predict(new) + 0.7, rtol=1e-5)
    np.testing.assert_allclose(
        result.latent_scores["person"], plain.latent_scores["person"], rtol=1e-3, atol=1e-4
    )


def test_constraints_and_profiles(data):
    model = fit("gaussian", data).model
    constrained = model.fit_constrained("loading(f: C(item)[2]) = 1")
    assert constrained.params["loading(f: C(item)[2])"] == pytest.approx(1.0, abs=1e-8)
    assert constrained.bse["loading(f: C(item)[2])"] == 0.0
    assert constrained.get_prediction(data.head(2)).se.shape == (2,)
    assert np.isfinite(constrained.latent_scores["person"]).all().all()
    limits = fit("gaussian", data).profile("loading(f: C(item)[2])").limits
    full = fit("gaussian", data)
    at = model.fit_constrained(f"loading(f: C(item)[2]) = {limits[0]}")
    assert 2 * (full.llf - at.llf) == pytest.approx(3.841459, rel=1e-3)


def test_saved_and_loaded(data, tmp_path):
    result = fit("binary", data)
    result.save(tmp_path / "fit.pickle")
    again = type(result._results).load(tmp_path / "fit.pickle")
    new = items(2, 4, seed=3)
    np.testing.assert_array_equal(again.predict(new), result.predict(new))
    np.testing.assert_allclose(
        again.predict(new, which="posterior"), result.predict(new, which="posterior"), rtol=1e-8
    )
    pd.testing.assert_frame_equal(again.latent_scores["person"], result.latent_scores["person"])
    again.remove_data()
    np.testing.assert_array_equal(again.predict(new), result.predict(new))
    assert again.get_prediction(new).se == pytest.approx(result.get_prediction(new).se)
    with pytest.raises(SpecificationError, match="removed by remove_data"):
        again.predict(new, which="posterior")
