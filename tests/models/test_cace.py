"""Complier average causal effects: published counts, instrumental variables, simulated answers."""

import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.cace import CACE
from sm_gllamm.responses.families import Exponential

# Sommer, A. & Zeger, S. L. (1991). On estimating efficacy from clinical trials. Statistics in Medicine 10,
# 45-52: children by assignment to vitamin A, whether they got it, and survival
VITAMIN_A = pd.DataFrame(
    {
        "assigned": [1, 1, 1, 1, 0, 0],
        "treated": [0, 0, 1, 1, 0, 0],
        "survived": [0, 1, 0, 1, 0, 1],
        "n": [34, 2385, 12, 9663, 74, 11514],
    }
)
TRUTH = {"complier": 0.6, "never": 0.25, "always": 0.15}


@cache
def _trial(seed=2, n=3000):
    rng = np.random.default_rng(seed)
    stratum = rng.choice(3, n, p=list(TRUTH.values()))
    z = rng.integers(0, 2, n)
    w = np.where(stratum == 0, z, stratum == 2).astype(int)
    x = rng.normal(size=n)
    complier = stratum == 0
    mean = np.array([0.0, -1.0, 1.5])[stratum] + 0.5 * x
    rate = np.exp(np.array([0.2, 0.5, -0.5])[stratum] + 0.3 * x + 0.5 * complier * z)
    return pd.DataFrame(
        {
            "z": z,
            "w": w,
            "x": x,
            "stratum": stratum,
            "y": mean + 0.8 * complier * z + rng.normal(size=n),
            "b": (rng.random(n) < expit(mean + 1.0 * complier * z)).astype(int),
            "count": rng.poisson(rate),
            "site": np.arange(n) // 30,
        }
    )


def trial():
    """Two-sided noncompliance."""
    return _trial().copy()


def one_sided():
    """The same without those who take what they were not assigned to."""
    data = trial()
    return data[data.stratum < 2].reset_index(drop=True)


@cache
def gaussian():
    return CACE("y ~ x", trial(), "z", "w").fit(n_starts=3)


def vitamin_a():
    model = CACE(
        "survived ~ 1", VITAMIN_A, "assigned", "treated", family="binomial", freq_weights="n"
    )
    return model.fit(n_starts=3)


class TestVitaminA:
    def test_the_closed_form(self):
        result = vitamin_a()
        assert result.verdict.ok and result.nobs == 23682
        np.testing.assert_allclose(result.llf, -6770.940912877402, rtol=1e-12)
        np.testing.assert_allclose(result.cace()["estimate"], 0.0032280386285732376, rtol=1e-6)
        table = result.effects()
        np.testing.assert_allclose(table["share"]["complier"], 0.7999834628741525, rtol=1e-7)
        np.testing.assert_allclose(table["assigned"]["complier"], 0.9987596899224807, rtol=1e-7)
        np.testing.assert_allclose(table["control"]["complier"], 0.9955316512939074, rtol=1e-7)
        np.testing.assert_allclose(table["control"]["never"], 0.9859446052087639, rtol=1e-7)
        assert table["estimate"]["never"] == 0.0 and np.isnan(table["std_err"]["never"])

    def test_is_the_instrumental_variable_estimate(self):
        result = vitamin_a()
        ours, other = result.cace(), result.iv_estimate()
        np.testing.assert_allclose(ours["estimate"], other["estimate"], rtol=1e-6)
        # a saturated model has the same influence function
        np.testing.assert_allclose(ours["std_err"], other["std_err"], rtol=1e-5)
        np.testing.assert_allclose(ours[["lower", "upper"]], other[["lower", "upper"]], rtol=1e-4)

    def test_ratio_of_risks(self):
        result = vitamin_a()
        table = result.effects(scale="ratio").loc["complier"]
        np.testing.assert_allclose(table["estimate"], table["assigned"] / table["control"])
        assert 0 < table["lower"] < table["estimate"] < table["upper"]

    def test_rows_in_place_of_weights(self):
        rows = VITAMIN_A.assign(n=[3, 40, 2, 90, 7, 120])
        rows = rows.loc[rows.index.repeat(rows.n)].reset_index(drop=True)
        one = CACE("survived ~ 1", rows, "assigned", "treated", family="binomial").fit(n_starts=2)
        weighted = VITAMIN_A.assign(n=[3, 40, 2, 90, 7, 120])
        two = CACE(
            "survived ~ 1", weighted, "assigned", "treated", family="binomial", freq_weights="n"
        ).fit(n_starts=2)
        np.testing.assert_allclose(one.llf, two.llf, rtol=1e-10)
        np.testing.assert_allclose(one.cace(), two.cace(), rtol=1e-5)
        np.testing.assert_allclose(one.iv_estimate(), two.iv_estimate(), rtol=1e-10)


class TestBinary:
    def test_two_sided_noncompliance_is_the_instrumental_variable_estimate(self):
        result = CACE("b ~ 1", trial(), "z", "w", family="binomial").fit(n_starts=3)
        assert result.verdict.ok
        assert list(result.effects().index) == ["complier", "never", "always"]
        ours, other = result.cace(), result.iv_estimate()
        np.testing.assert_allclose(ours["estimate"], other["estimate"], rtol=1e-6)
        np.testing.assert_allclose(ours["std_err"], other["std_err"], rtol=1e-5)
        expected = trial().groupby(["z", "w"]).b.mean()
        np.testing.assert_allclose(result.effects()["control"]["never"], expected[1, 0], rtol=1e-6)

    def test_everybody_who_is_assigned_takes_it(self):
        data = trial()
        data = data[data.stratum != 1]
        result = CACE("b ~ 1", data, "z", "w", family="binomial").fit(n_starts=2)
        assert list(result.effects().index) == ["complier", "always"]
        np.testing.assert_allclose(
            result.cace()["estimate"], result.iv_estimate()["estimate"], rtol=1e-6
        )

    def test_probabilities_stay_between_zero_and_one(self):
        counts = VITAMIN_A.assign(n=[30, 70, 40, 60, 20, 180])
        with pytest.warns(match="boundary"):
            result = CACE(
                "survived ~ 1", counts, "assigned", "treated", family="binomial", freq_weights="n"
            ).fit(n_starts=3)
        # the moment estimate for compliers without treatment is 1.1
        assert result.verdict.held == ("complier:Intercept = infinity",)
        table = result.effects()
        assert table["control"]["complier"] > 1 - 1e-12
        # closed form: then all deaths without treatment are never-takers'
        pi, never = 0.5147059, 0.7424242
        np.testing.assert_allclose(table["share"]["complier"], pi, rtol=1e-5)
        np.testing.assert_allclose(table["control"]["never"], never, rtol=1e-5)
        np.testing.assert_allclose(table["assigned"]["complier"], 0.6, rtol=1e-6)
        expected = 100 * np.log(pi) + 60 * np.log(0.6) + 40 * np.log(0.4)
        expected += 100 * np.log(1 - pi) + 70 * np.log(never) + 30 * np.log(1 - never)
        expected += 180 * np.log(pi + (1 - pi) * never) + 20 * np.log((1 - pi) * (1 - never))
        np.testing.assert_allclose(result.llf, expected, rtol=1e-10)
        assert np.isnan(result.bse["complier:assigned"])
        assert "only the sum" in str(result.summary())
        effect = result.cace()
        np.testing.assert_allclose(effect["estimate"], -0.4, atol=1e-6)
        np.testing.assert_allclose(effect["std_err"], np.sqrt(0.24 / 100), rtol=1e-4)


class TestSimulated:
    def test_gaussian_outcome_with_a_covariate(self):
        result = gaussian()
        effect = result.cace()
        assert result.verdict.ok
        assert abs(effect["estimate"] - 0.8) < 3 * effect["std_err"]
        # the model uses more than two proportions and two means
        assert effect["std_err"] < result.iv_estimate()["std_err"]
        sizes = result.class_sizes()
        for stratum, share in TRUTH.items():
            assert abs(sizes["estimate"][stratum] - share) < 3 * sizes["std_err"][stratum]
        assert abs(result.params["x"] - 0.5) < 3 * result.bse["x"]

    def test_counts(self):
        result = CACE("count ~ x", trial(), "z", "w", family="poisson").fit(n_starts=3)
        ratio = result.cace("ratio")
        assert ratio["lower"] < np.exp(0.5) < ratio["upper"]
        mean = result.cace()
        rate = np.exp(0.2 + 0.045)
        assert abs(mean["estimate"] - rate * (np.exp(0.5) - 1)) < 3 * mean["std_err"]

    def test_effect_is_an_average_over_compliers(self):
        model = CACE("b ~ x", trial(), "z", "w", family="binomial", classes="~ x", varying=True)
        result = model.fit(n_starts=3)
        names, data = list(result.params.index), trial()

        def effect(params):
            p = dict(zip(names, params, strict=True))
            logits = np.column_stack(
                [np.zeros(len(data))]
                + [p[f"logit({s}):Intercept"] + p[f"logit({s}):x"] * data.x
                   for s in ("never", "always")]
            )  # fmt: skip
            share = 1 / np.exp(logits).sum(axis=1)
            base = p["complier:Intercept"] + p["complier:x"] * data.x
            difference = expit(base + p["complier:z"]) - expit(base)
            return float((share * difference).sum() / share.sum())

        params = np.asarray(result.params)
        found = result.cace()
        np.testing.assert_allclose(found["estimate"], effect(params), rtol=1e-8)
        gradient = np.array(
            [(effect(params + h) - effect(params - h)) / 2e-5 for h in 1e-5 * np.eye(len(params))]
        )
        se = np.sqrt(gradient @ np.asarray(result.cov_params()) @ gradient)
        np.testing.assert_allclose(found["std_err"], se, rtol=1e-5)
        fixed = result.params[[name for name in names if name.endswith(":z")]]
        assert list(fixed.drop("complier:z")) == [0.0, 0.0]

    def test_durations(self):
        rng = np.random.default_rng(6)
        data = one_sided()
        rate = np.exp(-1.0 + 0.8 * (data.stratum == 1) - 0.7 * data.w)
        time = rng.exponential(1 / rate)
        data["time"], data["died"] = np.minimum(time, 4.0), (time <= 4.0).astype(int)
        result = CACE("time + died ~ 1", data, "z", "w", family=Exponential()).fit(n_starts=3)
        assert abs(result.params["complier:z"] + 0.7) < 3 * result.bse["complier:z"]
        effect = result.cace(survival=2.0)
        truth = np.exp(-2 * np.exp(-1.7)) - np.exp(-2 * np.exp(-1.0))
        assert abs(effect["estimate"] - truth) < 3 * effect["std_err"]
        with pytest.raises(SpecificationError, match="outcome with a mean that is seen"):
            result.iv_estimate()

    def test_repeated_outcomes_with_random_effects_within_strata(self):
        rng = np.random.default_rng(9)
        data = one_sided().head(700)
        u = rng.normal(size=len(data)) * 0.7
        long = pd.concat([data.assign(person=np.arange(len(data)), wave=k) for k in range(3)])
        noise = rng.normal(size=(3, len(data)))
        base = np.array([0.0, -1.0])[data.stratum] + 0.8 * data.w + u
        long["y"] = np.concatenate([base + noise[k] for k in range(3)])
        result = CACE("y ~ 1 + (1 | person)", long, "z", "w").fit(n_starts=3)
        assert "var(Intercept|person)" in result.params.index
        effect, other = result.cace(), result.iv_estimate()
        assert abs(effect["estimate"] - 0.8) < 3 * effect["std_err"]
        assert abs(other["estimate"] - 0.8) < 3 * other["std_err"]
        by_groups = CACE("y ~ 1", long, "z", "w", groups="person").fit(n_starts=2)
        assert by_groups.n_clusters == {"person": 700} and by_groups.llf < result.llf

    def test_exclusion_lifted(self):
        free = CACE("y ~ x", one_sided(), "z", "w", exclusion=False, classes="~ x").fit(n_starts=3)
        held = CACE("y ~ x", one_sided(), "z", "w", classes="~ x").fit(n_starts=3)
        assert free.converged and len(free.params) == len(held.params)
        assert abs(free.params["never:z"]) < 4 * free.bse["never:z"]
        assert free.effects()["std_err"]["never"] > 0
        statistic = 2 * (free.llf - held.llf)
        assert 0 <= statistic < stats.chi2.ppf(0.9999, 1)

    def test_exclusion_in_one_stratum(self):
        model = CACE("y ~ x", trial(), "z", "w", exclusion="never")
        assert model.excluded == ("never",)
        assert [model.param_names[k] for k in model.fixed] == ["never:z"]

    def test_interactions_of_assignment_and_covariates(self):
        model = CACE("y ~ z * x", trial(), "z", "w")
        assert [model.param_names[k] for k in model.fixed] == [
            "never:z", "never:z:x", "always:z", "always:z:x",
        ]  # fmt: skip
        assert "x" in model.param_names

    @pytest.mark.study
    def test_coverage(self):
        inside = 0
        for seed in range(100):
            data = _trial(seed + 10, 1000)
            effect = CACE("y ~ x", data, "z", "w").fit(n_starts=1).cace()
            inside += effect["lower"] < 0.8 < effect["upper"]
        assert 88 <= inside <= 100


class TestResults:
    def test_summary_says_the_effect(self):
        text = str(gaussian().summary())
        for part in ("complier (size", "never (size", "always (size", "CACE (difference of means)",
                     "Exclusion:"):  # fmt: skip
            assert part in text

    def test_posterior_of_those_whose_stratum_shows(self):
        data, posterior = trial(), gaussian().posterior()
        refused = (data.z == 1) & (data.w == 0)
        np.testing.assert_array_equal(posterior[refused.to_numpy()]["never"], 1.0)
        taken = (data.z == 1) & (data.w == 1)
        assert (posterior[taken.to_numpy()]["never"] == 0.0).all()

    def test_clusters_of_units(self):
        data = trial()
        result = CACE("y ~ x", data, "z", "w").fit(
            n_starts=1, cov_type="cluster", cov_kwds={"groups": data.site}
        )
        assert result.cov_type == "cluster" and result.cace()["std_err"] > 0

    def test_pickled_and_without_data(self):
        result = CACE("y ~ x", trial(), "z", "w", classes="~ x").fit(n_starts=1)
        new = trial().head(500)
        before, again = result.cace(data=new), pickle.loads(pickle.dumps(result))
        np.testing.assert_allclose(again.cace(), result.cace())
        result.remove_data()
        np.testing.assert_allclose(result.cace(data=new), before)
        with pytest.raises(SpecificationError, match="removed"):
            result.cace()
        with pytest.raises(SpecificationError, match="removed"):
            result.iv_estimate()
        assert "complier (size" in str(result.summary())


class TestErrors:
    def test_treated_controls_with_one_sided_noncompliance(self):
        with pytest.raises(SpecificationError, match="noncompliance='one', but in both arms"):
            CACE("y ~ x", trial(), "z", "w", noncompliance="one")

    def test_an_empty_stratum(self):
        with pytest.raises(SpecificationError, match="nobody is treated where z = 0"):
            CACE("y ~ x", one_sided(), "z", "w", noncompliance="two")

    def test_no_compliers(self):
        with pytest.raises(SpecificationError, match="no compliers"):
            CACE("y ~ x", trial().assign(w=lambda d: (d.index % 3 == 0) * (1 - d.z)), "z", "w")

    def test_everybody_complies(self):
        with pytest.raises(SpecificationError, match="everybody complies"):
            CACE("y ~ x", trial().assign(w=lambda d: d.z), "z", "w")

    def test_one_arm(self):
        data = trial()
        with pytest.raises(SpecificationError, match="two arms are needed"):
            CACE("y ~ x", data[data.z == 1], "z", "w")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"assignment": "zz"}, "assignment='zz' is no column"),
            ({"treatment": "x"}, "must be 0 or 1"),
            ({"noncompliance": "both"}, "must be 'one', 'two' or None"),
            ({"exclusion": "defier"}, "exclusion names 'defier'"),
            ({"varying": "age"}, "varying names 'age'"),
            ({"formula": "y ~ 0 + z + x"}, "needs an intercept"),
            ({"formula": "y ~ C(z, Sum) + x"}, "is not zero where z = 0"),
        ],
    )
    def test_what_cannot_be(self, options, message):
        arguments = {"formula": "y ~ x", "assignment": "z", "treatment": "w"} | options
        with pytest.raises(SpecificationError, match=message):
            CACE(arguments.pop("formula"), trial(), **arguments)

    def test_missing_assignment_is_named(self):
        data = trial().astype({"z": float})
        data.loc[7, "z"] = np.nan
        with pytest.raises(SpecificationError, match="row 7"):
            CACE("y ~ x", data, "z", "w")

    def test_treatment_that_varies_within_a_unit(self):
        data = one_sided().head(100).assign(person=np.arange(100) // 2)
        data["z"] = 1 - data.person % 2
        data["w"] = data.z * (np.arange(100) % 4 < 1)
        with pytest.raises(SpecificationError, match="varies within a unit of 'person'"):
            CACE("y ~ 1", data, "z", "w", groups="person")

    def test_unknown_scale(self):
        with pytest.raises(SpecificationError, match="scale='odds'"):
            gaussian().cace("odds")
