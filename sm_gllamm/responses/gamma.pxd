# cython: language_level=3
"""Gamma: y > 0, t1 = log phi; variance phi mu^2, shape a = 1 / phi.

Nothing is left out of f. With w = y / mu,
    f = log(a / (2 pi)) / 2 - S(a) - log y - a (w - 1 - log w),
S the remainder of Stirling's formula: no term is larger than the result at small dispersions.
log phi is held within +-100, so that products of derivatives stay finite.
"""
from sm_gllamm.responses._density cimport Density, nothing
from sm_gllamm.responses._vecmath cimport (
    sm_clamp, sm_exp, sm_exp_excess, sm_expm1, sm_log, sm_log_gap, sm_stirling, sm_stirling1, sm_stirling2,
)


cdef inline Density gamma_ratio(
    double log_y, double w, double u, double gap, double d1, double d2, double t1
) noexcept nogil:
    """At w = y / mu, u = w - 1 and gap = u - log w; d1 and d2 are the derivatives of log w in nu."""
    cdef Density out = nothing()
    cdef double tau = sm_clamp(t1, -100.0, 100.0)
    cdef double a = sm_exp(-tau)
    cdef double first = sm_stirling1(a)
    out.f = -0.91893853320467274178 - 0.5 * tau - sm_stirling(a) - log_y - a * gap
    out.g = -a * u * d1
    out.g1 = first - 0.5 + a * gap
    out.h = -a * (d1 * d1 * w + d2 * u)
    out.h1 = -out.g
    out.h11 = -first - sm_stirling2(a) - a * gap
    return out


cdef inline Density gamma_log(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    cdef double log_y = sm_log(y)
    cdef double full = log_y - nu
    cdef double d = full if full < 230.0 else 230.0
    cdef Density out = gamma_ratio(log_y, sm_exp(d), sm_expm1(d), sm_exp_excess(d), -1.0, 0.0, t1)
    out.f += out.g * (d - full)
    return out


cdef inline Density gamma_positive(
    double y, double w, double u, double d1, double d2, double nu, double t1
) noexcept nogil:
    """At a ratio w = y / mu that exists for nu > 0 only; u = w - 1."""
    cdef Density out = gamma_ratio(sm_log(y), w, u, sm_log_gap(w, u), d1, d2, t1)
    cdef bint inside = nu > 0.0
    out.f = out.f if inside else -1e100
    out.g = out.g if inside else 0.0
    out.g1 = out.g1 if inside else 0.0
    out.h = out.h if inside else 0.0
    out.h1 = out.h1 if inside else 0.0
    out.h11 = out.h11 if inside else 0.0
    return out


cdef inline Density gamma_inverse(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """Mean 1 / nu, nu > 0."""
    cdef double rate = nu if nu > 1e-40 else 1e-40
    cdef double d1 = 1.0 / rate
    return gamma_positive(y, y * rate, y * rate - 1.0, d1, -d1 * d1, nu, t1)


cdef inline Density gamma_identity(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """Mean nu > 0. Linear in nu below 1e-20 y, so that products of derivatives stay finite."""
    cdef double mu = nu if nu > 1e-20 * y else 1e-20 * y
    cdef double d1 = -1.0 / mu
    cdef Density out = gamma_positive(y, y / mu, (y - mu) / mu, d1, d1 * d1, nu, t1)
    out.f += out.g * (nu - mu)
    return out
