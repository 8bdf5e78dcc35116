# cython: language_level=3
"""log f(y | nu) of one row, with derivatives: one inline function a family and link.

Every function is free of branches, so that the loops of the engine (over nodes for one row, or over
rows at one value of the latent variables) vectorise. They leave out what does not depend on any
parameter (binomial coefficients, log y!); the engine adds it once a row.

Arguments: y (successes, count or value), m (trials), nu, tau (log residual standard deviation).
Derivatives: g = d/dnu, h = d2/dnu2; with a dispersion also gt = d/dtau, hnt = d2/dnu dtau, htt = d2/dtau2.
"""
from sm_gllamm.responses._vecmath cimport sm_exp, sm_log, sm_log_erfc

cdef enum FamilyCode:
    BINOMIAL_LOGIT = 0
    BINOMIAL_PROBIT = 1
    BINOMIAL_CLOGLOG = 2
    POISSON_LOG = 3
    GAUSSIAN_IDENTITY = 4
    GAUSSIAN_LOG = 5

cdef struct Derivatives:
    double f
    double g
    double h

cdef inline double absolute(double x) noexcept nogil:
    return x if x > 0.0 else -x


# ---- binomial, logit: t = exp(-|nu|) keeps every quantity in range
cdef inline double logit_value(double y, double m, double nu) noexcept nogil:
    cdef double t = sm_exp(-absolute(nu))
    return y * nu - m * ((nu if nu > 0.0 else 0.0) + sm_log(1.0 + t))

cdef inline Derivatives logit_derivatives(double y, double m, double nu) noexcept nogil:
    cdef Derivatives out
    cdef double t = sm_exp(-absolute(nu))
    cdef double r = 1.0 / (1.0 + t)
    cdef double p = r if nu > 0.0 else t * r
    out.f = y * nu - m * ((nu if nu > 0.0 else 0.0) + sm_log(1.0 + t))
    out.g = y - m * p
    out.h = -m * t * r * r
    return out


# ---- binomial, probit: log Phi(-|nu|) from log erfc, the other tail from its complement
cdef inline double probit_value(double y, double m, double nu) noexcept nogil:
    cdef double lower = sm_log_erfc(absolute(nu) * 0.70710678118654752440) - 0.69314718055994530942
    cdef double upper = sm_log(1.0 - sm_exp(lower))
    return y * (upper if nu > 0.0 else lower) + (m - y) * (lower if nu > 0.0 else upper)

cdef inline Derivatives probit_derivatives(double y, double m, double nu) noexcept nogil:
    cdef Derivatives out
    cdef double lower = sm_log_erfc(absolute(nu) * 0.70710678118654752440) - 0.69314718055994530942
    cdef double upper = sm_log(1.0 - sm_exp(lower))
    cdef double log_p = upper if nu > 0.0 else lower
    cdef double log_q = lower if nu > 0.0 else upper
    cdef double log_phi = -0.5 * nu * nu - 0.91893853320467274178
    cdef double mills_p = sm_exp(log_phi - log_p)
    cdef double mills_q = sm_exp(log_phi - log_q)
    out.f = y * log_p + (m - y) * log_q
    out.g = y * mills_p - (m - y) * mills_q
    out.h = -y * mills_p * (mills_p + nu) - (m - y) * mills_q * (mills_q - nu)
    return out


# ---- binomial, complementary log-log: P = 1 - exp(-e^nu)
cdef inline double one_minus_exp_over(double mu) noexcept nogil:
    """(1 - exp(-mu)) / mu, by series below 0.1 where the difference would cancel."""
    cdef double x = mu if mu < 0.1 else 0.1
    cdef double series = 1.0 - x / 2.0 * (1.0 - x / 3.0 * (1.0 - x / 4.0 * (1.0 - x / 5.0 * (
        1.0 - x / 6.0 * (1.0 - x / 7.0 * (1.0 - x / 8.0 * (1.0 - x / 9.0)))))))
    cdef double z = mu if mu > 0.1 else 0.1
    cdef double direct = (1.0 - sm_exp(-z)) / z
    return series if mu < 0.1 else direct

cdef inline double cloglog_value(double y, double m, double nu) noexcept nogil:
    cdef double x = nu if nu < 700.0 else 700.0
    cdef double mu = sm_exp(x)
    return y * (x + sm_log(one_minus_exp_over(mu))) - (m - y) * mu

cdef inline Derivatives cloglog_derivatives(double y, double m, double nu) noexcept nogil:
    cdef Derivatives out
    cdef double x = nu if nu < 230.0 else 230.0
    cdef double mu = sm_exp(x)
    cdef double ratio = one_minus_exp_over(mu)
    cdef double e = sm_exp(-mu) / ratio
    out.f = y * (x + sm_log(ratio)) - (m - y) * mu
    out.g = y * e - (m - y) * mu
    out.h = y * e * (1.0 - mu - e) - (m - y) * mu
    return out


# ---- Poisson, log
cdef inline double poisson_value(double y, double m, double nu) noexcept nogil:
    return y * nu - sm_exp(nu)

cdef inline Derivatives poisson_derivatives(double y, double m, double nu) noexcept nogil:
    # where the density is nil anyway, products of derivatives must stay finite
    cdef Derivatives out
    cdef double mu = sm_exp(nu if nu < 230.0 else 230.0)
    out.f = y * nu - mu
    out.g = y - mu
    out.h = -mu
    return out


# ---- gaussian: tau = log sigma, precision = exp(-2 tau) is computed once a row by the caller
cdef inline double gaussian_value(double y, double tau, double precision, double nu) noexcept nogil:
    cdef double r = y - nu
    return -0.91893853320467274178 - tau - 0.5 * r * r * precision

cdef inline double gaussian_log_value(double y, double tau, double precision, double nu) noexcept nogil:
    cdef double r = y - sm_exp(nu)
    return -0.91893853320467274178 - tau - 0.5 * r * r * precision
