"""Item response models that are one model in two ways: the same log-likelihood, estimates, SEs."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
from sm_gllamm import datasets
from sm_gllamm.models.item_signs import with_positive_directions
from tests.reference import load_data

LSAT = load_data("lsat")
ITEMS = list(LSAT)
FINE = {"quadrature_tol": 1e-8}


def science():
    return datasets.science.load_pandas().data[["comfort", "work", "future", "benefit"]]


def fitted(data, model="2PL", **options):
    return smg.IRT(data, model, **options).fit(**FINE)


def long(data, keep=()):
    wide = data.assign(person=np.arange(len(data)))
    items = [column for column in data if column not in keep]
    return wide.melt(["person", *keep], items, "item", "resp")


def with_covariates(n=300, seed=2):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=n)
    data = pd.DataFrame(
        {f"x{j}": (theta * (0.8 + 0.3 * j) + rng.logistic(size=n) > 0) * 1 for j in range(5)}
    )
    return data.assign(age=theta * 0.5 + rng.normal(size=n), sex=rng.choice(["f", "m"], n))


@pytest.mark.parametrize(
    ("one", "other"),
    [("Rasch", "1PL"), ("Rasch", "PCM"), ("Rasch", "RSM"), ("2PL", "GPCM"), ("2PL", "graded"),
     ("2PL", "nominal")],
)  # fmt: skip
def test_binary_items(one, other):
    one, other = fitted(LSAT, one), fitted(LSAT, other)
    assert one.llf == pytest.approx(other.llf, abs=1e-8)
    intercepts = one.params.filter(like="intercept")
    np.testing.assert_allclose(intercepts, other.params[intercepts.index], rtol=1e-5)
    np.testing.assert_allclose(one.bse[intercepts.index], other.bse[intercepts.index], rtol=1e-5)


def test_slope_and_standard_deviation():
    rasch, one = fitted(LSAT, "Rasch"), fitted(LSAT, "1PL")
    variance = rasch.params["var(theta|person)"]
    assert np.sqrt(variance) == pytest.approx(one.params["slope"], rel=1e-6)
    se = rasch.bse["var(theta|person)"] / (2 * np.sqrt(variance))
    assert se == pytest.approx(one.bse["slope"], rel=1e-5)


def test_known_parameters_are_constraints():
    fixed = fitted(LSAT, fixed={"item_1": {"slope": 0.8}}, model="2PL")
    held = smg.IRT(LSAT).fit_constrained("slope[item_1] = 0.8")
    # a known slope frees the variance, that is the scale of the other slopes
    assert fixed.llf >= held.llf
    known = {"slope": fixed.params["slope[item_2]"], "intercept": fixed.params["intercept[item_2]"]}
    again = fitted(LSAT, fixed={"item_1": {"slope": 0.8}, "item_2": known})
    assert again.llf == pytest.approx(fixed.llf, abs=1e-6)
    assert again.params["mean(theta)"] == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("model", ["Rasch", "1PL", "2PL"])
def test_groups_without_equality_are_fits_apart(model):
    data = with_covariates().drop(columns="age")
    items = [f"x{j}" for j in range(5)]
    joint = fitted(data, model, items=items, groups="sex", group_equal=())
    apart = [fitted(data[data["sex"] == sex], model, items=items) for sex in ("f", "m")]
    assert joint.llf == pytest.approx(sum(fit.llf for fit in apart), abs=1e-6)
    assert len(joint.params) == sum(len(fit.params) for fit in apart)
    for fit, label in zip(apart, "fm", strict=True):
        own = joint.params[[f"intercept[{item}|{label}]" for item in items]]
        np.testing.assert_allclose(own, fit.params.filter(like="intercept"), atol=2e-4)


@pytest.mark.parametrize("model", ["RSM", "PCM", "nominal", "graded"])
def test_groups_of_polytomous_items_without_equality(model):
    data = science()
    group = np.arange(len(data)) % 2
    joint = fitted(data, model, groups=group, group_equal=())
    apart = [fitted(data[group == g], model) for g in (0, 1)]
    assert joint.llf == pytest.approx(sum(fit.llf for fit in apart), abs=1e-5)
    assert len(joint.params) == sum(len(fit.params) for fit in apart)


def test_two_groups_are_a_latent_regression_where_variances_are_equal():
    data = with_covariates()
    items = [f"x{j}" for j in range(5)]
    grouped = smg.IRT(data, items=items, groups="sex").fit_constrained("scale(theta|m) = 1")
    regression = fitted(data, items=items, regression="~ sex")
    assert grouped.llf == pytest.approx(regression.llf, abs=1e-5)
    assert grouped.params["mean(theta|m)"] == pytest.approx(
        regression.params["theta ~ sex[T.m]"], abs=1e-4
    )


class TestGeneralModel:
    """The same models as `GLLAMM`."""

    def test_two_parameters_with_latent_regression(self):
        data = with_covariates()
        ability = smg.Latent("theta", "person", "0 + C(item)")
        general = smg.GLLAMM.from_formula(
            "resp ~ 0 + C(item)", long(data, ["age", "sex"]), latent=[ability],
            regressions=["theta ~ age"], family="binomial", identification="variance",
        ).fit(**FINE)  # fmt: skip
        own = fitted(data, items=[f"x{j}" for j in range(5)], regression="~ age")
        assert own.llf == pytest.approx(general.llf, abs=1e-8)
        for j in range(5):
            pairs = {
                f"slope[x{j}]": f"loading(theta: C(item)[x{j}])",
                f"intercept[x{j}]": f"C(item)[x{j}]",
                "theta ~ age": "theta ~ age",
            }
            for mine, theirs in pairs.items():
                assert own.params[mine] == pytest.approx(general.params[theirs], abs=1e-5)
                assert own.bse[mine] == pytest.approx(general.bse[theirs], rel=1e-4)

    def test_graded(self):
        data = science()
        general = smg.GLLAMM.from_formula(
            "resp ~ 0", long(data), latent=[smg.Latent("theta", "person", "0 + C(item)")],
            family={item: smg.families.Ordinal("logit") for item in data}, family_by="item",
            identification="variance",
        ).fit(**FINE)  # fmt: skip
        own = fitted(data, "graded")
        assert own.llf == pytest.approx(general.llf, abs=1e-6)
        loadings = [general.params[f"loading(theta: C(item)[{item}])"] for item in data]
        slopes = own.params[[f"slope[{item}]" for item in data]]
        np.testing.assert_allclose(np.abs(slopes), np.abs(loadings), rtol=1e-4)

    def test_persons_in_schools(self):
        data = load_data("irtsim")
        equal = {str(k): f"lambda{k}" for k in range(2, 6)}
        latent = [
            smg.Latent(name, level, "0 + C(item)", equal=equal)
            for name, level in (("p", "sid"), ("s", "school"))
        ]
        model = smg.GLLAMM.from_formula("y ~ 0 + C(item)", data, latent=latent, family="binomial")
        general = model.fit()
        own = smg.IRT.from_formula("y ~ 1", data, "sid", "item", clusters="school").fit()
        assert own.llf == pytest.approx(general.llf, abs=1e-4)
        ratio = general.params["var(s|school)"] / general.params["var(p|sid)"]
        assert own.params["var(theta(school)|school)"] == pytest.approx(ratio, rel=1e-3)


class TestDimensions:
    def test_specific_slopes_of_zero(self):
        data = with_covariates()[[f"x{j}" for j in range(5)]]
        flat = fitted(data)
        bifactor = smg.IRT(data, specific={"s": ["x0", "x1"], "t": ["x2", "x3"]})
        params = pd.Series(0.0, index=bifactor.param_names)
        for name, value in flat.params.items():
            params[name.replace("]", ", theta]") if name.startswith("slope") else name] = value
        assert bifactor.loglike_at(params.to_numpy(), 61) == pytest.approx(flat.llf, abs=1e-5)

    def test_uncorrelated_dimensions_are_fits_apart(self):
        data = with_covariates(600)[[f"x{j}" for j in range(5)]]
        data["x5"] = np.random.default_rng(0).permutation(data["x4"])
        halves = {"A": ["x0", "x2", "x4"], "B": ["x1", "x3", "x5"]}
        params = [fitted(data[items], "Rasch") for items in halves.values()]
        joint = fitted(data, "Rasch", dimensions=halves, correlated=False)
        assert joint.llf == pytest.approx(sum(fit.llf for fit in params), abs=1e-5)

    def test_testlets_are_a_bifactor_model_with_proportional_slopes(self):
        data = with_covariates()[[f"x{j}" for j in range(5)]]
        testlets = smg.IRT(data, specific={"s": ["x0", "x1", "x2"]}, testlets=True)
        p = pd.Series(testlets.start_params, index=testlets.param_names)
        bifactor = smg.IRT(data, specific={"s": ["x0", "x1", "x2"]})
        q = pd.Series(0.0, index=bifactor.param_names)
        for name in p.index.drop("sd(s)"):
            q[name.replace("]", ", theta]") if name.startswith("slope") else name] = p[name]
        for item in ("x0", "x1", "x2"):
            q[f"slope[{item}, s]"] = p["sd(s)"] * p[f"slope[{item}]"]
        assert testlets.loglike_at(p.to_numpy(), 25) == pytest.approx(
            bifactor.loglike_at(q.to_numpy(), 25), abs=1e-7
        )

    def test_rotation_of_exploratory_slopes(self):
        data = load_data("sat12").iloc[:, :8]
        model = smg.IRT(data, dimensions=2)
        result = model.fit()
        # a rotation of the slopes is a confirmatory model with all of them
        angle = 0.4
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        slopes = np.array([item.slopes for item in result.bank.items]) @ turn
        full = smg.IRT(data, dimensions={"A": list(data), "B": list(data)}, correlated=False)
        q = pd.Series(0.0, index=full.param_names)
        for item, own in zip(data, slopes, strict=True):
            q[f"intercept[{item}]"] = result.params[f"intercept[{item}]"]
            q[f"slope[{item}, A]"], q[f"slope[{item}, B]"] = own
        assert full.loglike_at(q.to_numpy(), 31) == pytest.approx(result.llf, abs=1e-4)


class TestData:
    def test_long_is_wide(self):
        data = with_covariates()
        items = [f"x{j}" for j in range(5)]
        data.loc[3, "x1"] = np.nan
        rows = long(data, ["age", "sex"]).dropna().sample(frac=1, random_state=0)
        options = {"groups": "sex", "free_items": ["x1"]}
        from_rows = smg.IRT.from_formula("resp ~ age", rows, "person", "item", **options)
        wide = smg.IRT(data, items=items, regression="~ age", **options)
        one, other = from_rows.fit(), wide.fit()
        assert one.llf == pytest.approx(other.llf, abs=1e-6)
        shared = other.params.index
        assert set(one.params.index) == set(shared)
        np.testing.assert_allclose(one.params[shared], other.params, atol=1e-4)

    @pytest.mark.parametrize(
        "coded",
        [
            lambda y: y + 1,
            lambda y: y - 3,
            lambda y: y.astype(bool),
            lambda y: y.astype(object),
            lambda y: y.astype("Int64"),
            lambda y: y.astype("category"),
            lambda y: y.to_numpy(),
            lambda y: y.apply(
                lambda c: pd.Categorical(c.map({0: "no", 1: "yes"}), ["no", "yes"], ordered=True)
            ),
        ],
    )
    def test_codings(self, coded):
        assert fitted(coded(LSAT)).llf == pytest.approx(fitted(LSAT).llf, abs=1e-8)

    def test_reversed_items_have_slopes_of_the_other_sign(self):
        turned = fitted(LSAT.assign(item_2=1 - LSAT["item_2"]))
        straight = fitted(LSAT)
        assert turned.llf == pytest.approx(straight.llf, abs=1e-7)
        for name in ("slope[item_2]", "intercept[item_2]"):
            assert turned.params[name] == pytest.approx(-straight.params[name], abs=1e-4)

    def test_order_of_persons_and_items_does_not_matter(self):
        shuffled = LSAT.sample(frac=1, random_state=1)[ITEMS[::-1]]
        one, other = fitted(LSAT), fitted(shuffled)
        assert one.llf == pytest.approx(other.llf, abs=1e-8)
        np.testing.assert_allclose(one.params, other.params[one.params.index], atol=1e-6)

    def test_persons_without_responses_change_nothing(self):
        with_gaps = LSAT.astype(float)
        with_gaps.loc[len(LSAT)] = np.nan
        with pytest.warns(
            UserWarning,
            match="without a response to any item are left out: 1, the first of them is 1000",
        ):
            result = fitted(with_gaps)
        assert result.nobs == 1000
        assert result.llf == pytest.approx(fitted(LSAT).llf, abs=1e-8)

    def test_names_with_commas_and_brackets(self):
        data = LSAT.set_axis(["a, x", "a, y", "b[1]", "c:1", "d|e"], axis=1)
        result = fitted(data, specific={"s": ["a, x", "a, y", "b[1]"]})
        plain = fitted(LSAT, specific={"s": ITEMS[:3]})
        assert len(result.params) == len(plain.params)
        assert result.llf == pytest.approx(plain.llf, abs=1e-6)


class TestSigns:
    """Directions and standard deviations that the likelihood does not know come out positive."""

    @pytest.mark.parametrize(
        ("options", "turned"),
        [
            ({"groups": "sex"}, ["scale(theta|m)"]),
            (
                {"groups": "sex", "dimensions": {"A": ["x0", "x1", "x2"], "B": ["x2", "x3", "x4"]}},
                ["scale(B|m)"],
            ),
            (
                {"groups": "sex", "dimensions": {"A": ["x0", "x1", "x2"], "B": ["x2", "x3", "x4"]},
                 "model": "Rasch"},
                ["scale(A|m)", "scale(B|m)", "scale(B,A|m)"],
            ),
            ({"specific": {"s": ["x0", "x1", "x2"]}, "testlets": True}, ["sd(s)"]),
        ],
    )  # fmt: skip
    def test_turned(self, options, turned):
        data = with_covariates()
        model = smg.IRT(data, items=[f"x{j}" for j in range(5)], **options)
        rng = np.random.default_rng(1)
        p = pd.Series(model.start_params, index=model.param_names)
        p += rng.uniform(0, 0.2, len(p))
        p[turned] *= -1.0
        theta = model.mapping.theta(p.to_numpy())
        q = model.mapping.params(
            with_positive_directions(model.layout.design, model.mapping, theta)
        )
        assert (q[[model.param_names.index(name) for name in turned[:2]]] > 0).all()
        here, there = model.loglike_at(p.to_numpy(), 25), model.loglike_at(q, 25)
        assert there == pytest.approx(here, abs=1e-6)
