# One response at many nodes, or many at one point: single rows here, responses of several rows in _sets.pxi.

include "_dispatch.pxi"


cdef void bernoulli_values(double y, in_ptr nu, int k, out_ptr acc, out_ptr product) noexcept nogil:
    """Bernoulli-logit with unit weight: acc - log(product) grows by log f; one logarithm for many rows."""
    cdef int i
    for i in range(k):
        acc[i] += y * nu[i] - (nu[i] if nu[i] > 0.0 else 0.0)
        product[i] *= 1.0 + sm_exp(-fabs(nu[i]))


cdef void bernoulli_derivatives(double y, in_ptr nu, int k, out_ptr acc, out_ptr product,
                                out_ptr g, out_ptr h) noexcept nogil:
    """The same with derivatives in nu."""
    cdef int i
    cdef double t, r
    for i in range(k):
        t = sm_exp(-fabs(nu[i]))
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


cdef void rows_derivatives(const Data *data, int family, idx start, int k, in_ptr nu,
                           out_ptr f, out_ptr g, out_ptr h) noexcept nogil:
    """log f and its two derivatives in nu for k <= ROW_BLOCK rows of one family, without weights."""
    cdef double none[ROW_BLOCK]
    cdef double same[ROW_BLOCK]
    cdef const double *entry
    cdef const double *trials = data.trials + start * data.trials_step
    cdef int i
    if data.trials_step == 0:
        for i in range(k):
            same[i] = trials[0]
        trials = same
    if data.entry != NULL:
        entry = data.entry + start
    else:
        memset(none, 0, sizeof(none))
        entry = none
    density_rows(family, data.y + start, trials, entry,
                 data.slots + start * data.n_slots, data.n_slots, nu, k, f, g, h)


cdef inline idx stored_slot(idx slot) noexcept nogil:
    """Where the derivatives in a slot (from 0) begin among a row's stored derivatives."""
    return 2 if slot == 0 else (5 if slot == 1 else (9 if slot == 2 else 14))


cdef inline idx response_size(const Data *data, idx i) noexcept nogil:
    """Rows that the response which begins in row i owns."""
    return data.set_size[i] if data.set_size != NULL else 1


cdef inline void row_nu(const Data *data, Scratch *s, idx i, idx kp, out_ptr nu) noexcept nogil:
    """nu of row i at every node of the leaf."""
    cdef idx q0 = data.ql[0], q = data.q, r, k
    cdef double base = data.a[i], loading
    cdef const double *b = data.b + i * data.n_latent
    cdef in_ptr node
    for r in range(q0, q):
        base += b[r] * s.u[r]
    loading = b[0]
    node = s.nodes
    for k in range(kp):
        nu[k] = base + loading * node[k]
    for r in range(1, data.n_vectors):
        loading = b[vector_channel(data, r) - 1]
        node = s.nodes + r * kp
        for k in range(kp):
            nu[k] += loading * node[k]


cdef inline void response_values(const Data *data, Scratch *s, idx i, idx kp) noexcept nogil:
    """Add w log f of the response of row i at every node to s.log_post."""
    cdef double w = data.row_weight[i] if data.row_weight != NULL else 1.0
    cdef double entry = data.entry[i] if data.entry != NULL else 0.0
    if family_of(data, i) < 0:
        set_values(data, s, i, kp, w)
        return
    row_nu(data, s, i, kp, s.nu)
    if family_of(data, i) == BINOMIAL_LOGIT and w == 1.0 and trials_of(data, i) == 1.0:
        bernoulli_values(data.y[i], s.nu, <int> kp, s.log_post, s.product)
        count_factor(s, kp)
    else:
        density_values(family_of(data, i), data.y[i], trials_of(data, i), entry, w, data.slots + i * data.n_slots,
                       s.nu, <int> kp, s.log_post)


cdef inline void response_derivatives(const Data *data, Scratch *s, idx i, idx kp,
                                      double *stored, double *acc) noexcept nogil:
    """Derivatives of the response of row i at every node into `stored`; w log f is added to `acc`."""
    cdef double w = data.row_weight[i] if data.row_weight != NULL else 1.0
    cdef double entry = data.entry[i] if data.entry != NULL else 0.0
    cdef idx r
    if family_of(data, i) < 0:
        set_derivatives(data, s, i, kp, w, stored, acc)
        return
    # slots that this row's density does not have
    for r in range(stored_slot(data.density_slots[family_of(data, i)]), stored_slot(data.n_slots)):
        memset(stored + r * kp, 0, kp * sizeof(double))
    row_nu(data, s, i, kp, s.nu)
    if family_of(data, i) == BINOMIAL_LOGIT and w == 1.0 and trials_of(data, i) == 1.0:
        bernoulli_derivatives(data.y[i], s.nu, <int> kp, acc, s.product, stored, stored + kp)
        count_factor(s, kp)
    else:
        density_derivatives(family_of(data, i), data.y[i], trials_of(data, i), entry, w,
                            data.slots + i * data.n_slots, s.nu, <int> kp, acc, stored)
