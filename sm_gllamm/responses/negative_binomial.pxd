# cython: language_level=3
"""Negative binomial: y a count, t1 = log alpha; variance mu + alpha mu^2 (nb2) or mu (1 + alpha) (nb1).

Left out of f: -log y!.

Both are c(y, k) + y nu - (y + k) log(1 + y's part), with k = 1 / alpha (nb2) or mu / alpha (nb1) and
    c = log Gamma(y + k) - log Gamma(k) - y log k = sum over j < y of log(1 + j / k),
which is computed from remainders of Stirling's formula and tends to 0 for large k (Poisson) without
cancellation. log alpha is held within +-100, so that products of derivatives stay finite.
"""
from libc.math cimport fabs

from sm_gllamm.responses._density cimport Density, nothing
from sm_gllamm.responses._vecmath cimport (
    sm_clamp, sm_exp, sm_log1p, sm_log_gap, sm_select, sm_stirling, sm_stirling1, sm_stirling2,
)

cdef struct Rising:
    double c        # the sum of log(1 + j / k), j < y
    double c1       # its derivatives in -log k
    double c2

cdef inline Rising rising(double y, double k) noexcept nogil:
    cdef Rising out
    cdef double q = y / k
    cdef double r = 1.0 / (1.0 + q)
    cdef double log_q = sm_log1p(q)
    cdef double k_gap = k * sm_log_gap(1.0 + q, q)
    cdef double n = y + k
    cdef double first = sm_stirling1(k) - r * sm_stirling1(n)
    out.c = (y - 0.5) * log_q - k_gap + (sm_stirling(n) - sm_stirling(k))
    out.c1 = k_gap - 0.5 * q * r + first
    out.c2 = y * q * r - k_gap - 0.5 * q * r * r - first - (sm_stirling2(k) - r * r * sm_stirling2(n))
    return out


cdef struct Softplus:
    double value    # log(1 + exp(s))
    double p        # its derivative exp(s) / (1 + exp(s))
    double q        # 1 - p
    double gap      # value - p

cdef inline Softplus softplus(double s) noexcept nogil:
    """Relative accuracy for s -> -infinity."""
    cdef Softplus out
    cdef double x = sm_exp(-fabs(s))
    cdef double r = 1.0 / (1.0 + x)
    cdef double log_x = sm_log1p(x)
    out.value = sm_select(s > 0.0, s + log_x, log_x)
    out.p = sm_select(s > 0.0, r, x * r)
    out.q = sm_select(s > 0.0, x * r, r)
    out.gap = sm_select(s > 0.0, out.value - out.p, x * out.p - sm_log_gap(1.0 + x, x))
    return out


cdef inline Density nb2_log(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    cdef Density out = nothing()
    cdef double tau = sm_clamp(t1, -100.0, 100.0)
    cdef double k = sm_exp(-tau)
    cdef Rising up = rising(y, k)
    cdef Softplus s = softplus(tau + nu)
    out.f = up.c + y * nu - (y + k) * s.value
    out.g = y * s.q - k * s.p
    out.g1 = up.c1 + k * s.gap - y * s.p
    out.h = -(y + k) * s.p * s.q
    out.h1 = k * s.p * s.p - y * s.p * s.q
    out.h11 = up.c2 - k * s.gap + out.h1
    return out


cdef inline Density nb1_log(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """Linear in nu from 230 on and where k is below exp(-300): there log k enters linearly."""
    cdef Density out = nothing()
    cdef double tau = sm_clamp(t1, -100.0, 100.0)
    cdef double x = sm_clamp(nu, tau - 300.0, 230.0)
    cdef double k = sm_exp(x - tau)
    cdef Rising up = rising(y, k)
    cdef Softplus s = softplus(tau)
    out.g = y - up.c1 - k * s.value
    out.f = up.c + y * x - (y + k) * s.value + out.g * (nu - x)
    out.g1 = up.c1 + k * s.gap - y * s.p
    out.h = up.c2 - k * s.value
    out.h1 = k * s.gap - up.c2
    out.h11 = up.c2 - k * s.gap + k * s.p * s.p - y * s.p * s.q
    return out
