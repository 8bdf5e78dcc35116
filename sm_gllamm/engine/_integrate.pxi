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


cdef inline void row_nu(const Data *data, Scratch *s, idx i, idx kp) noexcept nogil:
    """nu of row i at every node of the leaf."""
    cdef idx q0 = data.ql[0], q = data.q, r, k
    cdef double base = data.a[i], loading
    cdef const double *b = data.b + i * q
    cdef out_ptr nu = s.nu
    cdef in_ptr node
    for r in range(q0, q):
        base += b[r] * s.u[r]
    loading = b[0]
    node = s.nodes
    for k in range(kp):
        nu[k] = base + loading * node[k]
    for r in range(1, q0):
        loading = b[r]
        node = s.nodes + r * kp
        for k in range(kp):
            nu[k] += loading * node[k]


cdef inline void row_derivatives(const Data *data, Scratch *s, idx i, idx kp, double *slot, double *acc) noexcept nogil:
    """Derivatives of row i at every node into `slot`; log f is added to `acc`."""
    cdef double w = data.row_weight[i] if data.row_weight != NULL else 1.0
    cdef double tau = data.tau[i] if data.dispersion else 0.0
    row_nu(data, s, i, kp)
    if data.family[i] == BINOMIAL_LOGIT and w == 1.0 and data.trials[i] == 1.0:
        bernoulli_derivatives(data.y[i], s.nu, <int> kp, acc, s.product, slot, slot + kp)
        count_factor(s, kp)
    else:
        add_derivatives(data.family[i], data.y[i], data.trials[i], w, tau, s.nu, <int> kp, acc, slot, slot + kp)
    if data.dispersion:
        dispersion_derivatives(data.family[i], data.y[i], w, tau, s.nu, slot, <int> kp,
                               slot + 2 * kp, slot + 3 * kp, slot + 4 * kp)


cdef double leaf(const Data *data, const NodeSet *rule, const Place *place, Scratch *s, idx j,
                 int want, double *score, double *hess) noexcept nogil:
    """Log-likelihood of leaf j given the latent variables above; adds nothing, overwrites score and hess."""
    cdef idx i0 = data.offset[0][j], i1 = data.offset[0][j + 1], i, k
    cdef idx kp = rule.padded[0]
    cdef double constant = 0.0, value, w, tau
    cdef double *slot
    leaf_nodes(data, rule, place, s, j)
    for k in range(kp):
        s.product[k] = 1.0
    s.factors = 0
    for i in range(i0, i1):
        w = data.row_weight[i] if data.row_weight != NULL else 1.0
        constant += w * data.constant[i]
        if want:
            k = i - i0 if i - i0 < s.store_rows else s.store_rows
            row_derivatives(data, s, i, kp, s.store + k * kp * s.n_der, s.log_post)
        else:
            tau = data.tau[i] if data.dispersion else 0.0
            row_nu(data, s, i, kp)
            if data.family[i] == BINOMIAL_LOGIT and w == 1.0 and data.trials[i] == 1.0:
                bernoulli_values(data.y[i], s.nu, <int> kp, s.log_post, s.product)
                count_factor(s, kp)
            else:
                add_values(data.family[i], data.y[i], data.trials[i], w, tau, s.nu, <int> kp, s.log_post)
    if s.factors:
        flush(s, kp)
    value = normalise(kp, rule.sign[0], s.log_post, s.post) + constant
    if want:
        leaf_score(data, rule, s, i0, i1, want, score, hess)
    return value


cdef void leaf_score(const Data *data, const NodeSet *rule, Scratch *s, idx i0, idx i1,
                     int want, double *score, double *hess) noexcept nogil:
    """Score and Hessian of a leaf from the posterior node weights (Louis' identity)."""
    cdef idx kp = rule.padded[0], na = data.n_active, nch = data.n_channels, q = data.q, d = data.d
    cdef idx i, t, v, k, c, nz, channel
    cdef double x, total
    cdef double *slot
    cdef out_ptr target
    cdef in_ptr source
    memset(score, 0, na * sizeof(double))
    if want >= 2:
        memset(hess, 0, na * na * sizeof(double))
        memset(s.column_score, 0, 2 * (d + 1) * kp * sizeof(double))
    for i in range(i0, i1):
        k = i - i0
        if k >= s.store_rows:
            k = s.store_rows
            row_derivatives(data, s, i, kp, s.store + k * kp * s.n_der, s.weighted)
        slot = s.store + k * kp * s.n_der
        row_expectations(data, s, kp, slot, want)
        nz = 0
        for t in range(na):
            x = design_entry(data, i, data.active_column[t])
            if x != 0.0:
                s.row_value[nz] = x
                s.row_index[nz] = t
                nz += 1
                score[t] += x * s.e1[data.active_channel[t]]
        if want < 2:
            continue
        if nz == na:
            # the usual case, dense: the coefficients' block is a plain rank-one update
            for t in range(na):
                channel = data.active_channel[t]
                target = hess + t * na
                x = s.row_value[t] * s.e2[channel * nch]
                v = t + 1 if t < data.leading else data.leading
                for c in range(v):
                    target[c] += x * s.row_value[c]
                for v in range(data.leading, t + 1):
                    target[v] += (s.row_value[t] * s.row_value[v]
                                  * s.e2[channel * nch + data.active_channel[v]])
        else:
            for t in range(nz):
                channel = data.active_channel[s.row_index[t]]
                for v in range(t + 1):
                    hess[s.row_index[t] * na + s.row_index[v]] += (
                        s.row_value[t] * s.row_value[v]
                        * s.e2[channel * nch + data.active_channel[s.row_index[v]]])
        # one node has no variance of scores
        if kp == 1:
            continue
        source = slot
        for c in range(d + data.constant_column):
            x = design_entry(data, i, c if c < d else -1)
            if x != 0.0:
                target = s.column_score + c * kp
                for k in range(kp):
                    target[k] += x * source[k]
        if data.dispersion:
            source = slot + 2 * kp
            for c in range(d + data.constant_column):
                x = design_entry(data, i, c if c < d else -1)
                if x != 0.0:
                    target = s.column_score + (d + 1 + c) * kp
                    for k in range(kp):
                        target[k] += x * source[k]
    if want < 2 or kp == 1:
        return
    # posterior variance of the node scores
    for t in range(na):
        channel = data.active_channel[t]
        c = data.active_column[t] if data.active_column[t] >= 0 else d
        source = s.column_score + (c if channel <= q else d + 1 + c) * kp
        target = s.node_score + t * kp
        if channel == 0 or channel > q:
            for k in range(kp):
                target[k] = source[k] - score[t]
        elif channel <= data.ql[0]:
            for k in range(kp):
                target[k] = source[k] * s.nodes[(channel - 1) * kp + k] - score[t]
        else:
            x = s.u[channel - 1]
            for k in range(kp):
                target[k] = source[k] * x - score[t]
    for t in range(na):
        for k in range(kp):
            s.weighted[k] = s.post[k] * s.node_score[t * kp + k]
        for v in range(t + 1):
            hess[t * na + v] += sm_dot(s.weighted, s.node_score + v * kp, <int> kp)


cdef void row_expectations(const Data *data, Scratch *s, idx kp, const double *slot, int want) noexcept nogil:
    """Posterior expectations of a row's derivatives times products of channels, into e1 and e2."""
    cdef idx q0 = data.ql[0], q = data.q, nch = data.n_channels, r, c, k
    cdef int kk = <int> kp
    cdef double x
    cdef double *post = s.post
    cdef double *weighted = s.weighted
    s.e1[0] = sm_dot(post, slot, kk)
    for r in range(q0):
        s.e1[r + 1] = sm_dot3(post, slot, s.nodes + r * kp, kk)
    for r in range(q0, q):
        s.e1[r + 1] = s.e1[0] * s.u[r]
    if data.dispersion:
        s.e1[q + 1] = sm_dot(post, slot + 2 * kp, kk)
    if want < 2:
        return
    for k in range(kp):
        weighted[k] = post[k] * slot[kp + k]
    s.e2[0] = 0.0
    for k in range(kp):
        s.e2[0] += weighted[k]
    for r in range(q0):
        s.e2[r + 1] = sm_dot(weighted, s.nodes + r * kp, kk)
        for c in range(r + 1):
            s.e2[(r + 1) * nch + c + 1] = sm_dot3(weighted, s.nodes + r * kp, s.nodes + c * kp, kk)
    for r in range(q0, q):
        s.e2[r + 1] = s.e2[0] * s.u[r]
        for c in range(q0):
            s.e2[(r + 1) * nch + c + 1] = s.e2[c + 1] * s.u[r]
        for c in range(q0, r + 1):
            s.e2[(r + 1) * nch + c + 1] = s.e2[0] * s.u[r] * s.u[c]
    if data.dispersion:
        x = sm_dot(post, slot + 3 * kp, kk)
        s.e2[q + 1] = x
        for r in range(q0):
            s.e2[(q + 1) * nch + r + 1] = sm_dot3(post, slot + 3 * kp, s.nodes + r * kp, kk)
        for r in range(q0, q):
            s.e2[(q + 1) * nch + r + 1] = x * s.u[r]
        s.e2[(q + 1) * nch + q + 1] = sm_dot(post, slot + 4 * kp, kk)
    for r in range(nch):
        if r > 0:
            s.e2[r * nch] = s.e2[r]
        for c in range(r):
            s.e2[c * nch + r] = s.e2[r * nch + c]


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
                      int level, idx j, int want, double *score, double *hess) noexcept nogil:
    """Log-likelihood of cluster j of a level given the latent variables above it."""
    cdef idx na = data.n_active, n_nodes, k, child, t, v
    cdef double value, w, x
    cdef double *node_score
    cdef double *node_hess
    if level == 0:
        return leaf(data, rule, place, s, j, want, score, hess)
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
            x = integrate(data, rule, place, s, level - 1, child, want, s.child_score[level], s.child_hess[level])
            w = data.weight[level - 1][child] if data.weight[level - 1] != NULL else 1.0
            value += w * x
            if want:
                for t in range(na):
                    node_score[t] += w * s.child_score[level][t]
            if want >= 2:
                for t in range(na * na):
                    node_hess[t] += w * s.child_hess[level][t]
        s.level_log[level][k] = value
    value = normalise(n_nodes, rule.sign[level], s.level_log[level], s.level_post[level])
    if want:
        memset(score, 0, na * sizeof(double))
        for k in range(n_nodes):
            x = s.level_post[level][k]
            for t in range(na):
                score[t] += x * s.level_score[level][k * na + t]
    if want >= 2:
        memset(hess, 0, na * na * sizeof(double))
        for k in range(n_nodes):
            w = s.level_post[level][k]
            node_score = s.level_score[level] + k * na
            node_hess = s.level_hess[level] + k * na * na
            for t in range(na):
                x = w * (node_score[t] - score[t])
                for v in range(t + 1):
                    hess[t * na + v] += w * node_hess[t * na + v] + x * (node_score[v] - score[v])
    return value
