# The recursion over levels: log-likelihood, score and Hessian of a cluster given what is above it.

cdef double normalise(idx k, const double *sign, in_ptr log_post, out_ptr post) noexcept nogil:
    """Posterior node weights and the log of the integral; -inf where it is not positive."""
    cdef idx i
    cdef double top = log_post[0], total = 0.0
    for i in range(1, k):
        if log_post[i] > top:
            top = log_post[i]
    if not isfinite(top):
        for i in range(k):
            post[i] = 0.0
        return -1e308 * 10.0
    # no weights near the end of the range: products with them would be subnormal, and slow
    for i in range(k):
        post[i] = sm_exp(log_post[i] - top) if log_post[i] - top > -600.0 else 0.0
    if sign != NULL:
        for i in range(k):
            post[i] *= sign[i]
    for i in range(k):
        total += post[i]
    if not total > 0.0:
        for i in range(k):
            post[i] = 0.0
        return -1e308 * 10.0
    for i in range(k):
        post[i] /= total
    return top + log(total)


cdef void leaf_nodes(const Data *data, const NodeSet *rule, const Place *place, Scratch *s, idx j) noexcept nogil:
    """Nodes of leaf j given the latent variables above it, and their log prior weights."""
    cdef idx q0 = data.ql[0], q = data.q, kp = rule.padded[0], r, c, k
    cdef double start, entry
    cdef out_ptr node
    cdef out_ptr lp = s.log_post
    cdef in_ptr z
    for k in range(kp):
        lp[k] = rule.log_weight[0][k] + place.log_det[0][j]
    for r in range(q0):
        start = place.centre[0][j * q0 + r]
        for c in range(q - q0):
            start += place.shift[0][(j * q0 + r) * (q - q0) + c] * (s.u[q0 + c] - s.centre[q0 + c])
        node = s.nodes + r * kp
        for k in range(kp):
            node[k] = start
        for c in range(q0):
            entry = place.scale[0][(j * q0 + r) * q0 + c]
            if entry != 0.0:
                z = rule.z[0] + c * kp
                for k in range(kp):
                    node[k] += entry * z[k]
        for k in range(kp):
            lp[k] -= 0.5 * node[k] * node[k]
    if data.n_products:
        product_nodes(data, s, kp)


cdef void product_nodes(const Data *data, Scratch *s, idx kp) noexcept nogil:
    """Products of latent variables at every node of a leaf."""
    cdef idx q0 = data.ql[0], p, k, r, c
    cdef double x
    cdef out_ptr node
    for p in range(data.n_products):
        node = s.nodes + (q0 + p) * kp
        r = data.product[2 * p]
        c = data.product[2 * p + 1]
        for k in range(kp):
            x = s.nodes[r * kp + k] if r < q0 else s.u[r]
            node[k] = x * (s.nodes[c * kp + k] if c < q0 else s.u[c])


cdef double leaf(const Data *data, const NodeSet *rule, const Place *place, Scratch *s, idx j,
                 int want, double weight, double *score, double *hess) noexcept nogil:
    """Log-likelihood of leaf j given the latent variables above; see `integrate`."""
    cdef idx i0 = data.offset[0][j], i1 = data.offset[0][j + 1], i = i0, k, size
    cdef idx kp = rule.padded[0]
    cdef double constant = 0.0, value
    cdef bint lanes
    leaf_nodes(data, rule, place, s, j)
    for k in range(kp):
        s.product[k] = 1.0
    s.factors = 0
    lanes = takes_lanes(data, i0, i1) and lane_densities(data, s, i0, i1, kp, want)
    if lanes:
        constant = lane_constants(data, i0, i1)
        i = i1
    while i < i1:
        size = response_size(data, i)
        constant += constant_of(data, i) * (data.row_weight[i] if data.row_weight != NULL else 1.0)
        if want:
            response_derivatives(data, s, i, kp, stored_at(data, s, i - i0, size, kp), s.log_post)
        else:
            response_values(data, s, i, kp)
        i += size
    if s.factors:
        flush(s, kp)
    value = normalise(kp, rule.sign[0], s.log_post, s.post) + constant
    if want:
        leaf_score(data, rule, s, i0, i1, lanes, want, weight, score, hess)
    return value


cdef inline double *stored_at(const Data *data, Scratch *s, idx row, idx size, idx kp) noexcept nogil:
    """Where a response's derivatives are kept: past the budget all in one place, to be computed again."""
    if row + size > s.store_rows:
        row = s.store_rows
    return s.store + row * kp * data.n_stored


cdef void leaf_score(const Data *data, const NodeSet *rule, Scratch *s, idx i0, idx i1, bint lanes,
                     int want, double weight, double *score, double *hess) noexcept nogil:
    """Score and Hessian of a leaf from the posterior node weights (Louis' identity)."""
    cdef idx kp = rule.padded[0], na = data.n_active
    cdef idx i = i0, t, v, size, row, listed = -1
    cdef bint several
    cdef double *stored
    memset(score, 0, na * sizeof(double))
    if want >= 2:
        begin_deviations(data, s, i0, i1, kp, hess)
        if data.dense:
            memset(s.outer, 0, na * data.padded * sizeof(double))
    if lanes:
        add_lanes(data, s, i0, i1, kp, want, weight, score, hess)
        i = i1
    while i < i1:
        size = response_size(data, i)
        stored = stored_at(data, s, i - i0, size, kp)
        if i - i0 + size > s.store_rows:
            # log f has been added: it goes where nobody reads it
            response_derivatives(data, s, i, kp, stored, s.weighted)
        several = family_of(data, i) < 0
        if several and want >= 2:
            listed = begin_set(data, s, i, size, kp)
        for row in range(size):
            row_expectations(data, s, kp, stored + row * kp * data.n_stored, want)
            add_row(data, s, i + row, kp, stored + row * kp * data.n_stored, want, several, weight, score, hess)
        if several and want >= 2 and listed >= 0:
            products_across_rows(data, s, listed, kp, stored + (data.n_stored - 1) * kp, weight, hess)
        elif several and want >= 2:
            deviations_across_rows(data, s, kp, stored + (data.n_stored - 1) * kp, weight, hess)
        i += size
    if want >= 2 and data.dense:
        for t in range(na):
            for v in range(t + 1 if t < data.leading else data.leading):
                hess[t * na + v] += weight * s.outer[t * data.padded + v]
    # one node has no variance of scores
    if want >= 2:
        if kp > 1:
            add_deviations(data, s, kp, weight, score, hess)
        end_deviations(data, s, hess)


cdef idx gather_row(const Data *data, Scratch *s, idx i, double *score) noexcept nogil:
    """Collect the active entries that are not zero in a row, and add to the score; returns their number."""
    cdef idx t, k, channel, nz = 0, pattern = pattern_of(data, i)
    cdef double x
    for k in range(data.pattern_first[pattern], data.pattern_first[pattern + 1]):
        t = data.pattern_entry[k]
        channel = data.active_channel[t]
        if channel > data.n_latent:
            channel = s.slot_of[channel - data.n_latent - 1]
            if channel < 0:
                continue
        x = data.pattern_value[k] * design_entry(data, i, data.pattern_column[k])
        if x != 0.0:
            s.row_value[nz] = x
            s.row_index[nz] = t
            s.row_channel[nz] = channel
            nz += 1
            score[t] += x * s.e1[channel]
    return nz


cdef inline bint is_coded(const Data *data, idx i) noexcept nogil:
    """Whether all columns of row i depend on its code alone, and its second derivatives are summed by code."""
    return data.coded and (
        data.pattern_first_rest[data.pattern[i]] == data.pattern_first_rest[data.pattern[i] + 1])


cdef inline void add_coded_row(const Data *data, Scratch *s, idx code, int want, double weight,
                               double *score) noexcept nogil:
    """A row whose columns depend on its code alone: its share of the score, and of the code's sum of e2."""
    cdef idx nch = data.n_channels, k, r, c
    cdef double *second
    for k in range(data.pattern_first[code], data.pattern_first[code + 1]):
        score[data.pattern_entry[k]] += (
            data.pattern_value[k] * s.e1[data.active_channel[data.pattern_entry[k]]])
    if want >= 2:
        second = s.code_second + code * data.n_seconds
        k = 0
        for r in range(nch):
            for c in range(r + 1):
                second[k] += weight * s.e2[r * nch + c]
                k += 1


cdef void settle_codes(const Data *data, Scratch *s, double *hess) noexcept nogil:
    """Add what the sums of e2 by code stand for to a Hessian."""
    cdef idx code, k, e, r, c, swap
    cdef double *second
    if not data.coded:
        return
    for code in range(data.n_patterns):
        second = s.code_second + code * data.n_seconds
        for k in range(data.pattern_first[code], data.pattern_first[code + 1]):
            for e in range(data.pattern_first[code], k + 1):
                r = data.active_channel[data.pattern_entry[k]]
                c = data.active_channel[data.pattern_entry[e]]
                if c > r:
                    swap = r
                    r = c
                    c = swap
                hess[data.pattern_entry[k] * data.n_active + data.pattern_entry[e]] += (
                    data.pattern_value[k] * data.pattern_value[e] * second[r * (r + 1) // 2 + c])
        memset(second, 0, data.n_seconds * sizeof(double))


cdef void add_row(const Data *data, Scratch *s, idx i, idx kp, const double *stored, int want,
                  bint in_set, double weight, double *score, double *hess) noexcept nogil:
    """A row's share of score and Hessian, from the expectations in e1 and e2, and of the scores by node."""
    cdef idx na = data.n_active, nch = data.n_channels, t, v, c, p, nz = 0, channel
    cdef idx pattern = pattern_of(data, i)
    cdef idx first_slot = data.n_latent + 1
    cdef double x
    cdef out_ptr target
    cdef in_ptr source
    if not data.fixed_slots:
        for c in range(data.n_slots):
            channel = data.slot_channel[i * data.n_slots + c]
            if channel >= 0:
                s.slot_of[channel - first_slot] = first_slot + c
    if is_coded(data, i):
        add_coded_row(data, s, pattern, want, weight, score)
    elif data.dense:
        # zeros are not worth a branch
        nz = na
        for t in range(na):
            channel = data.active_channel[t]
            x = design_entry(data, i, data.active_column[t])
            s.row_value[t] = x
            s.row_channel[t] = channel
            score[t] += x * s.e1[channel]
    else:
        nz = gather_row(data, s, i, score)
    if want >= 2:
        if data.dense:
            # columns of the coefficients: whole rows of a padded block, which is SIMD
            source = s.row_value
            for t in range(na):
                channel = s.row_channel[t]
                target = s.outer + t * data.padded
                x = s.row_value[t] * s.e2[channel * nch]
                for c in range(data.padded):
                    target[c] += x * source[c]
                target = hess + t * na
                x = weight * s.row_value[t]
                for v in range(data.leading, t + 1):
                    target[v] += x * s.row_value[v] * s.e2[channel * nch + s.row_channel[v]]
        else:
            # of a coded row there are none
            for t in range(nz):
                channel = s.row_channel[t]
                x = weight * s.row_value[t]
                for v in range(t + 1):
                    hess[s.row_index[t] * na + s.row_index[v]] += (
                        x * s.row_value[v] * s.e2[channel * nch + s.row_channel[v]])
        for p in range(data.pattern_first_pair[pattern], data.pattern_first_pair[pattern + 1]):
            t = data.pattern_pair[p]
            channel = data.pair_channel[t]
            source = stored
            if channel > 0:
                channel = s.slot_of[channel - first_slot]
                if channel < 0:
                    continue
                source = stored + stored_slot(channel - first_slot) * kp
            x = data.pattern_pair_value[p] * design_entry(data, i, data.pattern_pair_column[p])
            if x == 0.0 and not data.dense:
                continue
            sm_add_scaled(x, source, <int> kp, s.pair_score + t * kp)
            if in_set and data.pair_channel[t] == 0:
                sm_add_scaled(x, stored + (data.n_stored - 2) * kp, <int> kp, s.set_score + t * kp)
    if not data.fixed_slots:
        for c in range(data.n_slots):
            channel = data.slot_channel[i * data.n_slots + c]
            if channel >= 0:
                s.slot_of[channel - first_slot] = -1


cdef inline void upper_seconds(const Data *data, Scratch *s) noexcept nogil:
    """Expectations of the second derivative in nu times the latent variables above the leaf."""
    cdef idx q0 = data.ql[0], q = data.q, nch = data.n_channels, r, c
    for r in range(q0, q):
        s.e2[r + 1] = s.e2[0] * s.u[r]
        for c in range(q0):
            s.e2[(r + 1) * nch + c + 1] = s.e2[c + 1] * s.u[r]
        for c in range(q0, r + 1):
            s.e2[(r + 1) * nch + c + 1] = s.e2[0] * s.u[r] * s.u[c]
        for c in range(q + 1, data.n_latent + 1):
            s.e2[c * nch + r + 1] = s.e2[c] * s.u[r]


cdef inline void mirror_seconds(const Data *data, Scratch *s) noexcept nogil:
    """Fill the upper triangle of e2, and its first column, which is in the first row."""
    cdef idx nch = data.n_channels, r, c
    for r in range(nch):
        if r > 0:
            s.e2[r * nch] = s.e2[r]
        for c in range(r):
            s.e2[c * nch + r] = s.e2[r * nch + c]


cdef void row_expectations(const Data *data, Scratch *s, idx kp, const double *stored, int want) noexcept nogil:
    """Posterior expectations of a row's derivatives times products of its channels, into e1 and e2."""
    cdef idx q0 = data.ql[0], q = data.q, nch = data.n_channels, r, c, k, slot, other, row
    cdef idx n_vectors = data.n_vectors, first_slot = data.n_latent + 1
    cdef int kk = <int> kp
    cdef const double *mixed
    cdef double x
    cdef double *post = s.post
    cdef double *weighted = s.weighted
    cdef double moments[5]
    if n_vectors == 1 and want >= 2:
        sm_moments(post, stored, stored + kp, s.nodes, kk, moments)
        s.e1[0] = moments[0]
        s.e1[1] = moments[1]
    else:
        s.e1[0] = sm_dot(post, stored, kk)
        for r in range(n_vectors):
            s.e1[vector_channel(data, r)] = sm_dot3(post, stored, s.nodes + r * kp, kk)
    for r in range(q0, q):
        s.e1[r + 1] = s.e1[0] * s.u[r]
    for slot in range(data.n_slots):
        s.e1[first_slot + slot] = sm_dot(post, stored + stored_slot(slot) * kp, kk)
    if want < 2:
        return
    # the lower triangle, the first column in the first row
    if n_vectors == 1:
        s.e2[0] = moments[2]
        s.e2[1] = moments[3]
        s.e2[nch + 1] = moments[4]
    else:
        for k in range(kp):
            weighted[k] = post[k] * stored[kp + k]
        s.e2[0] = 0.0
        for k in range(kp):
            s.e2[0] += weighted[k]
        for r in range(n_vectors):
            row = vector_channel(data, r)
            s.e2[row] = sm_dot(weighted, s.nodes + r * kp, kk)
            for c in range(r + 1):
                s.e2[row * nch + vector_channel(data, c)] = sm_dot3(
                    weighted, s.nodes + r * kp, s.nodes + c * kp, kk)
    upper_seconds(data, s)
    for slot in range(data.n_slots):
        mixed = stored + (stored_slot(slot) + 1) * kp
        k = first_slot + slot
        x = sm_dot(post, mixed, kk)
        s.e2[k] = x
        for r in range(n_vectors):
            s.e2[k * nch + vector_channel(data, r)] = sm_dot3(post, mixed, s.nodes + r * kp, kk)
        for r in range(q0, q):
            s.e2[k * nch + r + 1] = x * s.u[r]
        for other in range(slot + 1):
            s.e2[k * nch + first_slot + other] = sm_dot(post, mixed + (other + 1) * kp, kk)
    mirror_seconds(data, s)


cdef double set_node(const Data *data, const NodeSet *rule, const Place *place, Scratch *s,
                     int level, idx j, idx k) noexcept nogil:
    """Put node k of cluster j in force; returns its log prior weight."""
    cdef idx ql = data.ql[level], first = data.first[level], above = data.q - first - ql, r, c
    cdef double x, result = rule.log_weight[level][k] + place.log_det[level][j]
    for r in range(ql):
        x = place.centre[level][j * ql + r]
        s.centre[first + r] = x
        for c in range(above):
            x += place.shift[level][(j * ql + r) * above + c] * (s.u[first + ql + c] - s.centre[first + ql + c])
        for c in range(ql):
            x += place.scale[level][(j * ql + r) * ql + c] * rule.z[level][c * rule.padded[level] + k]
        s.u[first + r] = x
        result -= 0.5 * x * x
    return result


cdef double integrate(const Data *data, const NodeSet *rule, const Place *place, Scratch *s,
                      int level, idx j, int want, double weight, double *score, double *hess) noexcept nogil:
    """Log-likelihood of cluster j of a level given the latent variables above it.

    Writes its score to `score`, and adds `weight` times its Hessian (the lower triangle) to `hess`.
    """
    cdef idx na = data.n_active, n_nodes, k, child, t, v
    cdef double value, w, x
    cdef double *node_score
    cdef double *node_hess
    if level == 0:
        return leaf(data, rule, place, s, j, want, weight, score, hess)
    n_nodes = rule.k[level]
    for k in range(n_nodes):
        value = set_node(data, rule, place, s, level, j, k)
        node_score = s.level_score[level] + k * na
        node_hess = s.level_hess[level] + k * na * na
        if want:
            memset(node_score, 0, na * sizeof(double))
        if want >= 2:
            memset(node_hess, 0, na * na * sizeof(double))
        for child in range(data.offset[level][j], data.offset[level][j + 1]):
            w = data.weight[level - 1][child] if data.weight[level - 1] != NULL else 1.0
            x = integrate(data, rule, place, s, level - 1, child, want, w, s.child_score[level], node_hess)
            value += w * x
            if want:
                for t in range(na):
                    node_score[t] += w * s.child_score[level][t]
        if want >= 2 and level == 1:
            flush_deviations(data, s, node_hess)
        s.level_log[level][k] = value
    value = normalise(n_nodes, rule.sign[level], s.level_log[level], s.level_post[level])
    if want:
        memset(score, 0, na * sizeof(double))
        for k in range(n_nodes):
            x = s.level_post[level][k]
            for t in range(na):
                score[t] += x * s.level_score[level][k * na + t]
    if want >= 2:
        for k in range(n_nodes):
            w = weight * s.level_post[level][k]
            node_score = s.level_score[level] + k * na
            node_hess = s.level_hess[level] + k * na * na
            for t in range(na):
                x = w * (node_score[t] - score[t])
                for v in range(t + 1):
                    hess[t * na + v] += w * node_hess[t * na + v] + x * (node_score[v] - score[v])
    return value
