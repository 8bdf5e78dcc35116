"""The likelihood of every kind of item response model against sums over dense grids, and its derivatives."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
from tests.models.irt_direct import Direct, plausible

BINARY = [f"b{j}" for j in range(1, 6)]
FOUR = [f"p{j}" for j in range(1, 5)]
HALVES = {"A": BINARY[:3], "B": BINARY[3:]}
TESTLETS = {"s1": BINARY[:2], "s2": BINARY[2:4]}


def responses(n=18, seed=1):
    """Return binary items b, items p with three or four categories, groups, a covariate and schools."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=n)
    data = {b: (theta + rng.logistic(size=n) > 0.3 * k - 0.6) * 1.0 for k, b in enumerate(BINARY)}
    for k, p in enumerate(FOUR):
        top = 3 if k < 3 else 2
        data[p] = np.clip(np.round(theta + rng.normal(size=n) + top / 2), 0, top)
        # nothing depends on luck: every category is chosen in every group
        data[p][: 3 * (top + 1)] = np.repeat(np.arange(top + 1), 3)
    complete = pd.DataFrame(data)
    frame = complete.mask(rng.random(complete.shape) < 0.12)
    frame.iloc[:12, len(BINARY) :] = complete.iloc[:12, len(BINARY) :]
    for b in BINARY:
        frame.loc[12:17, b] = [0, 0, 0, 1, 1, 1]
    frame["group"] = np.tile(["u", "v", "w"], n)[:n]
    frame["x"], frame["z"] = rng.normal(size=n), rng.normal(size=n)
    frame["school"] = np.sort(rng.integers(0, 6, n))
    frame["count"] = rng.integers(1, 5, n)
    return frame


DATA = responses()
ITEM_DATA = pd.DataFrame({"a": [0.0, 1.0, 0.5, 2.0, -1.0]}, index=BINARY)
SCALE_DATA = pd.DataFrame({"a": [0.0, 1.0, 0.5]}, index=FOUR[:3])


def explained(table):
    return {item: {"Intercept": 1.0, "a": a} for item, a in table["a"].items()}


# items, their models, options of IRT, what Direct is told besides, and points a dimension
CASES = {
    **{
        model: (BINARY, model, {}, {}, 41)
        for model in ("Rasch", "1PL", "2PL", "3PL", "3PLu", "4PL")
    },
    **{model: (FOUR, model, {}, {}, 41) for model in ("graded", "PCM", "GPCM", "nominal")},
    "RSM": (FOUR[:3], "RSM", {}, {}, 41),
    "2PL probit": (BINARY, "2PL", {"link": "probit"}, {}, 41),
    "1PL probit": (BINARY, "1PL", {"link": "probit"}, {}, 41),
    "graded probit": (BINARY[:2] + FOUR, "graded", {"link": "probit"}, {}, 41),
    "mixed": (
        BINARY + FOUR,
        dict(zip(BINARY + FOUR,
                 ["3PL", "2PL", "Rasch", "4PL", "1PL", "graded", "GPCM", "nominal", "PCM"],
                 strict=True)),
        {}, {}, 41,
    ),
    "two dimensions": (
        BINARY, "2PL", {"dimensions": {"A": BINARY[:3], "B": BINARY[2:]}}, {}, 25,
    ),
    "two dimensions Rasch": (BINARY, "Rasch", {"dimensions": HALVES}, {}, 25),
    "two dimensions 1PL": (BINARY, "1PL", {"dimensions": HALVES}, {}, 25),
    "uncorrelated": (BINARY, "2PL", {"dimensions": HALVES, "correlated": False}, {}, 25),
    "two dimensions nominal": (
        FOUR, "nominal", {"dimensions": {"A": FOUR[:3], "B": FOUR[2:]}}, {}, 25,
    ),
    "groups": (BINARY, "2PL", {"groups": "group"}, {}, 41),
    "groups Rasch": (BINARY, "Rasch", {"groups": "group", "free_items": ["b2"]}, {}, 41),
    "groups without equality": (
        BINARY + FOUR[3:], {**dict.fromkeys(BINARY, "3PL"), "p4": "graded"},
        {"groups": "group", "group_equal": ()}, {}, 41,
    ),
    "groups with equal slopes": (
        FOUR, {**dict.fromkeys(FOUR, "GPCM"), "p2": "nominal"},
        {"groups": "group", "group_equal": "slopes"}, {}, 41,
    ),
    "groups with equal intercepts": (
        BINARY, "3PL", {"groups": "group", "group_equal": ["intercepts"]}, {}, 41,
    ),
    "groups, two dimensions": (
        BINARY, "2PL",
        {"dimensions": {"A": BINARY[:3], "B": BINARY[2:]}, "groups": "group", "free_items": ["b1"]},
        {}, 25,
    ),
    "regression": (BINARY, "2PL", {"regression": "~ x + z"}, {}, 41),
    "regression, two dimensions, groups": (
        BINARY, "2PL", {"dimensions": HALVES, "regression": "~ x + z", "groups": "group"}, {}, 25,
    ),
    "regression graded": (FOUR, "graded", {"regression": "~ x + z"}, {}, 41),
    "schools": (BINARY, "2PL", {"clusters": "school"}, {}, 25),
    "schools Rasch": (BINARY, "Rasch", {"clusters": "school", "regression": "~ x + z"}, {}, 25),
    "schools groups PCM": (FOUR, "PCM", {"clusters": "school", "groups": "group"}, {}, 25),
    "bifactor": (BINARY, "2PL", {"specific": TESTLETS}, {}, 25),
    "bifactor 3PL": (BINARY, "3PL", {"specific": TESTLETS}, {}, 25),
    "bifactor graded": (FOUR, "graded", {"specific": {"s": FOUR[1:]}}, {}, 25),
    "bifactor GPCM": (FOUR, "GPCM", {"specific": {"s": FOUR[:2], "t": FOUR[2:]}}, {}, 25),
    "bifactor nominal": (FOUR, "nominal", {"specific": {"s": FOUR[:2]}}, {}, 25),
    "bifactor Rasch": (BINARY, "Rasch", {"specific": TESTLETS}, {}, 25),
    "bifactor 1PL": (BINARY, "1PL", {"specific": TESTLETS}, {}, 25),
    "bifactor, groups, regression": (
        BINARY, "2PL", {"specific": TESTLETS, "groups": "group", "regression": "~ x + z"}, {}, 25,
    ),
    "bifactor, two general dimensions": (
        BINARY, "2PL", {"dimensions": HALVES, "specific": {"s": ["b2", "b4"]}, "correlated": True},
        {"step": 0.5}, 15,
    ),
    "bifactor, groups without equality": (
        FOUR, {**dict.fromkeys(FOUR, "nominal"), "p2": "GPCM", "p3": "PCM"},
        {"specific": {"s": FOUR[:3]}, "groups": "group", "group_equal": ["intercepts"]}, {}, 25,
    ),
    "groups, rating scales without equality": (
        FOUR[:3], "RSM", {"groups": "group", "group_equal": ()}, {}, 41,
    ),
    "testlets, two general dimensions": (
        BINARY, "2PL",
        {"dimensions": HALVES, "specific": {"s": ["b2", "b4"]}, "testlets": True}, {"step": 0.5}, 25,
    ),
    "testlets": (BINARY, "2PL", {"specific": TESTLETS, "testlets": True}, {}, 25),
    "testlets Rasch": (BINARY, "Rasch", {"specific": TESTLETS, "testlets": True}, {}, 25),
    "testlets nominal": (FOUR, "nominal", {"specific": {"s": FOUR[:3]}, "testlets": True}, {}, 25),
    "exploratory": (
        BINARY, "2PL", {"dimensions": 2},
        {"dimensions": {"theta1": BINARY, "theta2": BINARY[1:]}}, 25,
    ),
    "known slopes and intercepts": (
        BINARY, "2PL",
        {"fixed": {"b1": {"slope": 1.2, "intercept": 0.4}, "b2": {"slope": 0.8}}}, {}, 41,
    ),
    "known nominal and asymptotes": (
        BINARY[:3] + FOUR[:2],
        {"b1": "3PL", "b2": "2PL", "b3": "4PL", "p1": "nominal", "p2": "graded"},
        {
            "fixed": {
                "p1": {"slope": [0.4, 0.8, 1.2], "intercept": [0.4, 1.0, 0.3]},
                "p2": {"intercept": [1.0, 0.0, -1.0]},
                "b1": {"lower": 0.2}, "b3": {"upper": 0.95}, "b2": {"lower": 0.1, "upper": 0.9},
            },
            "groups": "group",
        },
        {}, 41,
    ),
    "LLTM": (
        BINARY, "Rasch", {"item_formula": "~ a", "item_data": ITEM_DATA, "regression": "~ x + z"},
        {"item_covariates": explained(ITEM_DATA)}, 41,
    ),
    "LLTM rating scale": (
        FOUR[:3], "RSM", {"item_formula": "~ a", "item_data": SCALE_DATA},
        {"item_covariates": explained(SCALE_DATA)}, 41,
    ),
    "counts": (BINARY, "2PL", {"freq_weights": "count", "regression": "~ x + z"}, {}, 41),
}  # fmt: skip


def both(case):
    """Return a model, the same in words, and parameters of it."""
    items, models, options, told, _ = CASES[case]
    model = smg.IRT(DATA, models, items=items, **options)
    names = models if isinstance(models, dict) else dict.fromkeys(items, models)
    codes = DATA[items].fillna(-1).to_numpy(dtype=int)
    covariates = {}
    if "regression" in options:
        covariates = {name: DATA[name].to_numpy() for name in ("x", "z")}
    told = {
        "dimensions": options.get("dimensions", {}), "specific": options.get("specific", {}),
        "testlets": options.get("testlets", False), "link": options.get("link", "logit"),
        "fixed": options.get("fixed", {}), "covariates": covariates,
        "groups": DATA["group"].to_numpy() if "groups" in options else None,
        "clusters": DATA["school"].to_numpy() if "clusters" in options else None,
        "weights": DATA["count"].to_numpy() if "freq_weights" in options else None,
        # slopes of several categories are steep
        "step": 1 / 3 if items == BINARY else 0.25,
        **told,
    }  # fmt: skip
    rng = np.random.default_rng(abs(sum(map(ord, case))))
    graded = [item for item, name in names.items() if name == "graded"]
    params = plausible(model.param_names, rng, graded)
    return model, Direct(names, codes, **told), params


@pytest.mark.parametrize("case", CASES)
def test_loglike_and_derivatives(case):
    model, direct, named = both(case)
    params = np.array(list(named.values()))
    model.fit(params, maxiter=0, n_points=CASES[case][-1], warn_convergence=False)
    expected = direct.loglike(named)
    assert model.loglike(params) == pytest.approx(expected, rel=1e-9)

    def along(direction, step=2e-4):
        # a difference of fourth order: near thresholds the third derivative is large
        moved = [params + k * step * direction for k in (-2, -1, 1, 2)]
        values = [direct.loglike(dict(zip(named, p, strict=True))) for p in moved]
        return np.dot([1, -8, 8, -1], values) / (12 * step)

    # all parameters at once in a random direction: an error in one of them shows
    rng = np.random.default_rng(0)
    direction = rng.uniform(0.5, 1.5, len(params)) * rng.choice([-1, 1], len(params))
    assert model.score(params) @ direction == pytest.approx(along(direction), rel=1e-6, abs=1e-5)
    step = 1e-5 * direction
    difference = (model.score(params + step) - model.score(params - step)) / 2e-5
    np.testing.assert_allclose(model.hessian(params) @ direction, difference, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_items_and_latent_distribution(case):
    model, direct, named = both(case)
    params = np.array(list(named.values()))
    q, z = len(direct.dimensions), 0.7
    theta = np.linspace(-1.5, 1.2, 4 * q).reshape(4, q)
    of_item = {item: label for label, listed in direct.specific.items() for item in listed}
    for g, group in enumerate(model.group_labels):
        bank = model.bank_at(params, g)
        assert bank.dimensions == (*direct.dimensions, *direct.specific)
        at = np.column_stack([theta, np.full((4, len(direct.specific)), z)])
        for item in bank.items:
            label = of_item.get(item.name)
            log_p = direct.log_probability(named, item.name, group, theta, np.array([z]), label)
            if label:
                log_p = log_p[:, 0]
            np.testing.assert_allclose(item.log_probabilities(at), log_p, rtol=1e-9, atol=1e-12)
        mean, root = direct.distribution(named, group)
        covariance = root @ root.T
        if direct.clusters is not None:
            above = direct.root(named, [f"{d}(school)" for d in direct.dimensions], "school")
            covariance = covariance + above @ above.T
        np.testing.assert_allclose(bank.mean[:q], mean, rtol=1e-12)
        np.testing.assert_allclose(bank.covariance[:q, :q], covariance, rtol=1e-9, atol=1e-12)
    means = model.latent_means(params)
    for i in range(5):
        expected = direct.distribution(named, None if direct.groups is None else direct.groups[i])[
            0
        ]
        for name, values in direct.covariates.items():
            expected = expected + [named[f"{d} ~ {name}"] * values[i] for d in direct.dimensions]
        np.testing.assert_allclose(means[i, :q], expected, rtol=1e-9, atol=1e-12)
