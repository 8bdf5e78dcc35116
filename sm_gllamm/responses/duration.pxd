# cython: language_level=3
"""Durations and censored responses: events, right, left and interval censoring, late entry.

y is the lower and m the upper end of the interval in which the response lies: y = m an event, m = inf
right-censored at y, y = 0 with finite m left-censored (y = -inf for the censored gaussian). e is the
entry time (0, or -inf for the censored gaussian, for none): f is less log S(e).

At events f is the log density of log T, so it leaves out -log y (nothing for the censored gaussian,
where it is that of the response itself). Nothing else is left out. Where m < y, f is -1e100 and the
derivatives are zero. The log scale, log shape or log dispersion t1 is held within +-50, so that
products of derivatives stay finite.
"""
from libc.float cimport DBL_MAX
from libc.math cimport fabs, sqrt

from sm_gllamm.responses._density cimport Density, nothing
from sm_gllamm.responses._interval cimport (
    Failure, Interval, extreme_interval, failure, hazard, hazard_rate, logistic_interval, normal_interval,
)
from sm_gllamm.responses._vecmath cimport (
    sm_clamp, sm_dot, sm_exp, sm_exp_excess, sm_expm1, sm_log, sm_log1p, sm_select, sm_stirling,
    sm_stirling1, sm_stirling2,
)

cdef extern from *:
    """
    /* Gauss-Legendre rule with 16 nodes on [0, 1] */
    static const double sm_rule_nodes[16] = {
        0.0052995325041750337, 0.027712488463383712, 0.0671843988060841281, 0.122297795822498483,
        0.191061877798678126, 0.270991611171386307, 0.359198224610370543, 0.45249374508118128,
        0.54750625491881872, 0.640801775389629457, 0.729008388828613693, 0.808938122201321874,
        0.877702204177501517, 0.932815601193915872, 0.972287511536616288, 0.994700467495824966};
    static const double sm_rule_weights[16] = {
        0.0135762297058770474, 0.0311267619693239464, 0.0475792558412463924, 0.062314485627766936,
        0.074797994408288366, 0.0845782596975012691, 0.0913017075224617944, 0.0947253052275342481,
        0.0947253052275342481, 0.0913017075224617944, 0.0845782596975012691, 0.074797994408288366,
        0.062314485627766936, 0.0475792558412463924, 0.0311267619693239464, 0.0135762297058770474};
    """
    const double *sm_rule_nodes
    const double *sm_rule_weights

cdef enum Distribution:
    NORMAL
    LOGISTIC


cdef struct Span:
    double low          # ends on the scale of the latent response; a copy of the other end where missing
    double high
    double entry
    double width        # high - low
    double has_low
    double has_high     # 0.0 at events: they are the time survived, and the logarithm of the hazard
    double has_entry
    double event
    double valid        # 0.0 if the data exclude each other


cdef inline Span log_span(double y, double m, double e) noexcept nogil:
    """Ends on the log scale."""
    cdef Span out
    cdef double begin = sm_select(y > 0.0, y, 1.0)
    cdef double end = sm_select(m > 0.0, m, 1.0)
    cdef double w = sm_log1p((end - begin) / begin)
    out.valid = sm_select(m >= y, 1.0, 0.0) * sm_select(m > 0.0, 1.0, 0.0)
    out.event = out.valid * sm_select(m == y, 1.0, 0.0)
    out.has_low = sm_select(y > 0.0, 1.0, 0.0)
    out.has_high = sm_select(m > y, 1.0, 0.0) * sm_select(m <= DBL_MAX, 1.0, 0.0)
    out.has_entry = sm_select(e > 0.0, 1.0, 0.0)
    out.low = sm_log(sm_select(y > 0.0, begin, end))
    out.high = sm_log(sm_select(out.has_high > 0.0, end, begin))
    out.entry = sm_log(sm_select(e > 0.0, e, 1.0))
    out.width = sm_select(out.has_low * out.has_high > 0.0, w, 1.0)
    return out


cdef inline Span real_span(double y, double m, double e) noexcept nogil:
    """Ends of a response on the real line."""
    cdef Span out
    out.valid = sm_select(m >= y, 1.0, 0.0)
    out.event = sm_select(m == y, 1.0, 0.0)
    out.has_low = sm_select(y >= -DBL_MAX, 1.0, 0.0)
    out.has_high = sm_select(m > y, 1.0, 0.0) * sm_select(m <= DBL_MAX, 1.0, 0.0)
    out.has_entry = sm_select(e >= -DBL_MAX, 1.0, 0.0)
    out.high = sm_select(out.has_high > 0.0, m, sm_select(out.has_low > 0.0, y, 0.0))
    out.low = sm_select(out.has_low > 0.0, y, out.high)
    out.entry = sm_select(out.has_entry > 0.0, e, 0.0)
    out.width = sm_select(out.has_low * out.has_high > 0.0, m - y, 1.0)
    return out


cdef inline Density within(Density inside, double valid) noexcept nogil:
    """`inside`, or the density of a row whose data exclude each other."""
    cdef Density out = nothing()
    out.f = sm_select(valid > 0.0, inside.f, -1e100)
    out.g = valid * inside.g
    out.g1 = valid * inside.g1
    out.h = valid * inside.h
    out.h1 = valid * inside.h1
    out.h11 = valid * inside.h11
    return out


# ---- location and scale: z = (x - nu) exp(-t1), x the response or its logarithm
cdef inline Interval interval(Distribution shape, double a, double b, double w,
                              double has_a, double has_b) noexcept nogil:
    if shape == NORMAL:
        return normal_interval(a, b, w, has_a, has_b)
    return logistic_interval(a, b, w, has_a, has_b)


cdef inline Interval event(Distribution shape, double z) noexcept nogil:
    """Log density of z in the members that an interval would use."""
    cdef Interval out
    cdef double t, r, g, h
    if shape == NORMAL:
        out.f = -0.5 * z * z - 0.91893853320467274178
        g = -z
        h = -1.0
    else:
        t = sm_exp(-fabs(z))
        r = 1.0 / (1.0 + t)
        out.f = -fabs(z) - 2.0 * sm_log1p(t)
        g = sm_select(z > 0.0, -1.0, 1.0) * (1.0 - t) * r
        h = -2.0 * t * r * r
    out.d = g
    out.da = -h
    out.db = 0.0
    out.c = z * g
    out.cc = z * (g + z * h)
    out.cd = z * h
    return out


cdef inline Density location_scale(Distribution shape, Span x, double nu, double t1) noexcept nogil:
    """Free of branches, so all three parts are computed: event, interval, survival of entry."""
    cdef Density out = nothing()
    cdef double tau = sm_clamp(t1, -50.0, 50.0)
    cdef double s = sm_exp(-tau)
    cdef double a = (x.low - nu) * s, b = (x.high - nu) * s, z = (x.entry - nu) * s
    cdef double both = x.has_low * x.has_high
    cdef double w = sm_select(both > 0.0, x.width * s, 1.0)
    cdef double ends = (x.has_low + x.has_high - both) * (1.0 - x.event)
    cdef Interval at = event(shape, a)
    cdef Interval v = interval(shape, a, b, w, x.has_low, x.has_high)
    cdef Interval late = interval(shape, z, z, 1.0, 1.0, 0.0)
    v.f = x.event * (at.f - tau) + ends * v.f - x.has_entry * late.f
    v.d = x.event * at.d + ends * v.d - x.has_entry * late.d
    v.da = x.event * at.da + ends * (v.da + v.db) - x.has_entry * (late.da + late.db)
    v.c = x.event * at.c + ends * v.c - x.has_entry * late.c
    v.cc = x.event * at.cc + ends * v.cc - x.has_entry * late.cc
    v.cd = x.event * at.cd + ends * v.cd - x.has_entry * late.cd
    out.f = v.f
    out.g = -s * v.d
    out.g1 = -v.c - x.event
    out.h = -s * s * v.da
    out.h1 = s * (v.d + v.cd)
    out.h11 = v.cc
    return within(out, x.valid)


cdef inline Density censored_gaussian(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """t1 = log sigma."""
    return location_scale(NORMAL, real_span(y, m, e), nu, t1)


cdef inline Density lognormal(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """(log T - nu) exp(-t1) is normal."""
    return location_scale(NORMAL, log_span(y, m, e), nu, t1)


cdef inline Density loglogistic(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """(log T - nu) exp(-t1) is logistic."""
    return location_scale(LOGISTIC, log_span(y, m, e), nu, t1)


# ---- Weibull, free of branches: S = exp(-exp(z)), z = p (log t - centre) + shift
cdef inline Interval weibull(Span x, double p, double centre, double shift) noexcept nogil:
    """All terms but log p at events; c, cc and cd are derivatives in log p."""
    cdef double a = p * (x.low - centre)
    cdef double b = p * (x.high - centre)
    cdef double z = p * (x.entry - centre)
    cdef double w = sm_select(x.has_low * x.has_high > 0.0, p * x.width, 1.0)
    cdef Interval out = extreme_interval(a + shift, b + shift, w, a, b, x.has_low, x.has_high)
    cdef double late = x.has_entry * hazard(z + shift)
    cdef double rate = hazard_rate(late)
    out.f += late + x.event * (a + shift)
    out.d += rate + x.event
    out.da -= rate
    out.c += rate * z + x.event * a
    out.cc += rate * z * (1.0 + z) + x.event * a
    out.cd += rate * z
    return out


cdef inline Density weibull_aft(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """(log T - nu) exp(-t1) has the minimum-extreme-value distribution."""
    cdef Density out = nothing()
    cdef Span x = log_span(y, m, e)
    cdef double tau = sm_clamp(t1, -50.0, 50.0)
    cdef double s = sm_exp(-tau)
    cdef Interval v = weibull(x, s, nu, 0.0)
    out.f = v.f - x.event * tau
    out.g = -s * v.d
    out.g1 = -v.c - x.event
    out.h = -s * s * (v.da + v.db)
    out.h1 = s * (v.d + v.cd)
    out.h11 = v.cc
    return within(out, x.valid)


cdef inline Density weibull_ph(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """S(t) = exp(-exp(exp(t1) log t + nu)); t1 is the log shape."""
    cdef Density out = nothing()
    cdef Span x = log_span(y, m, e)
    cdef double log_p = sm_clamp(t1, -50.0, 50.0)
    cdef Interval v = weibull(x, sm_exp(log_p), 0.0, nu)
    out.f = v.f + x.event * log_p
    out.g = v.d
    out.g1 = v.c + x.event
    out.h = -(v.da + v.db)
    out.h1 = v.cd
    out.h11 = v.cc
    return within(out, x.valid)


# ---- exponential: one branch, which is the same at all nodes of a row
cdef inline Density exponential_ph(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """nu is the log rate."""
    cdef Density out = nothing()
    cdef double event = sm_select(m == y, 1.0, 0.0)
    cdef double valid = sm_select(m >= y, 1.0, 0.0) * sm_select(m > 0.0, 1.0, 0.0)
    cdef double log_time = sm_log(sm_select(event * y > 0.0, y, 1.0))
    cdef double cumulated = sm_clamp((y - e) * hazard(nu), -1e300, 1e300)
    cdef double rate = sm_clamp(cumulated, -1e100, 1e100)
    cdef Failure v
    out.f = event * (log_time + nu) - cumulated
    out.g = event - rate
    out.h = -rate
    if m > y and m <= DBL_MAX:
        v = failure(sm_log(m - y) + nu)
        out.f += v.f
        out.g += v.g
        out.h += v.h
    return within(out, valid)


cdef inline Density exponential_aft(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """nu is the log mean."""
    cdef Density out = exponential_ph(y, m, e, -nu, t1, t2, t3)
    out.g = -out.g
    return out


# ---- gamma: with z = log T - nu, q = z - e^z + 1 <= 0 and shape k, z has log density k q + c(k),
# c = log(k / 2 pi) / 2 - S(k), S the remainder of Stirling's formula. Probabilities are integrals of it by
# quadrature, derivatives in the shape are the moments of q between the ends.
cdef struct Moments:
    double i            # integral of exp(k (q - q0)) dz, q0 at the anchor z0
    double q            # moments with that weight: q - q0, its square, e^z - e^z0, and their product
    double qq
    double r
    double qr


cdef struct Shaped:
    double f            # log probability
    double d            # its derivatives where both ends move together
    double dd
    double k            # and in t1 = -log k
    double kk
    double kd


cdef enum:
    NODES = 16


cdef inline void add_panel(Moments *sums, double shape, double z0, double start, double length) noexcept nogil:
    """Integrate over [start, start + length], distances from z0."""
    cdef double weight[NODES]
    cdef double delta[NODES]
    cdef double rise[NODES]
    cdef double both[NODES]
    cdef double e0 = sm_exp(z0), p0 = sm_expm1(z0)
    cdef double u
    cdef int i
    for i in range(NODES):
        u = start + length * sm_rule_nodes[i]
        rise[i] = e0 * sm_expm1(u)
        delta[i] = -p0 * u - e0 * sm_exp_excess(u)
        weight[i] = length * sm_rule_weights[i] * sm_exp(shape * delta[i])
        both[i] = weight[i] * delta[i]
    for i in range(NODES):
        sums.i += weight[i]
    sums.q += sm_dot(weight, delta, NODES)
    sums.qq += sm_dot(both, delta, NODES)
    sums.r += sm_dot(weight, rise, NODES)
    sums.qr += sm_dot(both, rise, NODES)


cdef inline void add_right(Moments *sums, double shape, double z0, double length) noexcept nogil:
    """Integrate over [z0, z0 + length], z0 >= 0, as far as the weight is not negligible."""
    cdef double drop = 45.0 / shape
    cdef double p0 = sm_expm1(z0), e0 = p0 + 1.0
    # upper bounds of the distance where k (q - q0) = -45: a parabola below -q, then -q = e^z - ... itself
    cdef double far = 2.0 * drop / (p0 + sqrt(p0 * p0 + 2.0 * e0 * drop))
    cdef double bound, start = 0.0, panel, to_mode
    cdef int _i
    for _i in range(4):
        bound = sm_log1p((drop + far) / e0)
        far = bound if bound < far else far
    length = length if length < far else far
    while start < length:
        # where k e^z is small, the weight is smooth until z comes near -log k
        to_mode = -sm_log(shape) - z0 - start
        panel = 0.8 * to_mode if to_mode > 2.5 else 2.0
        panel = panel if panel < 0.25 * far else 0.25 * far
        panel = panel if 1.0001 * (start + panel) < length else length - start
        add_panel(sums, shape, z0, start, panel)
        start += panel


cdef inline void add_left(Moments *sums, double shape, double z0, double length) noexcept nogil:
    """Integrate over [z0 - length, z0], z0 <= 0, as far as the weight is not negligible."""
    cdef double drop = 45.0 / shape
    cdef double e0 = sm_exp(z0), p0 = -sm_expm1(z0)
    cdef double far = 2.0 * drop / (p0 + sqrt(p0 * p0 + 4.0 / 3.0 * e0 * drop))
    cdef double start = 0.0, panel, deep, weight, shift, m0, m1, r1, low
    if far > 1.0:
        far = drop + e0
    length = length if length < far else far
    # from z = -60 on, e^z is nothing: the weight is exp(k (z - z0) + k e^z0), which has a closed form
    deep = 60.0 + z0 if z0 > -60.0 else 0.0
    if shape * (length - deep) >= 40.0:
        length = deep
        shift = -deep - e0 * sm_expm1(-deep)
        weight = sm_exp(shape * shift)
        low = sm_exp(z0 - deep)
        m0 = 1.0 / shape
        m1 = m0 / shape
        r1 = 1.0 / (shape + 1.0)
        sums.i += weight * m0
        sums.q += weight * (shift * m0 - m1)
        sums.qq += weight * (shift * shift * m0 - 2.0 * shift * m1 + 2.0 * m1 / shape)
        sums.r += weight * (low * r1 - e0 * m0)
        sums.qr += weight * (low * (shift - r1) * r1 - e0 * (shift * m0 - m1))
    while start < length:
        panel = -0.8 * (z0 - start) if z0 - start < -2.5 else 2.0
        panel = panel if panel < 0.25 * far else 0.25 * far
        panel = panel if 1.0001 * (start + panel) < length else length - start
        add_panel(sums, shape, z0, -start - panel, panel)
        start += panel


cdef inline Shaped gamma_mass(double a, double b, double w, bint has_a, bint has_b, double shape) noexcept nogil:
    """log P(a < z < b) with derivatives; not relatively exact where the probability is almost one."""
    cdef Shaped out
    cdef Moments sums
    cdef double z0 = 0.0, right = 0.0, left = 0.0, from_a, from_b, e0, p0, q, r, k, first
    if has_a and a >= 0.0:
        z0 = a
        right = w if has_b else 1e300
    elif has_b and b <= 0.0:
        z0 = b
        left = w if has_a else 1e300
    else:
        right = b if has_b else 1e300
        left = -a if has_a else 1e300
    sums.i = 0.0
    sums.q = 0.0
    sums.qq = 0.0
    sums.r = 0.0
    sums.qr = 0.0
    if right > 0.0:
        add_right(&sums, shape, z0, right)
    if left > 0.0:
        add_left(&sums, shape, z0, left)
    e0 = sm_exp(z0)
    p0 = sm_expm1(z0)
    k = shape
    q = sums.q / sums.i
    r = sums.r / sums.i
    first = sm_stirling1(k)
    out.f = (0.5 * sm_log(k) - 0.91893853320467274178 - sm_stirling(k) - k * sm_exp_excess(z0) + sm_log(sums.i))
    out.d = -k * (p0 + r)
    out.dd = 0.0
    if has_a:
        from_a = -left
        out.dd -= (k * (r - e0 * sm_expm1(from_a)) / sums.i
                   * sm_exp(-k * (p0 * from_a + e0 * sm_exp_excess(from_a))))
    if has_b:
        from_b = right
        out.dd -= (k * (e0 * sm_expm1(from_b) - r) / sums.i
                   * sm_exp(-k * (p0 * from_b + e0 * sm_exp_excess(from_b))))
    out.k = first - 0.5 - k * (q - sm_exp_excess(z0))
    out.kk = k * (q - sm_exp_excess(z0)) - first - sm_stirling2(k) + k * k * (sums.qq / sums.i - q * q)
    out.kd = k * (p0 + r) + k * k * (sums.qr / sums.i - q * r)
    return out


cdef inline Shaped gamma_interval(double a, double b, double w, bint has_a, bint has_b, double shape) noexcept nogil:
    """log P(a < z < b): where it is almost one, from what is left out at either end."""
    cdef Shaped out, tail
    cdef double p, rest = 0.0, d = 0.0, dd = 0.0, k = 0.0, kk = 0.0, kd = 0.0
    cdef bint lower, upper
    cdef int part
    for part in range(3):
        # the interval itself, what is below it, what is above it
        lower = has_a if part == 0 else part == 2
        upper = has_b if part == 0 else part == 1
        if part == 1 and not has_a or part == 2 and not has_b:
            continue
        tail = gamma_mass(a if part != 2 else b, b if part != 1 else a, w, lower, upper, shape)
        if part == 0:
            out = tail
            if out.f < -0.1:
                return out
            continue
        p = sm_exp(tail.f)
        rest += p
        d += p * tail.d
        dd += p * (tail.dd + tail.d * tail.d)
        k += p * tail.k
        kk += p * (tail.kk + tail.k * tail.k)
        kd += p * (tail.kd + tail.k * tail.d)
    p = 1.0 - rest
    out.f = sm_log1p(-rest)
    out.d = -d / p
    out.dd = -dd / p - out.d * out.d
    out.k = -k / p
    out.kk = -kk / p - out.k * out.k
    out.kd = -kd / p - out.k * out.d
    return out


cdef inline Density gamma_duration(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """Mean exp(nu), variance exp(2 nu + t1)."""
    cdef Density out = nothing()
    cdef Span x = log_span(y, m, e)
    cdef double tau = sm_clamp(t1, -50.0, 50.0)
    cdef double k = sm_exp(-tau)
    # further out the density is nil, but products of derivatives must stay finite
    cdef double a = x.low - nu if x.low - nu < 230.0 else 230.0
    cdef double b = x.high - nu if x.high - nu < 230.0 else 230.0
    cdef double z = x.entry - nu if x.entry - nu < 230.0 else 230.0
    cdef double first, sign
    cdef Shaped v
    cdef int part
    if x.valid == 0.0:
        out.f = -1e100
        return out
    if x.event > 0.0:
        first = sm_stirling1(k)
        out.f = -0.91893853320467274178 - 0.5 * tau - sm_stirling(k) - k * sm_exp_excess(a)
        out.g = k * sm_expm1(a)
        out.g1 = first - 0.5 + k * sm_exp_excess(a)
        out.h = -k * sm_exp(a)
        out.h1 = -out.g
        out.h11 = -first - sm_stirling2(k) - k * sm_exp_excess(a)
    for part in range(2):
        # the interval, then the survival of entry
        if part == 0 and (x.event > 0.0 or x.has_low + x.has_high == 0.0) or part == 1 and x.has_entry == 0.0:
            continue
        sign = 1.0 if part == 0 else -1.0
        v = gamma_interval(a if part == 0 else z, b, x.width, part == 1 or x.has_low > 0.0,
                           part == 0 and x.has_high > 0.0, k)
        out.f += sign * v.f
        out.g -= sign * v.d
        out.g1 += sign * v.k
        out.h += sign * v.dd
        out.h1 -= sign * v.kd
        out.h11 += sign * v.kk
    return out
