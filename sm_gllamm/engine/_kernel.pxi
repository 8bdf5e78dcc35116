# The numeric kernel: integrates latent variables out of a tree of clusters.
#
# What is computed.  Row i has nu_i = a_i + b_i'u, u the standardised latent variables of all levels, the
# lowest level's first. A leaf is a cluster of the lowest latent level: the innermost loops run over its
# nodes (contiguous, padded to a multiple of 8), so they are element-wise and vectorise. A cluster of a
# higher level is a loop over its own nodes and, inside, a recursion into its children, each with its
# nodes shifted linearly in the latent variables above it.
#
# What is differentiated.  The engine knows nothing of models: nu_i = offset_i + D_i' Phi (1, u). An "active"
# entry t of Phi is (column of D, channel); channel 0 is the constant 1, channel r > 0 is u_r, and channel
# q + 1 is the second predictor of a row (log dispersion). Score and Hessian are taken with respect to
# the active entries, nodes held fixed; any model's parameters follow by the chain rule outside.
# With W the posterior node weights, s the score and H the Hessian at a node (Louis 1982):
#     score = E_W[s],    Hessian = E_W[H] + Var_W[s],
# applied at each level in turn, which keeps level weights (exponents of a cluster's likelihood) exact.
#
# What is stored.  Per thread: first and second derivatives of a leaf (rows x nodes, up to a budget; rows
# beyond it are computed twice), node scores (active x nodes), and for each higher level K scores and
# Hessians. Never rows x nodes x parameters.

from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset
from libc.math cimport exp, fabs, isfinite, log, sqrt

from sm_gllamm.responses._vecmath cimport sm_dot, sm_dot3, sm_exp, sm_log, sm_log_erfc
from sm_gllamm.responses._families cimport (
    BINOMIAL_CLOGLOG, BINOMIAL_LOGIT, BINOMIAL_PROBIT, GAUSSIAN_IDENTITY, GAUSSIAN_LOG, POISSON_LOG,
    Derivatives, cloglog_derivatives, cloglog_value, gaussian_log_value, gaussian_value,
    absolute, logit_derivatives, logit_value, poisson_derivatives, poisson_value, probit_derivatives,
    one_minus_exp_over, probit_value,
)

import numpy as np

cdef extern from *:
    ctypedef double* out_ptr "double * __restrict"
    ctypedef const double* in_ptr "const double * __restrict"

cdef enum:
    MAX_LEVELS = 8
    PAD = 8
    ROW_BLOCK = 64
    STORE = 131072          # doubles kept of a leaf's derivatives: 1 MiB
    FLUSH = 512             # factors in (1, 2] multiplied before a logarithm is taken

cdef double PADDED_LOG_WEIGHT = -1e300

ctypedef Py_ssize_t idx


cdef struct Data:
    idx n
    idx d
    idx q
    idx n_active
    idx n_channels
    int n_levels
    int dispersion          # 1 if any row has a dispersion
    idx ql[MAX_LEVELS]
    idx first[MAX_LEVELS]   # position of a level's first latent variable in u
    const int *family
    const double *y
    const double *trials
    const double *constant
    const double *row_weight        # NULL: all one
    const double *design
    idx row_stride
    idx column_stride
    const idx *active_column        # -1: the constant 1
    const idx *active_channel
    const idx *offset[MAX_LEVELS]
    const double *weight[MAX_LEVELS]  # NULL: all one
    const double *base      # offset, NULL: none
    double *a
    double *b
    double *tau


cdef struct NodeSet:
    idx k[MAX_LEVELS]
    idx padded[MAX_LEVELS]
    const double *z[MAX_LEVELS]         # (q_l, padded)
    const double *log_weight[MAX_LEVELS]
    const double *sign[MAX_LEVELS]      # NULL: all positive


cdef struct Place:
    double *centre[MAX_LEVELS]      # (J, q_l)
    double *scale[MAX_LEVELS]       # (J, q_l, q_l): u = centre + shift (u_above - centre_above) + scale z
    double *log_det[MAX_LEVELS]     # (J,)
    double *shift[MAX_LEVELS]       # (J, q_l, q_above)


cdef struct Scratch:
    double *u               # (q,) latent variables in force
    double *centre          # (q,) centres of the clusters in force
    # leaf
    double *nodes           # (q_0, Kp)
    double *log_post        # (Kp,)
    double *post            # (Kp,)
    double *nu              # (Kp,)
    double *product         # (Kp,) product of 1 + exp(-|nu|) over Bernoulli-logit rows
    int factors
    double *store           # derivatives
    idx store_rows
    int n_der
    double *column_score    # (2, d + 1, Kp)
    double *node_score      # (n_active, Kp)
    double *weighted        # (Kp,)
    double *row_value       # (n_active,)
    idx *row_index          # (n_active,)
    double *e1              # (n_channels,)
    double *e2              # (n_channels, n_channels)
    # higher levels
    double *level_log[MAX_LEVELS]
    double *level_post[MAX_LEVELS]
    double *level_score[MAX_LEVELS]
    double *level_hess[MAX_LEVELS]
    double *child_score[MAX_LEVELS]
    double *child_hess[MAX_LEVELS]
    # modes
    double *grad[MAX_LEVELS]
    double *curv[MAX_LEVELS]
    double *delta           # (q,)


cdef Scratch *new_scratch(const Data *data, const NodeSet *rule, idx largest_leaf, int want) noexcept nogil:
    cdef Scratch *s = <Scratch *> calloc(1, sizeof(Scratch))
    cdef idx kp = rule.padded[0] if rule != NULL else PAD
    cdef idx na = data.n_active, q = data.q, k
    cdef int level
    if s == NULL:
        return NULL
    s.u = <double *> calloc(q + 1, sizeof(double))
    s.centre = <double *> calloc(q + 1, sizeof(double))
    s.delta = <double *> calloc(q + 1, sizeof(double))
    s.nodes = <double *> calloc((data.ql[0] + 1) * kp, sizeof(double))
    s.log_post = <double *> calloc(kp, sizeof(double))
    s.post = <double *> calloc(kp, sizeof(double))
    s.nu = <double *> calloc(kp, sizeof(double))
    s.product = <double *> calloc(kp, sizeof(double))
    s.weighted = <double *> calloc(kp, sizeof(double))
    s.n_der = 5 if data.dispersion else 2
    s.store_rows = STORE // (kp * s.n_der)
    if s.store_rows > largest_leaf:
        s.store_rows = largest_leaf
    if s.store_rows < 1:
        s.store_rows = 1
    # one slot more, for rows beyond the budget
    s.store = <double *> calloc((s.store_rows + 1) * kp * s.n_der, sizeof(double))
    s.column_score = <double *> calloc(2 * (data.d + 1) * kp, sizeof(double))
    s.node_score = <double *> calloc((na + 1) * kp, sizeof(double))
    s.row_value = <double *> calloc(na + 1, sizeof(double))
    s.row_index = <idx *> calloc(na + 1, sizeof(idx))
    s.e1 = <double *> calloc(data.n_channels, sizeof(double))
    s.e2 = <double *> calloc(data.n_channels * data.n_channels, sizeof(double))
    for level in range(data.n_levels):
        s.grad[level] = <double *> calloc(q + 1, sizeof(double))
        s.curv[level] = <double *> calloc(q * q + 1, sizeof(double))
        if level > 0 and rule != NULL:
            k = rule.k[level]
            s.level_log[level] = <double *> calloc(k, sizeof(double))
            s.level_post[level] = <double *> calloc(k, sizeof(double))
            if want >= 1:
                s.level_score[level] = <double *> calloc(k * na + 1, sizeof(double))
                s.child_score[level] = <double *> calloc(na + 1, sizeof(double))
            if want >= 2:
                s.level_hess[level] = <double *> calloc(k * na * na + 1, sizeof(double))
                s.child_hess[level] = <double *> calloc(na * na + 1, sizeof(double))
    return s


cdef void free_scratch(const Data *data, Scratch *s) noexcept nogil:
    cdef int level
    if s == NULL:
        return
    free(s.u); free(s.centre); free(s.delta); free(s.nodes); free(s.log_post); free(s.post)
    free(s.nu); free(s.product); free(s.weighted); free(s.store); free(s.column_score); free(s.node_score)
    free(s.row_value); free(s.row_index); free(s.e1); free(s.e2)
    for level in range(data.n_levels):
        free(s.grad[level]); free(s.curv[level])
        free(s.level_log[level]); free(s.level_post[level]); free(s.level_score[level])
        free(s.level_hess[level]); free(s.child_score[level]); free(s.child_hess[level])
    free(s)


# ------------------------------------------------------------------ responses over nodes and over rows

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
                mu = sm_exp(nu[i])
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


# ------------------------------------------------------------------ integration

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
    cdef double start, l
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
            l = place.scale[0][(j * q0 + r) * q0 + c]
            if l != 0.0:
                z = rule.z[0] + c * kp
                for k in range(kp):
                    node[k] += l * z[k]
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
            x = data.design[i * data.row_stride + data.active_column[t] * data.column_stride] if data.active_column[t] >= 0 else 1.0
            if x != 0.0:
                s.row_value[nz] = x
                s.row_index[nz] = t
                nz += 1
                score[t] += x * s.e1[data.active_channel[t]]
        if want < 2:
            continue
        for t in range(nz):
            channel = data.active_channel[s.row_index[t]]
            for v in range(t + 1):
                hess[s.row_index[t] * na + s.row_index[v]] += (
                    s.row_value[t] * s.row_value[v] * s.e2[channel * nch + data.active_channel[s.row_index[v]]])
        source = slot
        for c in range(d + 1):
            x = data.design[i * data.row_stride + c * data.column_stride] if c < d else 1.0
            if x != 0.0:
                target = s.column_score + c * kp
                for k in range(kp):
                    target[k] += x * source[k]
        if data.dispersion:
            source = slot + 2 * kp
            for c in range(d + 1):
                x = data.design[i * data.row_stride + c * data.column_stride] if c < d else 1.0
                if x != 0.0:
                    target = s.column_score + (d + 1 + c) * kp
                    for k in range(kp):
                        target[k] += x * source[k]
    if want < 2:
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


# ------------------------------------------------------------------ posterior moments

cdef struct Moments:
    double *mean[MAX_LEVELS]        # (J, q_l) E[u]
    double *second[MAX_LEVELS]      # (J, q_l, q_l) E[uu']
    double *residual[MAX_LEVELS]    # (J, q_l) E[e], e = scale z: what the shift leaves over
    double *residual2[MAX_LEVELS]   # (J, q_l, q_l)
    double *row_nu                  # (n,) E[nu]
    double *row_nu2                 # (n,) E[nu^2]
    double *row_mean                # (n,) E[inverse link of nu]


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


cdef void posterior(const Data *data, const NodeSet *rule, const Place *place, Scratch *s, Moments *m,
                    int level, idx j, double weight) noexcept nogil:
    """Moments of the posterior of cluster j and all below, where `weight` is the posterior weight of
    the latent variables in force above it."""
    cdef idx k, child, i, kp = rule.padded[0]
    cdef double value, w, x, mu
    if level == 0:
        leaf(data, rule, place, s, j, 0, NULL, NULL)
        for k in range(rule.k[0]):
            add_moments(data, place, m, s, 0, j, rule.z[0] + k, kp, s.nodes + k, kp, weight * s.post[k])
        for i in range(data.offset[0][j], data.offset[0][j + 1]):
            row_nu(data, s, i, kp)
            value = 0.0
            mu = 0.0
            x = 0.0
            for k in range(rule.k[0]):
                x += s.post[k] * s.nu[k]
                value += s.post[k] * s.nu[k] * s.nu[k]
                mu += s.post[k] * mean_response(data.family[i], s.nu[k])
            m.row_nu[i] += weight * x
            m.row_nu2[i] += weight * value
            m.row_mean[i] += weight * mu
        return
    for k in range(rule.k[level]):
        value = set_node(data, rule, place, s, level, j, k)
        for child in range(data.offset[level][j], data.offset[level][j + 1]):
            w = data.weight[level - 1][child] if data.weight[level - 1] != NULL else 1.0
            value += w * integrate(data, rule, place, s, level - 1, child, 0, NULL, NULL)
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


# ------------------------------------------------------------------ joint modes

cdef int cholesky(double *a, idx stride, idx k, double *out) noexcept nogil:
    """Lower factor of the leading k x k block of a (row stride given) into out (k, k). 0 if not positive definite."""
    cdef idx r, c, e
    cdef double x
    for r in range(k):
        for c in range(r + 1):
            x = a[r * stride + c]
            for e in range(c):
                x -= out[r * k + e] * out[c * k + e]
            if r == c:
                if not x > 1e-14 * fabs(a[r * stride + r]) or not isfinite(x):
                    return 0
                out[r * k + r] = sqrt(x)
            else:
                out[r * k + c] = x / out[c * k + c]
        for c in range(r + 1, k):
            out[r * k + c] = 0.0
    return 1


cdef void solve(const double *factor, idx k, double *x, idx stride) noexcept nogil:
    """x <- A^{-1} x in place, A = factor factor'."""
    cdef idx r, e
    for r in range(k):
        for e in range(r):
            x[r * stride] -= factor[r * k + e] * x[e * stride]
        x[r * stride] /= factor[r * k + r]
    for r in range(k - 1, -1, -1):
        for e in range(r + 1, k):
            x[r * stride] -= factor[e * k + r] * x[e * stride]
        x[r * stride] /= factor[r * k + r]


cdef struct ModeState:
    double *mode[MAX_LEVELS]        # (J, q_l)
    double *factor[MAX_LEVELS]      # (J, q_l, q_l) Cholesky factor of the conditional precision
    double *shift[MAX_LEVELS]       # (J, q_l, q_above)
    double *step[MAX_LEVELS]        # (J, q_l)


cdef double rows_curvature(const Data *data, Scratch *s, idx i0, idx i1, double *grad, double *curv) noexcept nogil:
    """Log-density of rows at s.u; adds its gradient and negative curvature in u."""
    cdef double nu[ROW_BLOCK]
    cdef double f[ROW_BLOCK]
    cdef double g[ROW_BLOCK]
    cdef double h[ROW_BLOCK]
    cdef idx q = data.q, i, r, c, start = i0, stop
    cdef int k, size
    cdef double total = 0.0, w, x
    cdef const double *b
    while start < i1:
        stop = start + ROW_BLOCK if start + ROW_BLOCK < i1 else i1
        for i in range(start + 1, stop):
            if data.family[i] != data.family[start]:
                stop = i
                break
        size = <int> (stop - start)
        for k in range(size):
            b = data.b + (start + k) * q
            x = data.a[start + k]
            for r in range(q):
                x += b[r] * s.u[r]
            nu[k] = x
        rows_derivatives(data, data.family[start], start, size, nu, f, g, h)
        for k in range(size):
            w = data.row_weight[start + k] if data.row_weight != NULL else 1.0
            b = data.b + (start + k) * q
            total += w * f[k]
            for r in range(q):
                if b[r] == 0.0:
                    continue
                grad[r] += w * g[k] * b[r]
                x = w * h[k] * b[r]
                for c in range(r + 1):
                    curv[r * q + c] -= x * b[c]
        start = stop
    return total


cdef double sweep_up(const Data *data, ModeState *state, Scratch *s, int level, idx j,
                     double *decrement) noexcept nogil:
    """Log joint density of cluster j given what is above; leaves in grad/curv[level] the gradient and
    curvature in the variables above, the cluster's own eliminated (a Schur complement)."""
    cdef idx q = data.q, ql = data.ql[level], first = data.first[level], above = first + ql
    cdef idx r, c, e, child
    cdef double value = 0.0, w, x, inner, ridge
    cdef double *grad = s.grad[level]
    cdef double *curv = s.curv[level]
    cdef double *factor = state.factor[level] + j * ql * ql
    cdef double *shift = state.shift[level] + j * ql * (q - above)
    cdef double *step = state.step[level] + j * ql
    memset(grad, 0, q * sizeof(double))
    memset(curv, 0, q * q * sizeof(double))
    decrement[0] = 0.0
    for r in range(ql):
        x = state.mode[level][j * ql + r]
        s.u[first + r] = x
        value -= 0.5 * x * x
    if level == 0:
        value += rows_curvature(data, s, data.offset[0][j], data.offset[0][j + 1], grad, curv)
    else:
        for child in range(data.offset[level][j], data.offset[level][j + 1]):
            w = data.weight[level - 1][child] if data.weight[level - 1] != NULL else 1.0
            value += w * sweep_up(data, state, s, level - 1, child, &inner)
            decrement[0] += w * inner
            for r in range(first, q):
                grad[r] += w * s.grad[level - 1][r]
                for c in range(first, r + 1):
                    curv[r * q + c] += w * s.curv[level - 1][r * q + c]
    for r in range(ql):
        grad[first + r] -= s.u[first + r]
        curv[(first + r) * q + first + r] += 1.0
        step[r] = grad[first + r]
    ridge = 0.0
    while not cholesky(curv + first * q + first, q, ql, factor):
        x = 0.0
        for r in range(ql):
            x += fabs(curv[(first + r) * q + first + r])
        if not isfinite(x):
            # far outside the range of the response: the caller's step is halved
            for r in range(ql * ql):
                factor[r] = 0.0
            for r in range(ql):
                factor[r * ql + r] = 1.0
            break
        ridge = 2.0 * ridge if ridge > 0.0 else 1e-6 * x + 1e-10
        for r in range(ql):
            curv[(first + r) * q + first + r] += ridge
    solve(factor, ql, step, 1)
    for c in range(q - above):
        for r in range(ql):
            shift[r * (q - above) + c] = -curv[(above + c) * q + first + r]
        solve(factor, ql, shift + c, q - above)
    for r in range(ql):
        decrement[0] += grad[first + r] * step[r]
    for c in range(above, q):
        for r in range(ql):
            grad[c] += shift[r * (q - above) + c - above] * grad[first + r]
            for e in range(above, c + 1):
                curv[c * q + e] += curv[c * q + first + r] * shift[r * (q - above) + e - above]
    return value


cdef double sweep_down(const Data *data, ModeState *state, Scratch *s, int level, idx j) noexcept nogil:
    """Newton steps of cluster j and all below, given the steps above in s.delta; returns the largest."""
    cdef idx q = data.q, ql = data.ql[level], first = data.first[level], above = first + ql, r, c, child
    cdef double x, largest = 0.0, inner
    cdef double *step = state.step[level] + j * ql
    cdef double *shift = state.shift[level] + j * ql * (q - above)
    for r in range(ql):
        x = step[r]
        for c in range(q - above):
            x += shift[r * (q - above) + c] * s.delta[above + c]
        step[r] = x
        if fabs(x) > largest:
            largest = fabs(x)
    for r in range(ql):
        s.delta[first + r] = step[r]
    if level > 0:
        for child in range(data.offset[level][j], data.offset[level][j + 1]):
            inner = sweep_down(data, state, s, level - 1, child)
            if inner > largest:
                largest = inner
            for r in range(ql):
                s.delta[first + r] = step[r]
    return largest


cdef void move(const Data *data, ModeState *state, int level, idx j, double t,
               const double *const *step) noexcept nogil:
    """mode += t step, for cluster j and all below."""
    cdef idx ql = data.ql[level], r, child
    for r in range(ql):
        state.mode[level][j * ql + r] += t * step[level][j * ql + r]
    if level > 0:
        for child in range(data.offset[level][j], data.offset[level][j + 1]):
            move(data, state, level - 1, child, t, step)


cdef void keep_steps(const Data *data, ModeState *state, double **kept, int level, idx j) noexcept nogil:
    """Copy the steps aside: the next upward sweep overwrites them."""
    cdef idx ql = data.ql[level], r, child
    for r in range(ql):
        kept[level][j * ql + r] = state.step[level][j * ql + r]
    if level > 0:
        for child in range(data.offset[level][j], data.offset[level][j + 1]):
            keep_steps(data, state, kept, level - 1, child)


cdef int find_mode(const Data *data, ModeState *state, double **kept, Scratch *s, idx j,
                   int maxiter, double tol) noexcept nogil:
    """Newton with step halving on the joint log density of a top cluster. 1 if converged."""
    cdef int top = data.n_levels - 1, iteration, halving
    cdef double value, trial, decrement, new_decrement, largest, t
    value = sweep_up(data, state, s, top, j, &decrement)
    for iteration in range(maxiter):
        if not decrement > tol:
            return 1
        largest = sweep_down(data, state, s, top, j)
        keep_steps(data, state, kept, top, j)
        t = 1.0 if largest < 5.0 else 5.0 / largest
        move(data, state, top, j, t, <const double *const *> kept)
        for halving in range(40):
            trial = sweep_up(data, state, s, top, j, &new_decrement)
            if trial >= value - 1e-9 * (1.0 + fabs(value)) and isfinite(trial):
                break
            move(data, state, top, j, -0.5 * t, <const double *const *> kept)
            t *= 0.5
        value = trial
        decrement = new_decrement
    return 0


cdef void place_at_mode(const Data *data, ModeState *state, Place *place, int level, idx j) noexcept nogil:
    """centre = mode, scale = transposed inverse of the precision's Cholesky factor."""
    cdef idx ql = data.ql[level], above = data.q - data.first[level] - ql, r, c, e, child
    cdef double x
    cdef double *factor = state.factor[level] + j * ql * ql
    cdef double *scale = place.scale[level] + j * ql * ql
    place.log_det[level][j] = 0.0
    for r in range(ql):
        place.centre[level][j * ql + r] = state.mode[level][j * ql + r]
        place.log_det[level][j] -= log(factor[r * ql + r])
        for c in range(ql):
            scale[r * ql + c] = 0.0
    for r in range(ql * above):
        place.shift[level][j * ql * above + r] = state.shift[level][j * ql * above + r]
    # columns of the inverse of the transposed (upper triangular) factor
    for c in range(ql):
        for r in range(c, -1, -1):
            x = 1.0 if r == c else 0.0
            for e in range(r + 1, c + 1):
                x -= factor[e * ql + r] * scale[e * ql + c]
            scale[r * ql + c] = x / factor[r * ql + r]
    if level > 0:
        for child in range(data.offset[level][j], data.offset[level][j + 1]):
            place_at_mode(data, state, place, level - 1, child)


cdef double drop_at(const Data *data, Scratch *s, idx j, double u) noexcept nogil:
    """Log posterior kernel of a one-dimensional leaf, the variables above held in s.u."""
    s.u[0] = u
    memset(s.grad[0], 0, data.q * sizeof(double))
    memset(s.curv[0], 0, data.q * data.q * sizeof(double))
    return -0.5 * u * u + rows_curvature(data, s, data.offset[0][j], data.offset[0][j + 1], s.grad[0], s.curv[0])


cdef void bracket(const Data *data, Place *place, Scratch *s, idx j, double depth) noexcept nogil:
    """Put [-1, 1] on the interval where the log kernel of leaf j is within `depth` of its maximum."""
    cdef double mode = place.centre[0][j], sd = place.scale[0][j]
    cdef double top = drop_at(data, s, j, mode), x, f, slope, low, high
    cdef double ends[2]
    cdef int side, iteration
    for side in range(2):
        x = sqrt(2.0 * depth) * sd
        low = 0.0
        high = -1.0
        for iteration in range(60):
            f = top - drop_at(data, s, j, mode + (x if side else -x)) - depth
            if f >= 0.0 and f < 1.0 + 0.02 * depth:
                break
            if f < 0.0:
                low = x
            else:
                high = x
            # Newton on the drop, kept inside the bracket
            slope = (-s.grad[0][0] + s.u[0]) * (1.0 if side else -1.0)
            x = x - (f - 0.5) / slope if slope > 0.0 else 2.0 * x
            if high > 0.0 and not (low < x < high):
                x = 0.5 * (low + high)
            elif high < 0.0 and not x > low:
                x = 2.0 * low
            elif x > 4.0 * low and low > 0.0:
                x = 4.0 * low
        ends[side] = x
    place.centre[0][j] = mode + 0.5 * (ends[1] - ends[0])
    place.scale[0][j] = 0.5 * (ends[1] + ends[0])
    place.log_det[0][j] = log(place.scale[0][j])


cdef void bracket_tree(const Data *data, Place *place, Scratch *s, int level, idx j, double depth) noexcept nogil:
    """Brackets of all leaves below cluster j, the clusters above at their modes."""
    cdef idx child, r
    if level == 0:
        bracket(data, place, s, j, depth)
        return
    for r in range(data.ql[level]):
        s.u[data.first[level] + r] = place.centre[level][j * data.ql[level] + r]
    for child in range(data.offset[level][j], data.offset[level][j + 1]):
        bracket_tree(data, place, s, level - 1, child, depth)


# ------------------------------------------------------------------ Python's door

cdef const double *doubles(const double[::1] x):
    return &x[0] if x.shape[0] > 0 else NULL


cdef const double *flat(array):
    """Pointer to a C-contiguous float64 array of any shape, NULL for None."""
    if array is None:
        return NULL
    if array.dtype != np.float64 or not array.flags.c_contiguous:
        raise ValueError("the kernel needs C-contiguous float64 arrays")
    return doubles(array.reshape(-1))


cdef double *writable(array) except? NULL:
    """Pointer to a writable array of any shape."""
    cdef double[::1] x
    if array.dtype != np.float64 or not array.flags.c_contiguous:
        raise ValueError("the kernel needs C-contiguous float64 arrays")
    x = array.reshape(-1)
    return &x[0] if x.shape[0] > 0 else NULL


cdef const idx *indices(array) except? NULL:
    cdef const idx[::1] x
    if array.dtype != np.intp or not array.flags.c_contiguous:
        raise ValueError("the kernel needs C-contiguous intp arrays")
    x = array.reshape(-1)
    return &x[0] if x.shape[0] > 0 else NULL


cdef class Rule:
    """Nodes of every level: arrays z (q_l, padded), log weights and signs. See engine.rules."""

    cdef NodeSet nodes
    cdef object kept
    cdef readonly tuple counts

    def __init__(self, levels):
        if not 1 <= len(levels) <= MAX_LEVELS:
            raise ValueError(f"between 1 and {MAX_LEVELS} levels, not {len(levels)}")
        cdef int level
        cdef idx k, padded
        self.kept = []
        counts = []
        for level, (z, log_weight, sign) in enumerate(levels):
            z = np.atleast_2d(np.asarray(z, dtype=np.float64))
            k = z.shape[1]
            if k < 1 or log_weight.shape != (k,) or (sign is not None and sign.shape != (k,)):
                raise ValueError("a rule needs at least one node, and one log weight and sign a node")
            padded = (k + PAD - 1) // PAD * PAD if k > 1 else 1
            z_padded = np.zeros((z.shape[0], padded))
            z_padded[:, :k] = z
            weight_padded = np.full(padded, PADDED_LOG_WEIGHT)
            weight_padded[:k] = log_weight
            sign_padded = None
            if sign is not None:
                sign_padded = np.zeros(padded)
                sign_padded[:k] = sign
            self.kept.append((z_padded, weight_padded, sign_padded))
            self.nodes.k[level] = k
            self.nodes.padded[level] = padded
            self.nodes.z[level] = flat(z_padded)
            self.nodes.log_weight[level] = flat(weight_padded)
            self.nodes.sign[level] = flat(sign_padded)
            counts.append(k)
        self.counts = tuple(counts)

    def dimensions(self):
        """Latent variables of each level."""
        return tuple(z.shape[0] for z, _, _ in self.kept)


cdef class Kernel:
    """Rows, tree of clusters and predictors; see ``sm_gllamm.engine.integrator`` for the checked door.

    All arrays are sorted so that every cluster's rows are consecutive; levels run from the lowest up.
    """

    cdef Data data
    cdef object kept
    cdef object predictors
    cdef idx largest_leaf
    cdef readonly tuple n_clusters
    cdef readonly tuple dimensions

    def __init__(self, family, y, trials, constant, row_weight, design, base, active_column,
                 active_channel, offsets, weights, dimensions, dispersion):
        cdef int level
        cdef idx n = y.shape[0], first = 0
        self.kept = [family, y, trials, constant, row_weight, design, base, active_column,
                     active_channel, list(offsets), list(weights)]
        if not 1 <= len(offsets) <= MAX_LEVELS or len(weights) != len(offsets) or len(dimensions) != len(offsets):
            raise ValueError(f"between 1 and {MAX_LEVELS} levels, each with offsets, weights and dimension")
        if family.dtype != np.intc or family.shape != (n,) or not family.flags.c_contiguous:
            raise ValueError("family must be a C-contiguous intc array, one code a row")
        if n and (family.min() < 0 or family.max() > GAUSSIAN_LOG):
            raise ValueError("unknown family code")
        for array in (y, trials, constant, row_weight, base):
            if array is not None and array.shape != (n,):
                raise ValueError("row arrays must have one value a row")
        if design.dtype != np.float64 or design.ndim != 2 or design.shape[0] != n:
            raise ValueError("design must be float64 with one row a row of data")
        if any(k < 1 for k in dimensions):
            raise ValueError("every level needs at least one latent variable")
        cdef const int[::1] codes = family
        cdef const double[:, :] matrix
        self.data.n = n
        self.data.d = design.shape[1]
        self.data.q = sum(dimensions)
        self.data.n_levels = len(offsets)
        self.data.dispersion = 1 if dispersion else 0
        self.data.n_active = active_column.shape[0]
        self.data.n_channels = 1 + self.data.q + self.data.dispersion
        if active_channel.shape != active_column.shape:
            raise ValueError("one column and one channel an active entry")
        if self.data.n_active and (
            active_column.min() < -1 or active_column.max() >= design.shape[1]
            or active_channel.min() < 0 or active_channel.max() >= self.data.n_channels
        ):
            raise ValueError("active entries point outside the design or the channels")
        self.data.family = &codes[0] if n else NULL
        self.data.y = flat(y)
        self.data.trials = flat(trials)
        self.data.constant = flat(constant)
        self.data.row_weight = flat(row_weight)
        self.data.base = flat(base)
        # any memory layout: a data frame's block is not copied
        if design.size:
            matrix = design
            self.data.design = &matrix[0, 0]
            self.data.row_stride = matrix.strides[0] // <idx> sizeof(double)
            self.data.column_stride = matrix.strides[1] // <idx> sizeof(double)
        self.data.active_column = indices(active_column)
        self.data.active_channel = indices(active_channel)
        below = n
        for level, offset in enumerate(offsets):
            if offset.ndim != 1 or offset.shape[0] < 2 or offset[0] != 0 or offset[offset.shape[0] - 1] != below or np.any(np.diff(offset) < 1):
                raise ValueError("offsets of a level must rise from 0 to the number of units below")
            below = offset.shape[0] - 1
            if weights[level] is not None and weights[level].shape != (below,):
                raise ValueError("level weights: one a cluster")
            self.data.offset[level] = indices(offset)
            self.data.weight[level] = flat(weights[level])
            self.data.ql[level] = dimensions[level]
            self.data.first[level] = first
            first += dimensions[level]
        self.n_clusters = tuple(offset.shape[0] - 1 for offset in offsets)
        self.dimensions = tuple(dimensions)
        a, b, tau = np.zeros(n), np.zeros((n, self.data.q)), np.zeros(n if dispersion else 0)
        self.predictors = (a, b, tau)
        self.data.a = writable(a)
        self.data.b = writable(b)
        self.data.tau = writable(tau) if dispersion else NULL
        self.largest_leaf = int(np.max(np.diff(offsets[0])))

    def set_predictors(self, const double[::1] phi, idx start, idx stop):
        """Compute a, b and tau of rows start:stop from values of the active entries. Not while another
        thread evaluates these rows."""
        if phi.shape[0] != self.data.n_active or not 0 <= start <= stop <= self.data.n:
            raise ValueError("phi needs one value an active entry, rows must exist")
        cdef idx i, t, channel, column, q = self.data.q
        cdef double x
        with nogil:
            for i in range(start, stop):
                self.data.a[i] = self.data.base[i] if self.data.base != NULL else 0.0
                if self.data.dispersion:
                    self.data.tau[i] = 0.0
                for t in range(q):
                    self.data.b[i * q + t] = 0.0
                for t in range(self.data.n_active):
                    column = self.data.active_column[t]
                    channel = self.data.active_channel[t]
                    x = phi[t] * (self.data.design[i * self.data.row_stride + column * self.data.column_stride] if column >= 0 else 1.0)
                    if channel == 0:
                        self.data.a[i] += x
                    elif channel <= q:
                        self.data.b[i * q + channel - 1] += x
                    else:
                        self.data.tau[i] += x

    cdef Place place_of(self, placement) except *:
        cdef Place place
        cdef int level
        memset(&place, 0, sizeof(Place))
        for level in range(self.data.n_levels):
            centre, scale, log_det, shift = placement[level]
            q, above = self.data.ql[level], self.data.q - self.data.first[level] - self.data.ql[level]
            j = self.n_clusters[level]
            if centre.shape != (j, q) or scale.shape != (j, q, q) or log_det.shape != (j,) or shift.shape != (j, q, above):
                raise ValueError("placement arrays do not fit the clusters")
            place.centre[level] = writable(centre)
            place.scale[level] = writable(scale)
            place.log_det[level] = writable(log_det)
            place.shift[level] = writable(shift)
        return place

    cdef const idx *check_clusters(self, clusters) except? NULL:
        top = self.n_clusters[self.data.n_levels - 1]
        if clusters.ndim != 1 or (clusters.shape[0] and (clusters.min() < 0 or clusters.max() >= top)):
            raise ValueError("clusters must be indices of top-level clusters")
        return indices(clusters)

    def find_modes(self, clusters, modes, placement, int maxiter, double tol):
        """Joint modes of top clusters, warm-started; fills `placement`. Returns how many did not converge."""
        cdef const idx *which = self.check_clusters(clusters)
        cdef idx count = clusters.shape[0], c
        cdef Place place = self.place_of(placement)
        cdef ModeState state
        cdef double *kept[MAX_LEVELS]
        cdef int level, top = self.data.n_levels - 1, failed = 0
        for level in range(self.data.n_levels):
            mode, factor, shift, step, spare = modes[level]
            j, q = self.n_clusters[level], self.data.ql[level]
            above = self.data.q - self.data.first[level] - q
            if (mode.shape != (j, q) or factor.shape != (j, q, q) or shift.shape != (j, q, above)
                    or step.shape != (j, q) or spare.shape != (j, q)):
                raise ValueError("mode arrays do not fit the clusters")
            state.mode[level] = writable(mode)
            state.factor[level] = writable(factor)
            state.shift[level] = writable(shift)
            state.step[level] = writable(step)
            kept[level] = writable(spare)
        cdef Scratch *s
        with nogil:
            s = new_scratch(&self.data, NULL, self.largest_leaf, 0)
            for c in range(count):
                if not find_mode(&self.data, &state, kept, s, which[c], maxiter, tol):
                    failed += 1
                place_at_mode(&self.data, &state, &place, top, which[c])
            free_scratch(&self.data, s)
        return failed

    def bracket(self, clusters, placement, double depth):
        """Turn a placement at the mode into intervals for the trapezoidal rule of one-dimensional leaves."""
        cdef const idx *which = self.check_clusters(clusters)
        cdef idx count = clusters.shape[0], c
        cdef Place place = self.place_of(placement)
        cdef Scratch *s
        if self.data.ql[0] != 1:
            raise ValueError("the trapezoidal rule is for one latent variable at the lowest level")
        with nogil:
            s = new_scratch(&self.data, NULL, self.largest_leaf, 0)
            for c in range(count):
                bracket_tree(&self.data, &place, s, self.data.n_levels - 1, which[c], depth)
            free_scratch(&self.data, s)

    def evaluate(self, clusters, Rule rule, placement, int want, log_likelihood, score, hessian):
        """Log-likelihood of each top cluster, unweighted; score (clusters, active) and the weighted sum of
        Hessians (active, active; lower triangle is added to) as wanted (0, 1, 2)."""
        cdef const idx *which = self.check_clusters(clusters)
        cdef idx count = clusters.shape[0], c, t, na = self.data.n_active
        cdef Place place = self.place_of(placement)
        cdef int top = self.data.n_levels - 1
        cdef double w
        if rule.dimensions() != self.dimensions:
            raise ValueError("the rule's dimensions are not the model's")
        if log_likelihood.shape != (count,) or (want >= 1 and score.shape != (count, na)) or (
                want >= 2 and hessian.shape != (na, na)):
            raise ValueError("output arrays do not fit")
        cdef double *value = writable(log_likelihood)
        cdef double *s_out = writable(score) if want >= 1 else NULL
        cdef double *h_out = writable(hessian) if want >= 2 else NULL
        cdef double *h
        cdef Scratch *s
        with nogil:
            s = new_scratch(&self.data, &rule.nodes, self.largest_leaf, want)
            h = <double *> malloc((na * na + 1) * sizeof(double))
            for c in range(count):
                value[c] = integrate(&self.data, &rule.nodes, &place, s, top, which[c], want,
                                     s_out + c * na, h)
                if want >= 2:
                    w = self.data.weight[top][which[c]] if self.data.weight[top] != NULL else 1.0
                    for t in range(na * na):
                        h_out[t] += w * h[t]
            free(h)
            free_scratch(&self.data, s)

    def posterior(self, clusters, Rule rule, placement, moments, rows):
        """Add posterior moments to `moments` (a tuple a level: mean, second, residual, residual2) and to
        `rows` (E[nu], E[nu^2], E[mean response]) of the given top clusters."""
        cdef const idx *which = self.check_clusters(clusters)
        cdef idx count = clusters.shape[0], c
        cdef Place place = self.place_of(placement)
        cdef Moments m
        cdef int level
        if rule.dimensions() != self.dimensions:
            raise ValueError("the rule's dimensions are not the model's")
        for level in range(self.data.n_levels):
            mean, second, residual, residual2 = moments[level]
            j, q = self.n_clusters[level], self.data.ql[level]
            if mean.shape != (j, q) or second.shape != (j, q, q) or residual.shape != (j, q) or residual2.shape != (j, q, q):
                raise ValueError("moment arrays do not fit the clusters")
            m.mean[level] = writable(mean)
            m.second[level] = writable(second)
            m.residual[level] = writable(residual)
            m.residual2[level] = writable(residual2)
        if any(r.shape != (self.data.n,) for r in rows):
            raise ValueError("row outputs need one value a row")
        m.row_nu = writable(rows[0])
        m.row_nu2 = writable(rows[1])
        m.row_mean = writable(rows[2])
        cdef Scratch *s
        with nogil:
            s = new_scratch(&self.data, &rule.nodes, self.largest_leaf, 0)
            for c in range(count):
                posterior(&self.data, &rule.nodes, &place, s, &m, self.data.n_levels - 1, which[c], 1.0)
            free_scratch(&self.data, s)


def exp_log_erfc(x):
    """The kernel's own exp(x), log(exp(x)) and log erfc(|x|), for tests of the built library."""
    cdef const double[::1] source = np.ascontiguousarray(x, dtype=np.float64)
    out = np.empty((3, source.shape[0]))
    cdef double[:, ::1] target = out
    cdef idx i
    for i in range(source.shape[0]):
        target[0, i] = sm_exp(source[i])
        target[1, i] = sm_log(target[0, i])
        target[2, i] = sm_log_erfc(fabs(source[i]))
    return out
