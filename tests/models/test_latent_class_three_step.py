"""Three-step analysis: formulas written out, and estimates against those of one step."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError

ITEMS = list("ABCDEF")


def simulated(n, seed, high=0.8):
    """Two classes with a covariate, and outcomes that depend on the class alone."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    member = (rng.random(n) < 1 / (1 + np.exp(0.3 - 0.7 * x))).astype(int)
    share = np.array([[high] * 6, [1 - high] * 6])[member]
    data = pd.DataFrame((rng.random((n, 6)) < share).astype(int), columns=ITEMS)
    data["x"] = x
    data["y"] = member + rng.normal(size=n) * np.array([1.0, 0.7])[member]
    data["z"] = np.where(rng.random(n) < np.array([0.3, 0.6])[member], "b", "a")
    return data


@pytest.fixture(scope="module")
def data():
    return simulated(2000, 1)


@pytest.fixture(scope="module")
def first(data):
    return smg.LatentClass(data, 2, items=ITEMS).fit(n_starts=4)


def errors_of(first):
    """P(assigned | class) from posterior probabilities."""
    p = first.posterior().to_numpy()
    assigned = np.eye(2)[p.argmax(axis=1)]
    joint = p.T @ assigned
    return joint / joint.sum(axis=1, keepdims=True), assigned, p


@pytest.mark.parametrize("assignment", ["modal", "proportional"])
def test_bch_means_written_out(data, first, assignment):
    out = first.three_step("y", method="bch", assignment=assignment)
    errors, assigned, p = errors_of(first)
    if assignment == "proportional":
        assigned = p
        errors = p.T @ p / p.sum(axis=0)[:, None]
    np.testing.assert_allclose(out.classification_errors, errors, atol=1e-12)
    weight = assigned @ np.linalg.inv(errors)
    y = data["y"].to_numpy()
    mean = weight.T @ y / weight.sum(axis=0)
    np.testing.assert_allclose(out.params, mean, atol=1e-12)
    influence = weight * (y[:, None] - mean) / weight.sum(axis=0)
    np.testing.assert_allclose(out.cov_params(), influence.T @ influence, atol=1e-14)
    difference = mean[1] - mean[0]
    variance = np.array([-1, 1]) @ (influence.T @ influence) @ np.array([-1, 1])
    assert out.tests["overall"].statistic == pytest.approx(difference**2 / variance)
    assert out.pairwise.loc[0, "difference"] == pytest.approx(difference)


def test_bch_logits_solve_their_equations(data, first):
    out = first.three_step(covariates="~ x", method="bch")
    errors, assigned, _ = errors_of(first)
    weight = assigned @ np.linalg.inv(errors)
    x = np.column_stack([np.ones(len(data)), data["x"]])
    second = 1 / (1 + np.exp(-x @ out.params.to_numpy()))
    score = x * (weight[:, 1] - second)[:, None]
    np.testing.assert_allclose(score.sum(axis=0), 0.0, atol=1e-6)
    bread = np.linalg.inv((x * (second * (1 - second))[:, None]).T @ x)
    np.testing.assert_allclose(out.cov_params(), bread @ score.T @ score @ bread, rtol=1e-6)


def test_ml_logits_maximise_the_likelihood_of_assignments(data, first):
    out = first.three_step(covariates="~ x", first_step=False)
    errors, assigned, _ = errors_of(first)
    x = np.column_stack([np.ones(len(data)), data["x"]])

    def loglike(beta):
        second = 1 / (1 + np.exp(-x @ beta))
        prior = np.column_stack([1 - second, second])
        return np.log(((prior @ errors) * assigned).sum(axis=1))

    beta, step = out.params.to_numpy(), 1e-4
    unit = np.eye(2) * step
    score = np.column_stack([(loglike(beta + u) - loglike(beta - u)) / (2 * step) for u in unit])
    np.testing.assert_allclose(score.sum(axis=0), 0.0, atol=1e-3)
    hessian = np.array(
        [
            [
                (
                    loglike(beta + u + v) - loglike(beta + u - v)
                    - loglike(beta - u + v) + loglike(beta - u - v)
                ).sum() / (4 * step**2)
                for u in unit
            ]
            for v in unit
        ]
    )  # fmt: skip
    bread = np.linalg.inv(-hessian)
    np.testing.assert_allclose(out.cov_params(), bread @ score.T @ score @ bread, rtol=2e-3)


def test_uncertainty_of_the_first_step(data, first):
    """What step 1 adds is the variance of step 3 as a function of the parameters of step 1."""
    with_it = first.three_step(covariates="~ x")
    without = first.three_step(covariates="~ x", first_step=False)
    errors, assigned, _ = errors_of(first)
    x = np.column_stack([np.ones(len(data)), data["x"]])

    def estimate(params):
        """Step 3 at other parameters of step 1, the assignments kept."""
        p = first.model.likelihood.posterior(params).lower[0][first.model.assembly.layout.of_row]
        joint = p.T @ assigned
        its = joint / joint.sum(axis=1, keepdims=True)
        beta = with_it.params.to_numpy()
        for _ in range(8):
            second = 1 / (1 + np.exp(-x @ beta))
            slope = (second * (1 - second))[:, None] * x
            prior = np.column_stack([1 - second, second])
            total = ((prior @ its) * assigned).sum(axis=1)
            gap = ((its[1] - its[0]) * assigned).sum(axis=1)
            score = slope * (gap / total)[:, None]
            beta = beta + np.linalg.solve(score.T @ score, score.sum(axis=0))
        return beta

    params, step = np.asarray(first.params), 1e-4
    slopes = np.column_stack(
        [(estimate(params + u) - estimate(params - u)) / (2 * step)
         for u in np.eye(len(params)) * step]
    )  # fmt: skip
    added = slopes @ first.cov_params().to_numpy() @ slopes.T
    difference = with_it.cov_params() - without.cov_params()
    np.testing.assert_allclose(difference, added, rtol=0.02, atol=1e-7)


@pytest.mark.parametrize("method", ["ml", "bch"])
def test_near_the_estimates_of_one_step(data, first, method):
    one = smg.LatentClass(data, 2, items=ITEMS, classes="~ x").fit(n_starts=4)
    three = first.three_step(covariates="~ x", method=method)
    gap = (three.params - one.params[three.params.index]) / three.bse
    assert gap.abs().max() < 1.0
    together = smg.LatentClass(data, 2, items=[*ITEMS, "y"]).fit(n_starts=4)
    three = first.three_step("y", method=method)
    gap = (three.params - together.params[three.params.index]) / three.bse
    assert gap.abs().max() < 1.0
    # without correction the difference would be much too small
    naive = data["y"].groupby(first.assigned_class()).mean()
    assert abs(naive.diff().iloc[-1]) < abs(three.params.diff().iloc[-1]) - 3 * 0.03


@pytest.mark.parametrize("method", ["ml", "bch"])
def test_categories(data, first, method):
    out = first.three_step("z", method=method)
    assert list(out.params.index) == [f"class{c}:z[{k}]" for c in (1, 2) for k in "ab"]
    np.testing.assert_allclose(out.params.to_numpy().reshape(2, 2).sum(axis=1), 1.0)
    truth = np.array([[0.7, 0.3], [0.4, 0.6]])
    gap = (out.params - truth.ravel()) / out.bse
    assert gap.abs().max() < 3
    assert out.tests["overall"].df == 1
    assert "Equal in all classes" in str(out)


def test_frequencies_count_as_rows(data):
    rounded = data.assign(y=data["y"].round(), x=data["x"].round())
    counts = rounded.groupby([*ITEMS, "x", "y"], as_index=False).size()
    one = smg.LatentClass(rounded, 2, items=ITEMS).fit(n_starts=4)
    two = smg.LatentClass(counts, 2, items=ITEMS, freq_weights="size").fit(n_starts=4)
    for method in ("ml", "bch"):
        for keyword in ({"distal": "y"}, {"covariates": "~ x"}):
            a, b = (r.three_step(method=method, **keyword) for r in (one, two))
            np.testing.assert_allclose(a.params, b.params, atol=1e-6)
            np.testing.assert_allclose(a.bse, b.bse, rtol=1e-4)


def test_other_data_and_missing_outcomes(data, first):
    more = pd.DataFrame({"w": data["y"].where(np.arange(len(data)) % 5 > 0)}, index=data.index)
    out = first.three_step("w", method="bch", data=more)
    again = first.three_step(more["w"], method="bch")
    np.testing.assert_array_equal(out.params, again.params)
    assert np.isfinite(first.three_step("w", data=more).bse).all()


@pytest.mark.parametrize(
    ("keyword", "message"),
    [
        ({}, "one of them"),
        ({"distal": "q"}, "no column of the data"),
        ({"distal": "y", "method": "lanza"}, "use 'ml' or 'bch'"),
        ({"distal": "y", "assignment": "proportional"}, "goes with assignment='modal'"),
        ({"distal": "z", "family": "gaussian"}, "not numeric"),
        ({"distal": np.zeros(2000)}, "constant"),
        ({"distal": np.zeros(3)}, "3 entries"),
        ({"covariates": "~ nothing"}, "nothing"),
    ],
)
def test_bad_input(first, keyword, message):
    with pytest.raises(SpecificationError, match=message):
        first.three_step(**keyword)


@pytest.mark.study
@pytest.mark.filterwarnings("ignore")
def test_standard_errors_are_those_of_simulation():
    """Means and standard deviations of estimates in 100 samples with badly separated classes."""
    rows = []
    for seed in range(100):
        data = simulated(1000, 100 + seed, 0.75)
        first = smg.LatentClass(data, 2, items=ITEMS).fit(n_starts=4)
        sign = 1.0 if first.params.iloc[0] > 0 else -1.0
        row = {}
        for method in ("ml", "bch"):
            out = first.three_step(covariates="~ x", method=method)
            row[method] = sign * out.params.iloc[1]
            row[f"{method}_se"] = out.bse.iloc[1]
        rows.append(row)
    table = pd.DataFrame(rows)
    for method in ("ml", "bch"):
        sd = table[method].std()
        assert table[method].mean() == pytest.approx(0.7, abs=3 * sd / 10 + 0.02)
        assert table[f"{method}_se"].mean() == pytest.approx(sd, rel=0.25)


def test_what_is_wrong_is_said(data, first):
    """A covariate that tells the class perfectly."""
    assigned = (first.assigned_class() == "class2").astype(float)
    more = data.assign(who=assigned)
    with pytest.warns(Warning):
        out = first.three_step(covariates="~ who", data=more)
    assert out.notes and out.notes[0] in str(out)
