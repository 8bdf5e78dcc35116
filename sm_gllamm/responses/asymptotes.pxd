# cython: language_level=3
"""Binomial with asymptotes: y successes in m trials, P = c + (d - c) F with F = logistic(nu).

t1 = logit of the lower asymptote c, t2 = logit of the upper one d; d < c is allowed and lets P fall.
From 800 on either way an asymptote is 0 or 1 exactly, without derivatives: with c = 0 and d = 1 this is
the logit link. Left out of f: log C(m, y).

Successes and failures are mixtures with probabilities that are sums of positive terms,
    P = c (1 - F) + d F,   1 - P = (1 - c) (1 - F) + (1 - d) F.
With w the share of the second term in P, all derivatives of log P are products of probabilities:
    d log P / d nu = w - F = (d - c) F (1 - F) / P,   d2 log P / d nu2 = (w - F) (1 - w - F),
where d - c is d (1 - c) (1 - exp(t1 - t2)), so that one of d F / P = w and c (1 - F) / P = 1 - w enters
and nothing is divided by a P that may be 1e-600.
"""
from libc.math cimport fabs

from sm_gllamm.responses._density cimport Density, nothing
from sm_gllamm.responses._vecmath cimport sm_exp, sm_expm1, sm_log, sm_log1p, sm_select

cdef struct Logistic:
    double p
    double q            # 1 - p
    double log_p
    double log_q

cdef inline Logistic logistic(double x) noexcept nogil:
    cdef Logistic out
    cdef double t = sm_exp(-fabs(x))
    cdef double r = 1.0 / (1.0 + t)
    cdef double log_t = sm_log(1.0 + t)
    out.p = sm_select(x > 0.0, r, t * r)
    out.q = sm_select(x > 0.0, t * r, r)
    out.log_p = sm_select(x > 0.0, 0.0, x) - log_t
    out.log_q = sm_select(x > 0.0, -x, 0.0) - log_t
    return out


cdef inline double reach(double t) noexcept nogil:
    """The logit itself, or one whose exponential is nil even beside exp(-1e5)."""
    return sm_select(fabs(t) < 800.0, t, sm_select(t > 0.0, 1e100, -1e100))


cdef inline Logistic asymptote(double t) noexcept nogil:
    """At a logit from `reach`; the exponential of the kernel does not go to zero, these do."""
    cdef Logistic out = logistic(t)
    out.p = sm_select(t > -1e99, out.p, 0.0)
    out.q = sm_select(t < 1e99, out.q, 0.0)
    return out


cdef struct Blend:
    double log_value    # log(low (1 - F) + high F)
    double first        # shares of the two terms, 0 for one that is absent
    double second

cdef inline Blend blend(double nu, Logistic f, double log_low, double log_high) noexcept nogil:
    cdef Blend out
    cdef double x = nu + (log_high - log_low)
    cdef double t = sm_exp(-fabs(x))
    cdef double r = 1.0 / (1.0 + t)
    out.log_value = sm_select(x > 0.0, log_high + f.log_p, log_low + f.log_q) + sm_log(1.0 + t)
    out.first = sm_select(log_low > -1e99, sm_select(x > 0.0, t * r, r), 0.0)
    out.second = sm_select(log_high > -1e99, sm_select(x > 0.0, r, t * r), 0.0)
    return out


cdef inline Density binomial_logit_asymptotes(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    cdef Density out = nothing()
    cdef double low = reach(t1), high = reach(t2)
    cdef double n = m - y
    cdef Logistic f = logistic(nu)
    cdef Logistic c = asymptote(low)
    cdef Logistic d = asymptote(high)
    cdef Blend s = blend(nu, f, c.log_p, d.log_p)       # success
    cdef Blend v = blend(nu, f, c.log_q, d.log_q)       # failure
    cdef double p = c.p * f.q + d.p * f.p
    cdef double q = c.q * f.q + d.q * f.p
    # the logarithm of the one near 1 from the other
    cdef double log_rest = sm_log1p(-sm_select(p < q, p, q))
    cdef double log_p = sm_select(p < q, s.log_value, log_rest)
    cdef double log_q = sm_select(p < q, log_rest, v.log_value)
    cdef bint rising = high > low
    cdef double k = -sm_expm1(-fabs(high - low))
    # w - F and 1 - w - F
    cdef double gs = k * sm_select(rising, s.second * f.q * c.q, -s.first * f.p * d.q)
    cdef double gv = k * sm_select(rising, -v.first * f.p * d.p, v.second * f.q * c.p)
    cdef double rs = sm_select(nu < 0.0, s.first - f.p, f.q - s.second)
    cdef double rv = sm_select(nu < 0.0, v.first - f.p, f.q - v.second)
    cdef double spread_s = y * s.first * s.second
    cdef double spread_v = n * v.first * v.second
    cdef double s1 = y * s.first * c.q, s2 = y * s.second * d.q
    cdef double v1 = n * v.first * c.p, v2 = n * v.second * d.p
    out.f = y * log_p + n * log_q
    out.g = y * gs + n * gv
    out.g1 = s1 - v1
    out.g2 = s2 - v2
    out.h = y * gs * rs + n * gv * rv
    out.h1 = spread_v * c.p - spread_s * c.q
    out.h2 = spread_s * d.q - spread_v * d.p
    out.h11 = s1 * (s.second * c.q - c.p) + v1 * (v.second * c.p - c.q)
    out.h12 = -spread_s * c.q * d.q - spread_v * c.p * d.p
    out.h22 = s2 * (s.first * d.q - d.p) + v2 * (v.first * d.p - d.q)
    return out
