# The posterior variance of the scores by node, Var_W(s): every pair of active entries.
#
# A leaf fills as many columns as it has nodes with s - E_W(s), a row for each active entry, and the same times
# the weights. Products of the two are taken of several leaves at once, which keeps the sums in registers for
# longer. Where a leaf touches few of the active entries, its columns have rows for these alone.

cdef void flush_deviations(const Data *data, Scratch *s, double *hess) noexcept nogil:
    """Add the products of the columns filled so far to a Hessian."""
    cdef idx t
    if s.filled == 0:
        return
    while s.filled % 4:
        for t in range(s.n_local):
            s.deviation[t * s.columns + s.filled] = 0.0
            s.weighted_deviation[t * s.columns + s.filled] = 0.0
        s.filled += 1
    sm_gram(s.deviation, s.weighted_deviation, <int> s.n_local, <int> s.filled, s.columns, s.place, hess,
            data.n_active)
    s.filled = 0


cdef idx new_columns(const Data *data, Scratch *s, idx kp, double *hess) noexcept nogil:
    """Where the next `kp` columns begin."""
    if s.filled + kp > s.columns:
        flush_deviations(data, s, hess)
    s.filled += kp
    return s.filled - kp


cdef void begin_deviations(const Data *data, Scratch *s, idx i0, idx i1, idx kp, double *hess) noexcept nogil:
    """Choose the active entries that get rows, and put the scores by node of the leaf to zero."""
    cdef idx i, k, t, count = 0, pattern
    if data.pattern != NULL:
        for i in range(i0, i1):
            count += data.pattern_first[data.pattern[i] + 1] - data.pattern_first[data.pattern[i]]
    if data.pattern == NULL or 2 * count > data.n_active:
        memset(s.pair_score, 0, data.n_pairs * kp * sizeof(double))
        return
    flush_deviations(data, s, hess)
    for i in range(i0, i1):
        pattern = data.pattern[i]
        for k in range(data.pattern_first[pattern], data.pattern_first[pattern + 1]):
            s.is_touched[data.pattern_entry[k]] = 1
    s.n_local = 0
    s.place = s.touched
    for t in range(data.n_active):
        if s.is_touched[t]:
            s.is_touched[t] = 0
            s.touched[s.n_local] = t
            s.n_local += 1
            memset(s.pair_score + data.active_pair[t] * kp, 0, kp * sizeof(double))


cdef void end_deviations(const Data *data, Scratch *s, double *hess) noexcept nogil:
    """Columns with rows of their own do not wait for other leaves."""
    if s.place != s.everything:
        flush_deviations(data, s, hess)
        s.n_local = data.n_active
        s.place = s.everything


cdef inline const double *channel_factor(const Data *data, Scratch *s, idx kp, idx channel) noexcept nogil:
    """What a score in nu is multiplied by at every node for the score in an entry of a channel."""
    cdef idx k, vector
    if channel == 0 or channel > data.n_latent:
        return s.ones
    vector = vector_of(data, channel)
    if vector >= 0:
        return s.nodes + vector * kp
    for k in range(kp):
        s.same[k] = s.u[channel - 1]
    return s.same


cdef void add_deviations(const Data *data, Scratch *s, idx kp, double weight, const double *score,
                         double *hess) noexcept nogil:
    """Columns of a leaf."""
    cdef idx r, t, k, at = new_columns(data, s, kp, hess)
    for k in range(kp):
        s.weighted[k] = weight * s.post[k]
    for r in range(s.n_local):
        t = s.place[r]
        sm_deviations(s.pair_score + data.active_pair[t] * kp,
                      channel_factor(data, s, kp, data.active_channel[t]), score[t], s.weighted, <int> kp,
                      s.deviation + r * s.columns + at, s.weighted_deviation + r * s.columns + at)


cdef idx begin_set(const Data *data, Scratch *s, idx i, idx size, idx kp) noexcept nogil:
    """Put the scores by node of a response of several rows to zero, and list the active entries of its
    predictors in `set_entry`; returns their number, -1 if they are not few."""
    cdef idx row, k, t, pattern, count = 0
    if data.pattern == NULL:
        memset(s.set_score, 0, data.n_pairs * kp * sizeof(double))
        return -1
    for row in range(i, i + size):
        pattern = data.pattern[row]
        for k in range(data.pattern_first[pattern], data.pattern_first[pattern + 1]):
            t = data.pattern_entry[k]
            if data.active_channel[t] <= data.n_latent and not s.is_touched[t]:
                s.is_touched[t] = 1
                s.set_entry[count] = t
                count += 1
                memset(s.set_score + data.active_pair[t] * kp, 0, kp * sizeof(double))
    for k in range(count):
        s.is_touched[s.set_entry[k]] = 0
    if 2 * count < s.n_local:
        return count
    memset(s.set_score, 0, data.n_pairs * kp * sizeof(double))
    return -1


cdef void products_across_rows(const Data *data, Scratch *s, idx count, idx kp, const double *kappa,
                               double weight, double *hess) noexcept nogil:
    """The same as `deviations_across_rows` for the few entries that are listed, without waiting for others."""
    cdef idx r, c, k, t, v
    cdef double total
    cdef const double *factor
    cdef double *own
    cdef double *other
    for k in range(kp):
        s.weighted[k] = weight * s.post[k] * kappa[k]
    for r in range(count):
        t = s.set_entry[r]
        factor = channel_factor(data, s, kp, data.active_channel[t])
        own = s.set_value + r * kp
        other = s.set_score + data.active_pair[t] * kp
        for k in range(kp):
            own[k] = other[k] * factor[k]
        for c in range(r + 1):
            v = s.set_entry[c]
            total = sm_dot3(s.weighted, own, s.set_value + c * kp, <int> kp)
            hess[t * data.n_active + v if t > v else v * data.n_active + t] += total


cdef void deviations_across_rows(const Data *data, Scratch *s, idx kp, const double *kappa, double weight,
                                 double *hess) noexcept nogil:
    """What the second derivatives across the rows of one response add: E[kappa (sum v x)(sum v x)']."""
    cdef idx r, t, k, at = new_columns(data, s, kp, hess)
    for k in range(kp):
        s.weighted[k] = weight * s.post[k] * kappa[k]
    for r in range(s.n_local):
        t = s.place[r]
        if data.active_channel[t] > data.n_latent:
            memset(s.deviation + r * s.columns + at, 0, kp * sizeof(double))
            memset(s.weighted_deviation + r * s.columns + at, 0, kp * sizeof(double))
        else:
            sm_deviations(s.set_score + data.active_pair[t] * kp,
                          channel_factor(data, s, kp, data.active_channel[t]), 0.0, s.weighted, <int> kp,
                          s.deviation + r * s.columns + at, s.weighted_deviation + r * s.columns + at)
