"""Items whose intercepts and slopes vary between clusters of persons."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logsumexp

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import Item
from sm_gllamm.items.marginal import marginal_probabilities

ITEMS = ["x1", "x2", "x3", "p"]
SLOPES = np.array([1.0, 1.4, 0.8, 0.9])
RANDOM = {"clusters": "school", "random_items": ["x1", "p"], "random_item_slopes": ["x2"]}


def schools(n_schools=40, size=20, seed=1, sd=(0.6, 0.8, 0.5, 0.6)):
    """Three binary items and one of three categories; SDs of theta, x1, the slope of x2 and p."""
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(n_schools), size)
    v, e1, s2, ep = rng.normal(size=(4, n_schools)) * np.array(sd)[:, None]
    theta = rng.normal(size=len(school)) + v[school]
    nu = SLOPES * theta[:, None] + np.array([-0.5, 0.0, 0.6, 0.0])
    nu[:, 0] += e1[school]
    nu[:, 1] += s2[school] * theta
    nu[:, 3] += ep[school]
    data = pd.DataFrame((rng.random((len(school), 3)) < expit(nu[:, :3])) * 1, columns=ITEMS[:3])
    share = np.exp(np.column_stack([0 * nu[:, 3], nu[:, 3] + 0.3, 2 * nu[:, 3] - 0.2]))
    share /= share.sum(axis=1, keepdims=True)
    data["p"] = (rng.random(len(school))[:, None] > share.cumsum(axis=1)[:, :2]).sum(axis=1)
    truth = pd.DataFrame({"theta": v, "intercept[x1]": e1, "slope[x2]": s2, "intercept[p]": ep})
    return data.assign(school=school), truth


DATA, _ = schools(5, 4)
MODEL = dict.fromkeys(ITEMS[:3], "2PL") | {"p": "GPCM"}


def grid(q, step=0.5, reach=6.0):
    axis = np.arange(-reach, reach + step / 2, step)
    nodes = np.array(list(product(axis, repeat=q)))
    return nodes, -0.5 * (nodes**2).sum(axis=1) + q * np.log(step / np.sqrt(2 * np.pi))


def in_school(p, codes, effects):
    """Log-likelihood of a school's persons on the grid of theta; effects (m, 4), out (m, n, T)."""
    z, log_z = grid(1, 0.4)
    v, e1, ep, s2 = effects.T
    theta = v[:, None] + z[:, 0]
    shift = {"x1": e1[:, None], "p": ep[:, None]}
    total = log_z + np.zeros((len(effects), len(codes), len(z)))
    for j, item in enumerate(ITEMS):
        slope = p[f"slope[{item}]"] + (s2[:, None] if item == "x2" else 0.0)
        base = slope * theta + shift.get(item, 0.0)
        if item == "p":
            nu = [0 * base, base + p["intercept[p:1]"], 2 * base + p["intercept[p:2]"]]
        else:
            nu = [0 * base, base + p[f"intercept[{item}]"]]
        log_p = np.stack(nu) - logsumexp(np.stack(nu), axis=0)
        total += log_p[codes[:, j]].swapaxes(0, 1)
    return total, theta


def direct(p, data):
    """Log-likelihood, and moments of the first person and of the first school's effects."""
    names = ["theta(school)", "intercept[x1]", "intercept[p]", "slope[x2]"]
    nodes, log_w = grid(4, 0.75, 5.25)
    effects = nodes * np.sqrt([p[f"var({name}|school)"] for name in names])
    value, moments = 0.0, None
    for _, rows in data.groupby("school"):
        parts = [in_school(p, rows[ITEMS].to_numpy(), effects[k : k + 4000])
                 for k in range(0, len(effects), 4000)]  # fmt: skip
        persons = np.concatenate([logsumexp(total, axis=2) for total, _ in parts])
        log_f = persons.sum(axis=1) + log_w
        value += logsumexp(log_f)
        if moments is None:
            w = np.exp(log_f - logsumexp(log_f))
            given = np.concatenate([total[:, 0] - logsumexp(total[:, 0], axis=1, keepdims=True)
                                    for total, _ in parts])  # fmt: skip
            theta = np.concatenate([at for _, at in parts])
            joint = w[:, None] * np.exp(given)
            mean = (joint * theta).sum()
            sd = np.sqrt((joint * (theta - mean) ** 2).sum())
            moments = mean, sd, w @ effects, np.sqrt(w @ effects**2 - (w @ effects) ** 2)
    return value, moments


@pytest.fixture(scope="module")
def small():
    model = smg.IRT(DATA, MODEL, items=ITEMS, **RANDOM)
    p = pd.Series(model.start_params, index=model.param_names)
    p[[f"slope[{item}]" for item in ITEMS]] = SLOPES
    p[p.index.str.startswith("var(")] = [0.5, 0.6, 0.4, 0.3]
    options = {"integration": "sparse", "n_points": {"school": 13, "person": 25}}
    return model.fit(p.to_numpy(), maxiter=0, warn_convergence=False, **options)


class TestAgainstSums:
    """The likelihood and the posterior by sums over dense grids, written down anew."""

    def test_loglike_and_posterior(self, small):
        value, (mean, sd, effects, spread) = direct(small.params, DATA)
        assert small.llf == pytest.approx(value, abs=1e-5)
        person = small.scores().iloc[0]
        assert person["theta"] == pytest.approx(mean, abs=1e-4)
        assert person["se"] == pytest.approx(sd, abs=1e-4)
        names = ["intercept[x1]", "intercept[p]", "slope[x2]"]
        found = small.item_effects.iloc[0]
        np.testing.assert_allclose(found[names], effects[1:], atol=1e-4)
        np.testing.assert_allclose(found[[f"sd({name})" for name in names]], spread[1:], atol=1e-4)
        assert small.cluster_scores["theta"].iloc[0] == pytest.approx(effects[0], abs=1e-4)

    def test_derivatives(self, small):
        model, p = small.model, small.params.to_numpy()
        step = 1e-5 * np.random.default_rng(0).choice([-1.0, 1.0], len(p))
        slope = (model.loglike(p + step) - model.loglike(p - step)) / 2
        assert model.score(p) @ step == pytest.approx(slope, abs=1e-9)
        bend = (model.score(p + step) - model.score(p - step)) / 2
        np.testing.assert_allclose(model.hessian(p) @ step, bend, rtol=1e-4, atol=1e-8)


#: few points are enough where both sides have the same
COARSE = pytest.mark.filterwarnings("ignore::sm_gllamm.exceptions.QuadratureWarning")


@COARSE
class TestGeneralModel:
    """The same model said as latent variables of the general model."""

    def test_same_function(self):
        data = schools(12, 20, seed=4, sd=(0.6, 1.0, 1.0, 0.6))[0]
        items = ITEMS[:3]
        long = data.reset_index(names="person").melt(["person", "school"], items, "item", "y")
        for item in items[:2]:
            long[f"is_{item}"] = (long["item"] == item) * 1.0
        latent = [
            smg.Latent("theta", "school:person", "0 + C(item)", variance=1.0),
            smg.Latent("v", "school", "0"),
            smg.Latent("e", "school", "0 + is_x1"),
            smg.Latent("s", "school", "0"),
            smg.Latent("p", "school:person", "0 + is_x2", variance=0.0),
        ]
        paths = [
            smg.Regression("theta", "v", fixed={"v": 1.0}),
            smg.Regression("p", "s:theta", fixed={"s:theta": 1.0}),
        ]
        general = smg.GLLAMM.from_formula(
            "y ~ 0 + C(item)", long, latent=latent, regressions=paths, family="binomial",
            covariance="diagonal",
        )  # fmt: skip
        own = smg.IRT(
            data, items=items, clusters="school", random_items="x1", random_item_slopes="x2"
        )
        params = [-0.5, 0.0, 0.6, 0.4, 0.6, 0.5, 1.0, 1.4, 0.8]
        here, there = (
            model.fit(params, maxiter=0, n_points=7, warn_convergence=False)
            for model in (own, general)
        )
        assert here.llf == pytest.approx(there.llf, abs=1e-8)
        np.testing.assert_allclose(own.score(here.params), general.score(there.params), atol=1e-7)
        np.testing.assert_allclose(here.bse, there.bse, rtol=1e-6)
        np.testing.assert_allclose(
            here.item_effects["intercept[x1]"],
            there.random_effects["school"]["e"], rtol=1e-6, atol=1e-9,
        )  # fmt: skip

    def test_fits(self):
        data = schools(25, 25, seed=4, sd=(0.6, 1.0, 1.0, 0.6))[0]
        long = data.reset_index(names="person").melt(["person", "school"], ITEMS[:3], "item", "y")
        long["is_x1"] = (long["item"] == "x1") * 1.0
        latent = [
            smg.Latent("theta", "school:person", "0 + C(item)", variance=1.0),
            smg.Latent("v", "school", "0"),
            smg.Latent("e", "school", "0 + is_x1"),
        ]
        general = smg.GLLAMM.from_formula(
            "y ~ 0 + C(item)", long, latent=latent, family="binomial", covariance="diagonal",
            regressions=[smg.Regression("theta", "v", fixed={"v": 1.0})],
        )  # fmt: skip
        own = smg.IRT(data, items=ITEMS[:3], clusters="school", random_items="x1")
        here = own.fit(n_points=11)
        there = general.fit(here.params.to_numpy(), n_points=11)
        assert here.converged
        assert there.llf == pytest.approx(here.llf, abs=1e-8)
        np.testing.assert_allclose(there.params, here.params, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(there.bse, here.bse, rtol=1e-4)


@COARSE
class TestVariances:
    def test_common_variance_is_a_constraint(self):
        data = schools(20, 20, seed=2, sd=(0.6, 1.0, 0.5, 0.8))[0]
        common = smg.IRT(
            data, "PCM", items=ITEMS, clusters="school", random_items=["x1", "p"],
            random_items_common=True,
        ).fit(n_points=5)  # fmt: skip
        free = smg.IRT(data, "PCM", items=ITEMS, clusters="school", random_items=["x1", "p"])
        names = "var(intercept[x1]|school) = var(intercept[p]|school)"
        equal = free.fit_constrained(names, n_points=5)
        assert common.llf == pytest.approx(equal.llf, abs=1e-6)
        assert common.params["var(intercept|school)"] == pytest.approx(
            equal.params["var(intercept[x1]|school)"], rel=1e-4
        )
        assert common.bse["var(intercept|school)"] == pytest.approx(
            equal.bse["var(intercept[x1]|school)"], rel=1e-3
        )

    def test_nested(self):
        data = schools(20, 20, seed=2, sd=(0.6, 1.0, 0.5, 0.8))[0]

        def fitted(**options):
            model = smg.IRT(data, "PCM", items=ITEMS, clusters="school", **options)
            return model.fit(n_points=5)

        none, one, both = fitted(), fitted(random_items="x1"), fitted(random_items=["x1", "p"])
        common = fitted(random_items=["x1", "p"], random_items_common=True)
        for full, restricted, df, edge in (
            (one, none, 1, 1), (both, one, 1, 1), (both, common, 1, 0), (common, none, 1, 1),
        ):  # fmt: skip
            test = full.compare_lr_test(restricted)
            assert (test.df_diff, test.n_zero) == (df, edge)
        with pytest.raises(SpecificationError, match="item 'p' has random intercepts in the res"):
            one.compare_lr_test(both)
        with pytest.raises(SpecificationError, match="random intercepts have one variance here"):
            common.compare_lr_test(one)

    @pytest.mark.study
    def test_recovered(self):
        data, truth = schools(60, 30, seed=3, sd=(0.6, 0.8, 0.5, 0.0))
        model = smg.IRT(
            data, MODEL, items=ITEMS, clusters="school", random_items="x1", random_item_slopes="x2"
        )
        result = model.fit(n_points={"school": 5, "person": 16})
        expected = {
            "var(theta(school)|school)": 0.36, "var(intercept[x1]|school)": 0.64,
            "var(slope[x2]|school)": 0.25,
        }  # fmt: skip
        for name, value in expected.items():
            assert abs(result.params[name] - value) < 3 * result.bse[name]
        # thirty responses tell more about an intercept than about a slope
        for name, least in (("intercept[x1]", 0.7), ("slope[x2]", 0.3)):
            assert np.corrcoef(result.item_effects[name], truth[name])[0, 1] > least


class TestPredictions:
    def test_averaged_over_items(self):
        item = Item("x", "binary", "2PL", np.array([1.2]), np.array([0.4]))
        varying = [(None, 0.5), (0, 0.3)]
        z, log_z = grid(3, 0.25, 7.0)
        nu = (1.2 + np.sqrt(0.3) * z[:, 0]) * (0.1 + 0.9 * z[:, 1]) + 0.4 + np.sqrt(0.5) * z[:, 2]
        expected = np.exp(log_z) @ expit(nu)
        found = marginal_probabilities(item, np.array([0.1]), np.array([[0.81]]), varying)
        assert found[1] == pytest.approx(expected, abs=1e-7)

    def test_averaged_over_items_by_category(self):
        slopes, intercepts = np.array([[0.0], [0.9], [1.8]]), np.array([0.0, 0.3, -0.2])
        item = Item("x", "divide", "GPCM", slopes, intercepts, categories=(0, 1, 2))
        z, log_z = grid(2, 0.25, 7.0)
        base = 0.9 * z[:, 0] + 0.7 * z[:, 1]
        nu = np.column_stack([0 * base, base + 0.3, 2 * base - 0.2])
        share = np.exp(nu - logsumexp(nu, axis=1, keepdims=True))
        found = marginal_probabilities(item, np.zeros(1), np.eye(1), [(None, 0.49)])
        np.testing.assert_allclose(found, np.exp(log_z) @ share, atol=1e-7)

    def test_simulated_as_predicted(self, small):
        draws = small.simulate(n=800, seed=1)
        mean = small.predict(which="mean").iloc[0]
        # 5 schools of 4 persons each time: the schools are what counts
        np.testing.assert_allclose(draws.mean(axis=(0, 2)), mean, atol=0.03)
        by_school = draws[:, 0].reshape(5, 4, -1).mean(axis=1)
        alone = mean["x1"] * (1 - mean["x1"]) / 4
        assert by_school.var() > 1.4 * alone

    def test_items_of_a_school(self, small):
        effects = small.item_effects.loc[2]
        average, own = small.predict([0.5]), small.predict([0.5], cluster=2)
        p = small.params
        nu = p["intercept[x1]"] + effects["intercept[x1]"] + 0.5 * p["slope[x1]"]
        assert own["x1", 1].item() == pytest.approx(expit(nu))
        nu = p["intercept[x2]"] + 0.5 * (p["slope[x2]"] + effects["slope[x2]"])
        assert own["x2", 1].item() == pytest.approx(expit(nu))
        assert own["x3", 1].item() == average["x3", 1].item()
        ratio = np.log(own["p"] / average["p"]).to_numpy()[0]
        np.testing.assert_allclose(np.diff(ratio), effects["intercept[p]"], rtol=1e-9)
        with pytest.raises(SpecificationError, match="none of the clusters"):
            small.predict([0.5], cluster="nowhere")
        with pytest.raises(SpecificationError, match="give theta"):
            small.predict(cluster=2)

    def test_scores_given_the_items_of_the_school(self, small):
        from sm_gllamm.items.scoring import scores

        found = small.scores("WLE")
        bank = small.model.with_effects(
            small.bank, small.item_effects[["intercept[x1]", "intercept[p]", "slope[x2]"]].loc[3]
        )
        here = DATA["school"].to_numpy() == 3
        expected = scores(bank, small.model.codes[here], "WLE", None)
        np.testing.assert_allclose(found["theta"][here], expected.estimate[:, 0], rtol=1e-6)

    def test_residuals_given_the_items_of_the_school(self, small):
        theta = small.scores()["theta"].to_numpy()
        effects = small.item_effects
        at = effects["intercept[x1]"].to_numpy()[DATA["school"]]
        share = expit(small.params["intercept[x1]"] + at + small.params["slope[x1]"] * theta)
        infit = ((DATA["x1"] - share) ** 2).sum() / (share * (1 - share)).sum()
        assert small.item_fit("infit").loc["x1", "infit"] == pytest.approx(infit)
        at = effects["slope[x2]"].to_numpy()[DATA["school"]]
        share = expit(small.params["intercept[x2]"] + (at + small.params["slope[x2]"]) * theta)
        infit = ((DATA["x2"] - share) ** 2).sum() / (share * (1 - share)).sum()
        assert small.item_fit("infit").loc["x2", "infit"] == pytest.approx(infit)

    @pytest.mark.parametrize(
        "call",
        [
            lambda r: r.scores(data=DATA.head()),
            lambda r: r.sum_score_table(),
            lambda r: r.local_dependence("residual"),
            lambda r: r.plot_item_curves(["x1"], observed=True),
        ],
    )
    def test_refused(self, small, call):
        with pytest.raises(SpecificationError, match="differ between clusters"):
            call(small)

    @COARSE
    def test_none(self):
        result = smg.IRT(DATA, "Rasch", items=ITEMS[:3], clusters="school").fit(n_points=5)
        with pytest.raises(SpecificationError, match="random_items="):
            _ = result.item_effects


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"random_items": ["x1"]}, "give clusters="),
            ({"clusters": "school", "random_items": ["y"]}, "'y', which is no item"),
            ({"clusters": "school", "random_items_common": True}, "needs random_items="),
            (
                {"clusters": "school", "random_items": "x1", "specific": {"s": ["x1", "x2"]}},
                "specific dimensions",
            ),
        ],
    )
    def test_options(self, options, match):
        with pytest.raises(SpecificationError, match=match):
            smg.IRT(DATA, items=ITEMS, **options)

    def test_item_of_one_school(self):
        data = DATA.astype(float)
        data.loc[data["school"] > 0, "x3"] = np.nan
        data.loc[:1, "x3"] = [0, 1]
        with pytest.raises(SpecificationError, match="item 'x3' has responses in 1 cluster"):
            smg.IRT(data, items=ITEMS, clusters="school", random_items="all")

    def test_too_many(self):
        model = smg.IRT(
            DATA, MODEL, items=ITEMS, clusters="school", random_items="all",
            random_item_slopes="all",
        )  # fmt: skip
        with pytest.raises(SpecificationError, match="9 latent variables of school, 8 of them"):
            model.fit()
        result = model.fit(
            model.start_params, maxiter=0, warn_convergence=False,
            n_points={"school": 1, "person": 8},
        )  # fmt: skip
        assert np.isfinite(result.llf)
