"""Mixtures of mixed, general and item response models: what can be said, and what comes out."""

import warnings

import numpy as np
import pandas as pd
import pytest

from sm_gllamm.exceptions import (
    BoundaryWarning,
    ConvergenceWarning,
    IdentificationWarning,
    SpecificationError,
)
from sm_gllamm.models.gllamm import GLLAMM
from sm_gllamm.models.glmm import GLMM
from sm_gllamm.models.irt import IRT
from sm_gllamm.models.latent_class import LatentClass
from sm_gllamm.models.mixture import Mixture
from sm_gllamm.specification.latent import Latent
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


def by_class(result, name):
    params = result.params
    return np.array([params[k] for k in params.index if k.endswith(f":{name}")])


class TestOneClass:
    def test_is_the_model_itself(self):
        data = growth_data()
        plain = regression(data).fit()
        mixture = Mixture(regression(data), 1).fit()
        np.testing.assert_allclose(mixture.llf, plain.llf, rtol=1e-10)
        np.testing.assert_allclose(mixture.params, plain.params, rtol=1e-5)
        np.testing.assert_allclose(mixture.bse, plain.bse, rtol=1e-5)
        assert list(mixture.params.index) == list(plain.params.index)

    def test_classes_with_nothing_of_their_own_are_named(self):
        everything = ("coefficients", "covariances", "dispersions")
        with pytest.warns(IdentificationWarning, match="logit"):
            result = Mixture(regression(growth_data()), 2, equal=everything).fit(n_starts=2)
        assert result.verdict.unidentified == ("logit(class2):Intercept",)


class TestGrowth:
    def test_binary_outcomes_find_the_classes(self):
        result, data = binary_growth(), growth_data()
        assert result.verdict.ok and result.verdict.replicated >= 2
        truth = {
            "class1:Intercept": 0.5, "class1:time": -0.3, "class2:Intercept": -1.0,
            "class2:time": 0.8, "var(Intercept|id)": 0.49, "logit(class2):g": 1.0,
        }  # fmt: skip
        for name, value in truth.items():
            assert abs(result.params[name] - value) < 3 * result.bse[name], name
        assigned = (result.assigned_class() == "class2").astype(int)
        assert (assigned.to_numpy() == data.second).mean() > 0.85

    def test_covariance_matrices_by_class(self):
        data = growth_data()
        formula = "y ~ time + (1 + time | id)"
        common = Mixture.from_formula(formula, data, 2).fit(n_starts=3)
        own = Mixture.from_formula(formula, data, 2, equal=()).fit(n_starts=3)
        assert own.converged and own.llf > common.llf + 20
        assert len(own.params) == len(common.params) + 4
        np.testing.assert_allclose(np.sqrt(by_class(own, "var(Intercept|id)")), [0.4, 1], atol=0.25)
        np.testing.assert_allclose(np.sqrt(by_class(own, "var(time|id)")), [0.1, 0.4], atol=0.1)

    def test_residual_variances_alone_by_class(self):
        model = Mixture(regression(growth_data()), 2, equal="covariances")
        assert "var(Intercept|id)" in model.param_names
        assert "class2:var(Residual)" in model.param_names

    def test_known_classes_agree_with_models_of_their_own(self):
        data = growth_data()
        data["known"] = data.second + 1
        result = Mixture.from_formula("y ~ time + (1 | id)", data, 2, known="known", equal=()).fit()
        size = data.second.mean()
        total = 0.0
        for c in (0, 1):
            part = data[data.second == c]
            fit = regression(part).fit()
            total += fit.llf + part.id.nunique() * np.log(size if c else 1 - size)
            names = [f"class{c + 1}:{name}" for name in fit.params.index]
            np.testing.assert_allclose(result.params[names], fit.params, rtol=1e-4)
            np.testing.assert_allclose(result.bse[names], fit.bse, rtol=1e-4)
        np.testing.assert_allclose(result.llf, total, rtol=1e-9)
        assert (result.assigned_class() == "class2").to_numpy().astype(int).tolist() == list(
            data.second
        )

    def test_some_known_classes_keep_their_numbers(self):
        data = growth_data()
        data["known"] = np.where(data.id < 40, 2 - data.second, np.nan)
        result = Mixture.from_formula("y ~ time + (1 | id)", data, 2, known="known").fit(n_starts=3)
        # the rising ones are class 1 here, though they are fewer
        assert result.params["class1:time"] > result.params["class2:time"]

    def test_possible_classes_as_an_array(self):
        data = growth_data()
        data["known"] = np.where(data.id < 40, 2 - data.second, np.nan)
        allowed = np.column_stack([data.known != 2, data.known != 1])
        one = Mixture.from_formula("y ~ time + (1 | id)", data, 2, known="known")
        other = Mixture.from_formula("y ~ time + (1 | id)", data, 2, known=allowed)
        theta = one._one_class_theta()
        assert one.likelihood.evaluate(theta).total == other.likelihood.evaluate(theta).total

    def test_fixed_coefficients(self):
        result = Mixture(regression(growth_data()), 2, fixed={"class2:time": 0.0}).fit(n_starts=3)
        assert result.params["class2:time"] == 0.0 and result.bse["class2:time"] == 0.0
        assert result.df_modelwc == len(result.params) - 1
        assert "held" not in " ".join(result.verdict.messages())
        free = gaussian_growth()
        assert result.llf < free.llf + 1e-6

    def test_weights_are_copies(self):
        data = growth_data()
        weighted = Mixture(
            GLMM.from_formula("y ~ time + (1 | id)", data, freq_weights={"id": "f"}), 2
        ).fit(n_starts=2)
        copies = pd.concat(
            [data[data.f > k].assign(id=data.id + 1000 * k) for k in range(3)], ignore_index=True
        )
        expanded = Mixture(regression(copies), 2).fit(n_starts=2)
        np.testing.assert_allclose(weighted.llf, expanded.llf, rtol=1e-9)
        np.testing.assert_allclose(weighted.params, expanded.params, rtol=1e-4)
        np.testing.assert_allclose(weighted.bse, expanded.bse, rtol=1e-4)

    def test_sampling_weights_give_the_sandwich(self):
        data = growth_data()
        model = Mixture(GLMM.from_formula("y ~ time + (1 | id)", data, weights={"id": "f"}), 2)
        result = model.fit(n_starts=2)
        assert result.cov_type == "robust" and result.sampling_weights
        evaluation = model.likelihood.evaluate(result.theta, 2)
        bread = np.linalg.inv(-evaluation.hessian)
        sandwich = bread @ (evaluation.score.T @ evaluation.score) @ bread
        jacobian = model.mapping.jacobian(result.theta)
        np.testing.assert_allclose(
            np.asarray(result.cov_params()), jacobian @ sandwich @ jacobian.T, rtol=1e-4, atol=1e-8
        )


class TestFactorMixtures:
    def test_mixture_of_rasch_models_finds_its_classes(self):
        data = school_data()
        result = Mixture(rasch(data), 2).fit(n_starts=3)
        assert result.verdict.ok
        assert abs(result.params["var(theta|person)"] - 1.0) < 3 * result.bse["var(theta|person)"]

    def test_general_model_with_loadings_is_the_item_response_model(self):
        data = factor_data()
        long = (
            data.rename_axis("person").reset_index().melt("person", var_name="item", value_name="y")
        )
        template = GLLAMM.from_formula(
            "y ~ 0 + item", long, [Latent("f", "person", "0 + item")], family="binomial"
        )
        shared = ("loadings", "covariances")
        wide = Mixture(IRT(data, "2PL", items=ITEMS), 2, equal=shared).fit(n_starts=2)
        # the same with the first slope as the standard deviation of the factor
        slope = wide.params[[f"slope[{item}]" for item in ITEMS]].to_numpy()
        start = {
            f"class{c}:item[{item}]": wide.params[f"class{c}:intercept[{item}]"]
            for c in (1, 2)
            for item in ITEMS
        }
        model = Mixture(template, 2, equal=shared)
        (variance,) = [name for name in model.param_names if name.startswith("var(")]
        loadings = [name for name in model.param_names if name.startswith("loading(")]
        start[variance] = slope[0] ** 2
        start |= dict(zip(loadings, slope[1:] / slope[0], strict=True))
        start["logit(class2):Intercept"] = wide.params["logit(class2):Intercept"]
        general = model.fit(start_params=start)
        np.testing.assert_allclose(general.llf, wide.llf, atol=2e-5)
        mine = [name for name in general.params.index if name.startswith("class1:item[")]
        theirs = [name for name in wide.params.index if name.startswith("class1:")]
        np.testing.assert_allclose(general.params[mine], wide.params[theirs], atol=2e-3)
        np.testing.assert_allclose(general.bse[mine], wide.bse[theirs], rtol=5e-3)


class TestClassesOfClusters:
    def test_parameters_by_class_of_school(self):
        data = school_data()
        model = Mixture(rasch(data), 1, clusters="school", cluster_classes=2, data=data)
        result = model.fit(n_starts=3)
        assert result.converged and result.verdict.replicated >= 2
        posterior = result.upper_posterior()
        assert posterior.shape == (30, 2)
        truth = data.groupby("school").upper.first().to_numpy()
        found = posterior.to_numpy().argmax(axis=1).astype(bool)
        assert max((found == truth).mean(), (found != truth).mean()) > 0.9
        np.testing.assert_allclose(result.upper_class_sizes()["estimate"].sum(), 1.0)

    def test_classes_on_both_levels(self):
        data = school_data()
        model = Mixture(rasch(data), 2, clusters="school", cluster_classes=2, data=data)
        result = model.fit(n_starts=3)
        assert result.verdict.ok
        truth = data.groupby("school").upper.first().to_numpy()
        found = result.upper_posterior()["upper2"].to_numpy() > 0.5
        assert max((found == truth).mean(), (found != truth).mean()) > 0.9
        sizes = result.class_sizes(given_upper=True)["estimate"].unstack()
        assert sorted(np.round(sizes["class1"], 1)) == pytest.approx([0.2, 0.8], abs=0.11)

    def test_without_random_effects_it_is_the_multilevel_latent_class_model(self):
        data = school_data()
        long = (
            data.rename_axis("person").reset_index()
            .melt(["person", "school"], ITEMS, "item", "y")
        )  # fmt: skip
        template = GLMM.from_formula(
            "y ~ 0 + item", long, groups="person", re_formula=False, family="binomial"
        )
        mixture = Mixture(template, 2, clusters="school", cluster_classes=2, data=long)
        mine = mixture.fit(n_starts=3)
        other = LatentClass(data, 2, items=ITEMS, clusters="school", cluster_classes=2).fit()
        np.testing.assert_allclose(mine.llf, other.llf, rtol=1e-8)
        assert len(mine.params) == len(other.params)
        np.testing.assert_allclose(
            np.sort(mine.class_sizes()["estimate"]), np.sort(other.class_sizes()["estimate"]),
            rtol=1e-4,
        )  # fmt: skip
        np.testing.assert_allclose(
            np.sort(mine.class_sizes()["std_err"]), np.sort(other.class_sizes()["std_err"]),
            rtol=1e-3,
        )  # fmt: skip


class TestRegressions:
    def test_rows_are_units_without_groups(self):
        result = counts()
        assert result.verdict.ok
        assert list(result.params.index) == [
            "class1:Intercept", "g", "class2:Intercept", "logit(class2):Intercept",
        ]  # fmt: skip
        assert result.n_clusters == {"case": 250}

    def test_rows_left_out_take_their_known_classes_along(self):
        data = growth_data().groupby("id").first()
        known = np.where(np.arange(250) < 50, 1 + data.second, np.nan)
        data.iloc[[3, 70], data.columns.get_loc("g")] = np.nan
        model = Mixture.from_formula("y ~ g", data, 2, known=known)
        assert model.nobs == 248
        kept = np.delete(known, [3, 70])
        np.testing.assert_array_equal(model._allowed[:, 1], kept != 1)

    def test_order_does_not_depend_on_the_start(self):
        one = counts()
        other = one.model.fit(n_starts=4, seed=11)
        np.testing.assert_allclose(one.params, other.params, rtol=1e-5, atol=1e-6)

    def test_same_seed_same_fit(self):
        model = counts().model
        np.testing.assert_array_equal(
            model.fit(n_starts=2, seed=5).params, model.fit(n_starts=2, seed=5).params
        )

    def test_residual_variance_that_vanishes_is_no_solution(self):
        rng = np.random.default_rng(0)
        data = pd.DataFrame({"y": np.r_[rng.normal(size=60), np.full(6, 3.0)]})
        model = Mixture.from_formula("y ~ 1", data, 2, equal=())
        start = model._one_class_theta()
        places = {name: k for k, name in enumerate(model.param_names)}
        params = dict(zip(model.param_names, model.mapping.params(start), strict=True))
        params |= {"class2:Intercept": 3.0, "class2:var(Residual)": 1e-4,
                   "logit(class2):Intercept": -2.0}  # fmt: skip
        assert set(params) == set(places)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = model.fit(start_params=params)
        assert any(
            issubclass(one.category, ConvergenceWarning) and "unbounded" in str(one.message)
            for one in caught
        )
        assert not result.converged and result.verdict.degenerate

    def test_separated_class_is_held_and_named(self):
        rng = np.random.default_rng(2)
        first = rng.random(300) < 0.5
        y = (rng.random((300, 6)) < np.where(first, 0.0, 0.7)[:, None]).astype(int)
        long = pd.DataFrame({"y": y.ravel(), "id": np.repeat(np.arange(300), 6)})
        with pytest.warns(BoundaryWarning, match="-infinity"):
            result = Mixture.from_formula("y ~ 1", long, 2, groups="id", family="binomial").fit()
        (held,) = result.verdict.held
        label = held.split(" = ")[0]
        assert np.isnan(result.bse[label]) and np.isfinite(result.bse.drop(label)).all()
        prediction = result.predict(long.iloc[[0]], "conditional")
        assert prediction[label.split(":")[0]].iloc[0] < 1e-10


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_classes": 0}, "n_classes must be a whole number from 1"),
            ({"n_classes": -2}, "n_classes must be a whole number from 1"),
            ({"n_classes": 2.5}, "n_classes must be a whole number from 1"),
            ({"equal": ["slopes"]}, "equal names 'slopes'"),
            ({"fixed": {"class3:time": 0.0}}, "fixed names 'class3:time'"),
            ({"fixed": {"var(Residual)": 1.0}}, "coefficients and loadings can be fixed"),
            ({"classes": "~ b"}, "classes= varies within a unit of 'id'"),
            ({"classes": "~ nothing"}, "nothing"),
            ({"clusters": "clinic"}, "clusters= and cluster_classes= go together"),
            ({"clusters": "clinics", "cluster_classes": 2}, "is no column of the data"),
            ({"clusters": "time", "cluster_classes": 2}, "clusters= varies within a unit"),
            ({"clusters": "clinic", "cluster_classes": 0}, "cluster_classes must be"),
            ({"known": "time"}, "known"),
        ],
    )
    def test_what_cannot_be(self, options, message):
        data = growth_data()
        number = options.pop("n_classes", 2)
        with pytest.raises(SpecificationError, match=message):
            Mixture(regression(data), number, **options)

    def test_unknown_options_are_spelled_right(self):
        with pytest.raises(SpecificationError, match="n_class"):
            Mixture(regression(growth_data()), n_class=2)

    def test_other_models(self):
        with pytest.raises(SpecificationError, match="GLMM, GLLAMM or IRT model"):
            Mixture("y ~ x", 2)

    def test_part_of_a_covariance_matrix(self):
        template = GLMM.from_formula("y ~ time + (1 + time | id)", growth_data())
        with pytest.raises(SpecificationError, match="as a whole or not at all"):
            Mixture(template, 2, equal=["var(time|id)"])

    def test_known_classes_that_differ_within_a_unit(self):
        data = growth_data()
        data["known"] = 1 + (data.time > 2)
        with pytest.raises(SpecificationError, match="known= varies within a unit"):
            Mixture(regression(data), 2, known="known")

    def test_bars_and_groups(self):
        with pytest.raises(SpecificationError, match="bars in the formula or groups"):
            Mixture.from_formula("y ~ time + (1 | id)", growth_data(), 2, groups="id")

    def test_frame_of_another_length(self):
        with pytest.raises(SpecificationError, match="data has 10 rows"):
            Mixture(regression(growth_data()), 2, data=growth_data().head(10))

    def test_start_of_the_wrong_length(self):
        with pytest.raises(SpecificationError, match="start_params|parameters are needed"):
            gaussian_growth().model.fit(start_params=[1.0, 2.0])

    def test_quadrature_points_are_chosen_by_the_fit(self):
        with pytest.raises(SpecificationError, match="n_points"):
            gaussian_growth().model.fit(n_points=5)

    def test_more_classes_than_the_data_support_are_named(self):
        data = growth_data().groupby("id").first()
        data["y"] = np.random.default_rng(0).integers(0, 2, 250)
        with pytest.warns():
            result = Mixture.from_formula("y ~ 1", data, 3, family="binomial").fit(n_starts=2)
        assert not result.verdict.ok and result.verdict.messages()
