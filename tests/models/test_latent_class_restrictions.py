"""Latent class models under restrictions, against optimisation of the likelihood written out."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special

import sm_gllamm.api as smg
from sm_gllamm.datasets import lsat
from sm_gllamm.exceptions import SpecificationError
from tests.reference import load_data

ITEMS = [f"item_{j}" for j in range(1, 6)]


@pytest.fixture(scope="module")
def data():
    return lsat.load_pandas().data[ITEMS]


@pytest.fixture(scope="module")
def carcinoma():
    return load_data("carcinoma")[list("ABCDEFG")]


def loglike(y, probability, size):
    """Of binary responses y (n, J), probabilities (C, J) and sizes (C,)."""
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    logs = y @ np.log(p).T + (1 - y) @ np.log(1 - p).T + np.log(size)
    return np.logaddexp.reduce(logs, axis=1).sum()


def test_equations_between_classes_and_items(data):
    model = smg.LatentClass(data, 2)
    result = model.fit_constrained(
        "class1:item_1[1] = class2:item_5[1], class1:item_2[1] = 0.5", n_starts=4
    )
    params = result.params
    assert params["class1:item_1[1]"] == pytest.approx(params["class2:item_5[1]"])
    assert params["class1:item_2[1]"] == 0.5 and result.bse["class1:item_2[1]"] == 0.0
    assert result.df_modelwc == 11 - 2 and result.converged

    y = data.to_numpy()
    assert result.llf == pytest.approx(at_params(y, params), abs=1e-8)
    found = max(_optimised(y, seed) for seed in range(4))
    assert result.llf >= found - 1e-5


def at_params(y, params):
    table = np.array([[params[f"class{c}:item_{j}[1]"] for j in range(1, 6)] for c in (1, 2)])
    logit = params["logit(class2):Intercept"]
    return loglike(y, 1 / (1 + np.exp(-table)), np.array([1, np.exp(logit)]) / (1 + np.exp(logit)))


def _optimised(y, seed):
    def value(z):
        table = np.array([[z[0], 0.5, z[1], z[2], z[3]], [z[4], z[5], z[6], z[7], z[0]]])
        size = np.array([1, np.exp(z[8])]) / (1 + np.exp(z[8]))
        return -loglike(y, special.expit(table), size)

    start = np.random.default_rng(seed).normal(size=9)
    return -optimize.minimize(value, start, method="BFGS").fun


def test_parallel_indicators_and_likelihood_ratio(data):
    """The same probabilities for two items."""
    model = smg.LatentClass(data, 2)
    full = model.fit(n_starts=4)
    equal = model.fit_constrained(
        [f"class{c}:item_2[1] = class{c}:item_4[1]" for c in (1, 2)], n_starts=4
    )
    test = full.compare_lr_test(equal)
    assert test.df_diff == 2 and test.statistic == pytest.approx(2 * (full.llf - equal.llf))
    assert "Subject to" in str(equal.summary())
    # standard errors are those of the information along the constraints
    evaluation = model.likelihood.evaluate(equal.theta, 2)
    basis = np.linalg.svd(equal.constraints.matrix)[2][2:].T
    cov = basis @ np.linalg.inv(basis.T @ -evaluation.hessian @ basis) @ basis.T
    np.testing.assert_allclose(equal.cov_params(), cov, rtol=1e-6, atol=1e-10)


def test_order_is_the_best_that_has_it(carcinoma):
    with pytest.warns(Warning, match="boundary"):
        result = smg.LatentClass(carcinoma, 3, order=list("ABCDEFG")).fit(n_starts=6)
    table = np.array([[result.params[f"class{c}:{j}[2]"] for j in "ABCDEFG"] for c in (1, 2, 3)])
    assert (np.diff(table, axis=0) >= -1e-9).all()
    y = carcinoma.to_numpy() - 1

    def value(z):
        size = np.exp(np.append(0.0, z[21:]))
        return -loglike(y, z[:21].reshape(3, 7), size / size.sum())

    steps = [
        {"type": "ineq", "fun": lambda z, c=c: z[7 * c + 7 : 7 * c + 14] - z[7 * c : 7 * c + 7]}
        for c in (0, 1)
    ]
    best = -np.inf
    for seed in range(3):
        rng = np.random.default_rng(seed)
        start = np.append(np.sort(rng.uniform(0.1, 0.9, (3, 7)), axis=0).ravel(), [0.0, 0.0])
        found = optimize.minimize(
            value, start, method="SLSQP", constraints=steps,
            bounds=[(1e-9, 1 - 1e-9)] * 21 + [(-5, 5)] * 2, options={"maxiter": 300},
        )  # fmt: skip
        best = max(best, -found.fun)
    assert result.llf >= best - 1e-4
    # the unrestricted maximum breaks the order in one indicator
    assert result.llf < -293.704979
    assert "class2:B[2] = class3:B[2]" in str(result.summary())
    assert "In the order of the classes" in str(result.summary())


def test_order_of_means():
    rng = np.random.default_rng(4)
    member = rng.integers(0, 3, 300)
    y = pd.DataFrame(
        {
            "a": np.array([2.0, 0.0, 4.0])[member] + rng.normal(size=300),
            "b": np.array([1.0, 0.0, 1.0])[member] + 0.5 * rng.normal(size=300),
        }
    )
    result = smg.LatentClass(y, 3, order=["a"]).fit(n_starts=4)
    means = [result.params[f"class{c}:a"] for c in (1, 2, 3)]
    assert means == sorted(means)


def test_structural_zeros(carcinoma):
    with pytest.warns(Warning, match="boundary"):
        free = smg.LatentClass(carcinoma, 2).fit(n_starts=4)
        result = smg.LatentClass(carcinoma, 2, zeros=["class2:A[1]", "class1:C[2]"]).fit(n_starts=4)
    # the unrestricted estimates have these zeros, in classes of other numbers
    assert result.llf == pytest.approx(free.llf, abs=1e-8)
    assert result.df_modelwc == free.df_modelwc - 2
    p = 1 / (1 + np.exp(-result.params[["class2:A[2]", "class1:C[2]"]]))
    np.testing.assert_allclose(p, [1.0, 0.0], atol=1e-15)


def test_common_thresholds_of_ordinal_indicators():
    rng = np.random.default_rng(7)
    member = rng.integers(0, 2, 800)
    cut = np.array([-0.5, 0.7])
    y = {}
    for j in range(4):
        latent = np.array([-1.2, 1.2])[member] + rng.logistic(size=800)
        y[f"y{j}"] = (latent[:, None] > cut).sum(axis=1)
    data = pd.DataFrame(y)
    families = dict.fromkeys(data, "ordinal")
    free = smg.LatentClass(data, 2, families=families).fit(n_starts=3)
    result = smg.LatentClass(data, 2, families=families, equal="thresholds").fit(n_starts=3)
    nominal = smg.LatentClass(data, 2).fit(n_starts=3)
    # without restriction ordinal and nominal probabilities are the same model
    assert free.llf == pytest.approx(nominal.llf, abs=1e-6)
    test = free.compare_lr_test(result)
    assert test.df_diff == 4 and test.pvalue > 0.01
    p = result.params
    for name in data:
        gap = [
            p[f"class{c}:{name}:threshold(1|2)"] - p[f"class{c}:{name}:threshold(0|1)"]
            for c in (1, 2)
        ]
        assert gap[0] == pytest.approx(gap[1])


def test_variances():
    rng = np.random.default_rng(2)
    member = rng.integers(0, 2, 400)
    data = pd.DataFrame({f"y{j}": 3.0 * member + rng.normal(size=400) for j in range(2)})
    model = smg.LatentClass(data, 2)
    one = model.fit_constrained("class1:var(y0) = class2:var(y0)", n_starts=2)
    assert one.params["class1:var(y0)"] == pytest.approx(one.params["class2:var(y0)"])
    two = model.fit_constrained({"class1:var(y1)": 1.0}, n_starts=2)
    assert two.params["class1:var(y1)"] == pytest.approx(1.0)
    with pytest.raises(SpecificationError, match="variances may be equal or have a value"):
        model.fit_constrained("class1:var(y0) + class2:var(y0) = 2")


@pytest.mark.parametrize(
    ("keyword", "message"),
    [
        ({"order": ["x"]}, "no indicator"),
        ({"zeros": ["class3:item_1[1]"]}, "no category"),
        ({"equal": ["nothing"]}, "equal names 'nothing'"),
    ],
)
def test_bad_restrictions(data, keyword, message):
    with pytest.raises(SpecificationError, match=message):
        smg.LatentClass(data, 2, **keyword)


def test_order_needs_two_categories():
    data = pd.DataFrame({"a": [1, 2, 3] * 5, "b": [1, 2, 2] * 5, "c": [1, 1, 2] * 5})
    with pytest.raises(SpecificationError, match="'a', which has 3 categories"):
        smg.LatentClass(data, 2, order=["a"])


def test_contradictions_are_named(data):
    model = smg.LatentClass(data, 2)
    with pytest.raises(SpecificationError, match="contradict"):
        model.fit_constrained("class1:item_1[1] = 1, class1:item_1[1] = 2")


@pytest.mark.filterwarnings("ignore::sm_gllamm.exceptions.BoundaryWarning")
def test_bootstrap_keeps_restrictions(data):
    model = smg.LatentClass(data, 2)
    equal = model.fit_constrained("class1:item_2[1] = class1:item_4[1]", n_starts=3)
    sample = equal.bootstrap(3, seed=1)
    np.testing.assert_allclose(sample.params["class1:item_2[1]"], sample.params["class1:item_4[1]"])
    ordered = smg.LatentClass(data, 2, order=ITEMS).fit(n_starts=3)
    sample = ordered.bootstrap(3, seed=1, method="parametric").params
    assert (sample["class2:item_1[1]"] >= sample["class1:item_1[1]"] - 1e-9).all()
    one = smg.LatentClass(data, 1).fit()
    test = ordered.compare_blrt(one, n_rep=3, n_starts=3)
    assert len(test.samples) == 3 and (test.samples > -1e-6).all()
    with pytest.raises(SpecificationError, match="without restrictions"):
        ordered.compare_lmr(one)
    with pytest.raises(SpecificationError, match="without fit_constrained"):
        equal.compare_blrt(one)
