"""Every density and every response of several rows through the engine: derivatives, brute force."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from sm_gllamm.engine.dispatch import density_rows
from sm_gllamm.engine.integrator import Integrator
from sm_gllamm.engine.rules import LevelRule
from sm_gllamm.responses.densities import CODES, DENSITIES, SETS
from tests.engine.problems import with_products
from tests.engine.wide_problems import make_wide, set_density

NAMES = [name for name, file, _ in DENSITIES if file != "duration"] + list(SETS)
#: Their mean must stay positive, which an unbounded predictor does not guarantee.
BOUNDED = ("_identity", "_inverse", "_inverse_squared", "_sqrt")


def open_range(name):
    return name == "gaussian_identity" or not name.endswith(BOUNDED)


def ready(problem, phi, points, kind="hermite"):
    integrator = Integrator(problem, n_threads=1)
    integrator.set_rules([tuple(LevelRule(kind, points) for _ in problem.dimensions)])
    integrator.set_phi(phi)
    assert integrator.adapt() == 0
    return integrator


@pytest.mark.parametrize("dimensions,weighted", [((1,), False), ((2,), True), ((1, 1), True)])
@pytest.mark.parametrize("name", NAMES)
def test_derivatives(name, dimensions, weighted):
    problem, phi = make_wide(np.random.default_rng(5), name, dimensions, weighted)
    if not open_range(name):
        phi[0], phi[1:] = 2.0, phi[1:] * 0.2
    check_derivatives(problem, phi)


@pytest.mark.parametrize("name", ["choice", "cumulative_probit", "nb2_log", "composite_binomial"])
def test_derivatives_with_products(name):
    rng = np.random.default_rng(6)
    problem, phi = make_wide(rng, name, (2, 1), True)
    check_derivatives(*with_products(rng, problem, phi, [(0, 1), (1, 2), (2, 2)]))


def check_derivatives(problem, phi):
    """Score and Hessian against differences, nodes held fixed."""
    integrator = ready(problem, phi, 5)
    result = integrator.evaluate(2)
    step = 1e-5
    score = np.empty((problem.n_top, len(phi)))
    hessian = np.empty((len(phi), len(phi)))
    for t in range(len(phi)):
        sides = []
        for sign in (1, -1):
            moved = phi.copy()
            moved[t] += sign * step
            integrator.set_phi(moved)
            sides.append(integrator.evaluate(1))
        score[:, t] = (sides[0].loglike - sides[1].loglike) / (2 * step)
        hessian[:, t] = (sides[0].score - sides[1].score).sum(0) / (2 * step)
    assert_allclose(result.score, score, rtol=1e-6, atol=1e-6 * np.abs(score).max())
    assert_allclose(result.hessian, hessian, rtol=1e-6, atol=1e-6 * np.abs(hessian).max())


def predictors(problem, phi):
    """a, b and slots by row, from the definition."""
    q = sum(problem.dimensions)
    table = np.zeros((problem.design.shape[1] + 1, 1 + q + problem.n_constants))
    for c, ch, v in zip(problem.active_column, problem.active_channel, phi, strict=True):
        table[c, ch] += v
    values = problem.design @ table[:-1] + table[-1]
    return values[:, 0] + problem.offset, values[:, 1 : q + 1], values[:, q + 1 :]


def log_densities(problem, name, i, nu, slots):
    """Log density of the response that begins in row i, at predictors nu (its rows, points)."""
    if CODES[name] < 0:
        rows = slice(i, i + problem.set_size[i])
        link = None if problem.link is None else problem.link[rows]
        part = None if problem.part is None else problem.part[rows]
        tau = slots[i, 0] if slots.shape[1] else 0.0
        return set_density(name, problem.y[rows], problem.trials[rows], nu, link, part, tau)
    t = [0.0, 0.0, 0.0]
    for s in range(problem.n_slots):
        channel = s
        if problem.slot_channel is not None:
            channel = problem.slot_channel[i, s] - 1 - sum(problem.dimensions)
        if channel >= 0:
            t[s] = slots[i, channel]
    return density_rows(name, problem.y[i], problem.trials[i], 0.0, nu[0], *t)[:, 0]


@pytest.mark.parametrize("name", [name for name in NAMES if open_range(name)])
def test_one_random_effect_by_brute_force(name):
    # the densities themselves are checked elsewhere; here it is what the engine does with them
    problem, phi = make_wide(np.random.default_rng(8), name, (1,), True)
    a, b, slots = predictors(problem, phi)
    u = np.linspace(-9.0, 9.0, 1201)
    for j, value in enumerate(ready(problem, phi, 256, "trapezoid").evaluate(0).loglike):
        i, stop = problem.cluster_offsets[0][j : j + 2]
        total = stats.norm.logpdf(u) + np.log(u[1] - u[0])
        while i < stop:
            size = 1 if problem.set_size is None else problem.set_size[i]
            nu = a[i : i + size, None] + b[i : i + size] * u
            total = total + problem.row_weight[i] * log_densities(problem, name, i, nu, slots)
            i += size
        expected = np.logaddexp.reduce(total) * problem.cluster_weights[0][j]
        assert_allclose(value, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", list(SETS))
def test_choices_do_not_depend_on_where_their_derivatives_are_kept(name):
    # a leaf beyond the kernel's budget computes derivatives twice
    problem, phi = make_wide(np.random.default_rng(9), name, (1,), False, n_top=1)
    import dataclasses

    times = 400
    big = dataclasses.replace(
        problem,
        **{
            field: np.concatenate([getattr(problem, field)] * times)
            for field in (
                "family",
                "y",
                "trials",
                "constant",
                "design",
                "offset",
                "set_size",
                "link",
                "part",
            )
            if getattr(problem, field) is not None
        },
        cluster_offsets=(np.array([0, times * len(problem.y)]),),
    )
    weighted = dataclasses.replace(
        problem,
        row_weight=np.full(len(problem.y), float(times)),
        cluster_offsets=(np.array([0, len(problem.y)]),),
    )
    results = [ready(p, phi, 400).evaluate(2) for p in (big, weighted)]
    assert_allclose(results[0].loglike, results[1].loglike, rtol=1e-9)
    assert_allclose(results[0].score, results[1].score, rtol=1e-7, atol=1e-6)
    assert_allclose(results[0].hessian, results[1].hessian, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("dimensions", [(1,), (2, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_latent_variables_at_zero(name, dimensions):
    # the sum over rows, with the weights of all levels, and its derivatives
    problem, phi = make_wide(np.random.default_rng(12), name, dimensions, True)
    if not open_range(name):
        phi[0], phi[1:] = 2.0, phi[1:] * 0.2
    integrator = Integrator(problem, n_threads=1)
    result = integrator.evaluate_at_zero(phi, 2)
    a, _, slots = predictors(problem, phi)
    weight, edges, i = np.ones(len(a)), np.arange(len(a) + 1), 0
    for offsets, of_level in zip(problem.cluster_offsets, problem.cluster_weights, strict=True):
        edges = edges[offsets]
        weight *= np.repeat(of_level, np.diff(edges))
    total = 0.0
    while i < len(a):
        size = 1 if problem.set_size is None else problem.set_size[i]
        value = log_densities(problem, name, i, a[i : i + size, None], slots)
        total += float(np.squeeze(value)) * weight[i] * problem.row_weight[i]
        i += size
    assert_allclose(result.loglike.sum(), total, rtol=1e-9)
    step = 1e-5
    for t in range(len(phi)):
        move = step * np.eye(len(phi))[t]
        above, below = (integrator.evaluate_at_zero(phi + s * move, 1) for s in (1, -1))
        slope = (above.loglike - below.loglike).sum() / (2 * step)
        assert_allclose(
            result.score[0, t], slope, rtol=1e-6, atol=1e-6 * np.abs(result.score).max()
        )
        bend = (above.score[0] - below.score[0]) / (2 * step)
        assert_allclose(
            result.hessian[t], bend, rtol=1e-6, atol=1e-6 * np.abs(result.hessian).max()
        )


@pytest.mark.parametrize(
    "name", ["gamma_identity", "poisson_identity", "inverse_gaussian_inverse_squared"]
)
def test_means_that_do_not_exist_everywhere(name):
    # the posterior ends where a predictor is zero: modes found for other parameters may lie beyond
    problem, phi = make_wide(np.random.default_rng(13), name, (1,), False, n_top=8)
    phi[:3], phi[3], phi[4:] = (2.0, 0.1, 0.1), 0.8, 0.3
    a, b, slots = predictors(problem, phi)
    expected = np.zeros(problem.n_top)
    u = np.linspace(-9.0, 9.0, 200_001)
    for j in range(problem.n_top):
        total = stats.norm.logpdf(u) + np.log(u[1] - u[0])
        for i in range(*problem.cluster_offsets[0][j : j + 2]):
            nu = a[i] + b[i] * u
            value = np.full(len(u), -np.inf)
            value[nu > 0] = log_densities(problem, name, i, nu[None, nu > 0], slots)
            total = total + value
        expected[j] = np.logaddexp.reduce(total)
    integrator = Integrator(problem, n_threads=1)
    integrator.set_rules([(LevelRule("trapezoid", 512),)])
    for other in (phi * np.where(np.arange(len(phi)) < 3, 8.0, 1.0), phi):
        # modes are warm from parameters where every mean is far from zero
        integrator.set_phi(other)
        integrator.adapt()
    result = integrator.evaluate(2)
    assert_allclose(result.loglike, expected, rtol=3e-3)
    assert np.isfinite(result.hessian).all()
    assert np.abs(result.hessian).max() < 1e4
