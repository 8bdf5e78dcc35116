"""Ordinal responses and durations against mpmath: value and derivatives in all arguments."""

import itertools

import numpy as np
import pytest

from sm_gllamm.engine.dispatch import density_rows

mp = pytest.importorskip("mpmath")
mpf = mp.mpf

MEMBERS = "f g g1 g2 g3 h h1 h2 h3 h11 h12 h13 h22 h23 h33".split()
EPS = np.finfo(float).eps
INF = np.inf

# ---- log(F(b) - F(a)), None for a missing end; digits are many, so only the tail matters


def upper_normal(z):
    return mp.erfc(z / mp.sqrt(2)) / 2


def upper_logistic(z):
    return 1 / (1 + mp.exp(z))


def upper_cauchy(z):
    return mp.atan2(1, z) / mp.pi


def symmetric(upper):
    def log_probability(a, b):
        if a is None and b is None:
            return mpf(0)
        if a is None:
            return mp.log(upper(-b)) if b < 0 else mp.log1p(-upper(b))
        if b is None:
            return log_probability(None, -a)
        if a + b > 0:
            a, b = -b, -a
        if b < 0:
            return mp.log(upper(-b) - upper(-a))
        return mp.log1p(-upper(b) - upper(-a))

    return log_probability


def extreme(a, b):
    start = mpf(0) if a is None else mp.exp(a)
    if b is None:
        return -start
    v = mp.exp(b) - start
    return -start + (mp.log1p(-mp.exp(-v)) if v > 1 else mp.log(-mp.expm1(-v)))


def extreme_mirrored(a, b):
    return extreme(None if b is None else -b, None if a is None else -a)


def gamma_of(t1):
    """Of z = log T - log E T, with shape exp(-t1)."""
    k = mp.exp(-t1)

    def log_probability(a, b):
        def below(z):
            return mp.gammainc(k, 0, k * mp.exp(z), regularized=True)

        def above(z):
            return mp.gammainc(k, k * mp.exp(z), mp.inf, regularized=True)

        if a is None and b is None:
            return mpf(0)
        if a is None:
            return mp.log(below(b)) if b < 0 else mp.log1p(-above(b))
        if b is None:
            return mp.log(above(a)) if a > 0 else mp.log1p(-below(a))
        if a > 0:
            return mp.log(above(a) - above(b))
        if b < 0:
            return mp.log(below(b) - below(a))
        return mp.log1p(-below(a) - above(b))

    return log_probability


LINKS = {
    "logit": symmetric(upper_logistic),
    "probit": symmetric(upper_normal),
    "cloglog": extreme,
    "loglog": extreme_mirrored,
    "cauchit": symmetric(upper_cauchy),
}


def cumulative(link):
    def log_density(y, m, e, nu, t1, t2, t3):
        lower = None if y < 0 else (t2 - nu) * mp.exp(-t3)
        upper = None if y > 0 else (t1 - nu) * mp.exp(-t3)
        return LINKS[link](lower, upper)

    return log_density


def always(log_probability):
    return lambda t1: log_probability


def duration(log_probability_at, log_event, standardise, real=False):
    """At events, of the density of log T; standardise(x, nu, t1) for x = log t, or t itself."""

    def log_density(y, m, e, nu, t1, *_):
        def z(t):
            if not mp.isfinite(t) or (t <= 0 and not real):
                return None
            return standardise(t if real else mp.log(t), nu, t1)

        probability = log_probability_at(t1)
        out = log_event(z(y), t1) if y == m else probability(z(y), z(m))
        return out if z(e) is None else out - probability(z(e), None)

    return log_density


def aft(x, nu, t1):
    return (x - nu) * mp.exp(-t1)


def normal_event(z, t1):
    return -z * z / 2 - mp.log(2 * mp.pi) / 2 - t1


def gamma_event(z, t1):
    k = mp.exp(-t1)
    return k * (z - mp.exp(z)) + k * mp.log(k) - mp.loggamma(k)


#: log density, numbers of the slots that it has
DENSITIES = {f"cumulative_{link}": (cumulative(link), 3) for link in LINKS} | {
    "censored_gaussian": (duration(always(LINKS["probit"]), normal_event, aft, real=True), 1),
    "lognormal": (duration(always(LINKS["probit"]), normal_event, aft), 1),
    "loglogistic": (
        duration(always(LINKS["logit"]), lambda z, t1: -z - 2 * mp.log1p(mp.exp(-z)) - t1, aft), 1
    ),
    "weibull_aft": (duration(always(extreme), lambda z, t1: z - mp.exp(z) - t1, aft), 1),
    "weibull_ph": (
        duration(
            always(extreme), lambda z, t1: z - mp.exp(z) + t1, lambda x, nu, t1: mp.exp(t1) * x + nu
        ), 1,
    ),
    "exponential_aft": (
        duration(always(extreme), lambda z, t1: z - mp.exp(z), lambda x, nu, t1: x - nu), 0
    ),
    "exponential_ph": (
        duration(always(extreme), lambda z, t1: z - mp.exp(z), lambda x, nu, t1: x + nu), 0
    ),
    "gamma_duration": (duration(gamma_of, gamma_event, lambda x, nu, t1: x - nu), 1),
}  # fmt: skip

# ---- where they are compared: (y, m, e, nu, t1, t2, t3)


def ordinal_points():
    """Categories at and far from the predictor, from 1e-8 to 100 wide, scales of e^-5 to e^5."""
    rng = np.random.default_rng(7)
    points = []
    for width in (1e-8, 1e-5, 1e-3, 0.02, 0.2, 0.25, 0.5, 1.0, 4.0, 100.0):
        for spread in (0.0, 1.0, 6.0, 40.0, 700.0):
            lower = rng.normal()
            t3 = rng.choice([0.0, rng.uniform(-5, 5)])
            nu = lower + 0.3 * width if spread == 0.0 else spread * rng.uniform(-1, 1)
            points.append((0.0, 0.0, 0.0, nu, lower + width, lower, t3))
    for y, z, t3 in itertools.product((-1.0, 1.0), (0.0, 0.7, 5.0, 24.0, 38.0, 700.0), (0.0, 1.3)):
        for sign in (-1.0, 1.0):
            # what is not looked at may be anything
            points.append((y, 0.0, 0.0, sign * z, *((0.1, np.nan) if y < 0 else (np.nan, 0.1)), t3))
    return points


def duration_points(name):
    rng = np.random.default_rng(8)
    spreads = (1.0, 5.0) if name == "gamma_duration" else (1.0, 6.0, 40.0, 700.0)
    widths = (0.0, 1e-8, 1e-3, 0.3, 3.0, 200.0, INF)
    real = name == "censored_gaussian"
    points = []
    for width, spread, left, late in itertools.product(widths, spreads, (0, 1), (0, 1)):
        y = 2.0 * rng.normal()
        m = y + width
        e = y - rng.exponential() if late else -INF
        if left and width > 0:
            y = e = -INF
        if not real:
            y, m, e = np.exp(y), (np.exp(y) * (1 + width) if y > -INF else np.exp(m)), np.exp(e)
        t1 = rng.choice([0.0, rng.uniform(-5, 5)])
        points.append((y, m, e, spread * rng.uniform(-1, 1), t1, 0.0, 0.0))
    if name == "gamma_duration":
        points += [(0.4, 0.9, 0.0, 0.2, t1, 0.0, 0.0) for t1 in (9.0, 20.0)]
        points += [(2.0, INF, 0.0, 0.2, t1, 0.0, 0.0) for t1 in (9.0, 20.0)]
        points += [(0.0, 1.1, 0.0, 0.2, t1, 0.0, 0.0) for t1 in (9.0, 20.0)]
        points += [(1.2, INF, 0.0, nu, 0.3, 0.0, 0.0) for nu in (-5.0, 40.0)]
    return points


def points_of(name):
    return ordinal_points() if name.startswith("cumulative") else duration_points(name)


def rows(name, points):
    return density_rows(name, *np.asarray(points, dtype=float).T)


def exact(name, point):
    """All members by central differences; with that many digits their error is below a double's."""
    log_density, slots = DENSITIES[name]
    digits, fine = (70, 15) if name == "gamma_duration" else (150, 35)
    data, at = point[:3], [mpf(float(x)) for x in point[3:]]
    with mp.workdps(digits):
        step = mpf(10) ** -fine
        data = [mpf(float(x)) for x in data]
        seen = {}

        def f(*shifts):
            moves = [0, 0, 0, 0]
            for i, k in shifts:
                moves[i] += k
            key = tuple(moves)
            if key not in seen:
                moved = [x + k * step for x, k in zip(at, moves, strict=True)]
                seen[key] = log_density(*data, *moved)
            return seen[key]

        out = dict.fromkeys(MEMBERS, mpf(0))
        out["f"] = f()
        unseen = {2} if point[0] < 0 else {1} if point[0] > 0 else set()
        used = range(slots + 1) if slots < 3 else sorted({0, 1, 2, 3} - unseen)
        for i in used:
            own = str(i) if i else ""
            out["g" + own] = (f((i, 1)) - f((i, -1))) / (2 * step)
            for j in used:
                if j > i:
                    out[f"h{own}{j}"] = (
                        f((i, 1), (j, 1)) - f((i, 1), (j, -1))
                        - f((i, -1), (j, 1)) + f((i, -1), (j, -1))
                    ) / (4 * step**2)  # fmt: skip
            out["h" + own * 2] = (f((i, 1)) - 2 * f() + f((i, -1))) / step**2
    return np.array([float(out[member]) for member in MEMBERS])


@pytest.mark.parametrize("name", DENSITIES)
def test_value_and_derivatives(name):
    """1e-11 of their own size; what cancels does so between terms of order one."""
    points = points_of(name)
    found = rows(name, points)
    expected = np.array([exact(name, point) for point in points])
    assert np.isfinite(found).all()
    # the density is nil there, and continued in another way
    usable = np.abs(expected).max(1) < 1e90
    assert usable.mean() > 0.5
    found, expected = found[usable], expected[usable]
    allowed = 1e-11 * np.abs(expected) + 1e-12
    # of log f even where the probability is almost one
    allowed[:, 0] = 1e-11 * np.abs(expected[:, 0]) + 1e-300
    # but survival at entry cancels another term, as large as 1, or 1 / sigma^2 in its derivatives
    at = np.array(points)[usable]
    late = (at[:, 2] != 0) & (at[:, 2] > -INF)
    allowed[late] += 1e-14 * (1 + np.exp(-2 * at[late, 4:5]))
    excess = np.abs(found - expected) / allowed
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    where = np.array(points)[usable][worst[0]]
    assert excess.max() < 1, (MEMBERS[worst[1]], where, found[worst], expected[worst])


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_density_as_the_limit_of_a_narrow_category(link):
    """Near a width of 0, every derivative that does not grow stays smooth."""
    wide, narrow = (
        rows(f"cumulative_{link}", [(0, 0, 0, 0.3, 0.1 + width / 2, 0.1 - width / 2, 0.2)])[0]
        for width in (2.0**-20, 2.0**-44)
    )
    for member in ("g", "g3", "h", "h3", "h33", "h1", "h2", "h13", "h23"):
        k = MEMBERS.index(member)
        assert abs(narrow[k] - wide[k]) < 2e-6, member
    np.testing.assert_allclose(narrow[0] - wide[0], -24 * np.log(2), rtol=1e-10)
    np.testing.assert_allclose(narrow[[2, 3]] / wide[[2, 3]], 2.0**24, rtol=1e-5)


@pytest.mark.parametrize("name", DENSITIES)
def test_data_that_exclude_each_other(name):
    if name.startswith("cumulative"):
        thresholds = [(0.0, 0.0), (-1e-8, 0.0), (-3.0, 5.0)]
        scales = [-80.0, 0.0, 80.0]
        points = [(0, 0, 0, 0.4, *t, t3) for t, t3 in itertools.product(thresholds, scales)]
    else:
        points = [(3.0, 2.0, 0.0, 0.4, 0.1, 0, 0), (2.0, 0.0, 1.0, 0.4, 0.1, 0, 0)]
    found = rows(name, points)
    assert (found[:, 0] == -1e100).all()
    assert (found[:, 1:] == 0.0).all()


@pytest.mark.parametrize("name", [name for name in DENSITIES if not name.startswith("cumul")])
def test_nothing_known(name):
    start = -INF if name == "censored_gaussian" else 0.0
    found = rows(name, [(start, INF, start, nu, t1, 0, 0) for nu in (-90, 3) for t1 in (-4, 4)])
    np.testing.assert_array_equal(found, 0.0)


@pytest.mark.parametrize("name", ["lognormal", "loglogistic", "weibull_ph", "gamma_duration"])
def test_probabilities_of_a_partition_add_up(name):
    cuts = [0.0, 0.2, 0.9, 1.0, 1.5, 4.0, INF]
    for nu, t1 in itertools.product((-0.4, 0.0, 0.8), (-3.0, 0.0, 2.0)):
        f = rows(name, [(*ends, 0.0, nu, t1, 0, 0) for ends in itertools.pairwise(cuts)])[:, 0]
        np.testing.assert_allclose(np.exp(f).sum(), 1.0, rtol=1e-13)


@pytest.mark.parametrize("name", DENSITIES)
def test_finite_everywhere(name):
    """Products of two derivatives, too."""
    nus = [-1e5, -710.0, -300.0, -20.0, -1e-300, 0.0, 1e-30, 0.2, 30.0, 300.0, 710.0, 1e5]
    scales = [-400.0, -50.0, -20.0, 0.0, 20.0, 50.0, 400.0]
    if name.startswith("cumulative"):
        ends = [(0.0, 0.3 + width, 0.3) for width in (1e-15, 1e-8, 0.25, 1.0, 1400.0)]
        ends += [(-1.0, 2.0, 0.0), (1.0, 0.0, 2.0), (0.0, 700.0, -700.0)]
        points = [
            (y, 0, 0, nu, t1, t2, t3)
            for (y, t1, t2), nu, t3 in itertools.product(ends, nus, scales)
        ]
    else:
        start = -INF if name == "censored_gaussian" else 0.0
        ends = [(y, m) for y in (1e-8, 1.0, 1e8) for m in (y, y * (1 + 1e-15), y + 1, INF)]
        ends += [(start, 1e-8), (start, 1e8)]
        points = [
            (y, m, e, nu, t1, 0, 0)
            for (y, m), nu, t1, e in itertools.product(ends, nus, scales, (start, 1e-9))
        ]
    found = rows(name, points)
    assert np.isfinite(found).all()
    assert np.abs(found[:, 0]).max() <= 1e300
    assert np.abs(found[:, 1:]).max() < 1e154
