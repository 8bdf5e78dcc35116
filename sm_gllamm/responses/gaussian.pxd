# cython: language_level=3
"""Gaussian: y a real number, t1 = log of the standard deviation.

Nothing is left out of f. The logarithm of the standard deviation is held within +-50 in all but one
term, and means within 1e43, so that products of derivatives stay finite.
"""
from libc.math cimport fabs

from sm_gllamm.responses._density cimport Density, nothing
from sm_gllamm.responses._vecmath cimport sm_clamp, sm_exp


cdef inline Density gaussian_mean(double y, double mu, double d1, double d2, double t1) noexcept nogil:
    """At a mean mu with derivatives d1 and d2 in nu."""
    cdef Density out = nothing()
    cdef double precision = sm_exp(-2.0 * sm_clamp(t1, -50.0, 50.0))
    cdef double r = y - mu
    cdef double rp = r * precision
    out.f = -0.91893853320467274178 - t1 - 0.5 * r * rp
    out.g = rp * d1
    out.g1 = r * rp - 1.0
    out.h = rp * d2 - precision * d1 * d1
    out.h1 = -2.0 * rp * d1
    out.h11 = -2.0 * r * rp
    return out


cdef inline Density gaussian_identity(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    return gaussian_mean(y, nu, 1.0, 0.0, t1)


cdef inline Density gaussian_log(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    cdef double x = nu if nu < 100.0 else 100.0
    cdef double mu = sm_exp(x)
    cdef Density out = gaussian_mean(y, mu, mu, mu, t1)
    out.f += out.g * (nu - x)
    return out


cdef inline Density gaussian_inverse(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """Mean 1 / nu, for nu of either sign."""
    cdef bint inside = fabs(nu) > 1e-20
    cdef double mu = 1.0 / (nu if inside else 1.0)
    cdef double d1 = -mu * mu
    cdef Density out = gaussian_mean(y, mu, d1, -2.0 * mu * d1, t1)
    out.f = out.f if inside else -1e100
    out.g = out.g if inside else 0.0
    out.g1 = out.g1 if inside else 0.0
    out.h = out.h if inside else 0.0
    out.h1 = out.h1 if inside else 0.0
    out.h11 = out.h11 if inside else 0.0
    return out
