# cython: language_level=3
"""Cumulative (ordinal) responses: P(category) = F((t1 - nu) exp(-t3)) - F((t2 - nu) exp(-t3)).

t1 is the upper and t2 the lower threshold of the category, t3 the log scale. y is -1 in the lowest
category (t2 is not looked at), +1 in the highest (t1 is not looked at), 0 between. Nothing is left out
of f. Where the thresholds are crossed, f is -1e100 and the derivatives are zero. The log scale is held
within +-50, so that products of derivatives stay finite.
"""
from sm_gllamm.responses._density cimport Density
from sm_gllamm.responses._interval cimport (
    Interval, cauchy_interval, extreme_interval, logistic_interval, mirrored, normal_interval,
)
from sm_gllamm.responses._vecmath cimport sm_clamp, sm_exp, sm_select

cdef struct Ends:
    double a
    double b
    double w
    double has_a
    double has_b
    double shrink       # exp(-t3)
    double valid        # 1.0, or 0.0 with crossed thresholds


cdef inline Ends category_ends(double y, double nu, double t1, double t2, double t3) noexcept nogil:
    """The category as an interval of the standardised latent response."""
    cdef Ends out
    cdef double upper = sm_select(y < 0.5, t1, t2)
    cdef double lower = sm_select(y > -0.5, t2, t1)
    cdef double width = upper - lower
    out.has_a = sm_select(y > -0.5, 1.0, 0.0)
    out.has_b = sm_select(y < 0.5, 1.0, 0.0)
    out.valid = sm_select(width > 0.0, 1.0, 1.0 - out.has_a * out.has_b)
    out.shrink = sm_exp(-sm_clamp(t3, -50.0, 50.0))
    out.a = (lower - nu) * out.shrink
    out.b = sm_select(out.valid > 0.0, (upper - nu) * out.shrink, out.a + 1.0)
    out.w = sm_select(width > 0.0, width * out.shrink, 1.0)
    return out


cdef inline Density category_density(Interval v, Ends z) noexcept nogil:
    """From the ends of the interval to nu, thresholds and log scale."""
    cdef Density out
    cdef double s = z.shrink * z.valid
    cdef double s2 = s * s
    cdef double cross = v.ra * v.rb
    out.f = sm_select(z.valid > 0.0, v.f, -1e100)
    out.g = -s * v.d
    out.g1 = s * v.rb
    out.g2 = -s * v.ra
    out.g3 = -z.valid * v.c
    out.h = -s2 * (v.da + v.db)
    out.h1 = s2 * v.db
    out.h2 = s2 * v.da
    out.h3 = s * (v.d + v.cd)
    out.h11 = -s2 * (v.db + cross)
    out.h12 = s2 * cross
    out.h13 = -s * (v.qb - z.b * v.db)
    out.h22 = -s2 * (v.da + cross)
    out.h23 = s * (v.qa + z.a * v.da)
    out.h33 = z.valid * v.cc
    return out


cdef inline Density cumulative_logit(double y, double m, double e, double nu, double t1, double t2,
                                     double t3) noexcept nogil:
    cdef Ends z = category_ends(y, nu, t1, t2, t3)
    return category_density(logistic_interval(z.a, z.b, z.w, z.has_a, z.has_b), z)


cdef inline Density cumulative_probit(double y, double m, double e, double nu, double t1, double t2,
                                      double t3) noexcept nogil:
    cdef Ends z = category_ends(y, nu, t1, t2, t3)
    return category_density(normal_interval(z.a, z.b, z.w, z.has_a, z.has_b), z)


cdef inline Density cumulative_cloglog(double y, double m, double e, double nu, double t1, double t2,
                                       double t3) noexcept nogil:
    cdef Ends z = category_ends(y, nu, t1, t2, t3)
    return category_density(extreme_interval(z.a, z.b, z.w, z.a, z.b, z.has_a, z.has_b), z)


cdef inline Density cumulative_loglog(double y, double m, double e, double nu, double t1, double t2,
                                      double t3) noexcept nogil:
    cdef Ends z = category_ends(y, nu, t1, t2, t3)
    return category_density(mirrored(extreme_interval(-z.b, -z.a, z.w, -z.b, -z.a, z.has_b, z.has_a)), z)


cdef inline Density cumulative_cauchit(double y, double m, double e, double nu, double t1, double t2,
                                       double t3) noexcept nogil:
    cdef Ends z = category_ends(y, nu, t1, t2, t3)
    return category_density(cauchy_interval(z.a, z.b, z.w, z.has_a, z.has_b), z)
