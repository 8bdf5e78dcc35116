# cython: language_level=3
"""Counts truncated at zero, y >= 1: the density of the count divided by 1 - P(0).

truncated_poisson_log: no slots. truncated_nb2_log, truncated_nb1_log: t1 = log alpha.
Left out of f: -log y!.

P(0) = exp(-a), with a of the order of the mean: log(1 - exp(-a)) is log a + log((1 - exp(-a)) / a), and
derivatives of a are relative to a, so that nothing under- or overflows as the mean goes to zero.
"""
from sm_gllamm.responses._density cimport Density, nothing
from sm_gllamm.responses._vecmath cimport sm_clamp, sm_exp, sm_expm1, sm_log, sm_select
from sm_gllamm.responses.negative_binomial cimport Softplus, nb1_log, nb2_log, softplus


cdef inline Density truncated_poisson_log(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """Linear in nu from 230 on, so that products of derivatives stay finite."""
    cdef Density out = nothing()
    cdef double x = nu if nu < 230.0 else 230.0
    cdef double mu = sm_exp(x)
    cdef double ratio = -sm_expm1(-mu) / mu
    cdef double inverse = 1.0 / ratio
    out.f = (y - 1.0) * nu - (mu + mu * (nu - x)) - (sm_log(ratio) + x - nu)
    out.g = y - inverse
    out.h = -inverse * (1.0 - sm_exp(-mu) * inverse)
    return out


cdef inline Density divided(
    Density count, double a, double log_a, double a1, double a2, double b1, double b2, double b12
) noexcept nogil:
    """The count's density over 1 - exp(-a).

    Given are the derivatives of a relative to a: first and second in nu (a1, a2) and in t1 (b1, b2), mixed (b12).
    """
    cdef Density out = count
    cdef double odds = a / sm_expm1(a)
    cdef double square = odds * (a + odds)
    out.f = count.f - (log_a + sm_log(-sm_expm1(-a) / a))
    out.g = count.g - odds * a1
    out.g1 = count.g1 - odds * b1
    out.h = count.h + square * a1 * a1 - odds * a2
    out.h1 = count.h1 + square * a1 * b1 - odds * b12
    out.h11 = count.h11 + square * b1 * b1 - odds * b2
    return out


cdef inline Density truncated_nb2_log(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """a = log(1 + alpha mu) / alpha"""
    cdef double tau = sm_clamp(t1, -100.0, 100.0)
    cdef double s = tau + nu
    cdef Softplus zero = softplus(s)
    cdef double over = zero.p / zero.value
    cdef double lag = zero.gap / zero.value
    # log of softplus(s): s enters directly where exp(s) may vanish
    cdef double log_l = sm_select(s < -30.0, s, sm_log(zero.value))
    cdef double a = sm_clamp(sm_exp(-tau) * zero.value, 1e-300, 1e300)
    return divided(
        nb2_log(y, m, e, nu, t1, 0.0, 0.0), a, log_l - tau,
        over, over * zero.q, -lag, lag - over * zero.p, -over * zero.p,
    )


cdef inline Density truncated_nb1_log(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """a = mu log(1 + alpha) / alpha"""
    cdef double tau = sm_clamp(t1, -100.0, 100.0)
    cdef Softplus zero = softplus(tau)
    cdef double lag = zero.gap / zero.value
    cdef double log_a = (nu if nu < 230.0 else 230.0) - tau + sm_log(zero.value)
    return divided(
        nb1_log(y, m, e, nu, t1, 0.0, 0.0), sm_exp(log_a), log_a,
        1.0, 1.0, -lag, lag - zero.p * zero.p / zero.value, -lag,
    )
