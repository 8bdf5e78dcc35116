"""Likelihoods of mixtures against sums over classes written out, derivatives against differences."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, logsumexp

import sm_gllamm.likelihood.mixture as mixture_module
from sm_gllamm.models.glmm import GLMM
from sm_gllamm.models.irt import IRT
from sm_gllamm.models.latent_class import LatentClass
from sm_gllamm.models.mixture import Mixture

STEP = 1e-5


def differences(likelihood, theta):
    """Central differences of the value and of the score."""
    eye = np.eye(len(theta)) * STEP
    score = [
        (likelihood.evaluate(theta + e).total - likelihood.evaluate(theta - e).total) / (2 * STEP)
        for e in eye
    ]
    hessian = [
        (likelihood.evaluate(theta + e, 1).gradient - likelihood.evaluate(theta - e, 1).gradient)
        / (2 * STEP)
        for e in eye
    ]
    return np.array(score), np.array(hessian)


def check_derivatives(likelihood, theta, rtol=1e-6):
    score, hessian = differences(likelihood, theta)
    found = likelihood.evaluate(theta, 2)
    np.testing.assert_allclose(found.gradient, score, atol=rtol * np.abs(score).max())
    np.testing.assert_allclose(found.hessian, hessian, atol=rtol * np.abs(hessian).max())
    # without sums by cluster nothing changes
    total = likelihood.evaluate(theta, 2, by_cluster=False)
    np.testing.assert_allclose(total.score.sum(axis=0), found.gradient, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(total.hessian, found.hessian, rtol=1e-10, atol=1e-9)


def simulated(seed=3, n_clusters=14, persons=6, rows=3):
    """Counts of persons in clusters, with a covariate of each level."""
    rng = np.random.default_rng(seed)
    n = n_clusters * persons
    person = np.repeat(np.arange(n), rows)
    cluster = np.repeat(np.arange(n_clusters), persons)
    frame = pd.DataFrame(
        {
            "person": person,
            "cluster": cluster[person],
            "x": rng.normal(size=n * rows).round(2),
            "v": rng.normal(size=n).round(2)[person],
            "w": rng.uniform(0.5, 2.0, n).round(2)[person],
            "f": rng.integers(1, 4, n)[person],
            "known": np.where(rng.uniform(size=n) < 0.2, rng.integers(1, 3, n), np.nan)[person],
        }
    )
    frame["y"] = rng.poisson(np.exp(0.3 + 0.4 * frame.x + (person % 2)))
    frame["z"] = rng.normal(size=len(frame)) + frame.x * (person % 2)
    frame["b"] = rng.integers(0, 2, len(frame))
    return frame


def poisson_by_person(frame, intercept, slope):
    logs = stats.poisson.logpmf(frame.y, np.exp(intercept + slope * frame.x))
    return np.bincount(frame.person, logs)


def of_persons(frame, column):
    return frame.groupby("person")[column].first().to_numpy()


def shuffled(frame):
    """Rows in an order in which clusters do not follow one another."""
    return frame.sample(frac=1, random_state=1)


THETA = np.array([0.2, 0.5, 1.1, -0.2, -0.4, 0.7])
POISSON = dict(family="poisson", groups="person", re_formula=False)


class TestOneLevel:
    def test_value_with_covariates_of_class_probabilities(self):
        frame = simulated()
        model = Mixture.from_formula(
            "y ~ x", shuffled(frame), 2, groups="person", family="poisson", classes="~ v"
        )
        assert model.param_names[-2:] == ["logit(class2):Intercept", "logit(class2):v"]
        logit = THETA[4] + THETA[5] * of_persons(frame, "v")
        logs = np.column_stack(
            [
                np.log(expit(-logit)) + poisson_by_person(frame, *THETA[:2]),
                np.log(expit(logit)) + poisson_by_person(frame, *THETA[2:4]),
            ]
        )
        found = model.likelihood.evaluate(THETA)
        np.testing.assert_allclose(found.loglike, logsumexp(logs, axis=1), rtol=1e-12)
        posterior = np.exp(logs - logsumexp(logs, axis=1)[:, None])
        lower = model.likelihood.posterior(THETA).lower[0]
        np.testing.assert_allclose(lower, posterior, atol=1e-12)

    def test_known_classes_are_the_only_ones_in_the_sum(self):
        frame = simulated()
        model = Mixture.from_formula(
            "y ~ x", frame, 2, groups="person", family="poisson", known="known"
        )
        theta = THETA[:5]
        logs = np.column_stack(
            [
                np.log(expit(-theta[4])) + poisson_by_person(frame, *theta[:2]),
                np.log(expit(theta[4])) + poisson_by_person(frame, *theta[2:4]),
            ]
        )
        known = of_persons(frame, "known")
        logs[known == 1, 1] = logs[known == 2, 0] = -np.inf
        found = model.likelihood.evaluate(theta)
        np.testing.assert_allclose(found.loglike, logsumexp(logs, axis=1), rtol=1e-12)
        check_derivatives(model.likelihood, theta)

    @pytest.mark.parametrize("option", ["freq_weights", "weights"])
    def test_weights_multiply_the_units(self, option):
        frame = simulated()
        column = "f" if option == "freq_weights" else "w"
        template = GLMM.from_formula(
            "y ~ x", frame, **POISSON, **{option: {"person": frame[column]}}
        )
        model = Mixture(template, 2, classes="~ v", data=frame)
        plain = Mixture.from_formula(
            "y ~ x", frame, 2, groups="person", family="poisson", classes="~ v"
        )
        weight = of_persons(frame, column)
        expected = weight * plain.likelihood.evaluate(THETA).loglike
        np.testing.assert_allclose(model.likelihood.evaluate(THETA).loglike, expected, rtol=1e-12)
        check_derivatives(model.likelihood, THETA)

    def test_pieces_of_the_data_add_up(self, monkeypatch):
        frame = simulated()
        model = Mixture.from_formula(
            "y ~ x", frame, 2, groups="person", family="poisson", classes="~ v"
        )
        whole = model.likelihood.evaluate(THETA, 2)
        monkeypatch.setattr(mixture_module, "CHUNK", 9)
        pieces = model.likelihood.evaluate(THETA, 2)
        np.testing.assert_allclose(pieces.hessian, whole.hessian, rtol=1e-11, atol=1e-10)
        np.testing.assert_allclose(pieces.score, whole.score, rtol=1e-11, atol=1e-11)
        total = model.likelihood.evaluate(THETA, 2, by_cluster=False)
        np.testing.assert_allclose(total.score[0], whole.gradient, rtol=1e-11)

    def test_complete_data_hessian_is_that_of_known_memberships(self):
        frame = simulated()
        model = Mixture.from_formula(
            "y ~ x", frame, 2, groups="person", family="poisson", classes="~ v"
        )
        likelihood = model.likelihood
        share = likelihood.posterior(THETA).lower[0]

        def complete(theta):
            logit = theta[4] + theta[5] * of_persons(frame, "v")
            return float(
                share[:, 0] @ (np.log(expit(-logit)) + poisson_by_person(frame, *theta[:2]))
                + share[:, 1] @ (np.log(expit(logit)) + poisson_by_person(frame, *theta[2:4]))
            )

        given = likelihood.given_memberships(THETA, share, 2)
        np.testing.assert_allclose(given.total, complete(THETA), rtol=1e-12)
        step, eye = 1e-4, np.eye(6) * 1e-4
        hessian = [
            [
                (
                    complete(THETA + a + b) - complete(THETA + a - b)
                    - complete(THETA - a + b) + complete(THETA - a - b)
                ) / (4 * step**2)
                for a in eye
            ]
            for b in eye
        ]  # fmt: skip
        scale = np.abs(given.hessian).max()
        np.testing.assert_allclose(given.hessian, hessian, atol=1e-5 * scale)
        found = likelihood.evaluate(THETA, 2)
        np.testing.assert_allclose(found.complete, given.hessian, rtol=1e-9, atol=1e-9)
        # the score of the complete data has the observed one as its mean
        np.testing.assert_allclose(given.gradient, found.gradient, rtol=1e-9, atol=1e-9)
        # and classes that are not seen can only take information away
        assert np.linalg.eigvalsh(found.hessian - found.complete).min() > -1e-8


UPPER = np.array([0.2, 0.5, 1.1, -0.2, 0.7, -0.6, 0.9, 0.3])


def two_levels(frame, theta, allowed=None, weight=None):
    """Log-likelihood by cluster: classes of persons, whose logits differ between classes of clusters."""
    own = np.column_stack(
        [poisson_by_person(frame, *theta[:2]), poisson_by_person(frame, *theta[2:4])]
    )
    cluster, v = of_persons(frame, "cluster"), of_persons(frame, "v")
    by_upper = []
    for h in range(2):
        logit = theta[4] * v + theta[5 + h]
        logs = own + np.log(np.column_stack([expit(-logit), expit(logit)]))
        if allowed is not None:
            logs = np.where(allowed, logs, -np.inf)
        total = logsumexp(logs, axis=1)
        by_upper.append(np.bincount(cluster, total if weight is None else weight * total))
    prior = np.log([expit(-theta[7]), expit(theta[7])])
    return logsumexp(np.column_stack(by_upper) + prior, axis=1)


class TestTwoLevels:
    def model(self, frame, **options):
        template = GLMM.from_formula("y ~ x", frame, **POISSON, **options.pop("template", {}))
        return Mixture(
            template, 2, classes="~ v", clusters="cluster", cluster_classes=2, data=frame, **options
        )

    def test_value(self):
        frame = simulated()
        model = self.model(shuffled(frame))
        assert model.param_names[4:] == [
            "logit(class2):v", "logit(class2):upper1", "logit(class2):upper2",
            "logit(upper2):Intercept",
        ]  # fmt: skip
        found = model.likelihood.evaluate(UPPER)
        np.testing.assert_allclose(found.loglike, two_levels(frame, UPPER), rtol=1e-12)
        check_derivatives(model.likelihood, UPPER)

    def test_with_weights_of_persons_and_known_classes(self):
        frame = simulated()
        model = self.model(frame, known="known", template={"weights": {"person": frame.w}})
        known = of_persons(frame, "known")
        allowed = np.column_stack([known != 2, known != 1])
        found = model.likelihood.evaluate(UPPER)
        expected = two_levels(frame, UPPER, allowed, of_persons(frame, "w"))
        np.testing.assert_allclose(found.loglike, expected, rtol=1e-12)
        check_derivatives(model.likelihood, UPPER)

    def test_complete_data_hessian_takes_information_away_no_more(self):
        frame = simulated()
        found = self.model(frame).likelihood.evaluate(UPPER, 2)
        assert np.linalg.eigvalsh(found.hessian - found.complete).min() > -1e-8

    def test_posterior_of_clusters_and_their_persons(self):
        frame = simulated()
        likelihood = self.model(frame).likelihood
        posterior = likelihood.posterior(UPPER)
        np.testing.assert_allclose(posterior.upper.sum(axis=1), 1.0)
        np.testing.assert_allclose(posterior.lower.sum(axis=2), 1.0)
        own = np.column_stack(
            [poisson_by_person(frame, *UPPER[:2]), poisson_by_person(frame, *UPPER[2:4])]
        )
        logit = UPPER[4] * of_persons(frame, "v") + UPPER[6]
        logs = own + np.log(np.column_stack([expit(-logit), expit(logit)]))
        np.testing.assert_allclose(
            posterior.lower[1], np.exp(logs - logsumexp(logs, axis=1)[:, None]), atol=1e-12
        )

    def test_parameters_that_differ_between_classes_of_clusters(self):
        frame = simulated()
        template = GLMM.from_formula("y ~ x", frame, **POISSON)
        model = Mixture(template, 1, clusters="cluster", cluster_classes=2, data=frame)
        assert model.param_names == [
            "upper1:Intercept", "upper1:x", "upper2:Intercept", "upper2:x",
            "logit(upper2):Intercept",
        ]  # fmt: skip
        theta = THETA[:5]
        cluster = of_persons(frame, "cluster")
        logs = np.column_stack(
            [
                np.bincount(cluster, poisson_by_person(frame, *theta[:2])),
                np.bincount(cluster, poisson_by_person(frame, *theta[2:4])),
            ]
        ) + np.log([expit(-theta[4]), expit(theta[4])])
        found = model.likelihood.evaluate(theta)
        np.testing.assert_allclose(found.loglike, logsumexp(logs, axis=1), rtol=1e-12)
        check_derivatives(model.likelihood, theta)


def finest(likelihood):
    """Nodes that leave no error that matters."""
    for component in likelihood.components:
        for _ in range(5):
            component.refine(np.ones((component.n_units, 1)), 0.0)


class TestContinuousLatentVariables:
    def test_gaussian_growth_against_the_multivariate_normal(self):
        frame = simulated()
        template = GLMM.from_formula("z ~ x + (1 + x | person)", frame)
        model = Mixture(template, 2, equal=())
        params = dict(
            zip(
                model.param_names,
                [0.1, 0.2, 1.2, 0.3, 0.5, 0.8, 0.4, 0.9, 0.6, -0.2, 0.7, 1.1, -0.3],
                strict=True,
            )
        )
        theta = model.mapping.theta(np.array(list(params.values())))
        logs = np.empty((frame.person.nunique(), 2))
        size = expit(params["logit(class2):Intercept"])
        for c, prior in ((1, 1 - size), (2, size)):
            own = {k.split(":", 1)[1]: v for k, v in params.items() if k.startswith(f"class{c}:")}
            psi = np.array(
                [
                    [own["var(Intercept|person)"], own["cov(Intercept,x|person)"]],
                    [own["cov(Intercept,x|person)"], own["var(x|person)"]],
                ]
            )
            for j, part in frame.groupby("person"):
                z = np.column_stack([np.ones(len(part)), part.x])
                cov = z @ psi @ z.T + own["var(Residual)"] * np.eye(len(part))
                mean = z @ [own["Intercept"], own["x"]]
                logs[j, c - 1] = np.log(prior) + stats.multivariate_normal(mean, cov).logpdf(part.z)
        found = model.likelihood.evaluate(theta)
        np.testing.assert_allclose(found.loglike, logsumexp(logs, axis=1), rtol=1e-10)
        check_derivatives(model.likelihood, theta)

    def test_binary_growth_against_a_dense_grid(self):
        frame = simulated()
        template = GLMM.from_formula("b ~ x + (1 | person)", frame, family="binomial")
        model = Mixture(template, 2, classes="~ v", data=frame)
        assert model.param_names == [
            "class1:Intercept", "class1:x", "var(Intercept|person)", "class2:Intercept",
            "class2:x", "logit(class2):Intercept", "logit(class2):v",
        ]  # fmt: skip
        params = np.array([-0.4, 0.5, 0.8, 0.9, -0.7, 0.3, 0.5])
        grid = np.linspace(-9, 9, 2001)
        weight = stats.norm.pdf(grid) * (grid[1] - grid[0])
        sign = 2 * frame.b.to_numpy() - 1
        logs = []
        logit = params[5] + params[6] * of_persons(frame, "v")
        for c, prior in ((0, expit(-logit)), (3, expit(logit))):
            nu = (params[c] + params[c + 1] * frame.x).to_numpy()[:, None] + np.sqrt(0.8) * grid
            rows = np.log(expit(sign[:, None] * nu))
            by_person = np.zeros((frame.person.nunique(), len(grid)))
            np.add.at(by_person, frame.person.to_numpy(), rows)
            logs.append(np.log(prior) + np.log(np.exp(by_person) @ weight))
        theta = model.mapping.theta(params)
        finest(model.likelihood)
        found = model.likelihood.evaluate(theta)
        np.testing.assert_allclose(found.loglike, logsumexp(logs, axis=0), rtol=1e-9)
        check_derivatives(model.likelihood, theta, 1e-5)

    def test_factor_by_class_with_classes_of_clusters_above(self):
        rng = np.random.default_rng(5)
        items = [f"i{k}" for k in range(4)]
        frame = pd.DataFrame(rng.integers(0, 2, (60, 4)), columns=items)
        frame["school"] = np.repeat(np.arange(10), 6)
        irt = IRT(frame, "2PL", items=items)
        model = Mixture(irt, 2, equal=("loadings", "covariances"), clusters="school",
                        cluster_classes=2, data=frame)  # fmt: skip
        theta = rng.normal(size=len(model.param_names)) * 0.5
        params = dict(zip(model.param_names, model.mapping.params(theta), strict=True))
        grid = np.linspace(-9, 9, 2001)
        weight = stats.norm.pdf(grid) * (grid[1] - grid[0])
        y = frame[items].to_numpy()
        own = []
        loadings = [
            next(v for k, v in params.items() if "slope" in k and f"[{item}" in k) for item in items
        ]
        for c in (1, 2):
            nu = (
                np.array([params[f"class{c}:intercept[{item}]"] for item in items])[:, None]
                + np.array(loadings)[:, None] * grid
            )
            logs = np.einsum("nk,kg->ng", y, np.log(expit(nu)))
            logs += np.einsum("nk,kg->ng", 1 - y, np.log(expit(-nu)))
            own.append(np.log(np.exp(logs) @ weight))
        by_upper = []
        for h in (1, 2):
            logit = params[f"logit(class2):upper{h}"]
            total = np.logaddexp(own[0] + np.log(expit(-logit)), own[1] + np.log(expit(logit)))
            by_upper.append(np.bincount(frame.school, total))
        prior = params["logit(upper2):Intercept"]
        expected = np.logaddexp(
            by_upper[0] + np.log(expit(-prior)), by_upper[1] + np.log(expit(prior))
        )
        finest(model.likelihood)
        np.testing.assert_allclose(model.likelihood.evaluate(theta).loglike, expected, rtol=1e-9)
        check_derivatives(model.likelihood, theta, 1e-5)

    def test_nested_random_effects_against_the_multivariate_normal(self):
        frame = simulated(n_clusters=8)
        template = GLMM.from_formula("z ~ x + (1 | cluster/person)", frame)
        model = Mixture(template, 2, equal=("dispersions",))
        params = dict(
            zip(model.param_names, np.linspace(0.3, 1.4, len(model.param_names)), strict=True)
        )
        theta = model.mapping.theta(np.array(list(params.values())))
        size = expit(params["logit(class2):Intercept"])
        logs = np.empty((8, 2))
        for c, prior in ((1, 1 - size), (2, size)):
            upper = params[f"class{c}:var(Intercept|cluster)"]
            lower = params[f"class{c}:var(Intercept|cluster:person)"]
            for k, part in frame.groupby("cluster"):
                same = part.person.to_numpy()[:, None] == part.person.to_numpy()
                cov = upper + lower * same + params["var(Residual)"] * np.eye(len(part))
                mean = params[f"class{c}:Intercept"] + params[f"class{c}:x"] * part.x
                density = stats.multivariate_normal(mean, cov).logpdf(part.z)
                logs[k, c - 1] = np.log(prior) + density
        found = model.likelihood.evaluate(theta)
        np.testing.assert_allclose(found.loglike, logsumexp(logs, axis=1), rtol=1e-10)
        check_derivatives(model.likelihood, theta)


class TestFamilies:
    def check(self, model, params, logs_of):
        """`logs_of` gives log densities of the rows by class, from parameters by name."""
        named = dict(zip(model.param_names, params, strict=True))
        size = expit(named["logit(class2):Intercept"])
        logs = [
            np.log(prior) + np.bincount(model.template.data.frame.person, logs_of(named, c))
            for prior, c in ((1 - size, "class1"), (size, "class2"))
        ]
        theta = model.mapping.theta(np.array(params))
        found = model.likelihood.evaluate(theta)
        np.testing.assert_allclose(found.loglike, logsumexp(logs, axis=0), rtol=1e-10)
        check_derivatives(model.likelihood, theta)

    def test_negative_binomial_with_a_dispersion_by_class(self):
        frame = simulated()
        model = Mixture.from_formula(
            "y ~ x", frame, 2, groups="person", family="negative_binomial", equal=()
        )

        def logs_of(p, c):
            mean = np.exp(p[f"{c}:Intercept"] + p[f"{c}:x"] * frame.x)
            (name,) = [
                k for k in p if k.startswith(f"{c}:") and k not in (f"{c}:Intercept", f"{c}:x")
            ]
            n = 1 / p[name]
            return stats.nbinom.logpmf(frame.y, n, n / (n + mean))

        self.check(model, [0.2, 0.5, 0.4, 1.1, -0.2, 0.9, -0.3], logs_of)

    def test_ordinal_with_thresholds_by_class(self):
        frame = simulated()
        frame["o"] = np.minimum(frame.y, 2)
        model = Mixture.from_formula("o ~ x", frame, 2, groups="person", family="ordinal")
        assert model.param_names == [
            "class1:x", "class1:threshold(0|1)", "class1:threshold(1|2)", "class2:x",
            "class2:threshold(0|1)", "class2:threshold(1|2)", "logit(class2):Intercept",
        ]  # fmt: skip

        def logs_of(p, c):
            nu = (p[f"{c}:x"] * frame.x).to_numpy()
            low, high = (expit(p[f"{c}:threshold({k}|{k + 1})"] - nu) for k in (0, 1))
            shares = np.column_stack([low, high - low, 1 - high])
            return np.log(shares[np.arange(len(frame)), frame.o])

        self.check(model, [0.4, -0.5, 0.8, -0.6, 0.2, 0.9, -0.3], logs_of)

    def test_offset(self):
        frame = simulated()
        model = Mixture.from_formula(
            "y ~ x", frame, 2, groups="person", family="poisson", offset="v"
        )

        def logs_of(p, c):
            return stats.poisson.logpmf(
                frame.y, np.exp(p[f"{c}:Intercept"] + p[f"{c}:x"] * frame.x + frame.v)
            )

        self.check(model, list(THETA[:5]), logs_of)


def test_sums_are_those_of_the_single_scores():
    # what steps of EM need, without the scores of units
    rng = np.random.default_rng(8)
    data = pd.DataFrame(rng.integers(0, 3, size=(90, 4)), columns=list("abcd"))
    data = data.assign(z=rng.normal(size=90), g=np.arange(90) % 9, x=rng.normal(size=90))
    items = ["a", "b", "c", "d", "z"]
    irt = IRT((data[["a", "b", "c", "d"]] > 0).astype(int), "Rasch")
    for model in (
        LatentClass(data, 2, items=items, clusters="g", cluster_classes=2, classes="~ x"),
        LatentClass(data, 3, items=items, clusters="g", cluster_classes="normal"),
        Mixture(irt, 2),
    ):
        theta = 0.3 * rng.normal(size=len(model.param_names))
        whole = model.likelihood.evaluate(theta, 2)
        sums = model.likelihood.evaluate_complete(theta, 2)
        assert sums.total == pytest.approx(whole.total, abs=1e-10)
        np.testing.assert_allclose(sums.gradient, whole.gradient, atol=1e-9)
        np.testing.assert_allclose(sums.hessian, whole.complete, atol=1e-9)
