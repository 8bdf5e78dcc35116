# Posterior moments of the latent variables, and posterior expectations of row quantities.

cdef struct Moments:
    double *mean[MAX_LEVELS]        # (J, q_l) E[u]
    double *second[MAX_LEVELS]      # (J, q_l, q_l) E[uu']
    double *residual[MAX_LEVELS]    # (J, q_l) E[e], e = scale z: what the shift leaves over
    double *residual2[MAX_LEVELS]   # (J, q_l, q_l)
    double *row_nu                  # (n,) E[nu]
    double *row_nu2                 # (n,) E[nu^2]
    double *row_mean                # (n,) E[inverse link of shift + slope nu], of choices E[share]
    const int *link                 # (n,)
    const double *shift             # (n,), NULL: zero
    const double *slope             # (n,), NULL: one


cdef void add_moments(const Data *data, const Place *place, Moments *m, Scratch *s, int level, idx j,
                      const double *z, idx stride, const double *u, idx u_stride, double weight) noexcept nogil:
    """Add one node's share to the moments of cluster j."""
    cdef idx ql = data.ql[level], r, c, e
    cdef double x
    for r in range(ql):
        x = 0.0
        for e in range(ql):
            x += place.scale[level][(j * ql + r) * ql + e] * z[e * stride]
        s.delta[r] = x
    for r in range(ql):
        m.mean[level][j * ql + r] += weight * u[r * u_stride]
        m.residual[level][j * ql + r] += weight * s.delta[r]
        for c in range(ql):
            m.second[level][(j * ql + r) * ql + c] += weight * u[r * u_stride] * u[c * u_stride]
            m.residual2[level][(j * ql + r) * ql + c] += weight * s.delta[r] * s.delta[c]


cdef void choice_normaliser(const Data *data, Scratch *s, idx i, idx kp) noexcept nogil:
    """log sum of exp(nu) over the alternatives of a choice that begins in row i, into the third work row."""
    cdef idx a, size = response_size(data, i)
    for a in range(size):
        row_nu(data, s, i + a, kp, s.set_nu + a * kp)
    choice_shares(s, size, kp, s.set_work + 2 * kp)


cdef void posterior(const Data *data, const NodeSet *rule, const Place *place, Scratch *s, Moments *m,
                    int level, idx j, double weight) noexcept nogil:
    """Moments of the posterior of cluster j and all below, where `weight` is the posterior weight of
    the latent variables in force above it."""
    cdef idx k, child, i, kp = rule.padded[0]
    cdef double value, w, x, mu
    if level == 0:
        leaf(data, rule, place, s, j, 0, 1.0, NULL, NULL)
        for k in range(rule.k[0]):
            add_moments(data, place, m, s, 0, j, rule.z[0] + k, kp, s.nodes + k, kp, weight * s.post[k])
        for i in range(data.offset[0][j], data.offset[0][j + 1]):
            row_nu(data, s, i, kp, s.nu)
            if family_of(data, i) == CHOICE and response_size(data, i) > 0:
                choice_normaliser(data, s, i, kp)
            value = 0.0
            mu = 0.0
            x = 0.0
            for k in range(rule.k[0]):
                x += s.post[k] * s.nu[k]
                value += s.post[k] * s.nu[k] * s.nu[k]
                if family_of(data, i) == CHOICE:
                    mu += s.post[k] * sm_exp(s.nu[k] - s.set_work[2 * kp + k])
                else:
                    mu += s.post[k] * link_mean(m.link[i], (m.shift[i] if m.shift != NULL else 0.0)
                                                + (m.slope[i] if m.slope != NULL else 1.0) * s.nu[k])
            m.row_nu[i] += weight * x
            m.row_nu2[i] += weight * value
            m.row_mean[i] += weight * mu
        return
    for k in range(rule.k[level]):
        value = set_node(data, rule, place, s, level, j, k)
        for child in range(data.offset[level][j], data.offset[level][j + 1]):
            w = data.weight[level - 1][child] if data.weight[level - 1] != NULL else 1.0
            value += w * integrate(data, rule, place, s, level - 1, child, 0, 1.0, NULL, NULL)
        s.level_log[level][k] = value
    normalise(rule.k[level], rule.sign[level], s.level_log[level], s.level_post[level])
    for k in range(rule.k[level]):
        set_node(data, rule, place, s, level, j, k)
        w = weight * s.level_post[level][k]
        if fabs(w) < 1e-14 * fabs(weight):
            continue
        add_moments(data, place, m, s, level, j, rule.z[level] + k, rule.padded[level],
                    s.u + data.first[level], 1, w)
        for child in range(data.offset[level][j], data.offset[level][j + 1]):
            posterior(data, rule, place, s, m, level - 1, child, w)
