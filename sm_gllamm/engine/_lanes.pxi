# Leaves of Bernoulli rows with logit link, the rows of a node side by side.
#
# Item responses and other short leaves with one latent variable have few nodes and more rows. Their sums over
# rows need one logarithm a node, their sums over nodes none within a register.

cdef double SMALLEST = 1e300    # largest inverse of a leaf's density
cdef double CERTAIN = 40.0      # signed predictor of rows that fill up the last register: f = 1


cdef inline bint takes_lanes(const Data *data, idx i0, idx i1) noexcept nogil:
    """Whether a leaf is taken this way."""
    return data.lanes and LEAST_LANES <= i1 - i0 <= MOST_LANES


cdef bint lane_densities(const Data *data, Scratch *s, idx i0, idx i1, idx kp, int want) noexcept nogil:
    """Densities of all rows at every node, and derivatives as wanted. 0 if they are too small for this way."""
    cdef idx n = i1 - i0, q = data.q, i, r, rows = (n + 3) // 4 * 4
    cdef bint fits = True
    cdef out_ptr sign = s.lane_data
    cdef out_ptr a = s.lane_data + rows
    cdef out_ptr b = s.lane_data + 2 * rows
    cdef in_ptr product = s.product
    for i in range(n):
        sign[i] = 2.0 * data.y[i0 + i] - 1.0
        a[i] = data.a[i0 + i]
        b[i] = sign[i] * data.b[(i0 + i) * q]
    for r in range(1, q):
        for i in range(n):
            a[i] += data.b[(i0 + i) * q + r] * s.u[r]
    for i in range(n):
        a[i] *= sign[i]
    for i in range(n, rows):
        sign[i] = 1.0
        a[i] = CERTAIN
        b[i] = 0.0
    if want:
        sm_logit_derivatives(sign, a, b, <int> rows, s.nodes, <int> kp, s.product, s.lane_g, s.lane_h)
    else:
        sm_logit_values(a, b, <int> rows, s.nodes, <int> kp, s.product, s.lane_g)
    for i in range(kp):
        fits = fits and product[i] < SMALLEST
    if fits:
        s.factors = 1
        return 1
    for i in range(kp):
        s.product[i] = 1.0
    return 0


cdef double lane_constants(const Data *data, idx i0, idx i1) noexcept nogil:
    """Sum of the parameter-free parts of rows."""
    cdef idx i
    cdef double total = 0.0
    if data.constant_step == 0:
        return (i1 - i0) * constant_of(data, i0)
    for i in range(i0, i1):
        total += constant_of(data, i)
    return total


cdef inline void add_coded_lane(const Data *data, Scratch *s, idx code, idx i, idx rows, idx kp, int want,
                                double weight, double *score) noexcept nogil:
    """Row i of a leaf whose columns depend on its code alone, with one latent variable: what `add_row` does."""
    cdef idx k, p
    cdef const double *moments = s.lane_moments + i
    cdef double *second
    for k in range(data.pattern_first[code], data.pattern_first[code + 1]):
        score[data.pattern_entry[k]] += (
            data.pattern_value[k] * moments[data.active_channel[data.pattern_entry[k]] * rows])
    if want < 2:
        return
    second = s.code_second + 3 * code
    second[0] += weight * moments[2 * rows]
    second[1] += weight * moments[3 * rows]
    second[2] += weight * moments[4 * rows]
    for p in range(data.pattern_first_pair[code], data.pattern_first_pair[code + 1]):
        sm_add_scaled(data.pattern_pair_value[p], s.lane_stored + i * kp, <int> kp,
                      s.pair_score + data.pattern_pair[p] * kp)


cdef void add_lanes(const Data *data, Scratch *s, idx i0, idx i1, idx kp, int want, double weight,
                    double *score, double *hess) noexcept nogil:
    """Score and Hessian of the rows, and scores by node."""
    cdef idx n = i1 - i0, nch = data.n_channels, i, r, k, rows = (n + 3) // 4 * 4
    cdef out_ptr w = s.lane_weight
    cdef in_ptr moments = s.lane_moments
    for k in range(kp):
        w[k] = s.post[k]
        w[kp + k] = s.post[k] * s.nodes[k]
        w[2 * kp + k] = s.post[k] * s.nodes[k] * s.nodes[k]
    sm_row_moments(s.lane_g, s.lane_h, <int> rows, <int> kp, w, want >= 2, s.lane_moments)
    if want >= 2:
        sm_transpose(s.lane_g, <int> kp, <int> rows, s.lane_stored)
    for i in range(n):
        if data.q == 1 and is_coded(data, i0 + i):
            add_coded_lane(data, s, data.pattern[i0 + i], i, rows, kp, want, weight, score)
            continue
        s.e1[0] = moments[i]
        s.e1[1] = moments[rows + i]
        for r in range(1, data.q):
            s.e1[r + 1] = s.e1[0] * s.u[r]
        if want >= 2:
            s.e2[0] = moments[2 * rows + i]
            s.e2[1] = moments[3 * rows + i]
            s.e2[nch + 1] = moments[4 * rows + i]
            if data.q > 1:
                upper_seconds(data, s)
            mirror_seconds(data, s)
        add_row(data, s, i0 + i, kp, s.lane_stored + i * kp, want, False, weight, score, hess)
