"""What results of models with latent variables say: scores, table, predictions, path diagram."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError
from tests.mapping.test_structural import ITEMS, LEVELS, build, items

GAUSSIAN_LEVELS = [smg.Latent("within", "person", ITEMS), smg.Latent("between", "cluster")]


def fit(y, latent, regressions=(), data=None, **options):
    data = items(30, 4, seed=6) if data is None else data
    return smg.GLLAMM.from_formula(
        f"{y} ~ 0 + C(item)", data, latent, regressions=regressions, **options
    ).fit(n_points=25)


@pytest.fixture(scope="module")
def linear():
    """Two levels of gaussian items with a path between the levels."""
    return fit("gaussian", GAUSSIAN_LEVELS, ["within ~ between + x", "between ~ w"])


@pytest.fixture(scope="module")
def binary():
    return fit("binary", [smg.Latent("f", "person", ITEMS)], ["f ~ x"], family="binomial")


def joint_normal(result):
    """Means and covariances of items and latent variables of all rows, from matrices by hand."""
    data, p = result.model.data.frame, result.params
    person, cluster = (pd.get_dummies(data[c]).to_numpy(float) for c in ("person", "cluster"))
    item = data["item"].to_numpy() - 1
    of_within = np.array([1.0, *(p[f"loading(within: C(item)[{k}])"] for k in (2, 3, 4))])[item]
    of_between = np.ones(len(item))
    w, x = data.groupby("cluster")["w"].first(), data.groupby("person")["x"].first()
    inside = data.groupby("person")["cluster"].first().to_numpy()
    path = p["within ~ between"]
    between = p["between ~ w"] * w.to_numpy()
    within = path * between[inside] + p["within ~ x"] * x.to_numpy()
    nu = p[[f"C(item)[{k + 1}]" for k in range(4)]].to_numpy()[item]
    # latent variables as multiples of independent disturbances: persons, then clusters
    sd = np.sqrt([p["var(within|person)"], p["var(between|cluster)"]])
    in_cluster = np.eye(len(w))[inside]
    to_within = np.hstack([np.eye(len(x)) * sd[0], path * in_cluster * sd[1]])
    to_between = np.hstack([np.zeros((len(w), len(x))), np.eye(len(w)) * sd[1]])
    z = of_within[:, None] * (person @ to_within) + of_between[:, None] * (cluster @ to_between)
    mean = nu + of_within * (person @ within) + of_between * (cluster @ between)
    covariance = z @ z.T + p["var(Residual)"] * np.eye(len(data))
    residual = data["gaussian"].to_numpy() - mean
    posterior = {}
    for name, prior, to in (("within", within, to_within), ("between", between, to_between)):
        gain = to @ z.T @ np.linalg.inv(covariance)
        posterior[name] = prior + gain @ residual, np.sqrt(np.diag(to @ to.T - gain @ z @ to.T))
    llf = stats.multivariate_normal(mean, covariance).logpdf(data["gaussian"])
    return posterior, mean, np.diag(z @ z.T), llf


def test_scores_across_levels_by_hand(linear):
    posterior, mean, _, llf = joint_normal(linear)
    assert linear.llf == pytest.approx(llf, rel=1e-9)
    np.testing.assert_allclose(linear.predict(which="linear"), mean, rtol=1e-9)
    scores = linear.latent_scores
    assert list(scores) == ["cluster", "person"]
    np.testing.assert_allclose(scores["cluster"]["between"], posterior["between"][0], atol=1e-8)
    np.testing.assert_allclose(scores["cluster"]["sd(between)"], posterior["between"][1], rtol=1e-8)
    np.testing.assert_allclose(scores["person"]["within"], posterior["within"][0], atol=1e-8)
    # with the posterior covariances between the levels
    np.testing.assert_allclose(scores["person"]["sd(within)"], posterior["within"][1], rtol=1e-8)


def test_scores_of_several_factors_on_one_level():
    latent = [smg.Latent("f", "person", "0 + d1 + d2"), smg.Latent("g", "person", "0 + d3 + d4")]
    result = fit("gaussian", latent, ["g ~ f + x"], covariance="diagonal")
    p, scores, effects = result.params, result.latent_scores, result.random_effects
    x = result.model.data.frame.groupby("person")["x"].first()
    np.testing.assert_allclose(scores["f"], effects["f"], rtol=1e-12)
    expected = p["g ~ f"] * effects["f"] + p["g ~ x"] * x + effects["g"]
    np.testing.assert_allclose(scores["g"], expected, rtol=1e-10)
    first = result.random_effects_cov.loc[scores.index[0]].to_numpy()
    weights = np.array([p["g ~ f"], 1.0])
    assert scores["sd(g)"].iloc[0] == pytest.approx(np.sqrt(weights @ first @ weights), rel=1e-10)


def test_table_of_parameters(linear):
    table = linear.param_table
    row = table[table["name"] == "within: C(item)[1]"].iloc[0]
    assert (row["estimate"], row["fixed"], row["parameter"]) == (1.0, 1.0, "")
    assert np.isnan(row["std_err"])
    free = table[table["parameter"] != ""]
    assert set(free["parameter"]) == set(linear.params.index)
    np.testing.assert_array_equal(free["estimate"], linear.params[free["parameter"]])
    np.testing.assert_array_equal(free["std_err"], linear.bse[free["parameter"]])
    before = linear.model.param_table
    pd.testing.assert_frame_equal(before.drop(columns="start"), table[before.columns[:-1]])
    start = dict(zip(linear.model.param_names, linear.model.start_params, strict=True))
    assert before["start"][before["parameter"] != ""].tolist() == [
        start[name] for name in before["parameter"] if name
    ]


class TestPredictions:
    def test_conditional_and_linear(self, binary):
        linear = binary.predict(which="linear")
        p, frame = binary.params, binary.model.data.frame
        item = frame["item"].to_numpy() - 1
        loadings = np.array([1.0, *(p[f"loading(f: C(item)[{k}])"] for k in (2, 3, 4))])[item]
        nu = p.iloc[:4].to_numpy()[item] + loadings * p["f ~ x"] * frame["x"]
        np.testing.assert_allclose(linear, nu, rtol=1e-10)
        np.testing.assert_allclose(binary.predict(which="conditional"), 1 / (1 + np.exp(-nu)))
        nodes, weights = np.polynomial.hermite_e.hermegauss(60)
        spread = loadings * np.sqrt(p["var(f|person)"])
        by_nodes = 1 / (1 + np.exp(-(nu.to_numpy()[:, None] + spread[:, None] * nodes)))
        marginal = by_nodes @ weights / weights.sum()
        np.testing.assert_allclose(binary.predict(), marginal, rtol=1e-8)

    def test_posterior_by_grid(self, binary):
        frame, p = binary.model.data.frame, binary.params
        rows = np.flatnonzero(frame["person"] == 7)
        zeta = np.linspace(-8, 8, 801)
        nu = binary.predict(which="linear")[rows]
        loadings = np.array([1.0, *(p[f"loading(f: C(item)[{k}])"] for k in (2, 3, 4))])
        loadings = loadings[frame["item"].to_numpy()[rows] - 1] * np.sqrt(p["var(f|person)"])
        share = 1 / (1 + np.exp(-(nu + loadings * zeta[:, None])))
        y = frame["binary"].to_numpy()[rows]
        weight = stats.norm.pdf(zeta) * np.prod(np.where(y == 1, share, 1 - share), axis=1)
        by_grid = weight @ share / weight.sum()
        np.testing.assert_allclose(binary.predict(which="posterior")[rows], by_grid, rtol=1e-5)

    def test_order_of_rows(self, binary):
        frame = items(30, 4, seed=6)
        order = np.random.default_rng(0).permutation(len(frame))
        latent = [smg.Latent("f", "person", ITEMS)]
        shuffled = fit("binary", latent, ["f ~ x"], frame.iloc[order], family="binomial")
        for which in ("linear", "marginal", "posterior"):
            ours, theirs = binary.predict(which=which)[order], shuffled.predict(which=which)
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)
        pd.testing.assert_frame_equal(
            binary.latent_scores, shuffled.latent_scores.sort_index(), rtol=1e-5
        )

    @pytest.mark.parametrize("case", ["ordinal items", "choices", "mixed families"])
    def test_other_responses(self, case):
        result = build(case).fit(maxiter=20, warn_convergence=False)
        for which in ("marginal", "conditional", "posterior"):
            values = np.asarray(result.predict(which=which))
            assert len(values) == len(result.model.endog)
            assert np.isfinite(values).all()
            if case == "ordinal items":
                np.testing.assert_allclose(values.sum(axis=1), 1.0, rtol=1e-9)
            if case == "choices":
                sums = pd.Series(values).groupby(np.arange(len(values)) // 3).sum()
                np.testing.assert_allclose(sums, 1.0, rtol=1e-6)

    def test_not_offered(self, binary):
        for ask, match in (
            (lambda: binary.model.predict(binary.params, np.ones((2, 4))), "by a DataFrame"),
            (lambda: binary.predict(np.ones((2, 4)), transform=False), "by a DataFrame"),
            (lambda: binary.predict(which="best"), "which='best' is not known"),
            (lambda: binary.ranef(kind="ml"), "not available for latent variables"),
        ):
            with pytest.raises(SpecificationError, match=match):
                ask()


def test_model_predicts_as_results_do(binary):
    for which in ("linear", "marginal", "posterior"):
        by_model = binary.model.predict(binary.params, which=which)
        np.testing.assert_allclose(by_model, binary.predict(which=which), rtol=1e-12)


def test_simulated_moments(linear):
    _, mean, variance, _ = joint_normal(linear)
    draws = linear.model.simulate(linear.params, 2000, seed=3)
    total = variance + linear.params["var(Residual)"]
    error = (draws.mean(1) - mean) / np.sqrt(total / 2000)
    assert abs(error.mean()) < 1 and 0.7 < error.std() < 1.3
    np.testing.assert_allclose(draws.var(axis=1).mean(), total.mean(), rtol=0.02)


def test_parametric_bootstrap(binary):
    sample = binary.bootstrap(3, method="parametric", seed=1)
    assert sample.params.shape[1] == len(binary.params)


def test_path_diagram(linear):
    source = linear.path_diagram()
    assert source.startswith("digraph {") and source.count("{") == source.count("}")
    path = f"{linear.params['within ~ between']:.2f}"
    assert f'"between" -> "within" [label="{path}"];' in source
    assert '"within" -> "item C(item)[1]" [label="1"];' in source
    assert '"covariate x" -> "within"' in source
    edges = [tuple(edge) for edge in re.findall(r'"([^"]+)" -> "([^"]+)"', source)]
    assert len(edges) == len(set(edges)) == 4 + 1 + 3
    nodes = set(re.findall(r'^ +"([^"]+)" \[shape', source, re.MULTILINE))
    assert {node for edge in edges for node in edge} == nodes


def test_path_diagram_of_covariances_and_intercepts():
    latent = [
        smg.Latent("f", "person", "0 + d1 + d2"),
        smg.Latent("g", "person", "0 + d3 + d4"),
        smg.Latent("h", "cluster"),
    ]
    result = fit("gaussian", latent)
    source = result.path_diagram(digits=1)
    covariance = f"{result.params['cov(f,g|person)']:.1f}"
    assert f'"f" -> "g" [dir=both, style=dashed, label="{covariance}"];' in source
    assert '"h" -> "item gaussian" [label="1"];' in source


def test_unit_variances_in_table_and_diagram():
    result = fit("binary", LEVELS, identification="variance", family="binomial")
    assert "covariance" not in set(result.param_table["block"])
    assert '"within" [shape=ellipse, label="within\\n(1.00)"];' in result.path_diagram()
    assert result.cov_re["person"].loc["within", "within"] == 1.0


@pytest.fixture(scope="module")
def fits():
    """Two factors with a covariance or, of unit variances, with a correlation."""
    latent = [smg.Latent("f", "person", "0 + d1 + d2"), smg.Latent("g", "person", "0 + d3 + d4")]
    return {
        identification: fit("gaussian", latent, identification=identification)
        for identification in ("variance", "loading")
    }


class TestCorrelations:
    def test_table_is_that_of_covariances(self, fits):
        table = fits["variance"].random_effects_table().loc["corr(f,g|person)"]
        free = fits["loading"].random_effects_table().loc["cov(f,g|person)"]
        assert fits["variance"].llf == pytest.approx(fits["loading"].llf, rel=1e-9)
        for column in ("sd_corr", "sd_corr_lower", "sd_corr_upper"):
            assert table[column] == pytest.approx(free[column], rel=1e-3)
        np.testing.assert_allclose(
            table[["estimate", "lower", "upper"]],
            table[["sd_corr", "sd_corr_lower", "sd_corr_upper"]],
        )

    def test_summary_and_intervals(self, fits):
        result = fits["variance"]
        assert "corr(f,g|person)" in str(result.summary())
        assert "corr(f,g|person)" in str(result.summary2())
        r, se = result.params["corr(f,g|person)"], result.bse["corr(f,g|person)"]
        half = 1.959964 * se / (1 - r**2)
        np.testing.assert_allclose(
            result.conf_int(method="transformed").loc["corr(f,g|person)"],
            np.tanh(np.arctanh(r) + np.array([-half, half])), rtol=1e-6,
        )  # fmt: skip
