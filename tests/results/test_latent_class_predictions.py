"""Predictions, residuals, simulated responses, bootstrap."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError
from tests.results.latent_class_cases import fitted, mixed, nested, simulated, two_levels
from tests.results.test_latent_class_profiles import STEP


def complete():
    """The simulated data without missing responses, so that direct effects are known in all rows."""
    return simulated().dropna()


def test_predictions_average_over_class_probabilities():
    result, data = mixed(), complete()
    classes = result.predict(data, "class")
    conditional = result.predict(data, "conditional")
    for which, share in (("marginal", classes), ("posterior", result.posterior(data))):
        found = result.predict(data, which)
        expected = sum(conditional[c].mul(share[c], axis=0) for c in ("class1", "class2"))
        pd.testing.assert_frame_equal(found, expected[found.columns], check_exact=False)
    a, b = result.params["class2:g"], result.params["g:x"]
    np.testing.assert_allclose(conditional[("class2", "g", "mean")], a + b * data["x"])
    for item in ("A", "B", "C", "D", "o"):
        np.testing.assert_allclose(found[item].sum(axis=1), 1.0)


def test_predictions_of_the_fit_are_those_of_equal_new_data():
    result, data = nested(), two_levels()
    for which in ("marginal", "posterior", "conditional", "class"):
        pd.testing.assert_frame_equal(
            result.predict(which=which), result.predict(data, which), check_exact=False
        )
    with pytest.raises(SpecificationError, match="which='median' is not known"):
        result.predict(which="median")
    with pytest.raises(SpecificationError, match="direct effects on 'g' are not kept for rows"):
        mixed().predict()
    assert list(result.predict(items="y1").columns) == [("y1", 0), ("y1", 1)]


@pytest.mark.parametrize("fit, data", [(mixed, simulated), (nested, two_levels)])
def test_derivatives_of_class_probabilities(fit, data):
    result = fit()._results
    rows = data().iloc[:4]
    value, gradient = result._prior_with_gradient(rows)
    for k in range(len(result.params)):
        values = []
        for sign in (1.0, -1.0):
            params = np.array(result.params)
            params[k] += sign * STEP
            other = result._at(result.model, result.model.mapping.theta(params))
            values.append(other._prior_with_gradient(rows)[0])
        np.testing.assert_allclose(
            gradient[:, :, k], (values[0] - values[1]) / (2 * STEP), atol=1e-9
        )
    table = fit().class_probabilities(rows, alpha=0.1)
    np.testing.assert_allclose(table["predicted"], value.ravel())
    variance = np.einsum("ncp,pq,ncq->nc", gradient, result.cov_params(), gradient)
    np.testing.assert_allclose(table["se"], np.sqrt(variance).ravel())
    assert (table["ci_lower"] < table["predicted"]).all()


def test_residuals():
    result, data = nested(), two_levels()
    residual, expected = result.residuals(), result.predict()
    np.testing.assert_allclose(residual[("y0", 1)], data["y0"] - expected[("y0", 1)])
    p = expected[("y0", 1)]
    np.testing.assert_allclose(
        result.residuals(kind="pearson")[("y0", 1)], (data["y0"] - p) / np.sqrt(p * (1 - p))
    )
    # of the measured ones the variance is within and between classes
    result, data = mixed(), simulated()
    pearson = result.residuals(kind="pearson")
    assert pearson[("g", "mean")].isna().equals(data["g"].isna())
    for item in ("g", "p", "G"):
        assert pearson[(item, "mean")].std() == pytest.approx(1.0, abs=0.12)
    share = result.predict(which="class")
    mean = sum(share[c] * np.exp(result.params[f"{c}:p"]) for c in share)
    second = sum(
        share[c] * (np.exp(result.params[f"{c}:p"]) + np.exp(2 * result.params[f"{c}:p"]))
        for c in share
    )
    np.testing.assert_allclose(
        pearson[("p", "mean")], (data["p"] - mean) / np.sqrt(second - mean**2)
    )
    at_posterior = result.residuals("posterior")[("g", "mean")]
    assert at_posterior.std() < result.residuals()[("g", "mean")].std()
    with pytest.raises(SpecificationError, match="kind='deviance'"):
        result.residuals(kind="deviance")
    with pytest.raises(SpecificationError, match="which='class'"):
        result.residuals("class")


def test_simulated_responses_have_the_moments_of_the_model():
    result, data = mixed(), simulated()
    drawn = result.simulate(30, seed=1, classes=True)
    assert drawn.shape == (30 * 320, 9)
    for name in "Ago":
        assert drawn.loc[0, name].isna().equals(data[name].isna())
    sizes = result.class_sizes()["estimate"]
    assert (drawn["class"] == "class2").mean() == pytest.approx(sizes["class2"], abs=0.02)
    profiles = result.profiles()
    for c, part in drawn.groupby("class"):
        for (item, response), row in profiles.xs(c, level="class").iterrows():
            if response == "mean":
                found, spread = part[item].mean(), part[item].std()
            elif response == "sd":
                found, spread = part[item].std(), part[item].std()
            elif response == "dispersion":
                continue
            else:
                found, spread = (part[item].dropna() == response).mean(), 0.5
            margin = 4.5 * spread / np.sqrt(part[item].notna().sum()) + 0.02
            assert found == pytest.approx(row["estimate"], abs=margin)
    assert drawn["B"].isin(list("abc")).all() and drawn["o"].dropna().isin([1, 2, 3]).all()
    pd.testing.assert_frame_equal(result.simulate(seed=3), result.simulate(seed=3))


def test_simulated_classes_of_clusters():
    drawn = nested().simulate(40, seed=2, classes=True)
    above = nested().upper_class_sizes()["estimate"]
    school = np.tile(np.repeat(np.arange(24), 15), 40) + 24 * np.repeat(np.arange(40), 360)
    assert (drawn.groupby(school)["upper"].nunique() == 1).all()
    assert (drawn["upper"] == "upper2").mean() == pytest.approx(above["upper2"], abs=0.08)
    given = nested().class_sizes(given_upper=True)["estimate"]
    for h, part in drawn.groupby("upper"):
        share = (part["class"] == "class2").mean()
        assert share == pytest.approx(given[(h, "class2")], abs=0.03)


def test_frequencies_stand_for_units():
    assert len(fitted("hivtests_lca2").simulate(seed=1)) == 428
    data = two_levels()
    items = [f"y{j}" for j in range(4)]
    result = smg.LatentClass(data, 2, items=items, weights=np.linspace(0.5, 1.5, 360)).fit(
        n_starts=2
    )
    with pytest.raises(SpecificationError, match="sampling weights"):
        result.simulate()
    with pytest.raises(SpecificationError, match="at least one data set"):
        nested().simulate(0)


@pytest.mark.parametrize("method", ["cluster", "parametric"])
def test_bootstrap(method):
    result = fitted("cheating_lca2")
    one = result.bootstrap(12, method=method, seed=1)
    again = result.bootstrap(3, method=method, seed=1)
    pd.testing.assert_frame_equal(one.params.iloc[:3], again.params)
    assert one.params.shape == (12, 9) and one.n_failed == 0
    size = one.params["logit(class2):Intercept"]
    assert abs(size.mean() - result.params["logit(class2):Intercept"]) < 1.5
    assert 0.1 < size.std() < 1.5


def test_bootstrap_draws_whole_clusters():
    sample = nested().bootstrap(3, seed=1)
    assert sample.params.shape == (3, 16) and sample.params.std().min() > 0
    assert mixed().bootstrap(2, method="parametric", seed=1).params.shape == (
        2,
        len(mixed().params),
    )


def test_cluster_robust_standard_errors_sum_scores_of_groups():
    data = two_levels()
    items = [f"y{j}" for j in range(6)]
    model = smg.LatentClass(data, 2, items=items)
    result = model.fit(
        n_starts=2, cov_type="cluster", cov_kwds={"groups": data["school"], "use_correction": False}
    )
    scores = model.score_obs(result.params)
    by_school = pd.DataFrame(scores).groupby(data["school"].to_numpy()).sum().to_numpy()
    bread = np.linalg.inv(model.information(result.params))
    expected = bread @ by_school.T @ by_school @ bread
    np.testing.assert_allclose(result.cov_params(), expected, rtol=1e-5, atol=1e-9)
    plain = model.fit(n_starts=2).class_sizes()["std_err"]
    assert (result.class_sizes()["std_err"] > plain).all()


def test_profile_likelihoods_are_maxima_over_the_other_parameters():
    result = fitted("cheating_lca2")
    name = "logit(class2):Intercept"
    profile = result.profile(name)
    model, k = result.model, result.model.param_names.index(name)
    row = profile.table.iloc[1]

    def negative(others):
        params = np.insert(others, k, row["value"])
        return -model.loglike(params), -np.delete(model.score(params), k)

    start = np.delete(np.asarray(result.params), k)
    found = optimize.minimize(negative, start, jac=True, method="BFGS", options={"gtol": 1e-6})
    assert row["llf"] == pytest.approx(-found.fun, abs=1e-7)
    lower, upper = profile.limits
    assert lower < result.params[name] < upper
    with pytest.raises(SpecificationError, match="on the boundary"):
        fitted("carcinoma_lca2").profile("class1:A[2]")
    inside = fitted("carcinoma_lca2").profile("class2:E[2]").limits
    assert inside[0] < -1.2487 < inside[1]
    limits = fitted("carcinoma_lca2").conf_int(method="profile")
    assert np.isnan(limits.loc["class1:A[2]"]).all()
    np.testing.assert_allclose(limits.loc["class2:E[2]"], inside, rtol=1e-6)


def test_what_has_no_meaning_here_says_so():
    with pytest.raises(SpecificationError, match="no random effects"):
        _ = nested()._results.cov_re
    with pytest.raises(SpecificationError, match="class_probabilities"):
        nested()._results.get_prediction()
