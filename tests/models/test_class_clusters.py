"""Random effects of clusters in the logits of classes: against an integral written out."""

import numpy as np
import pandas as pd
import pytest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.latent_class import LatentClass
from sm_gllamm.models.mixture import Mixture


@pytest.fixture(scope="module")
def pupils():
    rng = np.random.default_rng(5)
    school = np.repeat(np.arange(40), 25)
    effect = rng.normal(size=40)[school]
    second = rng.random(1000) < 1.0 / (1.0 + np.exp(-(-0.3 + 1.2 * effect)))
    share = np.where(second[:, None], [0.85, 0.8, 0.75, 0.9, 0.7], [0.2, 0.3, 0.15, 0.25, 0.3])
    data = pd.DataFrame((rng.random((1000, 5)) < share).astype(int), columns=list("abcde"))
    counts = rng.poisson(np.where(second, 6.0, 2.0))
    return data.assign(school=school, x=rng.normal(size=1000), count=counts)


def _integral(loglike, lower, group):
    """Log-likelihood from log-densities by class and logits by node."""
    z = np.linspace(-8.5, 8.5, 681)
    log_weight = -0.5 * z**2 - 0.5 * np.log(2 * np.pi) + np.log(z[1] - z[0])
    total = np.zeros((group.max() + 1, len(z)))
    for k, u in enumerate(z):
        logits = lower(u)
        joint = loglike + logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        total[:, k] = np.bincount(group, np.logaddexp.reduce(joint, axis=1))
    return np.logaddexp.reduce(total + log_weight, axis=1).sum()


def test_latent_class(pupils):
    result = LatentClass(
        pupils, 2, items=list("abcde"), clusters="school", cluster_classes="normal", classes="~ x"
    ).fit(n_starts=4)
    assert result.converged
    assert result.params["logit(class2):sd(school)"] > 0.0
    params = result.params
    y = pupils[list("abcde")].to_numpy()
    dense = []
    for c in (1, 2):
        logit = np.array([params[f"class{c}:{item}[1]"] for item in "abcde"])
        dense.append((y * logit - np.logaddexp(0.0, logit)).sum(axis=1))
    linear = params["logit(class2):Intercept"] + params["logit(class2):x"] * pupils["x"].to_numpy()

    def lower(u):
        own = linear + params["logit(class2):sd(school)"] * u
        return np.column_stack([np.zeros(len(own)), own])

    expected = _integral(np.column_stack(dense), lower, pupils["school"].to_numpy())
    assert result.llf == pytest.approx(expected, abs=1e-5)
    assert result.verdict.quadrature_error < 1e-4
    assert "normal, " in str(result.summary())
    # a model with an effect of clusters is better than one without, by far
    plain = LatentClass(pupils, 2, items=list("abcde"), classes="~ x").fit(n_starts=4)
    assert result.llf > plain.llf + 10


def test_scores_are_those_of_differences(pupils):
    model = LatentClass(pupils, 3, items=list("abcde"), clusters="school", cluster_classes="normal")
    rng = np.random.default_rng(1)
    theta, h = 0.5 * rng.normal(size=len(model.param_names)), 1e-5
    found = model.likelihood.evaluate(theta, 2)
    steps = h * np.eye(len(theta))
    up = [model.likelihood.evaluate(theta + e, 2) for e in steps]
    down = [model.likelihood.evaluate(theta - e, 2) for e in steps]
    pairs = list(zip(up, down, strict=True))
    score = [(a.total - b.total) / (2 * h) for a, b in pairs]
    hessian = [(a.gradient - b.gradient) / (2 * h) for a, b in pairs]
    np.testing.assert_allclose(found.gradient, score, atol=1e-4)
    np.testing.assert_allclose(found.hessian, hessian, atol=1e-4 * np.abs(found.hessian).max())


def test_mixture_of_regressions(pupils):
    result = Mixture.from_formula(
        "count ~ 1", pupils, 2, family="poisson", clusters="school", cluster_classes="normal"
    ).fit(n_starts=3)
    assert result.converged
    assert result.params["logit(class2):sd(school)"] > 0.0


def test_simulated_and_pickled(pupils):
    import pickle

    result = LatentClass(
        pupils, 2, items=list("abcde"), clusters="school", cluster_classes="normal"
    ).fit(n_starts=3)
    again = pickle.loads(pickle.dumps(result))
    assert again.llf == result.llf
    assert np.shape(result.simulate(seed=1)) == (1000, 5)
    assert result.posterior().shape == (1000, 2)
    assert np.isfinite(result.class_sizes().to_numpy()).all()


def test_what_is_refused(pupils):
    with pytest.raises(SpecificationError, match="go together"):
        LatentClass(pupils, 2, items=list("abcde"), cluster_classes="normal")
    with pytest.raises(SpecificationError, match="'normal'"):
        LatentClass(pupils, 2, items=list("abcde"), clusters="school", cluster_classes="gamma")
    with pytest.raises(SpecificationError, match="n_classes must be"):
        Mixture.from_formula(
            "count ~ 1", pupils, 1, family="poisson", clusters="school", cluster_classes="normal"
        )
