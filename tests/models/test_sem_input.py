"""What users may give a structural equation model, and what they may not."""

import numpy as np
import pandas as pd
import pytest

from sm_gllamm.exceptions import BoundaryWarning, IdentificationWarning, SpecificationError
from sm_gllamm.models.sem import SEM
from tests.models.sem_cases import CASES, data, fit

THREE = CASES["cfa"]["model"]
ONE = "f =~ x1 + x2 + x3 + x9"


def holzinger():
    return data("holzinger").copy()


# ---------------------------------------------------------------- data
def test_moments_instead_of_data():
    frame = holzinger()
    names = [f"x{k}" for k in range(1, 10)]
    result = SEM(THREE, cov=frame[names].cov(), nobs=len(frame)).fit()
    assert result.llf == pytest.approx(fit("cfa").llf, rel=1e-10)
    np.testing.assert_allclose(result.params, fit("cfa").params, rtol=1e-5, atol=1e-7)
    divided = frame[names].cov().to_numpy() * 300 / 301
    again = SEM(THREE, cov=divided, nobs=301, cov_divisor="n", means=frame[names].mean(),
                meanstructure=True).fit()  # fmt: skip
    assert again.llf == pytest.approx(result.llf, rel=1e-10)
    assert again.fit_measures()["chisq"] == pytest.approx(85.3055, abs=1e-4)
    with pytest.raises(SpecificationError, match="need the data"):
        result.model.fit(cov_type="robust")
    with pytest.raises(SpecificationError, match="needs data"):
        result.factor_scores()
    with pytest.raises(SpecificationError, match="bootstrap needs the data"):
        result.bootstrap(2)


def test_moments_by_group():
    frame = holzinger()
    names = [f"x{k}" for k in range(1, 10)]
    parts = dict(tuple(frame.groupby("school")))
    order = ["Pasteur", "Grant-White"]
    result = SEM(
        THREE, cov={g: parts[g][names].cov() for g in order},
        means={g: parts[g][names].mean() for g in order},
        nobs={g: len(parts[g]) for g in order}, meanstructure=True,
    ).fit()  # fmt: skip
    assert result.llf == pytest.approx(fit("groups").llf, rel=1e-10)


def test_frequency_weights_are_copies():
    frame = holzinger()
    rng = np.random.default_rng(0)
    times = rng.integers(0, 4, len(frame))
    long = frame.loc[np.repeat(frame.index, times)]
    for missing in (False, True):
        if missing:
            frame.loc[frame.index[:40], "x2"] = np.nan
            long = frame.loc[np.repeat(frame.index, times)]
        weighted = SEM(ONE, frame.assign(w=times), freq_weights="w")
        copied = SEM(ONE, long.reset_index(drop=True))
        for cov_type in ("nonrobust", "robust"):
            one, other = weighted.fit(cov_type=cov_type), copied.fit(cov_type=cov_type)
            assert one.llf == pytest.approx(other.llf, rel=1e-10)
            np.testing.assert_allclose(one.params, other.params, rtol=1e-6)
            np.testing.assert_allclose(one.bse, other.bse, rtol=1e-6)
            assert one.nobs == other.nobs == times.sum()


def test_sampling_weights():
    # lavaan 0.6-14: cfa(..., sampling.weights = "w", estimator = "MLR"), w = 1 + (i %% 3)
    frame = holzinger().assign(w=1.0 + (np.arange(1, 302) % 3))
    result = SEM(ONE, frame, weights="w", meanstructure=True).fit()
    assert result.cov_type == "robust"
    scaled = SEM(ONE, frame.assign(w=7.0 * frame["w"]), weights="w", meanstructure=True).fit()
    np.testing.assert_allclose(result.bse, scaled.bse, rtol=1e-6)
    assert "Pseudo" in str(result.summary())


def test_products_of_covariates():
    frame = holzinger()
    frame["both"] = frame["x2"] * frame["x3"]
    one = SEM("x1 ~ x2 + x3 + x2:x3", frame).fit()
    other = SEM("x1 ~ x2 + x3 + both", frame).fit()
    np.testing.assert_allclose(one.params, other.params, rtol=1e-6)


def test_regression_is_least_squares():
    import statsmodels.api as sm

    frame = holzinger()
    result = SEM("x1 ~ x2 + x3", frame, meanstructure=True).fit()
    ols = sm.OLS(frame["x1"], sm.add_constant(frame[["x2", "x3"]])).fit()
    assert result.llf == pytest.approx(ols.llf, rel=1e-10)
    assert result.params["x1~x2"] == pytest.approx(ols.params["x2"], rel=1e-6)
    assert result.params["x1~1"] == pytest.approx(ols.params["const"], rel=1e-5)


def test_listwise_deletion():
    frame = data("holzinger_missing")
    with pytest.warns(UserWarning, match="rows with missing values are left out"):
        result = SEM(ONE, frame, missing="listwise").fit()
    complete = SEM(ONE, frame.dropna(subset=["x1", "x2", "x3", "x9"])).fit()
    assert result.llf == pytest.approx(complete.llf)


def test_rows_without_covariates_are_left_out():
    frame = holzinger()
    frame.loc[[3, 5], "age"] = np.nan
    with pytest.warns(UserWarning, match="2 rows without any value or covariate"):
        model = SEM("f =~ x1 + x2 + x3 \n f ~ age", frame)
    assert model.fit().nobs == 299


# ---------------------------------------------------------------- constraints
def test_linear_constraints_agree_with_one_parameter():
    labels = SEM("f =~ x1 + a*x2 + a*x3 + x9", holzinger()).fit()
    equations = SEM("f =~ x1 + a*x2 + b*x3 + x9 \n a == b", holzinger()).fit()
    assert labels.llf == pytest.approx(equations.llf, rel=1e-10)
    assert labels.df == equations.df
    assert equations.bse["a"] == pytest.approx(labels.bse["a"], rel=1e-5)
    constrained = SEM(ONE, holzinger()).fit_constrained("f=~x2 = f=~x3")
    assert constrained.llf == pytest.approx(labels.llf, rel=1e-10)


def test_inequalities():
    text = "f =~ x1 + a*x2 + b*x3 + x9 \n"
    free = SEM(text + "a < 10", holzinger()).fit()
    assert free.llf == pytest.approx(SEM(text, holzinger()).fit().llf, rel=1e-10)
    held = SEM(text + "a > b", holzinger()).fit()
    assert held.params["a"] == pytest.approx(held.params["b"], abs=1e-7)
    equal = SEM(text + "a == b", holzinger()).fit()
    assert held.llf == pytest.approx(equal.llf, rel=1e-9)
    assert "On the edge" in str(held.verdict)


def test_a_variance_kept_positive():
    frame = heywood()
    with pytest.warns(BoundaryWarning):
        negative = SEM("f =~ a + b + c", frame).fit()
    assert negative.verdict.negative == ("a~~a",)
    assert not negative.verdict.proper
    assert "Heywood" in str(negative.summary())
    bounded = SEM("f =~ a + b + c \n a ~~ v*a \n v > 0", frame).fit()
    assert bounded.params["v"] == pytest.approx(0.0, abs=1e-8)
    assert bounded.llf < negative.llf


def heywood():
    correlation = np.array([[1.0, 0.75, 0.7], [0.75, 1.0, 0.4], [0.7, 0.4, 1.0]])
    rng = np.random.default_rng(1)
    z = rng.normal(size=(200, 3))
    z = (z - z.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T, bias=True))).T
    return pd.DataFrame(z @ np.linalg.cholesky(correlation).T, columns=list("abc"))


def test_correlations_beyond_one_are_named():
    rng = np.random.default_rng(4)
    f = rng.normal(size=300)
    frame = pd.DataFrame({f"y{k}": f + 1.2 * rng.normal(size=300) for k in range(6)})
    found = []
    for k in range(20):
        sample = frame.sample(60, random_state=k)
        with pytest.MonkeyPatch.context():
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = SEM("f =~ y0 + y1 + y2 \n g =~ y3 + y4 + y5", sample).fit()
        correlation = result.standardized().query("lhs == 'f' and rhs == 'g'")["est"].iloc[0]
        if abs(correlation) > 1:
            found.append(result.verdict.indefinite)
    assert found and all(one == ("f", "g") for one in found)


# ---------------------------------------------------------------- what is wrong
def wrong(match, text, frame=None, **options):
    with pytest.raises(SpecificationError, match=match):
        SEM(text, holzinger() if frame is None else frame, **options)


def test_unknown_names_with_the_place():
    with pytest.raises(SpecificationError) as error:
        SEM("f =~ x1 + x2\nf ~ agee", holzinger())
    assert "line 2" in str(error.value) and "^" in str(error.value) and "age" in str(error.value)


def test_a_factor_without_indicators():
    wrong("neither in the data nor measured", "f =~ x1 + x2 + x3 \n g ~ f")


def test_contradicting_constraints():
    wrong("contradicts", "f =~ x1 + a*x2 + b*x3 \n a == b \n a == b + 1")


def test_a_singular_covariance_matrix():
    frame = holzinger()
    frame["sum"] = frame["x1"] + frame["x2"]
    wrong("'sum' is a combination of 'x1', 'x2'", "f =~ x1 + x2 + sum", frame)
    frame["same"] = 3.0
    wrong("'same' is constant", "f =~ x1 + x2 + same", frame)


def test_fewer_rows_than_variables():
    with pytest.warns(UserWarning, match="too few for the covariance matrix"):
        model = SEM(THREE, holzinger().iloc[:8])
    assert model.n_observations == 8


def test_starting_values_without_a_density():
    model = SEM("f =~ x1 + x2 + x3 \n x1 ~~ start(-9)*x1", holzinger())
    with pytest.raises(SpecificationError, match="not positive definite at the starting values"):
        model.fit()
    with pytest.raises(SpecificationError, match="not positive definite"):
        SEM(ONE, holzinger()).fit(start_params=-np.ones(8))


def test_unidentified_models_are_warned_of():
    with pytest.warns(IdentificationWarning, match="not identified"):
        SEM("f =~ x1 + x2", holzinger()).fit()


def test_columns_that_are_no_numbers():
    frame = holzinger()
    frame["word"] = "a"
    wrong("no numbers", "f =~ x1 + x2 + word", frame)
    frame["kind"] = pd.Categorical(np.arange(len(frame)) % 2)
    wrong("categories", "f =~ x1 + x2 + kind", frame)
    frame.loc[3, "x1"] = np.inf
    wrong("infinite in row 3", ONE, frame)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"groups": "schoool"}, "no column of the data; did you mean 'school'"),
        ({"missing": "pairwise"}, "use 'fiml' or 'listwise'"),
        ({"weights": "x1", "freq_weights": "x1"}, "not both"),
        ({"weights": "sex", "nobs": 3}, "go with cov="),
        ({"cov": np.eye(4)}, "not both"),
        ({"group_equal": ["loading"]}, "did you mean 'loadings'"),
        ({"std_lvs": True}, "std_lv"),
    ],
)
def test_options(options, match):
    with pytest.raises((SpecificationError, TypeError), match=match):
        SEM(ONE, holzinger(), **options)


def test_fit_options():
    model = SEM(ONE, holzinger())
    for options in ({"information": "fisher"}, {"cov_type": "HAC"}, {"n_points": 7}, {"maxit": 3}):
        with pytest.raises((SpecificationError, TypeError)):
            model.fit(**options)


def test_moments_that_are_wrong():
    for options, match in [
        ({"cov": np.eye(3), "nobs": 100}, "shape"),
        ({"cov": np.eye(4)}, "nobs="),
        ({"cov": np.triu(np.ones((4, 4))), "nobs": 100}, "not symmetric"),
        ({"cov": np.ones((4, 4)), "nobs": 100}, "singular"),
        ({"cov": np.eye(4), "nobs": 100, "meanstructure": True}, "give the means"),
    ]:
        with pytest.raises(SpecificationError, match=match):
            SEM(ONE, **options)


# ---------------------------------------------------------------- invariance
def test_invariance():
    table, fits = SEM.invariance(THREE, holzinger(), groups="school")
    assert list(table.index) == ["configural", "metric", "scalar", "strict"]
    assert table["df"].tolist() == [48, 54, 60, 69]
    np.testing.assert_allclose(table["chisq"].iloc[:3], [115.851, 124.044, 164.103], atol=1e-3)
    assert fits["strict"].llf == pytest.approx(
        fit("groups_loadings_intercepts_residuals").llf, rel=1e-9
    )


# ---------------------------------------------------------------- statsmodels' ways
def test_profiles_and_tests():
    result = fit("cfa")
    low, high = result.profile("visual=~x2").limits
    assert low < result.params["visual=~x2"] < high
    assert result.wald_test("visual=~x2 = visual=~x3").pvalue == pytest.approx(0.123, abs=1e-3)


def test_pickle_and_remove_data():
    import pickle

    result = SEM(THREE, holzinger()).fit()
    before = str(result.summary()).splitlines()[2]
    again = pickle.loads(pickle.dumps(result))
    assert again.llf == result.llf
    result.remove_data()
    assert str(result.summary()).splitlines()[2] == before
    assert result.factor_scores(holzinger().iloc[:3]).shape == (3, 3)
    assert result.fit_measures()["cfi"] == pytest.approx(0.931, abs=1e-3)


def test_scales_of_variables_do_not_matter():
    frame = holzinger()
    far = frame.assign(x1=1e4 * frame["x1"], x5=1e-4 * frame["x5"], x9=frame["x9"] + 1e5)
    one, other = SEM(THREE, frame).fit(), SEM(THREE, far).fit()
    assert other.converged
    assert one.fit_measures()["chisq"] == pytest.approx(other.fit_measures()["chisq"], abs=1e-5)


def test_nothing_moves_without_iterations():
    model = SEM(ONE, holzinger())
    at = model.fit().params + 0.01
    with pytest.warns(UserWarning, match="maxiter=0"):
        result = model.fit(start_params=at, maxiter=0)
    assert (result.params == at).all() and not result.converged
    assert result.llf == pytest.approx(model.loglike(at))
