# cython: language_level=3
"""Poisson: y a count, no slots.

Left out of f: -log y!.
"""
from libc.math cimport fabs

from sm_gllamm.responses._density cimport Density, nothing
from sm_gllamm.responses._vecmath cimport sm_exp, sm_log


cdef inline Density poisson_log(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """Linear in nu from 230 on, so that products of derivatives stay finite."""
    cdef Density out = nothing()
    cdef double x = nu if nu < 230.0 else 230.0
    cdef double mu = sm_exp(x)
    out.f = y * nu - (mu + mu * (nu - x))
    out.g = y - mu
    out.h = -mu
    return out


cdef inline Density poisson_identity(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """Mean nu > 0."""
    cdef Density out = nothing()
    cdef bint inside = nu > 1e-70
    cdef double mu = nu if inside else 1.0
    cdef double ratio = y / mu
    out.f = y * sm_log(mu) - mu if inside else -1e100
    out.g = ratio - 1.0 if inside else 0.0
    out.h = -ratio / mu if inside else 0.0
    return out


cdef inline Density poisson_sqrt(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """Mean nu^2, for nu of either sign: a proper density everywhere but at zero."""
    cdef Density out = nothing()
    cdef bint inside = fabs(nu) > 1e-70
    cdef double root = nu if inside else 1.0
    cdef double ratio = y / root
    out.f = 2.0 * (y * sm_log(fabs(root))) - root * root if inside else -1e100
    out.g = 2.0 * (ratio - root) if inside else 0.0
    out.h = -2.0 * (ratio / root + 1.0) if inside else 0.0
    return out
