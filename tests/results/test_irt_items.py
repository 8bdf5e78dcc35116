"""Tables of items and of the latent distribution."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

import sm_gllamm.api as smg
from sm_gllamm.datasets import asvab, lsat, science
from sm_gllamm.exceptions import SpecificationError

ATTITUDES = ["comfort", "work", "future", "benefit"]

# R 4.2.2, mirt 1.47, polished to the maximum on dense grids: estimates and standard errors of
# traditional parameters by the delta method from the observed information.
LSAT_2PL = {
    "item_1": (0.82566, 0.258115, -3.358811, 0.866472),
    "item_2": (0.722744, 0.18668, -1.370058, 0.307491),
    "item_3": (0.890875, 0.232764, -0.279666, 0.099623),
    "item_4": (0.688368, 0.185143, -1.866381, 0.434317),
    "item_5": (0.656856, 0.209909, -3.125907, 0.871222),
}
SCIENCE = {
    "graded": {
        "comfort": [(1.040641, 0.188194), (-4.672812, 0.814165), (-2.536094, 0.39201), (1.408224, 0.231006)],
        "future": [(2.300595, 0.488168), (-2.279921, 0.25908), (-0.964378, 0.116028), (0.855212, 0.11184)],
    },
    "GPCM": {
        "comfort": [(0.861142, 0.174055), (-3.27746, 0.65101), (-2.892465, 0.498417), (1.537792, 0.274227)],
        "future": [(2.237354, 0.671393), (-2.083133, 0.218947), (-0.974798, 0.135653), (0.831438, 0.113724)],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def law():
    return lsat.load_pandas().data[[f"item_{j}" for j in range(1, 6)]]


@pytest.fixture(scope="module")
def two_parameters(law):
    return smg.IRT(law).fit()


@pytest.fixture(scope="module")
def attitudes():
    return science.load_pandas().data[ATTITUDES]


def simulated(n=400, seed=4):
    """Three items each of two correlated dimensions, polytomous and binary, two groups."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.5], [0.0, 0.8]])
    frame = pd.DataFrame({"sex": np.where(np.arange(n) % 2, "m", "f")})
    for j in range(6):
        nu = 1.3 * theta[:, j // 3]
        cuts = [0.4] if j % 3 else [1.2, -0.6]
        p = 1 / (1 + np.exp(-(nu[:, None] + np.array(cuts))))
        frame[f"x{j}"] = (rng.random(n)[:, None] < p).sum(axis=1)
    return frame


def test_difficulties_of_binary_items_agree_with_mirt(two_parameters):
    table = two_parameters.item_table("difficulty")
    for item, (a, a_se, b, b_se) in LSAT_2PL.items():
        own = table.loc[item]
        assert np.allclose(own["estimate"], [a, b], atol=1e-4)
        assert np.allclose(own["std_err"], [a_se, b_se], rtol=1e-4)


@pytest.mark.parametrize("model", ["graded", "GPCM"])
def test_difficulties_of_categories_agree_with_mirt(attitudes, model):
    table = smg.IRT(attitudes, model).fit(n_points=41).item_table("difficulty")
    for item, rows in SCIENCE[model].items():
        assert list(table.loc[item].index) == [
            "discrimination",
            *(f"difficulty[{k}]" for k in (1, 2, 3)),
        ]
        assert np.allclose(table.loc[item][["estimate", "std_err"]], rows, rtol=1e-4)


def test_intercept_form_is_that_of_the_parameters(two_parameters):
    table, result = two_parameters.item_table(), two_parameters
    for item in LSAT_2PL:
        for row in ("slope", "intercept"):
            name, own = f"{row}[{item}]", table.loc[item, row]
            assert own["estimate"] == pytest.approx(result.params[name], abs=1e-12)
            assert own["std_err"] == pytest.approx(result.bse[name], rel=1e-7)
            assert np.allclose(own[["lower", "upper"]], result.conf_int().loc[name], rtol=1e-6)


def test_robust_standard_errors_are_used(law):
    result = smg.IRT(law).fit(cov_type="robust")
    table = result.item_table()
    assert table.loc[("item_1", "slope"), "std_err"] == pytest.approx(
        result.bse["slope[item_1]"], rel=1e-7
    )


def test_delta_method_is_that_of_differences():
    frame = simulated()
    items = [f"x{j}" for j in range(6)]
    dimensions = {"A": items[:3], "B": items[3:]}
    result = smg.IRT(frame, "GPCM", dimensions=dimensions, items=items, groups="sex").fit()
    model, params = result.model, np.asarray(result.params)
    table = result.item_table("difficulty", group="m").loc["x0"]

    def mdiff(values):
        item = model.bank_at(values, 1).items[0]
        slope = item.slopes[1]
        return -np.diff(item.intercepts)[1] / np.sqrt(slope @ slope)

    def correlation(values):
        psi = model.bank_at(values, 1).covariance
        return psi[0, 1] / np.sqrt(psi[0, 0] * psi[1, 1])

    latent = result.latent_distribution()
    for function, value, se in (
        (mdiff, *table.loc["MDIFF[2]", ["estimate", "std_err"]]),
        (correlation, *latent.loc[("m", "corr(A,B)"), ["estimate", "std_err"]]),
    ):
        step = 1e-5 * np.eye(len(params))
        gradient = np.array([(function(params + h) - function(params - h)) / 2e-5 for h in step])
        assert value == pytest.approx(function(params), abs=1e-12)
        cov = np.asarray(result.cov_params())
        assert se == pytest.approx(np.sqrt(gradient @ cov @ gradient), rel=1e-6)
    # the reference group is standardised
    assert np.isnan(latent.loc[("f", "mean(A)"), "std_err"])
    assert latent.loc[("f", "var(A)"), "estimate"] == 1.0
    assert latent.loc[("m", "var(A)"), "lower"] > 0.0


def test_groups_are_in_the_index_and_can_be_chosen():
    frame = simulated()
    items = [f"x{j}" for j in range(6)]
    result = smg.IRT(frame, items=items, groups="sex", free_items=["x1"]).fit()
    table = result.item_table()
    assert list(table.index.names) == ["group", "item", "parameter"]
    own = result.item_table(group="m")
    assert own.equals(table.loc["m"])
    assert own.loc[("x1", "slope"), "estimate"] == pytest.approx(result.params["slope[x1|m]"])
    same = table["estimate"].unstack("group").drop("x1")
    assert np.allclose(same["f"], same["m"])
    with pytest.raises(SpecificationError, match="group='x'"):
        result.item_table(group="x")


def test_wide_has_a_row_an_item(two_parameters):
    wide = two_parameters.item_table("difficulty", wide=True)
    long = two_parameters.item_table("difficulty")
    assert list(wide.columns) == [
        "discrimination", "se(discrimination)", "difficulty", "se(difficulty)"
    ]  # fmt: skip
    assert wide.loc["item_2", "se(difficulty)"] == long.loc[("item_2", "difficulty"), "std_err"]


def test_fixed_parameters_have_no_standard_error(law):
    rasch = smg.IRT(law, "Rasch").fit().item_table()
    assert (rasch.xs("slope", level=1)["estimate"] == 1.0).all()
    assert rasch.xs("slope", level=1)[["std_err", "lower", "upper"]].isna().all(axis=None)
    assert rasch.xs("intercept", level=1)["std_err"].notna().all()
    known = {"item_1": {"slope": 0.0, "intercept": 2.5}, "item_2": {"slope": 1.0, "intercept": 1.0}}
    table = smg.IRT(law, fixed=known).fit().item_table("difficulty")
    assert np.isnan(table.loc[("item_1", "difficulty"), "estimate"])
    assert np.isnan(table.loc[("item_2", "difficulty"), "std_err"])
    assert table.loc[("item_2", "difficulty"), "estimate"] == -1.0


def test_slopes_near_zero_have_difficulties_with_huge_standard_errors():
    result = smg.IRT(_noise()).fit()
    table = result.item_table("difficulty").xs("difficulty", level=1)
    assert np.isfinite(table[["estimate", "std_err"]]).all(axis=None)
    item = result.item_table()["estimate"].xs("slope", level=1).abs().idxmin()
    assert table.loc[item, "std_err"] > 2.0


def _noise():
    """Four items of one ability and one that is noise."""
    rng = np.random.default_rng(2)
    theta = rng.normal(size=600)
    nu = np.column_stack([1.4 * theta] * 4 + [0.0 * theta]) + [-1.0, -0.3, 0.3, 1.0, 0.5]
    return pd.DataFrame((rng.random(nu.shape) < 1 / (1 + np.exp(-nu))).astype(int)).add_prefix("x")


def test_asymptotes_are_probabilities():
    rng = np.random.default_rng(1)
    theta = rng.normal(size=2000)
    p = 0.25 + 0.75 / (1 + np.exp(-1.7 * theta[:, None] - np.array([-1.0, -0.3, 0.3, 1.0])))
    data = pd.DataFrame((rng.random(p.shape) < p).astype(int)).add_prefix("x")
    result = smg.IRT(data, "3PL", priors={"lower": ("beta", 5, 17)}).fit()
    row = result.item_table().loc[("x1", "lower_asymptote")]
    estimate, se = result.params["logit_lower[x1]"], result.bse["logit_lower[x1]"]
    assert logit(row["estimate"]) == pytest.approx(estimate, abs=1e-9)
    probability = row["estimate"]
    assert row["std_err"] == pytest.approx(se * probability * (1 - probability), rel=1e-6)
    limits = result.conf_int().loc["logit_lower[x1]"]
    assert np.allclose(logit(row[["lower", "upper"]].astype(float)), limits, rtol=1e-5)
    assert "upper_asymptote" not in result.item_table().loc["x1"].index


def test_nominal_items_keep_slopes_and_intercepts(attitudes):
    result = smg.IRT(attitudes, {"comfort": "nominal"} | dict.fromkeys(ATTITUDES[1:], "GPCM")).fit()
    table = result.item_table("difficulty")
    assert list(table.loc["comfort"].index) == [
        *(f"slope[{k}]" for k in (1, 2, 3)), *(f"intercept[{k}]" for k in (1, 2, 3))
    ]  # fmt: skip
    assert table.loc[("comfort", "slope[2]"), "estimate"] == pytest.approx(
        result.params["slope[comfort:2]"]
    )
    assert np.isnan(result.standardized_loadings().loc["comfort", "theta"])


def test_latent_regression_is_in_the_latent_distribution():
    data = asvab.load_pandas().data
    items = [c for c in data if c.startswith("item")]
    result = smg.IRT(data, items=items, regression="~ female", freq_weights="freq").fit()
    row = result.latent_distribution().loc["theta ~ female"]
    assert row["estimate"] == result.params["theta ~ female"]
    assert row["std_err"] == pytest.approx(result.bse["theta ~ female"], rel=1e-10)


def test_variance_between_clusters_and_its_share():
    rng = np.random.default_rng(3)
    school = np.repeat(np.arange(40), 10)
    theta = 0.8 * rng.normal(size=40)[school] + rng.normal(size=400)
    nu = theta[:, None] * 1.2 + np.linspace(-1, 1, 5)
    frame = pd.DataFrame((rng.random(nu.shape) < 1 / (1 + np.exp(-nu))).astype(int)).add_prefix("x")
    result = smg.IRT(frame.assign(school=school), items=list(frame), clusters="school").fit()
    table = result.latent_distribution()
    name = next(name for name in result.params.index if name.startswith("var("))
    between = result.params[name]
    assert table.loc["var(theta|school)", "estimate"] == pytest.approx(between)
    assert table.loc["var(theta|school)", "std_err"] == pytest.approx(result.bse[name], rel=1e-6)
    assert table.loc["icc(theta)", "estimate"] == pytest.approx(between / (1 + between))
    assert table.loc["icc(theta)", "std_err"] == pytest.approx(
        result.bse[name] / (1 + between) ** 2, rel=1e-6
    )
    assert table.loc["var(theta)", "estimate"] == pytest.approx(1 + between)


def test_unknown_form(two_parameters):
    with pytest.raises(SpecificationError, match="form='other'"):
        two_parameters.item_table("other")
