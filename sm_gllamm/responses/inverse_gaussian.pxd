# cython: language_level=3
"""Inverse Gaussian: y > 0, t1 = log phi; variance phi mu^3.

Nothing is left out of f. It is quadratic in the reciprocal mean theta = 1 / mu,
    f = -(log(2 pi) + t1 + 3 log y + (y theta - 1)^2 / (phi y)) / 2.
log phi is held within +-100 in all but one term, so that products of derivatives stay finite.
"""
from libc.math cimport sqrt

from sm_gllamm.responses._density cimport Density, nothing
from sm_gllamm.responses._vecmath cimport sm_clamp, sm_exp, sm_expm1, sm_log


cdef inline Density inverse_gaussian_reciprocal(
    double log_y, double y, double u, double d1, double d2, bint inside, double t1
) noexcept nogil:
    """At u = y theta - 1; d1 and d2 are derivatives of theta in nu."""
    cdef Density out = nothing()
    cdef double precision = sm_exp(-sm_clamp(t1, -100.0, 100.0))
    cdef double square = precision * u * u / y
    out.f = -0.91893853320467274178 - 0.5 * (t1 + 3.0 * log_y + square) if inside else -1e100
    out.g = -precision * u * d1 if inside else 0.0
    out.g1 = 0.5 * (square - 1.0) if inside else 0.0
    out.h = -precision * (y * d1 * d1 + u * d2) if inside else 0.0
    out.h1 = -out.g
    out.h11 = -0.5 * square if inside else 0.0
    return out


cdef inline Density inverse_gaussian_log(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """Linear in nu below -100, so that products of derivatives stay finite."""
    cdef double x = nu if nu > -100.0 else -100.0
    cdef double theta = sm_exp(-x)
    cdef double log_y = sm_log(y)
    cdef Density out = inverse_gaussian_reciprocal(log_y, y, sm_expm1(log_y - x), -theta, theta, True, t1)
    out.f += out.g * (nu - x)
    return out


cdef inline Density inverse_gaussian_inverse_squared(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """Mean 1 / sqrt(nu), nu > 0."""
    cdef double x = nu if nu > 1e-40 else 1e-40
    cdef double theta = sqrt(x)
    cdef double d1 = 0.5 / theta
    return inverse_gaussian_reciprocal(sm_log(y), y, y * theta - 1.0, d1, -0.5 * d1 / x, nu > 0.0, t1)


cdef inline Density inverse_gaussian_inverse(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """Mean 1 / nu, nu > 0."""
    return inverse_gaussian_reciprocal(sm_log(y), y, y * nu - 1.0, 1.0, 0.0, nu > 0.0, t1)


cdef inline Density inverse_gaussian_identity(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """Mean nu > 0. Linear in nu below 1e-20, so that products of derivatives stay finite."""
    cdef double mu = nu if nu > 1e-20 else 1e-20
    cdef double theta = 1.0 / mu
    cdef double d1 = -theta * theta
    cdef Density out = inverse_gaussian_reciprocal(
        sm_log(y), y, (y - mu) * theta, d1, -2.0 * theta * d1, nu > 0.0, t1
    )
    out.f += out.g * (nu - mu)
    return out
