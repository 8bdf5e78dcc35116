"""Scores of persons, known and new, in groups, clusters and testlets."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
from sm_gllamm.datasets import asvab, lsat, science
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.information import marginal_reliability
from sm_gllamm.items.scoring import scores as person_scores
from sm_gllamm.items.sum_scores import sum_scores

LSAT = [f"item_{j}" for j in range(1, 6)]
ASVAB = [f"item_{j}" for j in range(1, 5)]


def logistic(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture(scope="module")
def law():
    return lsat.load_pandas().data[LSAT]


@pytest.fixture(scope="module")
def result(law):
    return smg.IRT(law).fit()


@pytest.fixture(scope="module")
def abilities():
    return asvab.load_pandas().data


@pytest.fixture(scope="module")
def by_group(abilities):
    return smg.IRT(abilities, items=ASVAB, groups="female", freq_weights="freq").fit()


@pytest.fixture(scope="module")
def by_covariates(abilities):
    formula = "~ black * female"
    return smg.IRT(abilities, items=ASVAB, regression=formula, freq_weights="freq").fit()


@pytest.fixture(scope="module")
def schools():
    rng = np.random.default_rng(3)
    school = np.repeat(np.arange(12), 5)
    theta = 0.8 * rng.normal(size=12)[school] + rng.normal(size=60)
    nu = theta[:, None] * 1.2 + np.linspace(-1, 1, 6)
    y = np.where(rng.random(nu.shape) < 0.1, np.nan, rng.random(nu.shape) < logistic(nu))
    frame = pd.DataFrame(y).add_prefix("x").assign(school=school)
    # clusters are not in order
    frame = frame.sample(frac=1.0, random_state=1)
    items = list(frame.columns[:6])
    return smg.IRT(frame, items=items, clusters="school").fit(), frame


def test_expected_a_posteriori_agrees_with_mirt(result):
    # mirt 1.47, at estimates of its own that differ by 1e-5
    scores = result.scores()
    assert np.allclose(scores["theta"].iloc[[0, 3]], [-1.896771, -1.474814], atol=2e-5)
    assert np.allclose(scores["se"].iloc[[0, 3]], [0.801279, 0.802276], atol=2e-5)
    attitudes = science.load_pandas().data[["comfort", "work", "future", "benefit"]]
    own = smg.IRT(attitudes).fit().scores().iloc[:3]
    assert np.allclose(own["theta"], [0.400705, 0.051833, -0.891788], atol=2e-5)
    assert np.allclose(own["se"], [0.597392, 0.554622, 0.541684], atol=2e-5)


@pytest.mark.parametrize("method", ["EAP", "MAP", "ML", "WLE"])
def test_new_persons_have_the_scores_of_known_ones(result, law, method):
    some = [0, 100, 500, 999]
    known = result.scores(method, persons=law.index[some])
    new = result.scores(method, data=law.iloc[some])
    pd.testing.assert_frame_equal(known, new)
    pd.testing.assert_frame_equal(
        new.reset_index(drop=True), result.scores(method, data=law.iloc[some].to_numpy())
    )


def test_scores_are_modes_and_roots(result, law):
    rows = [100, 500]
    bank, codes = result.bank, law.iloc[rows].to_numpy()
    for method, prior in (("MAP", 1.0), ("ML", 0.0)):
        scores = result.scores(method, data=law.iloc[rows])
        grid = scores["theta"].to_numpy()[:, None] + np.array([-1e-4, 0.0, 1e-4])
        for k in range(2):
            value = bank.log_likelihood(codes[[k]], grid[k][:, None])[0] - prior * grid[k] ** 2 / 2
            assert value.argmax() == 1


def test_infinite_estimates_say_so(result):
    frame = pd.DataFrame([[0] * 5, [1] * 5], columns=LSAT, index=["low", "high"])
    scores = result.scores("ML", data=frame)
    assert scores["theta"].tolist() == [-np.inf, np.inf]
    assert scores["se"].isna().all()
    assert scores["status"].str.contains("no finite estimate").all()
    assert np.isfinite(result.scores("WLE", data=frame)["theta"]).all()


def test_persons_without_responses_have_the_prior(result):
    frame = pd.DataFrame([[np.nan] * 5, [1, np.nan, 0, np.nan, 1]], columns=LSAT)
    scores = result.scores(data=frame)
    assert np.allclose(scores.loc[0, ["theta", "se"]].astype(float), [0.0, 1.0])
    assert "no responses" in scores.loc[0, "status"]
    fewer = result.scores(data=frame[["item_1", "item_3", "item_5"]])
    pd.testing.assert_frame_equal(fewer, scores)


def test_responses_that_are_no_categories(result):
    with pytest.raises(SpecificationError, match="'item_2'"):
        result.scores(data=pd.DataFrame({"item_1": [1], "item_2": [7]}))


def test_groups_have_their_own_priors(by_group, abilities):
    known, new = by_group.scores(), by_group.scores(data=abilities, groups="female")
    pd.testing.assert_frame_equal(known, new)
    codes = np.zeros((1, 4), dtype=int)
    grid = np.linspace(-9, 9, 4001)
    for g, (label, bank) in enumerate(by_group.banks.items()):
        log_p = bank.log_likelihood(codes, grid[:, None])[0]
        log_p -= (grid - bank.mean[0]) ** 2 / (2 * bank.covariance[0, 0])
        share = np.exp(log_p - log_p.max())
        nobody = pd.DataFrame([[0] * 4], columns=ASVAB)
        own = by_group.scores(data=nobody, groups=[label])["theta"].iloc[0]
        assert own == pytest.approx(share @ grid / share.sum(), abs=1e-7), g
    with pytest.raises(SpecificationError, match="give groups="):
        by_group.scores(data=abilities)
    with pytest.raises(SpecificationError, match="none of"):
        by_group.scores(data=abilities.head(2), groups=["0", "9"])
    with pytest.raises(SpecificationError, match="new persons"):
        by_group.scores(groups="female")


def test_covariates_of_new_persons(by_covariates, abilities):
    known, new = by_covariates.scores(), by_covariates.scores(data=abilities)
    pd.testing.assert_frame_equal(known, new)
    nobody = pd.DataFrame([[np.nan] * 4], columns=ASVAB).assign(black=1, female=1)
    effects = [name for name in by_covariates.params.index if name.startswith("theta ~")]
    own = by_covariates.scores(data=nobody)["theta"].iloc[0]
    assert own == pytest.approx(by_covariates.params[effects].sum())
    with pytest.raises(SpecificationError, match="missing"):
        by_covariates.scores(data=nobody.assign(black=np.nan))
    with pytest.raises(SpecificationError, match="covariates"):
        by_covariates.scores(data=nobody[ASVAB].to_numpy())


def test_persons_in_clusters_against_brute_force(schools):
    result, _ = schools
    model, params = result.model, np.asarray(result.params)
    scores = result.scores()
    bank = model.bank_at(params)
    between = float(np.asarray(result.cov_re["school"])[0, 0])
    within = bank.covariance[0, 0] - between
    v = np.linspace(-6, 6, 241) * np.sqrt(between)
    z = np.linspace(-7, 7, 281) * np.sqrt(within)
    theta = v[:, None] + z
    for c in range(3):
        who = np.flatnonzero(model.cluster == c)
        log_p = bank.log_likelihood(model.codes[who], theta.reshape(-1, 1))
        p = np.exp(log_p.reshape(-1, *theta.shape) - z**2 / (2 * within))
        share = np.prod(p.sum(axis=2), axis=0) * np.exp(-(v**2) / (2 * between))
        share /= share.sum()
        mean = (p * theta).sum(axis=2) / p.sum(axis=2) @ share
        square = (p * theta**2).sum(axis=2) / p.sum(axis=2) @ share
        assert np.allclose(scores["theta"].iloc[who], mean, atol=1e-8)
        assert np.allclose(scores["se"].iloc[who], np.sqrt(square - mean**2), atol=1e-8)
        effects = result.cluster_scores.iloc[c]
        assert effects["theta"] == pytest.approx(share @ v, abs=1e-4)


def test_modes_in_clusters_are_those_of_the_engine(schools):
    result, _ = schools
    model, theta = result.model, np.asarray(result.theta)
    scores = result.scores("MAP")
    assert (scores["status"] == "estimated").all()
    (own, _), (above, _) = model._ready(result.quadrature).modes(theta)
    within, between = model.mapping.factor(theta, 0), model.mapping.factor(theta, 1)
    order = model.assembly.source
    modes = own @ within.T + (above @ between.T)[model.cluster[order]]
    assert np.allclose(scores["theta"].to_numpy()[order], modes[:, 0], atol=1e-8)
    # about the means of the posterior, which is nearly normal
    means = result.scores()
    assert (np.abs(scores["theta"] - means["theta"]) < 0.5 * means["se"]).all()
    assert np.allclose(scores["se"], means["se"], rtol=0.1)
    assert 0.0 < result.reliability("MAP").loc["theta", "empirical"] < 1.0
    pd.testing.assert_frame_equal(
        result.scores("MAP", persons=scores.index[[3, 1]]), scores.iloc[[3, 1]]
    )


@pytest.mark.parametrize("more", ["random", "specific", "asymptotes"])
def test_modes_in_clusters_of_other_models(schools, more):
    _, frame = schools
    items = list(frame.columns[:6])
    options = {
        "random": {"random_items": ["x1"], "random_item_slopes": ["x2"]},
        "specific": {"specific": {"s": items[:3], "t": items[3:]}},
        "asymptotes": {"model": "3PL", "priors": {"lower": ("beta", 5, 17)}},
    }[more]
    model = smg.IRT(frame, items=items, clusters="school", **options)
    values = {"lower": 0.2, "logit_lower": -1.5, "slope": 1.1, "var(": 0.4, "sd(": 0.6}
    at = [
        next((v for key, v in values.items() if n.startswith(key)), 0.1) for n in model.param_names
    ]
    with pytest.warns(Warning):
        result = model.fit(at, maxiter=0, n_points=5)
    scores = result.scores("MAP")
    assert (scores["status"] == "estimated").all()
    (_, _), *_, (above, _) = model._ready(result.quadrature).modes(np.asarray(result.theta))
    top = len(model.level_names) - 1
    effects = above @ model.mapping.factor(np.asarray(result.theta), top).T
    if more != "random":
        # given the cluster's effects a person's mode is the usual one
        bank, between = result.bank, model.cluster_covariance(result.params)
        prior = bank.covariance.copy()
        prior[:1, :1] -= between
        mean = np.zeros((len(frame), len(prior)))
        mean[:, 0] = effects[model.cluster, 0]
        given = person_scores(bank, model.codes, "MAP", mean, prior)
        names = list(bank.dimensions)
        assert np.allclose(scores[names], given.estimate, atol=1e-6)
    else:
        theta = scores["theta"].to_numpy()
        for k in range(12):
            bank = model.with_effects(result.bank, effects[k, 1:])
            who = np.flatnonzero(model.cluster == k)
            gradient = bank.person_derivatives(model.codes[who], theta[who, None])[1][:, 0]
            within = result.bank.covariance[0, 0] - model.cluster_covariance(result.params)[0, 0]
            assert np.allclose(gradient, (theta[who] - effects[k, 0]) / within, atol=1e-6)


def test_what_scores_of_clusters_are_not(schools, result):
    clustered, frame = schools
    for method in ("EAP", "MAP"):
        with pytest.raises(SpecificationError, match="bounds"):
            clustered.scores(method, bounds=(-2, 2))
    assert np.isfinite(clustered.scores("WLE")["theta"]).all()
    # persons of unknown clusters have the prior of the population
    nobody = pd.DataFrame(np.nan, index=[0], columns=[f"x{j}" for j in range(6)])
    sd = clustered.latent_distribution().loc["sd(theta)", "estimate"]
    assert clustered.scores(data=nobody)["se"].iloc[0] == pytest.approx(sd)
    with pytest.raises(SpecificationError, match="clusters"):
        result.cluster_scores  # noqa: B018


def test_specific_dimensions_one_at_a_time():
    rng = np.random.default_rng(6)
    g, s = rng.normal(size=(500, 1)), np.repeat(rng.normal(size=(500, 2)), 3, axis=1)
    nu = 1.3 * g + 1.1 * s + np.linspace(-1, 1, 6)
    items = [f"x{j}" for j in range(6)]
    data = pd.DataFrame((rng.random(nu.shape) < logistic(nu)).astype(int), columns=items)
    result = smg.IRT(data, specific={"s1": items[:3], "s2": items[3:]}).fit()
    scores = result.scores()
    bank = result.bank
    line = np.linspace(-6, 6, 61)
    theta = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    log_p = bank.log_likelihood(data.iloc[:3].to_numpy(), theta) - (theta**2).sum(axis=1) / 2
    share = np.exp(log_p - log_p.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    names = ["theta", "s1", "s2"]
    assert np.allclose(scores[names].iloc[:3], share @ theta, atol=1e-6)
    variance = share @ theta**2 - (share @ theta) ** 2
    own = scores[[f"se({name})" for name in names]].iloc[:3]
    assert np.allclose(own, np.sqrt(variance), atol=1e-6)
    # the sum score, and the reliabilities
    table = result.sum_score_table()
    log_p = bank.log_likelihood(np.array([[0] * 6, [1] * 6]), theta) - (theta**2).sum(axis=1) / 2
    share = np.exp(log_p - log_p.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    assert list(table.columns[:2]) == ["theta", "sd(theta)"]
    assert np.allclose(table["theta"].iloc[[0, 6]], share @ theta[:, 0], atol=1e-6)
    one = sum_scores(bank)
    assert np.allclose(table["theta"], one.eap[:, 0], atol=1e-6)
    assert np.allclose(table["sd(theta)"], one.sd[:, 0], atol=1e-6)
    assert np.allclose(table["probability"], one.probability, atol=1e-7)
    assert np.allclose(
        result.reliability()["marginal"],
        [marginal_reliability(bank, d) for d in range(3)],
        atol=1e-3,
    )
    # the posterior of the engine, by the level of testlets and that of persons
    posterior = result.model._ready(result.quadrature).posterior(result._results.theta)
    person = result.model.assembly.patterns.of_person
    assert np.allclose(scores["theta"], posterior.mean[1][person, 0], atol=1e-3)


def test_sum_scores_against_enumeration(result):
    table = result.sum_score_table()
    patterns = np.array(np.meshgrid(*[[0, 1]] * 5)).reshape(5, -1).T
    grid = np.linspace(-8, 8, 801)
    prior = np.exp(-(grid**2) / 2)
    p = np.exp(result.bank.log_likelihood(patterns, grid[:, None])) * prior / prior.sum()
    for score, own in table.iterrows():
        share = p[patterns.sum(axis=1) == score].sum(axis=0)
        mean = share @ grid / share.sum()
        assert own["probability"] == pytest.approx(share.sum(), abs=1e-9)
        assert own["theta"] == pytest.approx(mean, abs=1e-8)
        variance = share @ grid**2 / share.sum() - mean**2
        assert own["sd(theta)"] == pytest.approx(np.sqrt(variance), abs=1e-8)
    assert table["observed"].tolist() == [3, 20, 85, 237, 357, 298]
    assert table["expected"].sum() == pytest.approx(1000.0)


def test_sum_scores_by_group_and_not_of_covariates(by_group, by_covariates):
    table = by_group.sum_score_table()
    assert table.index.names == ["group", "score"]
    assert by_group.sum_score_table("1").equals(table.loc["1"])
    with pytest.raises(SpecificationError, match="covariates"):
        by_covariates.sum_score_table()


def test_reliability(result, by_group):
    table = result.reliability()
    x, w = np.polynomial.hermite_e.hermegauss(61)
    information = result.information(x)["total"].to_numpy()
    expected = (w / w.sum()) @ (information / (information + 1))
    assert table.loc["theta", "marginal"] == pytest.approx(expected, abs=1e-8)
    scores = result.scores()
    variance, error = scores["theta"].var(), (scores["se"] ** 2).mean()
    assert table.loc["theta", "empirical"] == pytest.approx(variance / (variance + error))
    assert by_group.reliability().index.names == ["group", "dimension"]


def test_rotated_scores():
    rng = np.random.default_rng(5)
    theta = rng.normal(size=(300, 2)) @ [[1.0, 0.4], [0.0, 0.9]]
    nu = 1.5 * np.repeat(theta, 4, axis=1)
    fitted = smg.IRT((rng.random(nu.shape) < logistic(nu)).astype(int), dimensions=2).fit()
    rotated = fitted.rotate()
    plain, turned = fitted.scores(), fitted.scores(rotation=rotated)
    assert list(turned.columns) == ["F1", "se(F1)", "F2", "se(F2)", "status"]
    assert np.allclose(turned[["F1", "F2"]], plain[["theta1", "theta2"]] @ rotated.rotation)
    # predictors are the same
    slopes = np.array([item.slopes for item in fitted.bank.items])
    own = turned[["F1", "F2"]].to_numpy() @ rotated.slopes.to_numpy().T
    assert np.allclose(own, plain[["theta1", "theta2"]].to_numpy() @ slopes.T)


def test_scores_of_simulated_persons_are_calibrated():
    rng = np.random.default_rng(8)
    theta = rng.normal(size=1500)
    # as the model has it
    theta = (theta - theta.mean()) / theta.std()
    nu = theta[:, None] * np.linspace(0.8, 2.0, 12) + np.linspace(-2, 2, 12)
    fitted = smg.IRT((rng.random(nu.shape) < logistic(nu)).astype(int)).fit()
    scores = fitted.scores()
    z = (theta - scores["theta"]) / scores["se"]
    assert abs(z.mean()) < 0.1
    assert z.std() == pytest.approx(1.0, abs=0.06)
    assert np.corrcoef(theta, scores["theta"])[0, 1] ** 2 == pytest.approx(
        fitted.reliability().loc["theta", "marginal"], abs=0.03
    )


def test_new_persons_are_scored_without_the_data_of_the_fit(law, abilities):
    fitted = smg.IRT(law).fit()
    before = fitted.scores(data=law.head(3))
    fitted.remove_data()
    pd.testing.assert_frame_equal(fitted.scores(data=law.head(3)), before)
    assert fitted.item_table().shape == (10, 4)
    with pytest.raises(SpecificationError, match="give data="):
        fitted.scores()
    regressed = smg.IRT(abilities, items=ASVAB, regression="~ female", freq_weights="freq").fit()
    regressed.remove_data()
    with pytest.raises(SpecificationError, match="data were removed"):
        regressed.scores(data=abilities)
