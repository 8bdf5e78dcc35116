# cython: language_level=3
"""log(F(b) - F(a)) and its derivatives, for cumulative and for censored responses.

F is the logistic, normal, minimum-extreme-value (1 - exp(-e^z)) or Cauchy distribution. Either end may be
missing: `has_a` and `has_b` are 1.0 or 0.0, and a missing end must be given as a copy of the other, with
w = 1. The width w = b - a > 0 comes from the caller, who knows it without the cancellation of b - a.

What makes narrow intervals and far tails exact: the derivatives are not formed as differences. With
r_a = f(a) / P, r_b = f(b) / P, P = F(b) - F(a) and s = -f'/f,

    dL/db = r_b,   dL/da = -r_a,   d2L/dadb = r_a r_b,
    D  = dL/da + dL/db = -E[s(Z) | a < Z < b]           (both ends move together),
    dD/db = -r_b (s(b) + D),   dD/da = -r_a (-s(a) - D),

and D, s(b) + D, -s(a) - D (none negative if log f is concave), 1 - w r_a and 1 - w r_b are each computed
by a form of their own that does not cancel.

A scale moves the ends by da = ca, db = cb and the width by dw = w = cb - ca (per unit of its logarithm);
its derivatives are members of their own, because assembling them from those in a and b would cancel.
"""
from libc.math cimport atan2, fabs

from sm_gllamm.responses._vecmath cimport (
    sm_clamp, sm_erfcx, sm_exp, sm_expm1, sm_log, sm_log1p, sm_select,
)

cdef struct Interval:
    double f            # L = log(F(b) - F(a))
    double d            # D
    double ra           # -dL/da
    double rb           # dL/db
    double da           # -dD/da
    double db           # -dD/db
    double qa           # r_a (1 - w r_b)
    double qb           # r_b (1 - w r_a)
    double c            # derivative of L in the logarithm of the scale: ca dL/da + cb dL/db
    double cc           # second derivative in the logarithm of the scale
    double cd           # derivative of D in the logarithm of the scale: ca dD/da + cb dD/db

cdef struct Failure:
    double f
    double g
    double h


cdef inline Interval mirrored(Interval v) noexcept nogil:
    """The interval (-b, -a) of the mirrored distribution, seen from (a, b)."""
    cdef Interval out
    out.f = v.f
    out.d = -v.d
    out.ra = v.rb
    out.rb = v.ra
    out.da = v.db
    out.db = v.da
    out.qa = v.qb
    out.qb = v.qa
    out.c = v.c
    out.cc = v.cc
    out.cd = -v.cd
    return out


cdef inline double one_minus_bernoulli(double x) noexcept nogil:
    """1 - x / (e^x - 1), x > 0, which starts as x / 2."""
    cdef double z = sm_select(x < 0.25, x, 0.25)
    cdef double z2 = z * z
    cdef double series = 0.5 * z - z2 * (1.0 / 12.0 - z2 * (1.0 / 720.0 - z2 * (
        1.0 / 30240.0 - z2 * (1.0 / 1209600.0 - z2 * (1.0 / 47900160.0)))))
    cdef double y = sm_clamp(x, 0.25, 700.0)
    cdef double direct = 1.0 - y / sm_expm1(y)
    return sm_select(x < 0.25, series, direct)


cdef inline double log_one_minus_exp(double x) noexcept nogil:
    """log(1 - exp(-x)), x > 0."""
    cdef double q = sm_exp(-x)
    cdef double near_one = 1.0 - q
    cdef double small = -sm_expm1(-x)
    cdef double rest = (-q - (near_one - 1.0)) / small
    return sm_log(sm_select(x < 0.7, small, near_one)) + sm_select(x < 0.7, 0.0, rest)


# ---- logistic: P = (1 - exp(-w)) F(b) (1 - F(a)), so that s(b) + D = -s(a) - D = P; free of branches
cdef inline Interval logistic_interval(double a, double b, double w, double has_a, double has_b) noexcept nogil:
    cdef Interval out
    cdef double both = has_a * has_b
    cdef double ta = sm_exp(-fabs(a)), tb = sm_exp(-fabs(b))
    cdef double ua = 1.0 / (1.0 + ta), ub = 1.0 / (1.0 + tb)
    cdef double below = has_a * sm_select(a > 0.0, ua, ta * ua)     # F(a)
    cdef double above = has_b * sm_select(b > 0.0, tb * ub, ub)     # 1 - F(b)
    cdef double fa = has_a * ta * ua * ua
    cdef double fb = has_b * tb * ub * ub
    cdef double k = both / sm_expm1(w)
    cdef double ratio = one_minus_bernoulli(w)
    cdef double kw = k * (ratio - w)                            # k - w k (1 + k)
    ta *= has_a
    tb *= has_b
    out.f = (both * log_one_minus_exp(w) - has_b * sm_select(b > 0.0, 0.0, -b)
             - has_a * sm_select(a > 0.0, a, 0.0) - sm_log1p(ta + tb + ta * tb))
    out.d = above - below
    out.ra = k + below
    out.rb = k + above
    out.da = fa
    out.db = fb
    out.qa = kw + below
    out.qb = kw + above
    out.c = w * k + b * above - a * below
    out.cc = w * kw + b * (above - b * fb) - a * (below + a * fa)
    out.cd = -(a * fa + b * fb)
    return out


# ---- normal, free of branches; the interval is mirrored where that brings its middle below zero
cdef inline double mills_excess(double z, double mills) noexcept nogil:
    """phi(z) / Phi(-z) - z, z >= 0; by its asymptotic series where the difference would cancel."""
    cdef double x = sm_select(z > 25.0, z, 25.0)
    cdef double u = 1.0 / (x * x)
    cdef double series = (1.0 - u * (2.0 - u * (10.0 - u * (74.0 - u * (706.0 - u * (
        8162.0 - u * 110410.0)))))) / x
    return sm_select(z > 25.0, series, mills - z)


cdef inline Interval normal_interval(double a, double b, double w, double has_a, double has_b) noexcept nogil:
    cdef Interval out
    cdef double both = has_a * has_b
    cdef double middle = 0.5 * (a + b)
    cdef bint flip = both * middle + (has_a - has_b) > 0.0
    cdef double sign = sm_select(flip, -1.0, 1.0)
    cdef double za = sm_select(flip, -b, a)
    cdef double zb = sm_select(flip, -a, b)
    cdef double alpha = fabs(za), beta = fabs(zb)
    cdef double half_mills_a = sm_erfcx(0.70710678118654752440 * alpha)     # Phi(-alpha) / phi(alpha), but
    cdef double half_mills_b = sm_erfcx(0.70710678118654752440 * beta)      # for sqrt(pi / 2)
    cdef double mills_a = 0.79788456080286535588 / half_mills_a
    cdef double mills_b = 0.79788456080286535588 / half_mills_b
    cdef double x = w * fabs(middle)
    cdef double kappa = both * sm_exp(-x)                                   # phi(za) / phi(zb)
    cdef double one_minus_kappa = (1.0 - both) - both * sm_expm1(-x)

    # both ends in the lower tail: P = Phi(zb) (1 - rho)
    cdef double tail = 1.0 - kappa * half_mills_a / half_mills_b
    cdef double excess_a = mills_excess(alpha, mills_a)
    cdef double excess_b = mills_excess(beta, mills_b)
    cdef double narrowing = (w + (excess_a - excess_b)) / mills_a           # 1 - rho / kappa
    cdef double tail_rb = mills_b / tail
    cdef double tail_above = (excess_b * one_minus_kappa - beta * kappa * narrowing) / tail

    # zero inside: P = 1 - Q
    cdef double bell = sm_exp(-0.5 * zb * zb)
    cdef double outside = 0.5 * bell * (half_mills_b + kappa * half_mills_a)
    cdef double inside = 1.0 - outside
    cdef double lost = (-outside - (inside - 1.0)) / inside
    cdef double wide_rb = 0.39894228040143267794 * bell / inside

    # narrow: P = w phi(middle) G, G = E cosh(x U) exp(-w^2 U^2 / 2), U uniform on [-1/2, 1/2]
    cdef double size = sm_select(2.0 * w > x, 4.0 * w, 2.0 * x)
    cdef double y = sm_select(x < 0.5, x, 0.5)
    cdef double q = sm_select(w < 0.25, w * w, 0.0625)
    cdef double y2 = y * y
    cdef double c0 = -q * (0.041666666666666666667 - q * (0.0015625 - q * (4.6502976190476190476e-5 - q * (
        1.1302806712962962963e-6 - q * 2.3119377367424242424e-8))))
    cdef double c1 = 0.041666666666666666667 - q * (0.003125 - q * (1.3950892857142857143e-4 - q * (
        4.5211226851851851852e-6 - q * 1.1559688683712121212e-7)))
    cdef double c2 = 5.2083333333333333333e-4 - q * (4.6502976190476190476e-5 - q * (
        2.2605613425925925926e-6 - q * 7.7064591224747474747e-8))
    cdef double c3 = 3.1001984126984126984e-6 - q * (3.0140817901234567901e-7 - q * 1.5412918244949494949e-8)
    cdef double c4 = 1.0764577821869488536e-8 - q * 1.1009227317821067821e-9
    cdef double c5 = 2.4464949595157928491e-11
    cdef double rest = c0 + y2 * (c1 + y2 * (c2 + y2 * (c3 + y2 * (c4 + y2 * c5))))
    cdef double total = 1.0 + rest
    cdef double mean = 2.0 * y * (c1 + y2 * (2.0 * c2 + y2 * (3.0 * c3 + y2 * (
        4.0 * c4 + y2 * 5.0 * c5)))) / total                                # E[U] under G
    cdef double rise_b = sm_expm1(0.5 * y - 0.125 * q)                      # phi(zb) / phi(middle) - 1
    cdef double rise_a = sm_expm1(-0.5 * y - 0.125 * q)
    cdef double narrow_rb = (1.0 + rise_b) / (w * total)

    cdef bint is_narrow = size <= 1.0
    cdef bint is_tail = zb <= 0.0
    cdef double value = sm_select(is_tail, 0.5 * half_mills_b * tail, inside)
    cdef double offset = sm_select(is_tail, -0.5 * zb * zb, lost)
    cdef double other_rb = sm_select(is_tail, tail_rb, wide_rb)
    cdef double rb = sm_select(is_narrow, narrow_rb, other_rb)
    cdef double ra = kappa * rb
    cdef double d = rb * one_minus_kappa
    cdef double other_above = sm_select(is_tail, tail_above, zb + d)
    cdef double above = sm_select(is_narrow, w * (0.5 - mean), other_above)
    cdef double da = ra * (w - above)
    cdef double db = rb * above
    cdef double qa = ra * sm_select(is_narrow, (rest - rise_b) / total, 1.0 - w * rb)
    cdef double qb = rb * sm_select(is_narrow, (rest - rise_a) / total, 1.0 - w * ra)
    value = sm_select(is_narrow, w * total, value)
    offset = sm_select(is_narrow, -0.5 * middle * middle - 0.91893853320467274178, offset)
    out.f = sm_log(value) + offset
    out.d = sign * d
    out.ra = sm_select(flip, rb, ra)
    out.rb = sm_select(flip, ra, rb)
    out.da = sm_select(flip, db, da)
    out.db = sm_select(flip, da, db)
    out.qa = sm_select(flip, qb, qa)
    out.qb = sm_select(flip, qa, qb)
    out.c = zb * d + w * ra
    out.cc = zb * d + w * qa - zb * zb * db - za * za * da
    out.cd = -sign * (zb * db + za * da)
    return out


# ---- minimum extreme value, free of branches: L = -e^a + log(1 - exp(-e^eta)), e^eta = e^b - e^a
cdef inline Failure failure(double eta) noexcept nogil:
    """log(1 - exp(-e^eta)), the log probability of a failure, and its derivatives in eta."""
    cdef Failure out
    cdef double v = sm_clamp(sm_exp(eta), 1e-300, 700.0)
    cdef double q = sm_exp(-v)
    cdef double direct = 1.0 - q
    cdef double small = -sm_expm1(-v) / v
    cdef double rest = (-q - (direct - 1.0)) / (v * small)
    out.f = sm_log(sm_select(v < 0.7, small, direct)) + sm_select(v < 0.7, eta, rest)
    out.g = v / sm_expm1(v)
    out.h = out.g * (one_minus_bernoulli(v) - v)
    return out


cdef inline double hazard(double z) noexcept nogil:
    """e^z, kept below 1e300."""
    return sm_exp(sm_select(z < 690.0, z, 690.0))


cdef inline double hazard_rate(double cumulated) noexcept nogil:
    """The derivative of the hazard, for derivatives: products of two of them must stay finite."""
    return sm_select(cumulated < 1e100, cumulated, 1e100)


cdef inline Interval extreme_interval(double a, double b, double w, double ca, double cb,
                                      double has_a, double has_b) noexcept nogil:
    cdef Interval out
    cdef double both = has_a * has_b
    cdef double cumulated = has_a * hazard(a)
    cdef double rate = hazard_rate(cumulated)
    cdef double k = both / sm_expm1(w)                              # d eta = (1 + k) db - k da
    cdef double ratio = 1.0 - both + both * one_minus_bernoulli(w)  # 1 - w k
    cdef double kw = k * (ratio - w)                                # k (1 - w (1 + k))
    cdef Failure v = failure(b + both * sm_log(-sm_expm1(-w)))
    cdef double g = has_b * v.g
    cdef double h = has_b * v.h
    cdef double moved = cb + w * k
    out.f = has_b * v.f - cumulated
    out.d = g - rate
    out.ra = rate + g * k
    out.rb = g * (1.0 + k)
    out.da = rate + h * k
    out.db = -h * (1.0 + k)
    out.qa = rate + k * (g * (ratio - w) + w * (1.0 + k) * h)
    out.qb = (1.0 + k) * (g * ratio + w * k * h)
    out.c = g * moved - rate * ca
    out.cc = g * (cb + w * kw) + h * moved * moved - rate * ca * (1.0 + ca)
    out.cd = h * moved - rate * ca
    return out


# ---- Cauchy: P = angle(1 + a b, w) / pi
cdef inline Interval cauchy_interval(double a, double b, double w, double has_a, double has_b) noexcept nogil:
    cdef Interval out
    cdef double na = 1.0 + a * a, nb = 1.0 + b * b
    cdef double product = 1.0 + a * b
    cdef double z, angle, other, delta, d2, t, d, missing_a, missing_b, above, below
    if has_a * has_b == 0.0:
        z = -a if has_a > 0.0 else b        # an upper tail is mirrored
        angle = atan2(1.0, -z)
        other = atan2(1.0, z)
        out.ra = 0.0
        out.rb = 1.0 / (angle * nb)
        out.d = out.rb
        out.da = 0.0
        out.db = out.rb * (2.0 * z / nb + out.rb)
        out.qa = 0.0
        out.qb = out.rb
        out.c = z * out.rb
        out.cc = z * out.rb - z * z * out.db
        out.cd = -z * out.db
        if has_a > 0.0:
            out = mirrored(out)
    else:
        angle = atan2(w, product)
        other = atan2(1.0, b) + atan2(1.0, -a)
        delta = w / product
        if product > 0.0 and delta < 0.1:
            # w / angle - product by the series of x / arctan x - 1
            d2 = delta * delta
            t = product * d2 * (1.0 / 3.0 - d2 * (4.0 / 45.0 - d2 * (44.0 / 945.0 - d2 * (
                0.03019400352733686067 - d2 * (0.02179680401902624125 - d2 * 0.01678755185633492512)))))
        else:
            t = w / angle - product
        d = -w * ((a + b) / na) / (nb * angle)
        above = (w * (1.0 - a * b) - (a + b) * t) / na / nb         # s(b) + D
        below = (w * (1.0 - a * b) + (a + b) * t) / na / nb         # -s(a) - D
        missing_a = -(a * w + t) / na                               # 1 - w r_a
        missing_b = (b * w - t) / nb
        out.d = d
        out.ra = 1.0 / (angle * na)
        out.rb = 1.0 / (angle * nb)
        out.da = out.ra * below
        out.db = out.rb * above
        out.qa = out.ra * missing_b
        out.qb = out.rb * missing_a
        if fabs(a) < fabs(b):
            out.c = a * d + w * out.rb
            out.cc = a * d + w * out.qb
        else:
            out.c = b * d + w * out.ra
            out.cc = b * d + w * out.qa
        out.cc -= a * a * out.da + b * b * out.db
        out.cd = -(a * out.da + b * out.db)
    out.f = (sm_log(0.31830988618379067154 * angle) if angle < 1.5
             else sm_log1p(-0.31830988618379067154 * other))
    return out
