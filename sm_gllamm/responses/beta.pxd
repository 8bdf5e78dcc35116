# cython: language_level=3
"""Beta: 0 < y < 1, mean p, t1 = log phi; variance p (1 - p) / (1 + phi), shapes a = p phi and b = (1 - p) phi.

Nothing is left out of f. With u = y / p - 1 and v = (1 - y) / (1 - p) - 1,
    f = -phi K - log y - log(1 - y) + log(phi p (1 - p) / (2 pi)) / 2 + S(phi) - S(a) - S(b),
    K = p (u - log(1 + u)) + (1 - p) (v - log(1 + v)),
S the remainder of Stirling's formula: no term is larger than the result at high precisions.
For p -> 0, f is linear in log p: below exp(-300) it is continued so. log phi is held within +-100.
"""
from libc.math cimport fabs

from sm_gllamm.responses._density cimport Density, nothing
from sm_gllamm.responses._vecmath cimport (
    sm_clamp, sm_erfcx, sm_exp, sm_expm1, sm_log, sm_log1p, sm_log_gap,
    sm_stirling, sm_stirling1, sm_stirling2,
)

cdef struct Mean:
    double p
    double q            # 1 - p
    double log_p
    double log_q
    double over_p       # p' / p, p' = dp/dnu
    double over_q       # p' / q
    double bend         # p'' / p'
    double rest_p       # p' / p - p'' / p'
    double rest_q       # p' / q + p'' / p'


cdef inline Density beta_mean(double y, Mean mean, double t1) noexcept nogil:
    cdef Density out = nothing()
    cdef double tau = sm_clamp(t1, -100.0, 100.0)
    cdef double phi = sm_exp(tau)
    cdef double log_p = mean.log_p if mean.log_p > -300.0 else -300.0
    cdef double log_q = mean.log_q if mean.log_q > -300.0 else -300.0
    cdef double p = mean.p if mean.log_p > -300.0 else 5.1482002224120131e-131
    cdef double q = mean.q if mean.log_q > -300.0 else 5.1482002224120131e-131
    cdef double a = phi * p
    cdef double b = phi * q
    cdef double log_y = sm_log(y)
    cdef double log_1y = sm_log1p(-y)

    cdef double distance = y - p if p < 0.5 else q - (1.0 - y)
    cdef double divergence = phi * (
        p * sm_log_gap(y / p, distance / p) + q * sm_log_gap((1.0 - y) / q, -distance / q)
    )
    # of log(a) - digamma(a) and trigamma(a), times a and a^2; the second less the first vanishes with a
    cdef double a_first = sm_stirling1(a)
    cdef double b_first = sm_stirling1(b)
    cdef double phi_first = sm_stirling1(phi)
    cdef double a_both = a_first + sm_stirling2(a) if mean.log_p > -300.0 else 0.0
    cdef double b_both = b_first + sm_stirling2(b) if mean.log_q > -300.0 else 0.0
    cdef double pull = phi * mean.p * mean.over_p * (log_y - log_1y - (mean.log_p - mean.log_q))

    out.f = (
        0.5 * (tau + log_p + log_q) - 0.91893853320467274178 - divergence - log_y - log_1y
        + (sm_stirling(phi) - sm_stirling(a) - sm_stirling(b))
        + (mean.log_p - log_p) + (mean.log_q - log_q)
    )
    out.g = pull + mean.over_p * (0.5 - a_first) - mean.over_q * (0.5 - b_first)
    out.g1 = 0.5 - divergence + (phi_first - a_first - b_first)
    out.h = (
        mean.bend * pull
        - mean.over_p * (mean.over_p * (a + a_both) + (0.5 - a_first) * mean.rest_p)
        - mean.over_q * (mean.over_q * (b + b_both) + (0.5 - b_first) * mean.rest_q)
    )
    out.h1 = pull - mean.over_p * a_both + mean.over_q * b_both
    out.h11 = (phi_first + sm_stirling2(phi)) - a_both - b_both - divergence
    return out


cdef inline Density beta_logit(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    cdef Mean mean
    cdef double t = sm_exp(-fabs(nu))
    cdef double r = 1.0 / (1.0 + t)
    cdef double log_large = -sm_log1p(t)
    cdef double log_small = -fabs(nu) + log_large
    mean.p = r if nu > 0.0 else t * r
    mean.q = t * r if nu > 0.0 else r
    mean.log_p = log_large if nu > 0.0 else log_small
    mean.log_q = log_small if nu > 0.0 else log_large
    mean.over_p = mean.q
    mean.over_q = mean.p
    mean.bend = mean.q - mean.p
    mean.rest_p = mean.p
    mean.rest_q = mean.q
    return beta_mean(y, mean, t1)


cdef inline Density beta_probit(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    cdef Mean mean
    cdef double square = 0.5 * nu * nu
    cdef double scaled = sm_erfcx(fabs(nu) * 0.70710678118654752440)
    cdef double kernel = sm_exp(-(square if square < 680.0 else 680.0))
    cdef double tail = 0.5 * scaled * kernel
    cdef double log_tail = sm_log(scaled) - square - 0.69314718055994530942
    cdef double log_rest = sm_log1p(-tail)
    cdef double mills = 0.79788456080286535588 / scaled
    cdef double mills_rest = 0.39894228040143267794 * kernel / (1.0 - tail)
    mean.p = 1.0 - tail if nu > 0.0 else tail
    mean.q = tail if nu > 0.0 else 1.0 - tail
    mean.log_p = log_rest if nu > 0.0 else log_tail
    mean.log_q = log_tail if nu > 0.0 else log_rest
    mean.over_p = mills_rest if nu > 0.0 else mills
    mean.over_q = mills if nu > 0.0 else mills_rest
    mean.bend = -nu
    mean.rest_p = mean.over_p + nu
    mean.rest_q = mean.over_q - nu
    return beta_mean(y, mean, t1)


cdef inline Density beta_cloglog(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    """p = 1 - exp(-exp(nu)). Linear in nu from 230 on, so that products of derivatives stay finite."""
    cdef Mean mean
    cdef double x = nu if nu < 230.0 else 230.0
    cdef double rate = sm_exp(x)
    cdef double ratio = -sm_expm1(-rate) / rate
    mean.p = ratio * rate
    mean.q = sm_exp(-rate)
    mean.log_p = nu + sm_log(ratio) if nu < 0.0 else sm_log(mean.p)
    mean.log_q = -rate
    mean.over_p = mean.q / ratio
    mean.over_q = rate
    mean.bend = 1.0 - rate
    mean.rest_p = 1.0 / ratio - 1.0
    mean.rest_q = 1.0
    cdef Density out = beta_mean(y, mean, t1)
    out.f += out.g * (nu - x)
    return out
