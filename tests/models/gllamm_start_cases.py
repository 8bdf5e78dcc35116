"""Random models with latent variables of many kinds, each from a seed."""

import numpy as np
import pandas as pd

import sm_gllamm.api as smg
from sm_gllamm.specification.latent import Latent

ITEMS = "0 + C(item)"


def responses(rng, loadings, eta, family="gaussian", scale=1.0, missing=0.0):
    """Return rows of items in long form, with an indicator of each item under its name."""
    n, k = len(eta), len(loadings)
    nu = eta @ np.asarray(loadings).T + rng.normal(size=k) * 0.5
    if family == "gaussian":
        y = (nu + rng.normal(size=nu.shape)) * scale
    elif family == "binomial":
        y = (rng.random(nu.shape) < 1 / (1 + np.exp(-nu))).astype(float)
    elif family == "poisson":
        y = rng.poisson(np.exp(np.clip(0.5 * nu + 0.5, -8, 6))).astype(float)
    else:
        y = np.digitize(nu + rng.logistic(size=nu.shape), [-1.0, 0.2, 1.2]).astype(float)
    data = pd.DataFrame({
        "person": np.repeat(np.arange(n), k),
        "item": np.tile([f"i{j + 1}" for j in range(k)], n),
        "y": y.ravel(),
    })  # fmt: skip
    for j in range(k):
        data[f"i{j + 1}"] = (data["item"] == f"i{j + 1}").astype(float)
    return data[rng.random(len(data)) >= missing].reset_index(drop=True)


def build(data, latent, family="gaussian", **options):
    """Return a model of items with a constant each."""
    formula = "y ~ 0 + C(item)"
    if family == "gaussian":
        options.setdefault("dispersion", "~ 0 + C(item)")
    elif family == "ordinal":
        formula, options["family"] = "y ~ C(item)", smg.families.Ordinal("logit")
    else:
        options["family"] = family
    return smg.GLLAMM.from_formula(formula, data, latent=latent, **options)


def items(first, last):
    """Return the formula of some items' loadings."""
    return "0 + " + " + ".join(f"i{j}" for j in range(first, last + 1))


def one_factor(rng, family="gaussian", identification="loading", loadings=None, n=300, **options):
    loadings = rng.uniform(0.5, 1.5, 6) if loadings is None else np.asarray(loadings)
    data = responses(rng, loadings[:, None], rng.normal(size=(n, 1)), family, **options)
    return build(data, [Latent("f", "person", ITEMS)], family, identification=identification)


def bad_marker(rng):
    return one_factor(rng, loadings=[rng.choice([0.0, 0.05, -0.1]), 1.0, 0.8, 1.2, 0.7, 1.1])


def negative(rng):
    return one_factor(rng, "ordinal", loadings=rng.uniform(0.6, 1.5, 6) * rng.choice([-1, 1], 6))


def scales(rng):
    return one_factor(rng, scale=10.0 ** rng.uniform(-3, 3, 6))


def unbalanced(rng):
    return one_factor(rng, "poisson", missing=0.5)


def cross_loadings(rng):
    loadings = np.zeros((9, 3))
    latent = []
    for m in range(3):
        loadings[3 * m : 3 * m + 3, m] = rng.uniform(0.6, 1.5, 3)
        other = 3 * ((m + 1) % 3) + 3
        loadings[other - 1, m] = rng.choice([-0.5, 0.5])
        latent.append(Latent(f"f{m}", "person", items(3 * m + 1, 3 * m + 3) + f" + i{other}"))
    correlation = np.full((3, 3), 0.3) + 0.7 * np.eye(3)
    eta = rng.normal(size=(300, 3)) @ np.linalg.cholesky(correlation).T
    return build(responses(rng, loadings, eta), latent)


def bifactor(rng):
    loadings = np.zeros((9, 4))
    loadings[:, 0] = rng.uniform(0.7, 1.5, 9)
    latent = [Latent("g", "person", ITEMS)]
    for m in range(3):
        loadings[3 * m : 3 * m + 3, m + 1] = rng.uniform(0.7, 1.2, 3)
        latent.append(Latent(f"s{m}", "person", items(3 * m + 1, 3 * m + 3)))
    data = responses(rng, loadings, rng.normal(size=(200, 4)))
    return build(data, latent, identification="variance", covariance="diagonal")


def exploratory(rng):
    loadings = rng.uniform(-1.2, 1.2, (8, 2))
    loadings[0] = 1.0, 0.0
    data = responses(rng, loadings, rng.normal(size=(300, 2)))
    latent = [Latent("f", "person", ITEMS), Latent("g", "person", items(2, 8))]
    return build(data, latent, identification="variance", covariance="diagonal")


def second_order(rng):
    g = rng.normal(size=250)
    paths = rng.uniform(0.7, 1.2, 3) * rng.choice([-1, 1], 3)
    eta = g[:, None] * paths + 0.6 * rng.normal(size=(250, 3))
    loadings = np.kron(np.eye(3), np.ones((3, 1))) * rng.uniform(0.6, 1.4, (9, 1))
    latent = [Latent(f"f{m}", "person", items(3 * m + 1, 3 * m + 3)) for m in range(3)]
    return build(
        responses(rng, loadings, eta), [*latent, Latent("g", "person", "0")],
        regressions=[f"f{m} ~ g" for m in range(3)], identification="variance",
        covariance="diagonal",
    )  # fmt: skip


def paths(rng):
    f = rng.normal(size=400)
    g = rng.choice([-0.7, 0.7]) * f + 0.7 * rng.normal(size=400)
    h = 0.5 * g + 0.3 * f + 0.5 * rng.normal(size=400)
    loadings = np.kron(np.eye(3), np.ones((3, 1))) * rng.uniform(0.6, 1.4, (9, 1))
    latent = [Latent(name, "person", items(3 * m + 1, 3 * m + 3)) for m, name in enumerate("fgh")]
    return build(
        responses(rng, loadings, np.column_stack([f, g, h])), latent, covariance="diagonal",
        regressions=["g ~ f", "h ~ f + g"], identification=str(rng.choice(["loading", "variance"])),
    )  # fmt: skip


def mimic(rng):
    x = rng.normal(size=300)
    data = responses(
        rng, rng.uniform(0.5, 1.5, (5, 1)), (0.6 * x + rng.normal(size=300))[:, None], "binomial"
    )
    data["x"] = x[data["person"]]
    return build(data, [Latent("f", "person", ITEMS)], "binomial", regressions=["f ~ x"])


def two_levels(rng):
    person = np.arange(40 * 8)
    eta = rng.normal(size=len(person)) + 0.7 * rng.normal(size=40)[person // 8]
    data = responses(rng, rng.uniform(0.6, 1.4, (4, 1)), eta[:, None], "binomial")
    data["school"] = data["person"] // 8
    equal = {f"i{j}": f"l{j}" for j in (2, 3, 4)}
    latent = [
        Latent(name, at, ITEMS, equal=equal) for name, at in (("w", "person"), ("b", "school"))
    ]
    return build(data, latent, "binomial")


KINDS = {
    f.__name__: f
    for f in (
        one_factor, bad_marker, negative, scales, unbalanced, cross_loadings, bifactor, exploratory,
        second_order,
        paths, mimic, two_levels,
    )
}  # fmt: skip


def model(kind, seed):
    """Return the model of a kind."""
    return KINDS[kind](np.random.default_rng([seed, *map(ord, kind)]))
