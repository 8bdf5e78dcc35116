"""Parameters of models with latent variables: total effects, round trips, derivatives, brute force."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import sm_gllamm.api as smg
from sm_gllamm.engine.problem import Evaluation
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.marginal import MarginalLikelihood
from sm_gllamm.mapping.polynomials import Monomial, Polynomials
from sm_gllamm.mapping.structural import Coefficient, LatentEquation, Path, reduced_form
from sm_gllamm.specification.latent import Latent

ITEMS = "0 + C(item)"


# ---------------------------------------------------------------------------- total effects
def equation(name, *parents):
    """Return a latent variable regressed on others, its loadings left out."""
    paths = tuple(Path(p, (p,), None, Coefficient(f"{name}~{p}")) for p in parents)
    return LatentEquation(name, 0, (), paths)


def matrix_of_effects(latents, values):
    """Evaluate total effects of every latent variable on every other at named path coefficients."""
    names = list(values)
    theta = np.array(list(values.values()))

    def parameter(coefficient):
        return Monomial(1.0, (names.index(coefficient.name),))

    out = np.zeros((len(latents), len(latents)))
    for m, form in enumerate(reduced_form(latents, parameter)):
        for ((source,), _), products in form.items():
            out[m, source] = Polynomials([products], len(names)).values(theta)[0]
    return out


def test_total_effects_are_the_inverse_of_i_minus_b():
    latents = [equation("d", "b", "c"), equation("a"), equation("c", "a", "b"), equation("b", "a")]
    names = [latent.name for latent in latents]
    values = {"d~b": 0.3, "d~c": -1.2, "c~a": 0.9, "c~b": 2.0, "b~a": -0.4}
    b = np.zeros((4, 4))
    for path, value in values.items():
        b[names.index(path[0]), names.index(path[2])] = value
    expected = np.linalg.inv(np.eye(4) - b)
    np.testing.assert_allclose(matrix_of_effects(latents, values), expected, atol=1e-13)


@pytest.mark.parametrize(
    "latents",
    [
        [equation("a", "a")],
        [equation("a", "b"), equation("b", "a")],
        [equation("a", "b"), equation("b", "c"), equation("c", "a"), equation("d", "a")],
    ],
)
def test_cycle_is_named(latents):
    with pytest.raises(SpecificationError, match="cycle: a <- "):
        reduced_form(latents, lambda coefficient: Monomial(1.0))


def test_products_of_three_disturbances_are_refused():
    squared = LatentEquation("b", 0, (), (Path("a:a", ("a", "a"), None, Coefficient("b~a:a")),))
    cubic = LatentEquation("c", 0, (), (Path("a:b", ("a", "b"), None, Coefficient("c~a:b")),))
    with pytest.raises(SpecificationError, match="c ~ a:b is a product of more than two"):
        reduced_form([equation("a"), squared, cubic], lambda coefficient: Monomial(1.0))


# ---------------------------------------------------------------------------- models
def items(n_clusters=8, n_persons=3, n_items=4, seed=1):
    """Return items of persons in clusters, with covariates at every level."""
    rng = np.random.default_rng(seed)
    n = n_clusters * n_persons
    person = np.repeat(np.arange(n), n_items)
    cluster = person // n_persons
    item = np.tile(np.arange(1, n_items + 1), n)
    w, x = rng.normal(size=n_clusters)[cluster], rng.normal(size=n)[person]
    trait = rng.normal(size=n)[person] + 0.7 * rng.normal(size=n_clusters)[cluster] + 0.5 * x
    nu = np.linspace(-0.5, 0.5, n_items)[item - 1] + np.linspace(1, 0.6, n_items)[item - 1] * trait
    data = pd.DataFrame({"person": person, "cluster": cluster, "item": item, "w": w, "x": x})
    data["z"] = rng.normal(size=len(data))
    data["binary"] = (rng.random(len(data)) < 1 / (1 + np.exp(-nu))).astype(float)
    data["gaussian"] = nu + rng.normal(size=len(data))
    data["ordinal"] = pd.cut(data.gaussian, [-np.inf, -0.5, 0.6, np.inf], labels=["a", "b", "c"])
    data["kind"] = np.where(item <= 2, "g", "b")
    data["mixed"] = np.where(item <= 2, data.gaussian, data.binary)
    for k in range(1, n_items + 1):
        data[f"d{k}"] = (item == k).astype(float)
    return data


def choices(n=12, sets=3, alternatives=3, seed=4):
    """Return choice sets of persons, with an attribute of the alternatives."""
    rng = np.random.default_rng(seed)
    rows = n * sets * alternatives
    data = pd.DataFrame({
        "person": np.repeat(np.arange(n), sets * alternatives),
        "set": np.repeat(np.arange(n * sets), alternatives),
        "brand": np.tile(["a", "b", "c"], n * sets),
        "price": rng.normal(size=rows),
    })  # fmt: skip
    utility = rng.gumbel(size=rows) - data.price + 0.8 * (data.brand == "b") * (data.person % 3)
    data["choice"] = (utility == utility.groupby(data["set"]).transform("max")).astype(float)
    data["B"], data["C"] = (data.brand == "b").astype(float), (data.brand == "c").astype(float)
    data["x"] = rng.normal(size=n)[data.person]
    return data


FORMULA = "{} ~ 0 + C(item)"
PAIR = [Latent("f", "person", "0 + d1 + d2"), Latent("g", "person", "0 + d3 + d4")]
EQUAL = {"2": "two", "3": "three", "4": "four"}
LEVELS = [
    Latent("within", "person", ITEMS, equal=EQUAL),
    Latent("between", "cluster", ITEMS, equal=EQUAL),
]


def build(case):
    """Return the model of a case."""
    data = items()

    def model(y, latent, **options):
        return smg.GLLAMM.from_formula(FORMULA.format(y), data, latent=latent, **options)

    factor = [Latent("f", "person", ITEMS)]
    if case == "factor":
        return model("gaussian", factor, dispersion="~ 0 + C(item)")
    if case == "binary factor":
        return model("binary", factor, family="binomial")
    if case == "correlated factors":
        return model("binary", PAIR, family="binomial")
    if case == "regressions":
        paths = ["f ~ x", "g ~ f + x + w", "h ~ w"]
        return model(
            "binary", [*PAIR, Latent("h", "cluster")], regressions=paths, family="binomial",
            covariance="diagonal",
        )  # fmt: skip
    if case == "path to the cluster":
        return model("binary", LEVELS, regressions=["within ~ between + x"], family="binomial")
    if case == "equal loadings":
        return model("binary", LEVELS, regressions=["between ~ w"], family="binomial")
    if case == "unit variance":
        return model(
            "binary", PAIR, regressions=["g ~ f + x"], identification="variance", family="binomial"
        )
    if case == "equal variances":
        return model("binary", PAIR, covariance="equal", family="binomial")
    if case == "fixed loadings":
        latent = [Latent("f", "person", ITEMS, fixed={"1": 0.5, "4": -1.0}), Latent("h", "cluster")]
        return model("gaussian", latent, regressions=["f ~ h"])
    if case == "random coefficient regressed":
        latent = [Latent("h", "person"), Latent("slope", "person", "0 + z")]
        return model(
            "binary", latent, regressions=["slope ~ x", "h ~ slope"], covariance="diagonal",
            family="binomial",
        )  # fmt: skip
    if case == "mixed families":
        return model(
            "mixed", factor, regressions=["f ~ x"],
            family={"g": "gaussian", "b": "binomial"}, family_by="kind",
        )  # fmt: skip
    if case == "ordinal items":
        return smg.GLLAMM.from_formula(
            "ordinal ~ d2 + d3 + d4", data, latent=factor, regressions=["f ~ x + w"],
            family=smg.families.Ordinal(),
        )  # fmt: skip
    if case == "correlations":
        return model(
            "binary", [*PAIR, Latent("h", "person")], identification="variance", family="binomial"
        )
    if case == "pattern":
        latent = [Latent(name, "person", f"0 + d{k}") for k, name in enumerate("abcd", 1)]
        pairs = [("b", "a"), ("a", "c"), ("d", "c")]
        return model("gaussian", latent, covariance=pairs, dispersion="~ 0 + C(item)")
    if case == "pattern of correlations":
        latent = [Latent(name, "person", f"0 + d{k}") for k, name in enumerate("abcd", 1)]
        return model(
            "binary", latent, covariance={"person": [("a", "c"), ("c", "d"), ("a", "d")]},
            identification="variance", family="binomial",
        )  # fmt: skip
    if case == "known coefficients":
        latent = [
            replace(PAIR[0], variance=2.0),
            replace(PAIR[1], variance=0.0),
            Latent("h", "person"),
        ]
        paths = [
            smg.Regression("g", "f + h + x + z0", fixed={"f": 0.7}, equal={"x": "b", "z0": "b"}),
            smg.Regression("h", "x", equal={"x": "b"}),
        ]
        return smg.GLLAMM.from_formula(
            FORMULA.format("binary"), data.assign(z0=-data.w), latent=latent, regressions=paths,
            covariance="diagonal", family="binomial",
        )  # fmt: skip
    if case == "products":
        latent = [*PAIR, Latent("h", "cluster")]
        return model(
            "binary",
            latent,
            regressions=["g ~ f*h + f:f + f:x + x", "f ~ x + w"],
            family="binomial",
        )
    assert case == "choices"
    return smg.GLLAMM.from_formula(
        "choice ~ 0 + B + C + price", choices(), latent=[Latent("f", "person", "0 + B + C + price")],
        regressions=["f ~ x"], family=smg.families.Choice(), sets="set",
    )  # fmt: skip


CASES = [
    "factor", "binary factor", "correlated factors", "regressions", "path to the cluster",
    "equal loadings", "unit variance", "equal variances", "fixed loadings",
    "random coefficient regressed", "mixed families", "ordinal items", "choices", "correlations",
    "pattern", "pattern of correlations", "known coefficients", "products",
]  # fmt: skip


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """A model and parameters that are no maximum."""
    model = build(request.param)
    rng = np.random.default_rng(5)
    theta = 0.6 * rng.normal(size=model.mapping.k_params)
    for _, slot in model.mapping.slots:
        if slot.slot == "threshold":
            theta[model.mapping.slot("threshold")[0]] = [-0.6, 0.7]
    return model, model.mapping.normalised(theta)


def test_round_trip(case):
    model, theta = case
    mapping = model.mapping
    np.testing.assert_allclose(mapping.theta(mapping.params(theta)), theta, rtol=1e-10, atol=1e-12)


def test_derivatives_in_the_entries_of_the_engine(case):
    model, theta = case
    mapping = model.mapping
    n_active, step = len(mapping.phi(theta)), 1e-5
    weights = np.random.default_rng(2).normal(size=n_active)

    def jacobian(point):
        return mapping.score_in_theta(np.eye(n_active), point)

    flat = Evaluation(np.zeros(1), weights[None], np.zeros((n_active, n_active)))
    bends = mapping.hessian_in_theta(flat, theta)
    for t in range(len(theta)):
        move = np.zeros(len(theta))
        move[t] = step
        slope = (mapping.phi(theta + move) - mapping.phi(theta - move)) / (2 * step)
        np.testing.assert_allclose(jacobian(theta)[:, t], slope, atol=1e-8)
        bend = weights @ (jacobian(theta + move) - jacobian(theta - move)) / (2 * step)
        np.testing.assert_allclose(bends[t], bend, atol=1e-8)


def test_score_and_hessian_with_nodes_held(case):
    model, theta = case
    likelihood = MarginalLikelihood(model.assembly.problem, model.mapping, 1)
    likelihood.use(model.default_quadrature())
    likelihood.place(theta)
    mapping, integrator, k, step = model.mapping, likelihood.integrator, len(theta), 1e-4

    def at(point, want):
        integrator.set_phi(mapping.phi(point))
        return integrator.evaluate(want)

    centre = at(theta, 2)
    score = mapping.score_in_theta(centre.score, theta).sum(0)
    hessian = mapping.hessian_in_theta(centre, theta)
    slopes, bends = np.empty(k), np.empty((k, k))
    for t in range(k):
        points = [theta + s * step * np.eye(k)[t] for s in (-2, -1, 1, 2)]
        results = [at(point, 1) for point in points]
        values = np.array([r.loglike.sum() for r in results])
        scores = np.array(
            [
                mapping.score_in_theta(r.score, p).sum(0)
                for r, p in zip(results, points, strict=True)
            ]
        )
        fourth_order = np.array([1, -8, 8, -1]) / (12 * step)
        slopes[t], bends[t] = fourth_order @ values, fourth_order @ scores
    np.testing.assert_allclose(score, slopes, rtol=1e-7, atol=1e-7 * np.abs(slopes).max())
    np.testing.assert_allclose(hessian, bends, rtol=1e-7, atol=1e-8 * np.abs(bends).max())


# ---------------------------------------------------------------------------- brute force
def test_loglike_of_loadings_at_two_levels_by_brute_force():
    data = items(n_clusters=6, n_persons=3, n_items=3)
    latent = [
        Latent("within", "person", ITEMS),
        Latent("between", "cluster", ITEMS, equal={"2": "two"}),
    ]
    model = smg.GLLAMM.from_formula(
        FORMULA.format("binary"), data, latent=latent,
        regressions=["within ~ between + x", "between ~ w"], family="binomial",
    )  # fmt: skip
    values = {
        "C(item)[1]": -0.3, "C(item)[2]": 0.1, "C(item)[3]": 0.5, "var(between|cluster)": 0.8,
        "var(within|person)": 1.3, "loading(within: C(item)[2])": 0.7,
        "loading(within: C(item)[3])": 1.4, "loading(two)": -0.6,
        "loading(between: C(item)[3])": 0.9, "within ~ between": 0.5, "within ~ x": -0.4,
        "between ~ w": 0.8,
    }  # fmt: skip
    assert set(values) == set(model.param_names)
    ours = model.loglike_at([values[name] for name in model.param_names], n_points=31)

    zeta = np.linspace(-8, 8, 161)
    density = stats.norm.pdf(zeta) * (zeta[1] - zeta[0])
    beta = np.array([-0.3, 0.1, 0.5])
    of_within, of_between = np.array([1.0, 0.7, 1.4]), np.array([1.0, -0.6, 0.9])
    total = 0.0
    for _, in_cluster in data.groupby("cluster"):
        between = 0.8 * in_cluster.w.iloc[0] + np.sqrt(0.8) * zeta
        likelihood = np.ones(len(zeta))
        for _, rows in in_cluster.groupby("person"):
            # disturbance of the person by that of the cluster
            within = 0.5 * between - 0.4 * rows.x.iloc[0] + np.sqrt(1.3) * zeta[:, None]
            k = rows.item.to_numpy() - 1
            nu = beta[k] + of_within[k] * within[..., None] + of_between[k] * between[:, None]
            signs = 2 * rows.binary.to_numpy() - 1
            likelihood *= density @ np.prod(1 / (1 + np.exp(-signs * nu)), axis=-1)
        total += np.log(density @ likelihood)
    assert ours == pytest.approx(total, rel=1e-9)


def test_loglike_of_products_by_brute_force():
    data = items(n_clusters=5, n_persons=2, n_items=4)
    latent = [*PAIR, Latent("h", "cluster"), Latent("s", "cluster", "0 + z", variance=0.0)]
    model = smg.GLLAMM.from_formula(
        FORMULA.format("binary"), data, latent=latent,
        regressions=["g ~ f*h + f:x", "f ~ x", "s ~ h:h + w"], family="binomial",
    )  # fmt: skip
    values = {
        "C(item)[1]": -0.3, "C(item)[2]": 0.1, "C(item)[3]": 0.5, "C(item)[4]": 0.2,
        "loading(f: d2)": 0.7, "loading(g: d4)": -1.2, "var(f|person)": 1.3, "var(g|person)": 0.6,
        "var(h|cluster)": 0.8, "f ~ x": 0.4, "g ~ f": 0.5, "g ~ h": -0.7, "g ~ f:h": 0.6,
        "g ~ f:x": 0.3, "s ~ h:h": 0.4, "s ~ w": -0.2,
    }  # fmt: skip
    assert set(values) == set(model.param_names)
    ours = model.loglike_at([values[name] for name in model.param_names], n_points=41)

    node = np.linspace(-7, 7, 71)
    density = stats.norm.pdf(node) * (node[1] - node[0])
    beta, total = np.array([-0.3, 0.1, 0.5, 0.2]), 0.0
    for _, in_cluster in data.groupby("cluster"):
        h = np.sqrt(0.8) * node[:, None, None]
        s = 0.4 * h**2 - 0.2 * in_cluster.w.iloc[0]
        likelihood = np.ones(len(node))
        for _, rows in in_cluster.groupby("person"):
            x = rows.x.iloc[0]
            f = 0.4 * x + np.sqrt(1.3) * node[None, :, None]
            g = 0.5 * f - 0.7 * h + 0.6 * f * h + 0.3 * f * x + np.sqrt(0.6) * node[None, None, :]
            kernel = np.ones((len(node),) * 3)
            for item, y, z in zip(rows.item, rows.binary, rows.z, strict=True):
                factor = [f, 0.7 * f, g, -1.2 * g][item - 1]
                nu = beta[item - 1] + factor + h + z * s
                kernel = kernel / (1 + np.exp(-(2 * y - 1) * nu))
            likelihood *= kernel @ density @ density
        total += np.log(density @ likelihood)
    assert ours == pytest.approx(total, rel=1e-7)
