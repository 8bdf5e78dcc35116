"""Three latent variables at two levels: brute-force and closed-form likelihoods, simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

import sm_gllamm.api as smg
from tests.test_examples import load_example

example = load_example("field_multilevel_sem")


def school_loglike(rows, params, nodes=30):
    """Log-likelihood by fixed rules: teaching and climate of a school, then the ability of each pupil."""
    u, weight = np.polynomial.hermite_e.hermegauss(nodes)
    log_weight = np.log(weight / weight.sum())
    teaching = np.sqrt(params["var(teaching|school)"]) * u[:, None]
    climate = params["climate ~ teaching"] * teaching
    climate = climate + np.sqrt(params["var(climate|school)"]) * u
    cuts = np.concatenate([[-np.inf], params.filter(like="threshold"), [np.inf]])
    loading = {item: params.get(f"loading({item})", 1.0) for item in example.ITEMS}
    total = 0.0
    for _, school in rows.groupby("school"):
        terms = log_weight[:, None] + log_weight
        for row in school[school["kind"] == "rating"].itertuples():
            nu = params.get(row.item, 0.0)
            nu = nu + params.get(f"loading(teaching: {row.item})", 1.0) * teaching
            category = int(row.y)
            terms = terms + np.log(expit(cuts[category] - nu) - expit(cuts[category - 1] - nu))
        for _, pupil in school[school["kind"] == "test"].groupby("pupil"):
            ability = params["ability ~ ses"] * pupil["ses"].iloc[0] + climate[..., None]
            ability = ability + np.sqrt(params["var(ability|pupil)"]) * u
            inner = log_weight + np.zeros_like(ability)
            for row in pupil.itertuples():
                nu = params[row.item] + loading[row.item] * ability
                inner = inner - np.logaddexp(0.0, -(2 * row.y - 1) * nu)
            terms = terms + np.logaddexp.reduce(inner, axis=-1)
        total += np.logaddexp.reduce(terms, axis=None)
    return total


def test_loglike_by_brute_force():
    rows = example.simulate(n_schools=20, n_pupils=4)
    model = example.school_model(rows)
    truth = example.TRUTH[model.param_names]
    value = model.loglike_at(truth.to_numpy(), n_points=13)
    assert value == pytest.approx(school_loglike(rows, truth), abs=1e-4)


def gaussian_data(rng, n_schools=40, n_pupils=5):
    """The same structure with gaussian items and ratings, wide: a frame a level."""
    school = np.repeat(np.arange(n_schools), n_pupils)
    teaching = rng.normal(size=n_schools)
    climate = 0.5 * teaching + 0.5 * rng.normal(size=n_schools)
    ses = rng.normal(size=len(school))
    ability = 0.4 * ses + climate[school] + rng.normal(size=len(school))
    pupils = pd.DataFrame({"school": school, "pupil": range(len(school)), "ses": ses})
    for item, loading in zip(example.ITEMS, (1.0, 0.8, 1.2, 1.0), strict=True):
        pupils[item] = loading * ability + rng.normal(size=len(school))
    schools = pd.DataFrame({"school": range(n_schools), "pupil": -1 - np.arange(n_schools)})
    for item, loading in zip(example.RATINGS, (1.0, 0.7, 1.3), strict=True):
        schools[item] = loading * teaching + rng.normal(size=n_schools)
    return pupils, schools.assign(ses=0.0)


def gaussian_model(pupils, schools):
    keep = ["school", "pupil", "ses"]
    rows = pd.concat(
        [
            smg.stack_responses(pupils, example.ITEMS, keep),
            smg.stack_responses(schools, example.RATINGS, keep),
        ],
        ignore_index=True,
    )
    items = example.ITEMS + example.RATINGS
    rows = rows.assign(**{item: (rows["response"] == item).astype(float) for item in items})
    same = {item: item for item in example.ITEMS[1:]}
    measured = "0 + " + " + ".join(example.ITEMS)
    return smg.GLLAMM.from_formula(
        "y ~ 0 + response",
        rows,
        latent=[
            smg.Latent("ability", "pupil", measured, equal=same),
            smg.Latent("climate", "school", measured, equal=same),
            smg.Latent("teaching", "school", "0 + t1 + t2 + t3"),
        ],
        regressions=["ability ~ ses", "climate ~ teaching"],
        covariance="diagonal",
        dispersion="~ 0 + response",
    )


def gaussian_loglike(pupils, schools, params):
    """Multivariate normal log-likelihood of all responses of a school."""
    loading = np.array([params.get(f"loading({item})", 1.0) for item in example.ITEMS])
    rating = np.array([params.get(f"loading(teaching: {t})", 1.0) for t in example.RATINGS])
    theta = {
        item: np.exp(2 * params[f"log_sd:response[{item}]"])
        for item in example.ITEMS + example.RATINGS
    }
    slope, teaching = params["climate ~ teaching"], params["var(teaching|school)"]
    between = slope**2 * teaching + params["var(climate|school)"]
    total = 0.0
    for school, own in pupils.groupby("school"):
        n = len(own)
        mean = np.array([params[f"response[{item}]"] for item in example.ITEMS])
        effect = params["ability ~ ses"] * own["ses"].to_numpy()
        mean = mean + effect[:, None] * loading
        within = np.eye(n) * params["var(ability|pupil)"] + between
        block = np.kron(within, np.outer(loading, loading))
        block += np.diag(np.tile([theta[item] for item in example.ITEMS], n))
        cross = slope * teaching * np.outer(np.tile(loading, n), rating)
        upper = teaching * np.outer(rating, rating) + np.diag([theta[t] for t in example.RATINGS])
        rated = schools.loc[schools["school"] == school, example.RATINGS].to_numpy().ravel()
        total += stats.multivariate_normal(
            np.concatenate([mean.ravel(), [params[f"response[{t}]"] for t in example.RATINGS]]),
            np.block([[block, cross], [cross.T, upper]]),
        ).logpdf(np.concatenate([own[example.ITEMS].to_numpy().ravel(), rated]))
    return total


def test_gaussian_fit_is_the_maximum_of_the_closed_form():
    pupils, schools = gaussian_data(np.random.default_rng(3))
    result = gaussian_model(pupils, schools).fit()
    params = result.params
    assert result.converged
    assert result.llf == pytest.approx(gaussian_loglike(pupils, schools, params), rel=1e-10)
    for name in params.index:
        ends = [params.copy(), params.copy()]
        ends[0][name] += 1e-3 * result.bse[name]
        ends[1][name] -= 1e-3 * result.bse[name]
        values = [gaussian_loglike(pupils, schools, end) for end in ends]
        assert abs(values[0] - values[1]) / 2e-3 < 1e-3, name


def test_script_recovers_what_it_simulates(capsys):
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)


@pytest.mark.study
@pytest.mark.filterwarnings("ignore::sm_gllamm.exceptions.BoundaryWarning")
@pytest.mark.filterwarnings("ignore::sm_gllamm.exceptions.IdentificationWarning")
@pytest.mark.filterwarnings("ignore::sm_gllamm.exceptions.QuadratureWarning")
def test_coverage():
    replications, truth = 200, example.TRUTH
    covered = []
    for seed in range(replications):
        rows = example.simulate(n_schools=100, n_pupils=8, seed=1000 + seed)
        result = example.school_model(rows).fit(n_points=7)
        if result.verdict.boundary or result.verdict.singular:
            continue
        interval = result.conf_int(method="transformed").loc[truth.index].to_numpy()
        covered.append((interval[:, 0] < truth) & (truth < interval[:, 1]))
    # samples with a variance of zero or a correlation of one have no intervals
    assert len(covered) > 0.95 * replications
    share = pd.DataFrame(covered).mean()
    margin = 3 * np.sqrt(0.95 * 0.05 / replications)
    assert np.all(np.abs(share - 0.95) < margin + 0.02), share
