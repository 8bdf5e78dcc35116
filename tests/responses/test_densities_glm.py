"""Densities of the generalized linear families against mpmath: value and derivatives in all arguments."""

import functools
import itertools

import numpy as np
import pytest

from sm_gllamm.engine.dispatch import density_rows

mp = pytest.importorskip("mpmath")
mpf = mp.mpf

MEMBERS = "f g g1 g2 g3 h h1 h2 h3 h11 h12 h13 h22 h23 h33".split()
EPS = np.finfo(float).eps

# ---- log densities as the textbooks have them, without what the module says it leaves out


def log_phi(z):
    return mp.log1p(-mp.ncdf(-z)) if z > 0 else mp.log(mp.ncdf(z))


def log_atan(z):
    return mp.log(mp.atan2(1, -z) / mp.pi)


def softplus(z):
    return mp.log1p(mp.exp(z))


def log_cloglog(z):
    return mp.log(-mp.expm1(-mp.exp(z)))


#: link -> logarithms of P and 1 - P
PROBABILITIES = {
    "logit": lambda z: (-softplus(-z), -softplus(z)),
    "probit": lambda z: (log_phi(z), log_phi(-z)),
    "cloglog": lambda z: (log_cloglog(z), -mp.exp(z)),
    "loglog": lambda z: (-mp.exp(-z), log_cloglog(-z)),
    "cauchit": lambda z: (log_atan(z), log_atan(-z)),
}
MEANS = {
    "log": mp.exp,
    "identity": lambda z: z,
    "sqrt": lambda z: z * z,
    "inverse": lambda z: 1 / z,
    "inverse_squared": lambda z: 1 / mp.sqrt(z),
}


def binomial(link):
    def log_density(y, m, nu, *_):
        log_p, log_q = PROBABILITIES[link](nu)
        return y * log_p + (m - y) * log_q

    return log_density


@functools.cache
def logistic(z, digits):
    """It and its complement."""
    e = mp.exp(-abs(z))
    near, far = 1 / (1 + e), e / (1 + e)
    return (near, far) if z > 0 else (far, near)


def asymptote(logit):
    """One with a logit from 800 on is 0 or 1 exactly."""
    z = mp.sign(logit) * mp.inf if abs(logit) > 799 else logit
    return logistic(z, mp.mp.dps)


def with_asymptotes(y, m, nu, t1, t2, *_):
    (c, not_c), (d, not_d), (p, q) = asymptote(t1), asymptote(t2), logistic(nu, mp.mp.dps)
    p, q = c * q + d * p, not_c * q + not_d * p
    return (y * mp.log(p) if y else 0) + ((m - y) * mp.log(q) if m > y else 0)


def poisson(link):
    def log_density(y, m, nu, *_):
        mu = MEANS[link](nu)
        return (y * mp.log(mu) if y else 0) - mu

    return log_density


def gaussian(link):
    def log_density(y, m, nu, t1, *_):
        z = (y - MEANS[link](nu)) / mp.exp(t1)
        return -mp.log(2 * mp.pi) / 2 - t1 - z * z / 2

    return log_density


def gamma(link):
    def log_density(y, m, nu, t1, *_):
        a, mu = mp.exp(-t1), MEANS[link](nu)
        return a * mp.log(a / mu) - mp.loggamma(a) + (a - 1) * mp.log(y) - a * y / mu

    return log_density


def inverse_gaussian(link):
    def log_density(y, m, nu, t1, *_):
        mu = MEANS[link](nu)
        square = (y - mu) ** 2 / (mp.exp(t1) * mu**2 * y)
        return -(mp.log(2 * mp.pi) + t1 + 3 * mp.log(y) + square) / 2

    return log_density


def negative_binomial(kind):
    def log_density(y, m, nu, t1, *_):
        alpha, mu = mp.exp(t1), mp.exp(nu)
        k = 1 / alpha if kind == 2 else mu / alpha
        rising = mp.fsum(mp.log(k + j) for j in range(int(y)))
        return rising + y * mp.log(mu / (mu + k)) - k * mp.log1p(mu / k)

    return log_density


def beta(link):
    def log_density(y, m, nu, t1, *_):
        phi = mp.exp(t1)
        log_p, log_q = PROBABILITIES[link](nu)
        a, b = phi * mp.exp(log_p), phi * mp.exp(log_q)
        gammas = mp.loggamma(phi) - mp.loggamma(a) - mp.loggamma(b)
        return gammas + (a - 1) * mp.log(y) + (b - 1) * mp.log1p(-y)

    return log_density


def inflated(count, position):
    def log_density(y, m, nu, *t):
        logit = t[position]
        inner = count(y, m, nu, *t)
        if y == 0:
            return mp.log(mp.exp(logit) + mp.exp(inner)) - softplus(logit)
        return inner - softplus(logit)

    return log_density


def truncated(count):
    def log_density(y, m, nu, *t):
        return count(y, m, nu, *t) - mp.log(-mp.expm1(count(mpf(0), m, nu, *t)))

    return log_density


DENSITIES = (
    {f"binomial_{link}": (binomial(link), 0) for link in PROBABILITIES}
    | {"binomial_logit_asymptotes": (with_asymptotes, 2)}
    | {f"poisson_{link}": (poisson(link), 0) for link in ("log", "identity", "sqrt")}
    | {f"gaussian_{link}": (gaussian(link), 1) for link in ("identity", "log", "inverse")}
    | {f"gamma_{link}": (gamma(link), 1) for link in ("log", "inverse", "identity")}
    | {
        f"inverse_gaussian_{link}": (inverse_gaussian(link), 1)
        for link in ("log", "inverse_squared", "inverse", "identity")
    }
    | {f"beta_{link}": (beta(link), 1) for link in ("logit", "probit", "cloglog")}
    | {f"nb{kind}_log": (negative_binomial(kind), 1) for kind in (1, 2)}
    | {"zip_log": (inflated(poisson("log"), 0), 1)}
    | {f"zinb{kind}_log": (inflated(negative_binomial(kind), 1), 2) for kind in (1, 2)}
    | {"truncated_poisson_log": (truncated(poisson("log")), 0)}
    | {f"truncated_nb{kind}_log": (truncated(negative_binomial(kind)), 1) for kind in (1, 2)}
)

# ---- where they are compared: (y, m, nu, t1, t2)

WIDE = [-700.0, -230.0, -37.0, -9.0, -1.3, -1e-9, 0.0, 0.4, 2.0, 6.0, 37.0, 700.0]
DISPERSIONS = [-20.0, -7.0, -0.4, 1.5, 20.0]
#: Logits of the lower and the upper one: typical, extreme, exact, close to each other, falling.
ASYMPTOTES = [
    (-1.4, 1000.0), (-1.4, 3.0), (-1000.0, 1000.0), (-1000.0, 2.0), (-7.0, 30.0), (-60.0, 60.0),
    (-700.0, 700.0), (-790.0, 795.0), (-790.0, 1000.0), (-1000.0, -700.0), (-700.0, -690.0),
    (690.0, 700.0), (700.0, 1000.0), (0.3, 0.3 + 1e-9), (-20.0, -20.0 + 1e-6), (0.7, 0.7),
    (25.0, 25.1), (2.0, -1.0), (1000.0, -1000.0), (40.0, 39.0), (-690.0, -700.0), (3.0, -1000.0),
]  # fmt: skip
POSITIVE = [1e-12, 0.003, 0.7, 1.0001, 40.0, 1e5]


def near(link, y):
    """A predictor whose mean is close to y: where terms cancel at small dispersions."""
    mean = {"log": np.log, "identity": float, "inverse": lambda v: 1 / v}
    mean["inverse_squared"] = lambda v: 1 / v**2
    return [mean[link](y * (1 + d)) for d in (0.0, 1e-5, -0.04)]


def grid(name):
    prefix = "inverse_gaussian" if name.startswith("inverse_gaussian") else name.rpartition("_")[0]
    family, link = prefix, name.removeprefix(prefix + "_")
    if name == "binomial_logit_asymptotes":
        points = itertools.product([(0, 1), (3, 7), (7, 7)], WIDE[::2] + WIDE[-1:], ASYMPTOTES)
        return [(y, m, nu, t1, t2) for (y, m), nu, (t1, t2) in points]
    if family == "binomial":
        points = itertools.product([(0, 1), (1, 1), (3, 7), (7, 7)], WIDE + [9.0, 700.0])
        return [(y, m, nu, 0.0, 0.0) for (y, m), nu in points]
    if family in ("poisson", "truncated_poisson"):
        counts = [1.0, 2.0, 30.0, 1e6] + ([0.0] if family == "poisson" else [])
        nus = [-700.0, -40.0, -3.0, 0.0, 0.2, 3.0, 14.0, 200.0] if link == "log" else POSITIVE
        nus = nus + [-0.3, -8.0] if link == "sqrt" else nus
        return [(y, 1, nu, 0.0, 0.0) for y, nu in itertools.product(counts, nus)]
    if family == "gaussian":
        nus = (
            [-700.0, -3.0, 0.0, 0.1, 2.0, 700.0] if link == "identity" else [-50.0, -3.0, 0.1, 40.0]
        )
        points = itertools.product([-700.0, 0.0, 0.3], nus, DISPERSIONS)
        return [(y, 1, nu, t1, 0.0) for y, nu, t1 in points]
    if family in ("gamma", "inverse_gaussian"):
        nus = [-90.0, -3.0, 0.1, 2.0, 40.0, 700.0] if link == "log" else POSITIVE
        points = [(y, nu) for y in (1e-6, 0.4, 7.0, 1e5) for nu in nus + near(link, y)]
        return [(y, 1, nu, t1, 0.0) for (y, nu), t1 in itertools.product(points, DISPERSIONS)]
    if family == "beta":
        centre = {"logit": -0.62, "probit": -0.385, "cloglog": -0.8367}[link]
        nus = [-100.0, -9.0, -1.0, centre, 0.0, 1.2, 5.0] + ([] if link == "cloglog" else [35.0])
        points = itertools.product([1e-10, 0.35, 0.999], nus, DISPERSIONS)
        return [(y, 1, nu, t1, 0.0) for y, nu, t1 in points]
    nus = [-700.0, -30.0, -2.0, 0.1, 3.2, 9.0, 100.0]
    counts = [1.0, 4.0, 60.0] + ([] if name.startswith("truncated") else [0.0])
    if name.startswith("zi"):
        counts = [0.0, 3.0]
        if name == "zip_log":
            return [(y, 1, nu, t1, 0.0) for y, nu, t1 in itertools.product(counts, nus, WIDE)]
        points = itertools.product(counts, nus[1:], DISPERSIONS[::2], [-40.0, -1.0, 2.0, 50.0])
        return [(y, 1, nu, t1, t2) for y, nu, t1, t2 in points]
    return [(y, 1, nu, t1, 0.0) for y, nu, t1 in itertools.product(counts, nus, DISPERSIONS)]


def exact(log_density, slots, point, digits=150):
    """All members by central differences; with 150 digits their error is far below a double's.

    Those of 1e-300 in the tails need more.
    """
    y, m, *at = map(mpf, point)
    with mp.workdps(digits):
        step = mpf(10) ** -40
        seen = {}

        def f(*moves):
            if moves not in seen:
                moved = [x + k * step for x, k in zip(at, moves, strict=True)]
                seen[moves] = log_density(y, m, *moved)
            return seen[moves]

        def moved(*shifts):
            moves = [0, 0, 0]
            for i, k in shifts:
                moves[i] += k
            return f(*moves)

        out = dict.fromkeys(MEMBERS, mpf(0))
        out["f"] = f(0, 0, 0)
        names = ["", "1", "2"]
        for i in range(slots + 1):
            out["g" + names[i]] = (moved((i, 1)) - moved((i, -1))) / (2 * step)
            for j in range(i, slots + 1):
                second = (
                    moved((i, 1), (j, 1)) - moved((i, 1), (j, -1))
                    - moved((i, -1), (j, 1)) + moved((i, -1), (j, -1))
                ) / (4 * step * step)  # fmt: skip
                out["h" + names[i] + names[j]] = second
    return np.array([float(out[name]) for name in MEMBERS])


def allowance(exact_values, points):
    """1e-11 of its own size plus 1e-11, and what a change of the arguments by some ulps makes of it."""
    v = {name: np.abs(exact_values[:, k]) for k, name in enumerate(MEMBERS)}
    change = {
        "f": v["g"] + v["g1"] + v["g2"],
        "g": v["h"] + v["h1"] + v["h2"],
        "g1": v["h1"] + v["h11"] + v["h12"],
        "g2": v["h2"] + v["h12"] + v["h22"],
        "h": v["h"] + v["h1"] + v["h2"],
        "h1": v["h"] + v["h1"] + v["h11"],
        "h11": v["h1"] + v["h11"] + v["h12"],
    }
    y = np.abs(points[:, 0])
    ulps = 2 * EPS * (2 + np.abs(points[:, 2:]).sum(1) + np.abs(np.log(np.where(y > 0, y, 1))))
    zero = np.zeros(len(points))
    return np.stack(
        [1e-11 * (1 + v[name]) + ulps * change.get(name, zero) for name in MEMBERS], axis=1
    )


def rows(name, points):
    y, m, nu, t1, t2 = np.ascontiguousarray(np.asarray(points, dtype=float).T)
    zero = np.zeros(len(y))
    return density_rows(name, y, m, zero, nu, t1, t2, zero)


@pytest.mark.parametrize("name", DENSITIES)
def test_value_and_derivatives(name):
    log_density, slots = DENSITIES[name]
    points = np.array(grid(name), dtype=float)
    found = rows(name, points)
    expected = np.array([exact(log_density, slots, point) for point in points])
    assert np.isfinite(found).all()
    # the density is nil there, and continued in another way
    usable = np.abs(expected).max(1) < 1e90
    assert usable.mean() > 0.5
    excess = np.abs(found - expected)[usable] / allowance(expected, points)[usable]
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    where = points[usable][worst[0]]
    assert excess.max() < 1, (MEMBERS[worst[1]], where, excess.max())


@pytest.mark.parametrize("name", DENSITIES)
def test_finite_everywhere(name):
    """Products of two derivatives, too."""
    nus = [-1e5, -710.0, -300.0, -20.0, -1e-300, 0.0, 1e-300, 1e-30, 0.2, 30.0, 300.0, 710.0, 1e5]
    slots = [-400.0, -90.0, -20.0, 0.0, 20.0, 90.0, 400.0]
    counts = [(0.0, 1.0), (1.0, 1.0), (4.0, 1e6), (1e6, 1e6)]
    if name.startswith("truncated"):
        counts = counts[1:]
    elif name.startswith("beta"):
        counts = [(1e-300, 1.0), (1e-3, 1.0), (1 - EPS, 1.0)]
    elif name.startswith(("gamma", "inverse_gaussian")):
        counts = [(1e-8, 1.0), (1.0, 1.0), (1e8, 1.0)]
    points = [
        (y, m, nu, t1, t2)
        for (y, m), nu, t1, t2 in itertools.product(counts, nus, slots, slots[::3])
    ]
    found = rows(name, points)
    assert np.isfinite(found).all()
    assert np.abs(found[:, 0]).max() < 1e300
    assert np.abs(found[:, 1:]).max() < 1e150


@pytest.mark.parametrize(
    "name",
    ["poisson_identity", "gamma_inverse", "gamma_identity", "inverse_gaussian_inverse_squared",
     "inverse_gaussian_inverse", "inverse_gaussian_identity"],
)  # fmt: skip
def test_outside_the_domain(name):
    found = rows(name, [(2.0, 1.0, nu, 0.3, 0.0) for nu in (0.0, -1e-3, -5.0)])
    assert (found[:, 0] == -1e100).all()
    assert (found[:, 1:] == 0.0).all()


@pytest.mark.parametrize("name", ["nb2_log", "nb1_log"])
def test_poisson_limit(name):
    """Without overdispersion, and with noise in no derivative that would hide its sign."""
    points = itertools.product([0, 1, 5, 300], [-4.0, 0.2, 5.0], [-40.0, -80.0])
    points = [(y, 1.0, nu, t1, 0.0) for y, nu, t1 in points]
    found, poisson_found = rows(name, points), rows("poisson_log", points)
    np.testing.assert_allclose(found[:, :2], poisson_found[:, :2], rtol=1e-8, atol=1e-8)
    y, _, nu, t1, _ = np.array(points).T
    mu = np.exp(nu)
    slope = np.exp(t1) * ((y - mu) ** 2 - y) / 2
    if name == "nb1_log":
        slope = slope / mu
    np.testing.assert_allclose(found[:, 2], slope, rtol=1e-7, atol=0)


def test_asymptotes_to_full_relative_accuracy():
    """In the tails, where derivatives are 1e-300, and where the asymptotes nearly agree.

    Of several trials derivatives are differences of those of successes and failures, and curvatures of
    one trial are zero somewhere: these are compared with their terms above.
    """
    nus = [-700.0, -37.0, -1.3, 2.0, 300.0, 700.0]
    points = [(y, 1, nu, *t) for y, nu, t in itertools.product([0, 1], nus, ASYMPTOTES)]
    found = rows("binomial_logit_asymptotes", points)
    expected = np.array([exact(with_asymptotes, 2, point, 500) for point in points])
    usable = np.abs(expected[:, 0]) < 1e90
    for member in ("f", "g", "g1", "g2", "h1", "h2", "h12"):
        at = MEMBERS.index(member)
        # arguments of hundreds have themselves been rounded to 1e-13
        np.testing.assert_allclose(
            found[usable, at], expected[usable, at], rtol=1e-12, atol=1e-304, err_msg=member
        )


def test_no_asymptotes():
    """The logit link itself, tails included, and nothing in the slots."""
    y, m = np.array([(0, 1), (1, 1), (3, 7), (7, 7)], dtype=float).T
    slots = [k for k, member in enumerate(MEMBERS) if set(member) & set("123")]
    for nu in [*WIDE, -1e5, 1e5]:
        points = np.column_stack([y, m, np.full(4, nu), np.full(4, -1000.0), np.full(4, 1000.0)])
        found, logit = rows("binomial_logit_asymptotes", points), rows("binomial_logit", points)
        np.testing.assert_allclose(found, logit, rtol=2e-14, atol=1e-14)
        assert (found[:, slots] == 0.0).all()
        if abs(nu) <= 700.0:
            expected = [exact(binomial("logit"), 0, point, 500) for point in points]
            np.testing.assert_allclose(found, expected, rtol=2e-14, atol=0)


@pytest.mark.parametrize("fixed,slot", [((-1000.0, 1.5), "1"), ((-1.5, 1000.0), "2")])
def test_a_fixed_asymptote_has_no_derivatives(fixed, slot):
    points = [(y, 3.0, nu, *fixed) for y, nu in itertools.product([0.0, 2.0, 3.0], WIDE)]
    found = rows("binomial_logit_asymptotes", points)
    assert (found[:, [k for k, member in enumerate(MEMBERS) if slot in member]] == 0.0).all()
    other = "12".replace(slot, "")
    assert (found[:, MEMBERS.index("g" + other)] != 0.0).any()


def test_asymptotes_of_impossible_responses():
    """A probability of zero everywhere is outside the domain for successes, a sure thing for failures."""
    points = [(y, 1.0, nu, -1000.0, -1000.0) for y in (1.0, 0.0) for nu in (-3.0, 0.0, 5.0)]
    found = rows("binomial_logit_asymptotes", points)
    np.testing.assert_array_equal(found[:, 0], [-1e100] * 3 + [0.0] * 3)
    assert (found[:, 1:] == 0.0).all()
