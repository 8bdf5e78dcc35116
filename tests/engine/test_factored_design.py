"""A factored design (value by code times a column) is the dense design that it stands for."""

from dataclasses import replace

import numpy as np
import pytest

from sm_gllamm.engine.integrator import Integrator
from sm_gllamm.engine.problem import Problem
from sm_gllamm.engine.rules import LevelRule
from tests.engine.problems import FAMILIES, make, with_products
from tests.engine.wide_problems import make_wide

CODES = 5
LOGIT = FAMILIES["logit"]


def factored(rng, problem, owner=None):
    """The problem with a design of more columns, half of them zero for a code, and its active entries.

    Rows of a response have one code where `owner` numbers responses.
    """
    n, d = problem.design.shape
    # column 0 of every code, columns by code alone, columns by code times a column of the design
    source = np.concatenate([[-1], np.full(d, -1), np.arange(d)]).astype(np.intp)
    table = rng.normal(size=(CODES, 1 + 2 * d)) * (rng.uniform(size=(CODES, 1 + 2 * d)) < 0.5)
    table[:, 0] = 1.0
    code = rng.integers(0, CODES, n).astype(np.intc)
    if owner is not None:
        code = code[owner]
    channels = [problem.active_channel] * 3
    columns = [np.where(problem.active_column < 0, -1, 0)]
    columns += [
        np.where(problem.active_column < 0, -1, problem.active_column + k) for k in (1, 1 + d)
    ]
    # no entry twice
    entries = np.unique(
        np.column_stack([np.concatenate(channels), np.concatenate(columns)]), axis=0
    )
    problem = replace(
        problem,
        active_channel=np.ascontiguousarray(entries[:, 0], dtype=np.intp),
        active_column=np.ascontiguousarray(entries[:, 1], dtype=np.intp),
        row_code=code,
        code_table=table,
        column_source=source,
    )
    return problem, rng.normal(0, 0.15, len(entries))


def dense(problem):
    """The same problem with all columns laid out."""
    columns = [problem.column(c) for c in range(problem.code_table.shape[1])]
    return replace(
        problem, design=np.column_stack(columns), row_code=None, code_table=None, column_source=None
    )


def results(problem, phi, points=3):
    """Everything that an integrator can be asked for."""
    integrator = Integrator(problem, n_threads=1)
    integrator.set_rules([tuple(LevelRule("hermite", points) for _ in problem.dimensions)])
    integrator.set_phi(phi)
    failed = integrator.adapt()
    assert failed == 0
    out = {}
    for want in (0, 1, 2):
        e = integrator.evaluate(want)
        out[f"loglike {want}"] = e.loglike
        out[f"score {want}"], out[f"hessian {want}"] = e.score, e.hessian
    posterior = integrator.posterior()
    for level, (mean, covariance) in enumerate(
        zip(posterior.mean, posterior.covariance, strict=True)
    ):
        out[f"mean {level}"], out[f"covariance {level}"] = mean, covariance
    out |= {"nu": posterior.nu, "nu_variance": posterior.nu_variance}
    out["response"] = posterior.response
    pooled = integrator.evaluate_at_zero(phi, 2)
    out |= {"pooled": pooled.loglike, "pooled score": pooled.score}
    out["pooled hessian"] = pooled.hessian
    return out


def assert_same(problem, phi, other=None, **options):
    """All results of a factored problem are those of its dense form, or of another one."""
    got = results(problem, phi, **options)
    wanted = results(dense(problem) if other is None else other, phi, **options)
    for name, value in wanted.items():
        if value is not None:
            scale = np.abs(value).max()
            np.testing.assert_allclose(
                got[name], value, rtol=1e-11, atol=1e-11 * scale, err_msg=name
            )


def owner_of(problem):
    """First row of the response of each row, or None where each has its own."""
    if problem.set_size is None:
        return None
    return np.repeat(np.flatnonzero(problem.set_size), problem.set_size[problem.set_size > 0])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "dimensions", [(1,), (2,), (1, 1), (2, 1), (1, 1, 1)], ids=lambda q: "-".join(map(str, q))
)
@pytest.mark.parametrize("family", ["logit", "poisson", ["gaussian", "probit"]], ids=str)
def test_single_rows(family, dimensions, weighted):
    rng = np.random.default_rng(5)
    problem, _ = make(rng, family, dimensions, weighted, n_top=4, max_units=4)
    assert_same(*factored(rng, problem))


@pytest.mark.parametrize("products", [((0, 0),), ((0, 1), (1, 1))])
def test_products_of_latent_variables(products):
    rng = np.random.default_rng(6)
    problem, phi = make(rng, "logit", (1, 1), n_top=4, max_units=4)
    problem, _ = with_products(rng, problem, phi, products)
    assert_same(*factored(rng, problem))


@pytest.mark.parametrize("dimensions", [(1,), (2, 1)])
@pytest.mark.parametrize(
    "name",
    ["choice", "composite_poisson", "composite_gaussian", "nb2_log", "zinb2_log", "beta_logit"],
)
def test_responses_of_several_rows_and_slots(name, dimensions):
    rng = np.random.default_rng(7)
    problem, _ = make_wide(rng, name, dimensions, weighted=True)
    problem, phi = factored(rng, problem, owner_of(problem))
    if name == "choice":
        # alternatives may have codes of their own
        problem = replace(problem, row_code=rng.integers(0, CODES, len(problem.y)).astype(np.intc))
    assert_same(problem, phi)


def cumulative_items(rng, persons=12, items=4, categories=4):
    """Graded responses: codes are items, thresholds by item are slots, and loadings by item."""
    n = persons * items
    item = np.tile(np.arange(items), persons)
    y = rng.integers(0, categories, n)
    first, thresholds = 2, categories - 1
    channel = np.column_stack(
        [
            np.where(y < thresholds, first + item * thresholds + y, -1),
            np.where(y > 0, first + item * thresholds + y - 1, -1),
            np.full(n, -1),
        ]
    ).astype(np.intc)
    problem, _ = make_wide(rng, "cumulative_logit", (1,))
    edges = np.arange(persons + 1, dtype=np.intp)
    problem = replace(
        problem,
        family=np.broadcast_to(problem.family[:1], n),
        y=np.where(y == 0, -1.0, np.where(y == thresholds, 1.0, 0.0)),
        trials=np.broadcast_to(1.0, n),
        constant=np.broadcast_to(0.0, n),
        design=np.zeros((n, 0)),
        offset=None,
        active_column=np.concatenate([np.arange(items), np.full(items * thresholds, -1)]).astype(
            np.intp
        ),
        active_channel=np.concatenate(
            [np.ones(items), first + np.arange(items * thresholds)]
        ).astype(np.intp),
        cluster_offsets=(edges * items,),
        cluster_weights=(None,),
        n_constants=items * thresholds,
        slot_channel=channel,
        row_code=item.astype(np.intc),
        code_table=np.eye(items),
        column_source=np.full(items, -1, dtype=np.intp),
    )
    cuts = np.sort(rng.normal(0, 1.0, (items, thresholds)), axis=1) + 0.3 * np.arange(thresholds)
    return problem, np.concatenate([rng.uniform(0.5, 1.5, items), cuts.reshape(-1)])


def test_thresholds_by_item():
    assert_same(*cumulative_items(np.random.default_rng(8)))


def test_thresholds_by_item_in_two_levels():
    problem, phi = cumulative_items(np.random.default_rng(8))
    channel = np.where(
        problem.active_channel >= 2, problem.active_channel + 1, problem.active_channel
    )
    problem = replace(
        problem,
        active_column=np.append(problem.active_column, np.arange(4)).astype(np.intp),
        active_channel=np.append(channel, np.full(4, 2)).astype(np.intp),
        slot_channel=np.where(problem.slot_channel >= 0, problem.slot_channel + 1, -1).astype(
            np.intc
        ),
        cluster_offsets=(*problem.cluster_offsets, np.arange(0, 13, 3, dtype=np.intp)),
        cluster_weights=(None, None),
        dimensions=(1, 1),
    )
    assert_same(problem, np.append(phi, [0.4, 0.5, 0.6, 0.3]))


def test_values_broadcast_over_rows():
    problem, phi = cumulative_items(np.random.default_rng(9))
    whole = replace(
        problem,
        family=problem.family.copy(),
        trials=problem.trials.copy(),
        constant=problem.constant.copy(),
    )
    for name, value in results(whole, phi).items():
        np.testing.assert_array_equal(results(problem, phi)[name], value)


def test_binomial_trials_broadcast_over_rows():
    rng = np.random.default_rng(10)
    problem, _ = make(rng, "logit", (1,), n_top=5, max_units=5)
    n = len(problem.y)
    problem, phi = factored(rng, problem)
    problem = replace(
        problem,
        y=np.minimum(problem.y, 3.0),
        trials=np.broadcast_to(3.0, n),
        constant=np.broadcast_to(0.7, n),
    )
    whole = replace(problem, trials=np.full(n, 3.0), constant=np.full(n, 0.7))
    for name, value in results(whole, phi).items():
        np.testing.assert_array_equal(results(problem, phi)[name], value)


def test_derivatives_are_those_of_the_likelihood():
    rng = np.random.default_rng(11)
    problem, _ = make(rng, "logit", (1,), n_top=5, max_units=4)
    problem, phi = factored(rng, problem)
    integrator = Integrator(problem, n_threads=1)
    integrator.set_rules([(LevelRule("hermite", 5),)])
    integrator.set_phi(phi)
    integrator.adapt()

    def at(x, want):
        integrator.set_phi(x)
        return integrator.evaluate(want)

    here, h = at(phi, 2), 1e-5
    for t in range(len(phi)):
        step = h * (np.arange(len(phi)) == t)
        slope = (at(phi + step, 0).loglike - at(phi - step, 0).loglike) / (2 * h)
        np.testing.assert_allclose(here.score[:, t], slope, rtol=1e-6, atol=1e-8)
        bend = (at(phi + step, 1).score.sum(0) - at(phi - step, 1).score.sum(0)) / (2 * h)
        np.testing.assert_allclose(here.hessian[t], bend, rtol=1e-6, atol=1e-8)


def bernoulli_items(rng, persons, items, missing=0.0, levels=1):
    """Binary items: an intercept and a slope by item, and a covariate's effect on one of them."""
    given = rng.uniform(size=(persons, items)) >= missing
    given[:, 0] = True
    person, item = np.nonzero(given)
    n = len(item)
    edges = np.concatenate([[0], np.cumsum(given.sum(1))]).astype(np.intp)
    table = np.column_stack([np.eye(items), np.arange(items) == 1])
    channels = [np.zeros(items), np.ones(items), [0.0]]
    columns = [np.arange(items), np.arange(items), [items]]
    offsets, dimensions = (edges,), (1,)
    if levels == 2:
        offsets = (edges, np.arange(0, persons + 1, 2, dtype=np.intp))
        dimensions = (1, 1)
        channels.append(np.full(items, 2))
        columns.append(np.arange(items))
    problem = Problem(
        np.broadcast_to(np.intc(LOGIT), n),
        rng.integers(0, 2, n).astype(float),
        np.broadcast_to(1.0, n),
        np.zeros(n),
        None,
        rng.normal(size=persons)[person][:, None],
        rng.normal(0, 0.2, n),
        np.concatenate(columns).astype(np.intp),
        np.concatenate(channels).astype(np.intp),
        offsets,
        tuple(rng.uniform(0.5, 2.0, len(o) - 1) for o in offsets),
        dimensions,
        False,
        row_code=item.astype(np.intc),
        code_table=table,
        column_source=np.append(np.full(items, -1), 0).astype(np.intp),
    )
    slopes = [rng.uniform(0.4, 1.5, items) for _ in range(levels)]
    return problem, np.concatenate([rng.normal(size=items), slopes[0], [0.4], *slopes[1:]])


def row_by_row(problem):
    """The dense form, taken a row at a time as all rows with weights are."""
    return replace(dense(problem), row_weight=np.ones(len(problem.y)))


@pytest.mark.parametrize("points", [1, 9])
@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("missing", [0.0, 0.6, 0.85])
@pytest.mark.parametrize("items", [10, 23])
def test_binary_items(items, missing, levels, points):
    """Rows side by side, in sums over leaves or over the entries that a leaf touches."""
    rng = np.random.default_rng(14)
    problem, phi = bernoulli_items(rng, 14, items, missing, levels)
    assert_same(problem, phi, points=points)
    assert_same(problem, phi, row_by_row(problem), points=points)


def test_long_leaves():
    """Rows beyond what is taken side by side."""
    problem, phi = bernoulli_items(np.random.default_rng(15), 4, 300)
    assert_same(problem, phi, row_by_row(problem))


def test_densities_too_small_for_products():
    problem, phi = bernoulli_items(np.random.default_rng(15), 4, 100)
    phi[:100] = np.where(np.arange(100) % 2, 60.0, -60.0)
    phi[100:200] = 1e-3
    problem = replace(problem, y=(phi[problem.row_code] < 0).astype(float))
    assert np.all(results(problem, phi)["loglike 0"] < -2000)
    assert_same(problem, phi, row_by_row(problem))


def test_score_summed_over_clusters():
    rng = np.random.default_rng(16)
    problem, phi = bernoulli_items(rng, 30, 8, 0.2)
    integrator = Integrator(problem, n_threads=1)
    integrator.set_rules([(LevelRule("hermite", 5),)])
    integrator.set_phi(phi)
    integrator.adapt()
    by_cluster, total = integrator.evaluate(2), integrator.evaluate(2, by_cluster=False)
    assert total.score.shape == (1, len(phi))
    np.testing.assert_allclose(total.score[0], by_cluster.score.sum(0), rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(total.loglike, by_cluster.loglike)
    np.testing.assert_array_equal(total.hessian, by_cluster.hessian)


def test_column_by_code_and_source():
    rng = np.random.default_rng(12)
    problem, _ = make(rng, "logit", (1,))
    problem, _ = factored(rng, problem)
    code, d = problem.row_code, problem.design.shape[1]
    np.testing.assert_array_equal(problem.column(-1), np.ones(len(code)))
    np.testing.assert_array_equal(problem.column(1), problem.code_table[code, 1])
    np.testing.assert_array_equal(
        problem.column(1 + d), problem.code_table[code, 1 + d] * problem.design[:, 0]
    )
    np.testing.assert_array_equal(dense(problem).column(1 + d), problem.column(1 + d))


@pytest.mark.parametrize(
    "wrong",
    [
        {"row_code": "too large"},
        {"row_code": "int64"},
        {"column_source": np.array([5], np.intp)},
        {"column_source": None},
        {"code_table": "float32"},
    ],
    ids=str,
)
def test_arguments_are_checked(wrong):
    rng = np.random.default_rng(13)
    problem, _ = make(rng, "logit", (1,))
    problem, _ = factored(rng, problem)
    replacements = {
        "too large": problem.row_code + np.intc(CODES),
        "int64": problem.row_code.astype(np.int64),
        "float32": problem.code_table.astype(np.float32),
    }
    wrong = {k: replacements[v] if isinstance(v, str) else v for k, v in wrong.items()}
    with pytest.raises(ValueError, match="code|pattern|column|design"):
        Integrator(replace(problem, **wrong))
