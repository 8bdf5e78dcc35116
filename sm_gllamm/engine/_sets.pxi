# Responses that own several rows: choices among alternatives, and means composed of several predictors.
#
# All have second derivatives of one form across rows a != b, kappa v_a v_b. So a row keeps, beside g, the
# rest of its own second derivative, h_aa - kappa v_a^2, and v_a; the first row keeps kappa and the slots.

cdef inline double link_mean(int link, double nu) noexcept nogil:
    """Inverse link."""
    cdef double t
    if link == LINK_IDENTITY:
        return nu
    if link == LINK_LOG:
        return sm_exp(nu)
    if link == LINK_LOGIT:
        t = sm_exp(-fabs(nu))
        return 1.0 / (1.0 + t) if nu > 0.0 else t / (1.0 + t)
    if link == LINK_PROBIT:
        t = 0.5 * sm_exp(sm_log_erfc(fabs(nu) * 0.70710678118654752440))
        return 1.0 - t if nu > 0.0 else t
    if link == LINK_CLOGLOG:
        return -expm1(-sm_exp(nu if nu < 700.0 else 700.0))
    if link == LINK_LOGLOG:
        return sm_exp(-sm_exp(-nu if nu > -700.0 else 700.0))
    if link == LINK_CAUCHIT:
        return atan2(1.0, -nu) * 0.31830988618379067154
    if link == LINK_INVERSE:
        return 1.0 / nu
    if link == LINK_INVERSE_SQUARED:
        return 1.0 / sqrt(nu)
    return nu * nu


cdef inline double link_rest(int link, double nu) noexcept nogil:
    """One minus the inverse link, without cancellation for the links of probabilities."""
    if link == LINK_CLOGLOG:
        return sm_exp(-sm_exp(nu if nu < 700.0 else 700.0))
    if link == LINK_LOGLOG:
        return -expm1(-sm_exp(-nu if nu > -700.0 else 700.0))
    if link == LINK_LOGIT or link == LINK_PROBIT or link == LINK_CAUCHIT:
        return link_mean(link, -nu)
    return 1.0 - link_mean(link, nu)


cdef inline void link_slopes(int link, double nu, double *first, double *second) noexcept nogil:
    """First and second derivative of the inverse link."""
    cdef double t, p
    if link == LINK_IDENTITY:
        first[0] = 1.0
        second[0] = 0.0
    elif link == LINK_LOG:
        first[0] = sm_exp(nu if nu < 230.0 else 230.0)
        second[0] = first[0]
    elif link == LINK_LOGIT:
        p = link_mean(link, nu)
        t = link_mean(link, -nu)
        first[0] = p * t
        second[0] = p * t * (t - p)
    elif link == LINK_PROBIT:
        first[0] = 0.39894228040143267794 * sm_exp(-0.5 * nu * nu)
        second[0] = -nu * first[0]
    elif link == LINK_CLOGLOG:
        t = sm_exp(nu if nu < 230.0 else 230.0)
        first[0] = t * sm_exp(-t)
        second[0] = first[0] * (1.0 - t)
    elif link == LINK_LOGLOG:
        t = sm_exp(-nu if nu > -230.0 else 230.0)
        first[0] = t * sm_exp(-t)
        second[0] = first[0] * (t - 1.0)
    elif link == LINK_CAUCHIT:
        first[0] = 0.31830988618379067154 / (1.0 + nu * nu)
        second[0] = -2.0 * nu * first[0] / (1.0 + nu * nu)
    elif link == LINK_INVERSE:
        first[0] = -1.0 / (nu * nu)
        second[0] = -2.0 * first[0] / nu
    elif link == LINK_INVERSE_SQUARED:
        first[0] = -0.5 / (nu * sqrt(nu))
        second[0] = -1.5 * first[0] / nu
    else:
        first[0] = 2.0 * nu
        second[0] = 2.0


cdef struct MeanDensity:
    double f                # log density
    double g                # derivatives in the mean
    double h
    double gt               # in the log standard deviation, and mixed
    double hmt
    double htt


cdef inline MeanDensity density_of_mean(int family, double y, double m, double tau,
                                        double mu, double rest) noexcept nogil:
    """Density of a response given its mean mu (a proportion for binomial ones) and rest = 1 - mu."""
    cdef MeanDensity out
    cdef double e, precision
    out.gt = 0.0
    out.hmt = 0.0
    out.htt = 0.0
    if family == COMPOSITE_GAUSSIAN:
        e = y - mu
        precision = exp(-2.0 * tau)
        out.f = -0.91893853320467274178 - tau - 0.5 * e * e * precision
        out.g = e * precision
        out.h = -precision
        out.gt = e * e * precision - 1.0
        out.hmt = -2.0 * out.g
        out.htt = -2.0 * e * e * precision
        return out
    if not mu > 0.0 or (family == COMPOSITE_BINOMIAL and not rest > 0.0 and y < m):
        # a mean of zero explains a count of zero, and nothing else
        out.g = 0.0
        out.h = 0.0
        out.f = 0.0 if mu == 0.0 and y == 0.0 else OUTSIDE
        return out
    if family == COMPOSITE_POISSON:
        out.f = y * log(mu) - mu
        out.g = y / mu - 1.0
        out.h = -y / (mu * mu)
        return out
    out.f = y * log(mu) if y > 0.0 else 0.0
    out.g = y / mu
    out.h = -y / (mu * mu)
    if y < m:
        out.f += (m - y) * log(rest)
        out.g -= (m - y) / rest
        out.h -= (m - y) / (rest * rest)
    return out


cdef void composite_mean(const Data *data, idx i, idx size, const double *nu, idx stride,
                         double *mean, double *rest) noexcept nogil:
    """Weighted sum of the inverse links of a response's rows, and one minus it."""
    cdef idx a
    cdef double total = 0.0
    mean[0] = 0.0
    rest[0] = 0.0
    for a in range(size):
        mean[0] += data.part[i + a] * link_mean(data.link[i + a], nu[a * stride])
        rest[0] += data.part[i + a] * link_rest(data.link[i + a], nu[a * stride])
        total += data.part[i + a]
    rest[0] += 1.0 - total


cdef void choice_shares(Scratch *s, idx size, idx kp, double *log_sum) noexcept nogil:
    """log sum_a exp(nu_a) at every node."""
    cdef idx a, k
    cdef out_ptr top = s.set_work
    cdef out_ptr total = s.set_work + kp
    cdef in_ptr nu = s.set_nu
    for k in range(kp):
        top[k] = nu[k]
        total[k] = 0.0
    for a in range(1, size):
        nu = s.set_nu + a * kp
        for k in range(kp):
            top[k] = nu[k] if nu[k] > top[k] else top[k]
    for a in range(size):
        nu = s.set_nu + a * kp
        for k in range(kp):
            total[k] += sm_exp(nu[k] - top[k])
    for k in range(kp):
        log_sum[k] = top[k] + sm_log(total[k])


cdef void set_values(const Data *data, Scratch *s, idx i, idx kp, double w) noexcept nogil:
    """Add w log f of a response of several rows at every node to s.log_post."""
    cdef idx size = response_size(data, i), a, k
    cdef double chosen = 0.0, mean, rest, tau = data.slots[i * data.n_slots] if data.n_slots > 0 else 0.0
    cdef out_ptr acc = s.log_post
    cdef in_ptr nu
    cdef out_ptr log_sum = s.set_work + 2 * kp
    for a in range(size):
        row_nu(data, s, i + a, kp, s.set_nu + a * kp)
    if family_of(data, i) == CHOICE:
        choice_shares(s, size, kp, log_sum)
        for a in range(size):
            if data.y[i + a] != 0.0:
                chosen += data.y[i + a]
                nu = s.set_nu + a * kp
                for k in range(kp):
                    acc[k] += w * data.y[i + a] * nu[k]
        for k in range(kp):
            acc[k] -= w * chosen * log_sum[k]
        return
    for k in range(kp):
        composite_mean(data, i, size, s.set_nu + k, kp, &mean, &rest)
        acc[k] += w * density_of_mean(family_of(data, i), data.y[i], trials_of(data, i), tau, mean, rest).f


cdef void set_derivatives(const Data *data, Scratch *s, idx i, idx kp, double w, double *stored,
                          double *acc) noexcept nogil:
    """The same with derivatives: for each row g, what its second derivative has beyond kappa v^2, v."""
    cdef idx size = response_size(data, i), a, k, at = data.n_stored * kp
    cdef double chosen = 0.0, mean, rest, first, second, part
    cdef double tau = data.slots[i * data.n_slots] if data.n_slots > 0 else 0.0
    cdef out_ptr log_sum = s.set_work + 2 * kp
    cdef in_ptr nu
    cdef out_ptr row
    cdef MeanDensity r
    cdef int last = data.n_stored - 2
    for a in range(size):
        row_nu(data, s, i + a, kp, s.set_nu + a * kp)
    if family_of(data, i) == CHOICE:
        choice_shares(s, size, kp, log_sum)
        for a in range(size):
            chosen += data.y[i + a]
        for k in range(kp):
            acc[k] -= w * chosen * log_sum[k]
        for a in range(size):
            nu = s.set_nu + a * kp
            row = stored + a * at
            for k in range(kp):
                acc[k] += w * data.y[i + a] * nu[k]
                part = sm_exp(nu[k] - log_sum[k])
                row[k] = w * (data.y[i + a] - chosen * part)
                row[kp + k] = -w * chosen * part
                row[last * kp + k] = part
                row[(last + 1) * kp + k] = w * chosen
        return
    for k in range(kp):
        composite_mean(data, i, size, s.set_nu + k, kp, &mean, &rest)
        r = density_of_mean(family_of(data, i), data.y[i], trials_of(data, i), tau, mean, rest)
        acc[k] += w * r.f
        for a in range(size):
            link_slopes(data.link[i + a], s.set_nu[a * kp + k], &first, &second)
            part = data.part[i + a]
            row = stored + a * at
            row[k] = w * r.g * part * first
            row[kp + k] = w * r.g * part * second
            row[last * kp + k] = part * first
            row[(last + 1) * kp + k] = w * r.h
            if data.n_slots > 0:
                row[2 * kp + k] = w * r.gt if a == 0 else 0.0
                row[3 * kp + k] = w * r.hmt * part * first
                row[4 * kp + k] = w * r.htt if a == 0 else 0.0


cdef double set_curvature(const Data *data, Scratch *s, idx i, double *grad, double *curv) noexcept nogil:
    """w log f of a response of several rows at s.u; adds its gradient and negative curvature in u."""
    cdef idx size = response_size(data, i), q = data.q, a, r, c
    cdef double w = data.row_weight[i] if data.row_weight != NULL else 1.0
    cdef double x, value = 0.0, *row
    cdef const double *b
    cdef const double *slope
    cdef double *stored = s.store
    cdef double *across = s.across
    cdef int last = data.n_stored - 2
    # one node, at s.u
    for r in range(data.ql[0]):
        s.nodes[r] = s.u[r]
    product_nodes(data, s, 1)
    set_derivatives(data, s, i, 1, w, stored, &value)
    memset(across, 0, q * sizeof(double))
    for a in range(size):
        b = data.b + (i + a) * data.n_latent
        slope = nu_slope(data, s, b)
        row = stored + a * data.n_stored
        for r in range(q):
            grad[r] += row[0] * slope[r]
            across[r] += row[last] * slope[r]
            x = row[1] * slope[r]
            for c in range(r + 1):
                curv[r * q + c] -= x * slope[c]
        nu_bend(data, b, row[0], curv)
    for r in range(q):
        x = stored[last + 1] * across[r]
        for c in range(r + 1):
            curv[r * q + c] -= x * across[c]
    return value
