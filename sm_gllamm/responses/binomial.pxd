# cython: language_level=3
"""Binomial: y successes in m trials, no slots.

Left out of f: log C(m, y).
"""
from libc.math cimport fabs

from sm_gllamm.responses._density cimport Density, nothing
from sm_gllamm.responses._vecmath cimport sm_atan, sm_erfcx, sm_exp, sm_expm1, sm_log, sm_log1p


cdef inline Density binomial_logit(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """exp(-|nu|) keeps every quantity in range."""
    cdef Density out = nothing()
    cdef double t = sm_exp(-fabs(nu))
    cdef double r = 1.0 / (1.0 + t)
    cdef double p = r if nu > 0.0 else t * r
    out.f = y * nu - m * ((nu if nu > 0.0 else 0.0) + sm_log(1.0 + t))
    out.g = y - m * p
    out.h = -m * t * r * r
    return out


cdef inline Density binomial_probit(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """The tail Phi(-|nu|) = exp(-nu^2 / 2) erfcx(|nu| / sqrt 2) / 2, and its complement."""
    cdef Density out = nothing()
    cdef double a = fabs(nu)
    cdef double square = 0.5 * a * a
    cdef double scaled = sm_erfcx(a * 0.70710678118654752440)
    cdef double kernel = sm_exp(-(square if square < 680.0 else 680.0))
    cdef double complement = 1.0 - 0.5 * scaled * kernel
    cdef double log_tail = sm_log(scaled) - square - 0.69314718055994530942
    cdef double log_rest = sm_log(complement)
    # inverse Mills ratios phi / Phi(-a) and phi / Phi(a); far out, the first exceeds a by a series in 1/a
    cdef double mills = 0.79788456080286535588 / scaled
    cdef double rest = 0.39894228040143267794 * kernel / complement
    cdef double b = 1.0 / (a if a > 30.0 else 30.0)
    cdef double b2 = b * b
    cdef double series = b * (1.0 - b2 * (2.0 - b2 * (10.0 - b2 * (74.0 - b2 * (706.0 - b2 * 8162.0)))))
    cdef double excess = series if a > 30.0 else mills - a
    cdef double k = m - y if nu > 0.0 else y
    cdef double slope = k * mills - (m - k) * rest
    out.f = k * log_tail + (m - k) * log_rest
    out.g = -slope if nu > 0.0 else slope
    out.h = -k * mills * excess - (m - k) * rest * (rest + a)
    return out


cdef inline double one_minus_exp_over(double mu) noexcept nogil:
    """(1 - exp(-mu)) / mu, mu > 0"""
    return -sm_expm1(-mu) / mu


cdef inline Density binomial_cloglog(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """P = 1 - exp(-exp(nu)). Linear in nu from 230 on, so that products of derivatives stay finite."""
    cdef Density out = nothing()
    cdef double x = nu if nu < 230.0 else 230.0
    cdef double mu = sm_exp(x)
    cdef double ratio = one_minus_exp_over(mu)
    cdef double slope = sm_exp(-mu) / ratio
    out.f = y * (x + sm_log(ratio)) - (m - y) * (mu + mu * (nu - x))
    out.g = y * slope - (m - y) * mu
    out.h = y * slope * (1.0 - mu - slope) - (m - y) * mu
    return out


cdef inline Density binomial_loglog(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """P = exp(-exp(-nu)): failures are successes of the complementary link at -nu."""
    cdef Density out = binomial_cloglog(m - y, m, e, -nu, t1, t2, t3)
    out.g = -out.g
    return out


cdef inline Density binomial_cauchit(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """P = 1/2 + atan(nu) / pi; the tail P(-|nu|) is atan(1 / |nu|) / pi."""
    cdef Density out = nothing()
    cdef double a = fabs(nu)
    cdef double arc = sm_atan(1.0 / a if a > 1.0 else a)
    cdef double tail = 0.31830988618379067154 * arc if a > 1.0 else 0.5 - 0.31830988618379067154 * arc
    cdef double rest = 1.0 - tail
    cdef double width = 1.0 / (1.0 + a * a)
    cdef double density = 0.31830988618379067154 * width
    cdef double in_tail = density / tail
    cdef double in_rest = density / rest
    cdef double bend = 2.0 * a * width
    cdef double k = m - y if nu > 0.0 else y
    cdef double slope = k * in_tail - (m - k) * in_rest
    out.f = k * sm_log(tail) + (m - k) * sm_log1p(-tail)
    out.g = -slope if nu > 0.0 else slope
    out.h = k * in_tail * (bend - in_tail) - (m - k) * in_rest * (bend + in_rest)
    return out
