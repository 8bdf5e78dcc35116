# Densities and their derivatives: one row at many nodes, or many rows at one point.

cdef void add_values(int family, double y, double m, double w, double tau,
                     in_ptr nu, int k, out_ptr acc) noexcept nogil:
    """acc += w log f(y | nu) at every node."""
    cdef int i
    cdef double precision
    if family == BINOMIAL_LOGIT:
        for i in range(k):
            acc[i] += w * logit_value(y, m, nu[i])
    elif family == BINOMIAL_PROBIT:
        for i in range(k):
            acc[i] += w * probit_value(y, m, nu[i])
    elif family == BINOMIAL_CLOGLOG:
        for i in range(k):
            acc[i] += w * cloglog_value(y, m, nu[i])
    elif family == POISSON_LOG:
        for i in range(k):
            acc[i] += w * poisson_value(y, m, nu[i])
    else:
        precision = exp(-2.0 * tau)
        if family == GAUSSIAN_IDENTITY:
            for i in range(k):
                acc[i] += w * gaussian_value(y, tau, precision, nu[i])
        else:
            for i in range(k):
                acc[i] += w * gaussian_log_value(y, tau, precision, nu[i])


cdef void add_derivatives(int family, double y, double m, double w, double tau, in_ptr nu, int k,
                          out_ptr acc, out_ptr g, out_ptr h) noexcept nogil:
    """acc += w log f; g, h = w times its first and second derivative in nu."""
    cdef int i
    cdef Derivatives r
    cdef double precision, e, mu
    if family == BINOMIAL_LOGIT:
        for i in range(k):
            r = logit_derivatives(y, m, nu[i])
            acc[i] += w * r.f
            g[i] = w * r.g
            h[i] = w * r.h
    elif family == BINOMIAL_PROBIT:
        for i in range(k):
            r = probit_derivatives(y, m, nu[i])
            acc[i] += w * r.f
            g[i] = w * r.g
            h[i] = w * r.h
    elif family == BINOMIAL_CLOGLOG:
        for i in range(k):
            r = cloglog_derivatives(y, m, nu[i])
            acc[i] += w * r.f
            g[i] = w * r.g
            h[i] = w * r.h
    elif family == POISSON_LOG:
        for i in range(k):
            r = poisson_derivatives(y, m, nu[i])
            acc[i] += w * r.f
            g[i] = w * r.g
            h[i] = w * r.h
    else:
        precision = exp(-2.0 * tau)
        if family == GAUSSIAN_IDENTITY:
            for i in range(k):
                e = y - nu[i]
                acc[i] += w * (-0.91893853320467274178 - tau - 0.5 * e * e * precision)
                g[i] = w * e * precision
                h[i] = -w * precision
        else:
            for i in range(k):
                mu = sm_exp(nu[i] if nu[i] < 120.0 else 120.0)
                e = y - mu
                acc[i] += w * (-0.91893853320467274178 - tau - 0.5 * e * e * precision)
                g[i] = w * e * mu * precision
                h[i] = w * (e - mu) * mu * precision


cdef void bernoulli_values(double y, in_ptr nu, int k, out_ptr acc, out_ptr product) noexcept nogil:
    """Bernoulli-logit with unit weight: acc - log(product) grows by log f; one logarithm for many rows."""
    cdef int i
    for i in range(k):
        acc[i] += y * nu[i] - (nu[i] if nu[i] > 0.0 else 0.0)
        product[i] *= 1.0 + sm_exp(-absolute(nu[i]))


cdef void bernoulli_derivatives(double y, in_ptr nu, int k, out_ptr acc, out_ptr product,
                                out_ptr g, out_ptr h) noexcept nogil:
    """The same with derivatives in nu."""
    cdef int i
    cdef double t, r
    for i in range(k):
        t = sm_exp(-absolute(nu[i]))
        r = 1.0 / (1.0 + t)
        acc[i] += y * nu[i] - (nu[i] if nu[i] > 0.0 else 0.0)
        product[i] *= 1.0 + t
        g[i] = y - (r if nu[i] > 0.0 else t * r)
        h[i] = -t * r * r


cdef void flush(Scratch *s, idx kp) noexcept nogil:
    """Take the logarithm of the Bernoulli factors collected so far."""
    cdef idx k
    cdef out_ptr acc = s.log_post
    cdef out_ptr product = s.product
    for k in range(kp):
        acc[k] -= sm_log(product[k])
        product[k] = 1.0
    s.factors = 0


cdef inline void count_factor(Scratch *s, idx kp) noexcept nogil:
    s.factors += 1
    if s.factors == FLUSH:
        flush(s, kp)


cdef void dispersion_derivatives(int family, double y, double w, double tau, in_ptr nu, in_ptr g, int k,
                                 out_ptr gt, out_ptr hnt, out_ptr htt) noexcept nogil:
    """Derivatives in tau = log sigma: first, mixed with nu, second. Zero for rows without dispersion."""
    cdef int i
    cdef double precision, e
    if family < GAUSSIAN_IDENTITY:
        for i in range(k):
            gt[i] = 0.0
            hnt[i] = 0.0
            htt[i] = 0.0
        return
    precision = exp(-2.0 * tau)
    for i in range(k):
        e = y - (nu[i] if family == GAUSSIAN_IDENTITY else sm_exp(nu[i]))
        gt[i] = w * (e * e * precision - 1.0)
        hnt[i] = -2.0 * g[i]
        htt[i] = -2.0 * w * e * e * precision


cdef void rows_derivatives(const Data *data, int family, idx start, int k, in_ptr nu,
                           out_ptr f, out_ptr g, out_ptr h) noexcept nogil:
    """log f and its two derivatives in nu for k consecutive rows of one family, without weights."""
    cdef int i
    cdef Derivatives r
    cdef const double *y = data.y + start
    cdef const double *m = data.trials + start
    cdef double tau
    if family == BINOMIAL_LOGIT:
        for i in range(k):
            r = logit_derivatives(y[i], m[i], nu[i])
            f[i] = r.f
            g[i] = r.g
            h[i] = r.h
    elif family == BINOMIAL_PROBIT:
        for i in range(k):
            r = probit_derivatives(y[i], m[i], nu[i])
            f[i] = r.f
            g[i] = r.g
            h[i] = r.h
    elif family == BINOMIAL_CLOGLOG:
        for i in range(k):
            r = cloglog_derivatives(y[i], m[i], nu[i])
            f[i] = r.f
            g[i] = r.g
            h[i] = r.h
    elif family == POISSON_LOG:
        for i in range(k):
            r = poisson_derivatives(y[i], m[i], nu[i])
            f[i] = r.f
            g[i] = r.g
            h[i] = r.h
    else:
        for i in range(k):
            f[i] = 0.0
            add_derivatives(family, y[i], m[i], 1.0, data.tau[start + i], nu + i, 1, f + i, g + i, h + i)


cdef double mean_response(int family, double nu) noexcept nogil:
    """Inverse link: the mean of y (a proportion for binomial rows)."""
    cdef double t
    if family == BINOMIAL_LOGIT:
        t = exp(-fabs(nu))
        return 1.0 / (1.0 + t) if nu > 0 else t / (1.0 + t)
    if family == BINOMIAL_PROBIT:
        t = 0.5 * exp(sm_log_erfc(fabs(nu) * 0.70710678118654752440))
        return 1.0 - t if nu > 0 else t
    if family == BINOMIAL_CLOGLOG:
        t = sm_exp(nu if nu < 700.0 else 700.0)
        return t * one_minus_exp_over(t)
    if family == GAUSSIAN_IDENTITY:
        return nu
    return sm_exp(nu)
