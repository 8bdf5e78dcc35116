"""Dropout that depends on random effects: published results, brute-force integrals, simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import sm_gllamm.formula.api as smgf
from tests.test_examples import load_example

example = load_example("field_dependent_dropout")


@pytest.fixture(scope="module")
def wedge():
    return example.wedge_model(example.load_wedge())


def published(model):
    return example.PUBLISHED[model.param_names].to_numpy()


# Nodes where gsem puts them; 15 points by an independent program at the printed estimates.
@pytest.mark.parametrize(("points", "llf"), [(7, example.PUBLISHED_LLF), (15, -30985.6997)])
def test_published_loglike_belongs_to_its_points(wedge, points, llf):
    value = wedge.loglike_at(published(wedge), n_points=points, integration="meansd")
    assert value == pytest.approx(llf, abs=0.02)


def test_maximum_of_the_published_model():
    result = example.fit_wedge(example.load_wedge())
    assert result.converged
    assert result.llf == pytest.approx(-30980.9993, abs=2e-3)
    # seven points are not enough, but not far off: most estimates are near
    params = result.params
    near = [name for name in params.index if "period" in name or "treated" in name]
    np.testing.assert_allclose(params[near], example.PUBLISHED[near], atol=0.05)
    # ignoring the dropout underestimates the means of the periods by far
    alone = example.fit_wedge_alone(example.load_wedge())
    assert (alone.params[:5].to_numpy() < params[:5].to_numpy() - 4).all()
    assert alone.llf == pytest.approx(-27892.793, abs=1e-2)


def trial_loglike(rows, params, nodes=60):
    """The trial's log-likelihood by a fixed product rule over standard normal variables."""
    u, weight = np.polynomial.hermite_e.hermegauss(nodes)
    log_weight = np.log(weight / weight.sum())
    covariance = params["cov(level,slope|person)"]
    factor = np.linalg.cholesky(
        [[params["var(level|person)"], covariance], [covariance, params["var(slope|person)"]]]
    )
    level = factor[0, 0] * u[:, None] + 0.0 * u
    slope = factor[1, 0] * u[:, None] + factor[1, 1] * u
    sd = np.sqrt(params["var(Residual)[outcome]"])
    total = 0.0
    for _, own in rows.groupby("person"):
        terms = log_weight[:, None] + log_weight
        for row in own.itertuples():
            if row.kind == "outcome":
                trend = params["outcome:time"] + params["outcome:time:drug"] * row.drug
                mean = params["outcome"] + level + (trend + slope) * row.time
                terms = terms + stats.norm.logpdf(row.y, mean, sd)
            else:
                nu = params["leave"] + params["leave:drug"] * row.drug
                nu = nu + params["loading(level: leave)"] * level
                nu = nu + params["loading(slope: leave)"] * slope
                terms = terms + (np.log(-np.expm1(-np.exp(nu))) if row.y else -np.exp(nu))
        total += np.logaddexp.reduce(terms, axis=None)
    return total


def test_loglike_of_the_trial_by_brute_force():
    rows = example.simulate_trial(40)
    model = example.trial_model(rows)
    truth = example.TRUTH[model.param_names]
    exact = trial_loglike(rows, truth)
    assert model.loglike_at(truth.to_numpy(), n_points=15) == pytest.approx(exact, abs=1e-4)


def test_the_trial_recovers_the_slopes():
    rows = example.simulate_trial(4000, seed=2)
    joint = example.trial_model(rows).fit()
    truth = example.TRUTH[joint.params.index]
    assert np.abs((joint.params - truth) / joint.bse).max() < 3
    seen = rows[rows["kind"] == "outcome"]
    alone = smgf.glmm("y ~ time + time:drug + (1 + time | person)", seen).fit()
    assert alone.params["time"] < example.TRUTH["outcome:time"] - 5 * alone.bse["time"]


def test_script_runs(capsys):
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)


@pytest.mark.study
@pytest.mark.filterwarnings("ignore::sm_gllamm.exceptions.BoundaryWarning")
@pytest.mark.filterwarnings("ignore::sm_gllamm.exceptions.IdentificationWarning")
def test_coverage():
    replications, truth = 300, example.TRUTH
    covered = []
    for seed in range(replications):
        result = example.trial_model(example.simulate_trial(300, seed=1000 + seed)).fit()
        if result.verdict.boundary or result.verdict.singular:
            continue
        interval = result.conf_int(method="transformed").loc[truth.index].to_numpy()
        covered.append((interval[:, 0] < truth) & (truth < interval[:, 1]))
    # samples with a variance of zero or a correlation of one have no intervals
    assert len(covered) > 0.95 * replications
    share = pd.DataFrame(covered).mean()
    margin = 3 * np.sqrt(0.95 * 0.05 / replications)
    assert np.all(np.abs(share - 0.95) < margin + 0.02), share
