# cython: language_level=3
"""Zero-inflated counts: zero with a probability of its own, otherwise a draw from a count distribution.

zip_log: t1 = logit of that probability. zinb2_log, zinb1_log: t1 = log alpha, t2 = the logit.
Left out of f: -log y!.
"""
from libc.math cimport fabs

from sm_gllamm.responses._density cimport Density, nothing
from sm_gllamm.responses._vecmath cimport sm_exp, sm_log1p, sm_select
from sm_gllamm.responses.negative_binomial cimport Softplus, nb1_log, nb2_log, softplus
from sm_gllamm.responses.poisson cimport poisson_log


cdef struct Mixture:
    double f
    double share    # probability that the row is a draw from the count distribution, given y
    double spread   # share (1 - share)
    double g        # derivatives in the logit
    double h

cdef inline Mixture inflated(double y, double log_count, double logit) noexcept nogil:
    """The mixture at the log density of the count distribution."""
    cdef Mixture out
    cdef bint zero = y == 0.0
    cdef Softplus prior = softplus(logit)
    cdef Softplus posterior = softplus(logit - log_count)
    # log(exp(logit) + exp(log_count)) for a zero: the larger one, and what the smaller one adds
    cdef double larger = sm_select(logit > log_count, logit, log_count)
    cdef double added = sm_log1p(sm_exp(-fabs(logit - log_count)))
    cdef double inflation = sm_select(zero, posterior.p, 0.0)
    out.f = sm_select(zero, larger + added, log_count) - prior.value
    out.share = sm_select(zero, posterior.q, 1.0)
    out.spread = inflation * out.share
    out.g = inflation - prior.p
    out.h = out.spread - prior.p * prior.q
    return out


cdef inline Density zip_log(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    cdef Density count = poisson_log(y, m, e, nu, 0.0, 0.0, 0.0)
    cdef Mixture mix = inflated(y, count.f, t1)
    cdef Density out = nothing()
    out.f = mix.f
    out.g = mix.share * count.g
    out.g1 = mix.g
    out.h = mix.share * count.h + mix.spread * count.g * count.g
    out.h1 = -mix.spread * count.g
    out.h11 = mix.h
    return out


cdef inline Density zero_inflated_two(Density count, double y, double logit) noexcept nogil:
    """With a count distribution that has a dispersion; the logit is the second slot."""
    cdef Mixture mix = inflated(y, count.f, logit)
    cdef Density out = nothing()
    out.f = mix.f
    out.g = mix.share * count.g
    out.g1 = mix.share * count.g1
    out.g2 = mix.g
    out.h = mix.share * count.h + mix.spread * count.g * count.g
    out.h1 = mix.share * count.h1 + mix.spread * count.g * count.g1
    out.h2 = -mix.spread * count.g
    out.h11 = mix.share * count.h11 + mix.spread * count.g1 * count.g1
    out.h12 = -mix.spread * count.g1
    out.h22 = mix.h
    return out


cdef inline Density zinb2_log(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    return zero_inflated_two(nb2_log(y, m, e, nu, t1, 0.0, 0.0), y, t2)


cdef inline Density zinb1_log(
    double y, double m, double e, double nu, double t1, double t2, double t3
) noexcept nogil:
    return zero_inflated_two(nb1_log(y, m, e, nu, t1, 0.0, 0.0), y, t2)
