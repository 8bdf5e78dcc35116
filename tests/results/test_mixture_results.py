"""Results of mixtures: predictions, random effects, new units, draws, trajectories, inference."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.glmm import GLMM
from sm_gllamm.models.mixture import Mixture
from tests.models.mixture_cases import (
    ITEMS,
    binary_growth,
    counts,
    factor_data,
    gaussian_growth,
    growth_data,
    rasch,
    regression,
    school_data,
)


def differences(result, function, step=1e-5):
    """Derivatives of a function of the published parameters."""
    params = np.asarray(result.params, dtype=float)
    out = []
    for k in range(len(params)):
        h = np.zeros(len(params))
        h[k] = step * (1 + abs(params[k]))
        out.append((function(params + h) - function(params - h)) / (2 * h[k]))
    return np.stack(out, axis=-1)


def standard_errors(result, function):
    gradient = differences(result, function)
    return np.sqrt(np.einsum("np,pq,nq->n", gradient, np.asarray(result.cov_params()), gradient))


def at(model, params):
    """Results at given parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(start_params=params, maxiter=0)


def binary_means(params, data):
    """Means of the binary growth mixture: in each class, over a grid of the random intercept."""
    names = list(binary_growth().params.index)
    p = dict(zip(names, params, strict=True))
    grid = np.linspace(-8, 8, 801)
    weight = norm.pdf(grid) * (grid[1] - grid[0])
    sd = np.sqrt(p["var(Intercept|id)"])
    out = []
    for c in (1, 2):
        nu = p[f"class{c}:Intercept"] + p[f"class{c}:time"] * data.time.to_numpy()
        out.append(expit(nu[:, None] + sd * grid) @ weight)
    share = expit(p["logit(class2):Intercept"] + p["logit(class2):g"] * data.g.to_numpy())
    return np.column_stack(out), share


class TestPredictions:
    def test_in_each_class_and_over_the_classes(self):
        result, data = binary_growth(), growth_data().head(12)
        means, share = binary_means(np.asarray(result.params), data)
        by_class = result.predict(data, "conditional")
        np.testing.assert_allclose(by_class, means, rtol=1e-8)
        assert list(by_class.columns) == ["class1", "class2"]
        np.testing.assert_allclose(result.predict(data, "class")["class2"], share, rtol=1e-12)
        expected = (1 - share) * means[:, 0] + share * means[:, 1]
        np.testing.assert_allclose(result.predict(data), expected, rtol=1e-8)
        np.testing.assert_allclose(result.predict()[:12], expected, rtol=1e-8)

    def test_standard_errors_with_covariates_of_the_classes(self):
        result, data = binary_growth(), growth_data().iloc[[0, 4, 900]]

        def over_classes(params):
            means, share = binary_means(params, data)
            return (1 - share) * means[:, 0] + share * means[:, 1]

        table = result.get_prediction(data)
        np.testing.assert_allclose(table.se, standard_errors(result, over_classes), rtol=1e-5)
        own = result.get_prediction(data, "conditional")
        expected = standard_errors(result, lambda p: binary_means(p, data)[0].ravel())
        np.testing.assert_allclose(own.se, expected, rtol=1e-5)
        assert own.summary_frame().index[1] == (0, "class2")
        limits = own.conf_int()
        assert (limits > 0).all() and (limits < 1).all()

    def test_linear_predictor(self):
        result, data = binary_growth(), growth_data().head(3)
        params = result.params
        expected = params["class2:Intercept"] + params["class2:time"] * data.time
        np.testing.assert_allclose(result.predict(data, "linear")["class2"], expected)

    def test_classes_of_clusters_take_part(self):
        data = growth_data()
        model = Mixture(
            GLMM.from_formula("count ~ time", data, groups="id", re_formula=False, family="poisson"),
            2, classes="~ g", clusters="clinic", cluster_classes=2, data=data,
        )  # fmt: skip
        params = np.array([0.4, 0.01, 1.2, -0.02, 0.5, -0.6, 0.8, 0.3])
        result = at(model, params)
        new = data.iloc[[0, 8, 700]]

        def mean(p):
            means = np.exp(np.column_stack([p[c] + p[c + 1] * new.time for c in (0, 2)]))
            total = 0.0
            for h, share in ((5, expit(-p[7])), (6, expit(p[7]))):
                second = expit(p[4] * new.g.to_numpy() + p[h])
                total = total + share * ((1 - second) * means[:, 0] + second * means[:, 1])
            return total

        np.testing.assert_allclose(result.predict(new), mean(params), rtol=1e-10)
        rows = result._rows("marginal", new)
        gradient = result._average(rows, new, None).gradient
        np.testing.assert_allclose(gradient, differences(result, mean), rtol=1e-6, atol=1e-9)

    def test_at_the_posterior(self):
        result, data = gaussian_growth(), growth_data()
        posterior = result.posterior().to_numpy()
        effects = result.ranef(sd=False).to_numpy()[data.id]
        linear = result.predict(which="linear").to_numpy()
        expected = (posterior * (linear + effects)).sum(axis=1)
        np.testing.assert_allclose(result.predict(which="posterior"), expected, rtol=1e-8)
        some = data.iloc[[3, 60, 700]]
        np.testing.assert_allclose(
            result.predict(some, "posterior"), expected[[3, 60, 700]], rtol=1e-7
        )

    def test_at_the_posterior_without_random_effects(self):
        result = counts()
        expected = (result.posterior() * result.predict(which="conditional")).sum(axis=1)
        np.testing.assert_allclose(result.predict(which="posterior"), expected, rtol=1e-12)

    def test_unknown_units_have_no_posterior(self):
        new = growth_data().head(2).assign(id=9999)
        with pytest.raises(SpecificationError, match="unknown 'id'"):
            gaussian_growth().predict(new, "posterior")

    def test_categories_in_each_class(self):
        data = growth_data().groupby("id").first()
        data["level"] = pd.Categorical(
            np.digitize(data["count"], [1, 4]).astype(str), list("012"), ordered=True
        )
        model = Mixture.from_formula("level ~ g", data, 2, family="ordinal", equal=["g"])
        start = model._one_class_theta()
        result = at(model, model.mapping.params(start))
        by_class = result.predict(data.head(3), "conditional")
        assert by_class.columns.nlevels == 2 and by_class.shape == (3, 6)
        np.testing.assert_allclose(by_class["class1"].sum(axis=1), 1.0)
        over = result.predict(data.head(3))
        np.testing.assert_allclose(over.sum(axis=1), 1.0)
        assert len(result.get_prediction(data.head(3), "conditional").predicted) == 18

    def test_exposure_of_new_rows(self):
        data = growth_data()
        data["years"] = 2.0
        model = Mixture.from_formula(
            "count ~ 1", data, 2, groups="id", family="poisson", exposure="years"
        )
        result = model.fit(n_starts=2)
        once = result.predict(data.head(1), "conditional", exposure=1.0)
        twice = result.predict(data.head(1), "conditional", exposure="years")
        np.testing.assert_allclose(twice, 2 * once)

    @pytest.mark.parametrize("which", ["median", "nothing"])
    def test_other_kinds(self, which):
        with pytest.raises(SpecificationError, match="which="):
            gaussian_growth().predict(which=which)
        with pytest.raises(SpecificationError, match="standard errors"):
            gaussian_growth().get_prediction(which="posterior")

    def test_item_response_models_have_other_predictions(self):
        model = Mixture(rasch(factor_data(200)), 2)
        result = at(model, np.r_[np.zeros(5), 1.0, np.ones(5), 0.0])
        with pytest.raises(SpecificationError, match="mixtures of regressions"):
            result.predict()
        with pytest.raises(SpecificationError, match="not of item response models"):
            result.posterior(factor_data(5))


class TestRandomEffects:
    def test_by_class_in_closed_form(self):
        result, data = gaussian_growth(), growth_data()
        params = result.params
        psi, sigma = params["var(Intercept|id)"], params["var(Residual)"]
        table = result.ranef()
        for c in ("class1", "class2"):
            residual = data.y - params[f"{c}:Intercept"] - params[f"{c}:time"] * data.time
            shrinkage = 6 * psi / (6 * psi + sigma)
            expected = shrinkage * residual.groupby(data.id).mean()
            np.testing.assert_allclose(table[c]["Intercept"], expected, rtol=1e-8)
            np.testing.assert_allclose(
                table[c]["sd(Intercept)"], np.sqrt(psi * (1 - shrinkage)), rtol=1e-8
            )

    def test_averages_have_the_variance_between_classes(self):
        result = gaussian_growth()
        by_class = result.ranef()
        share = result.posterior().groupby(growth_data().id.to_numpy()).first().to_numpy()
        means = by_class.xs("Intercept", axis=1, level=1).to_numpy()
        sds = by_class.xs("sd(Intercept)", axis=1, level=1).to_numpy()
        mean = (share * means).sum(axis=1)
        np.testing.assert_allclose(result.random_effects["Intercept"], mean, rtol=1e-10)
        variance = (share * (sds**2 + means**2)).sum(axis=1) - mean**2
        table = result.ranef(by_class=False)
        np.testing.assert_allclose(table["sd(Intercept)"], np.sqrt(variance), rtol=1e-8)

    def test_classes_without_any(self):
        with pytest.raises(SpecificationError, match="no random effects"):
            counts().ranef()


class TestNewUnits:
    def test_units_of_the_fit_as_new_ones(self):
        result, data = binary_growth(), growth_data()
        some = data[data.id.isin([3, 7, 8])]
        new = result.posterior(some)
        np.testing.assert_allclose(new, result.posterior().loc[some.index], atol=1e-6)

    def test_rows_with_missing_responses_are_left_out(self):
        result, data = gaussian_growth(), growth_data().head(12)
        data.loc[3, "y"] = np.nan
        new = result.posterior(data)
        assert 3 not in new.index and len(new) == 11
        whole = result.posterior().iloc[:12]
        np.testing.assert_allclose(new.iloc[5:], whole.iloc[6:], atol=1e-8)

    def test_single_rows(self):
        result = counts()
        new = result.model.template.data.frame.head(4)
        np.testing.assert_allclose(result.posterior(new), result.posterior().head(4), atol=1e-12)

    def test_exposure_belongs_to_them(self):
        data = growth_data()
        data["years"] = 2.0
        options = {"groups": "id", "family": "poisson"}
        result = Mixture.from_formula("count ~ 1", data, 2, exposure="years", **options).fit(
            n_starts=2
        )
        some = data.head(12)
        np.testing.assert_allclose(result.posterior(some), result.posterior().head(12), atol=1e-10)
        template = GLMM.from_formula(
            "count ~ 1", data, exposure="years", re_formula=False, **options
        )
        with pytest.raises(SpecificationError, match="exposure= that new data need"):
            Mixture(template, 2).fit(n_starts=2).posterior(some)

    def test_covariates_of_the_classes_are_needed(self):
        with pytest.raises(SpecificationError, match="'g'"):
            binary_growth().posterior(growth_data().head(6).drop(columns="g"))

    def test_known_classes_of_new_units(self):
        data = growth_data()
        data["known"] = np.where(data.id < 40, data.second + 1, np.nan)
        result = Mixture.from_formula("y ~ time + (1 | id)", data, 2, known="known").fit(n_starts=2)
        new = result.posterior(data.head(12))
        np.testing.assert_allclose(new["class2"], data.second.head(12), atol=1e-12)


class TestDraws:
    def test_means_and_class_shares(self):
        result = gaussian_growth()
        draws = result.simulate(60, seed=3)
        assert draws.shape == (1500, 60)
        expected = result.predict().reshape(-1, 6).mean(axis=0)
        np.testing.assert_allclose(
            draws.mean(axis=1).reshape(-1, 6).mean(axis=0), expected, atol=0.1
        )
        np.testing.assert_array_equal(draws[:, 0], result.simulate(seed=3))

    def test_known_classes_are_kept(self):
        data = growth_data()
        data["known"] = data.second + 1
        result = Mixture.from_formula("y ~ time + (1 | id)", data, 2, known="known").fit()
        draw = result.simulate(seed=1)
        last = data.time == 5
        assert (draw[last & (data.second == 1)].mean() - draw[last & (data.second == 0)].mean()) > 3

    def test_persons_with_the_same_responses_are_drawn_one_by_one(self):
        data = factor_data(400)
        model = Mixture(rasch(data), 2)
        # classes that answer everything, or nothing
        params = np.r_[np.full(5, 8.0), 0.01, np.full(5, -8.0), 0.0]
        draw = model.simulate(params, seed=2)
        assert draw.shape == (400, 5)
        share = draw.mean(axis=1)
        assert ((share > 0.9) | (share < 0.1)).mean() > 0.99
        assert abs((share > 0.5).mean() - 0.5) < 0.1


class TestTrajectories:
    def test_table(self):
        result = binary_growth()
        table = result.class_trajectories("time", n=3)
        assert list(table.columns) == ["class", "time", "predicted", "se", "ci_lower", "ci_upper"]
        assert list(table["class"]) == ["class1"] * 3 + ["class2"] * 3
        grid = pd.DataFrame({"time": [0.0, 2.5, 5.0], "g": 0.0})
        means, _ = binary_means(np.asarray(result.params), grid)
        np.testing.assert_allclose(table.predicted, means.T.ravel(), rtol=1e-8)
        assert ((table.ci_lower < table.predicted) & (table.predicted < table.ci_upper)).all()

    def test_by_another_column_and_on_the_scale_of_the_link(self):
        result = binary_growth()
        table = result.class_trajectories("time", by="second", n=2, which="linear")
        assert len(table) == 8
        quantile = norm.ppf(0.975)
        np.testing.assert_allclose(table.ci_upper - table.predicted, quantile * table.se)

    def test_plot(self):
        pytest.importorskip("matplotlib")
        figure = binary_growth().plot_class_trajectories("time", n=5)
        labels = [line.get_label() for line in figure.axes[0].lines]
        assert labels[0].startswith("class1 (")
        panels = binary_growth().plot_class_trajectories("time", by="second", n=3)
        assert len(panels.axes) == 2

    def test_columns_that_are_not_there(self):
        with pytest.raises(SpecificationError, match="x='day'"):
            binary_growth().class_trajectories("day")


class TestInference:
    def test_sandwich_of_clusters_of_units(self):
        result, data = binary_growth("cluster"), growth_data()
        evaluation = result.model.likelihood.evaluate(result.theta, 2)
        clinic = data.groupby("id").clinic.first().to_numpy()
        scores = np.zeros((clinic.max() + 1, len(result.params)))
        np.add.at(scores, clinic, evaluation.score)
        bread = np.linalg.inv(-evaluation.hessian)
        jacobian = result.model.mapping.jacobian(result.theta)
        sandwich = jacobian @ bread @ (scores.T @ scores) @ bread @ jacobian.T
        found = np.asarray(result.cov_params())
        factor = found[0, 0] / sandwich[0, 0]
        assert 1.0 <= factor < 25 / 24 + 1e-6
        np.testing.assert_allclose(found, factor * sandwich, rtol=1e-6, atol=1e-10)

    def test_wald_tests_by_name(self):
        result = binary_growth()
        test = result.wald_test("class1:time = class2:time", scalar=True)
        params, cov = result.params, result.cov_params()
        difference = params["class1:time"] - params["class2:time"]
        variance = (
            cov.loc["class1:time", "class1:time"] + cov.loc["class2:time", "class2:time"]
            - 2 * cov.loc["class1:time", "class2:time"]
        )  # fmt: skip
        np.testing.assert_allclose(test.statistic, difference**2 / variance)

    def test_numbers_of_classes_are_not_compared_by_chi_square(self):
        data = growth_data()
        one = Mixture(regression(data), 1).fit()
        with pytest.raises(SpecificationError, match="no chi-square distribution"):
            gaussian_growth().compare_lr_test(one)
        assert gaussian_growth().bic < one.bic
        assert gaussian_growth().info_criteria("icl") >= gaussian_growth().bic

    def test_shared_parameters_are_compared_by_chi_square(self):
        data = growth_data()
        full = Mixture(regression(data), 2, equal="covariances").fit(n_starts=3)
        statistic, pvalue, df = full.compare_lr_test(gaussian_growth())
        assert df == 1 and 0 <= pvalue <= 1
        np.testing.assert_allclose(statistic, 2 * (full.llf - gaussian_growth().llf))

    def test_summary_has_a_table_for_each_class(self):
        text = str(binary_growth().summary())
        for part in ("class1 (size", "class2 (size", "All classes", "Class probabilities (logits)",
                     "var(Intercept|id)", "Entropy R2:", "Mixture of:"):  # fmt: skip
            assert part in text
        assert "ML, exact" in str(counts().summary())
        assert "class2" in str(binary_growth().summary2())

    def test_class_sizes_with_covariates(self):
        result, data = binary_growth(), growth_data()
        person = data.groupby("id").first()

        def size(params):
            logit = params[-2] + params[-1] * person.g.to_numpy()
            return np.array([expit(logit).mean()])

        table = result.class_sizes()
        np.testing.assert_allclose(table["estimate"]["class2"], size(np.asarray(result.params)))
        np.testing.assert_allclose(
            table["std_err"]["class2"], standard_errors(result, size), rtol=1e-6
        )


class TestKeeping:
    @pytest.mark.parametrize("fit", [binary_growth, gaussian_growth, counts])
    def test_pickled_results_say_the_same(self, fit):
        result = fit()
        again = pickle.loads(pickle.dumps(result))
        np.testing.assert_allclose(again.posterior(), result.posterior(), atol=1e-6)
        np.testing.assert_allclose(again.predict(), result.predict(), rtol=1e-10)
        np.testing.assert_array_equal(again.bse, result.bse)

    def test_save_and_load(self, tmp_path):
        result = gaussian_growth()
        result.save(tmp_path / "fit.pickle")
        again = type(result).load(tmp_path / "fit.pickle")
        np.testing.assert_allclose(again.ranef(), result.ranef(), atol=1e-8)

    def test_without_data(self):
        data = growth_data()
        result = Mixture.from_formula(
            "b ~ time + (1 | id)", data, 2, family="binomial", classes="~ g"
        ).fit(n_starts=2)
        new = data.head(4)
        kept = [
            result.predict(new),
            result.predict(new, "conditional"),
            result.predict(new, "class"),
        ]
        text = str(result.class_sizes())
        result.remove_data()
        for before, which in zip(kept, ("marginal", "conditional", "class"), strict=True):
            np.testing.assert_allclose(result.predict(new, which), before, rtol=1e-12)
        assert str(result.class_sizes()) == text
        assert "class1 (size" in str(result.summary())
        with pytest.raises(SpecificationError, match="removed"):
            result.predict()
        with pytest.raises(SpecificationError, match="removed"):
            result.posterior()
        again = pickle.loads(pickle.dumps(result))
        np.testing.assert_allclose(again.predict(new), kept[0], rtol=1e-12)

    def test_schools(self):
        data = school_data()
        model = Mixture(rasch(data), 2, clusters="school", cluster_classes=2, data=data)
        result = model.fit(n_starts=1)
        assert result.upper_posterior().index.name == "school"
        assert list(result.upper_posterior().index) == list(range(30))
        assert result.simulate(seed=1).shape == (600, len(ITEMS))


class TestNumbersOfClasses:
    def test_several_at_once(self):
        data = growth_data().groupby("id").first()
        fits = Mixture.from_formula(
            "count ~ g", data, range(1, 3), family="poisson", equal=["g"]
        ).fit(n_starts=2, disp=0)
        np.testing.assert_allclose(fits[2].llf, counts().llf)
        assert list(fits.table.index) == [1, 2] and fits.best("aic") == 2
        assert fits.table["bic"][2] == pytest.approx(counts().bic)

    def test_functions_in_formulas_are_the_callers(self):
        data = growth_data().groupby("id").first()

        def moved(x):
            return x + 1.0

        for numbers in (2, range(2, 3)):
            model = Mixture.from_formula(
                "count ~ moved(g)", data, numbers, family="poisson", classes="~ moved(g)"
            )
            model = getattr(model, "models", {2: model})[2]
            assert model.param_names[-1] == "logit(class2):moved(g)"
        result = model.fit(n_starts=1)
        new = result.predict(data.head(2), "class")
        np.testing.assert_allclose(new, result.predict(which="class").head(2))
        direct = Mixture(counts().model.template, range(2, 3), classes="~ moved(g)", data=data)
        assert direct.models[2].param_names[-1] == "logit(class2):moved(g)"

    def test_bootstrap_of_the_likelihood_ratio(self):
        data = growth_data()
        one = Mixture(regression(data), 1).fit()
        test = gaussian_growth().compare_blrt(one, n_rep=4, n_starts=1)
        np.testing.assert_allclose(test.statistic, 2 * (gaussian_growth().llf - one.llf))
        assert (test.samples > -1e-6).all() and test.samples.max() < test.statistic
        assert test.pvalue == 1 / 5

    def test_other_tests_are_refused(self):
        with pytest.raises(SpecificationError, match="compare_blrt"):
            gaussian_growth().compare_lmr(gaussian_growth())
        with pytest.raises(SpecificationError, match="must have fewer"):
            gaussian_growth().compare_blrt(gaussian_growth())
        with pytest.raises(SpecificationError, match="n_classes is empty"):
            Mixture(regression(growth_data()), range(0))


class TestBootstrap:
    def test_parametric(self):
        result = gaussian_growth()
        samples = result.bootstrap(12, method="parametric", seed=1).params
        z = (samples.mean() - result.params) / (result.bse / np.sqrt(12))
        assert (np.abs(z) < 4.5).all()
        assert (samples.std() < 3 * result.bse).all()

    def test_clusters(self):
        samples = gaussian_growth().bootstrap(4, seed=2).params
        assert samples.shape == (4, 7) and np.isfinite(samples).all(axis=None)

    def test_of_item_response_models(self):
        result = Mixture(rasch(factor_data(300)), 2).fit(n_starts=2)
        samples = result.bootstrap(2, method="parametric", seed=1).params
        assert np.isfinite(samples).all(axis=None)
        assert (np.abs(samples.iloc[0] - result.params) < 6 * result.bse).all()

    def test_profile(self):
        profile = gaussian_growth().profile("class2:time")
        wald = gaussian_growth().conf_int().loc["class2:time"]
        np.testing.assert_allclose(profile.limits, wald, atol=0.02)


def test_normal_random_effect_of_clusters_in_the_class_probabilities():
    data = growth_data()
    template = GLMM.from_formula(
        "count ~ time", data, groups="id", re_formula=False, family="poisson"
    )
    model = Mixture(
        template, 2, classes="~ g", clusters="clinic", cluster_classes="normal", data=data
    )
    params = np.array([0.4, 0.01, 1.2, -0.02, 0.5, -0.6, 0.8])
    result, new = at(model, params), data.iloc[[0, 8, 700]]
    grid = np.linspace(-8, 8, 2001)
    weight = norm.pdf(grid) * (grid[1] - grid[0])

    def mean(p):
        logit = p[4] + p[5] * new.g.to_numpy()[:, None] + p[6] * grid
        second = expit(logit) @ weight
        means = np.exp(np.column_stack([p[c] + p[c + 1] * new.time for c in (0, 2)]))
        return (1 - second) * means[:, 0] + second * means[:, 1]

    np.testing.assert_allclose(result.predict(new), mean(params), rtol=1e-9)
    gradient = result._average(result._rows("marginal", new), new, None).gradient
    np.testing.assert_allclose(gradient, differences(result, mean), rtol=1e-6, atol=1e-9)
