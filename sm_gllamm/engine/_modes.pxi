# Where the nodes go: joint posterior modes with nested curvature, brackets for the trapezoidal rule.

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


cdef inline const double *nu_slope(const Data *data, Scratch *s, const double *b) noexcept nogil:
    """Derivatives at s.u of a predictor with coefficients b of the latent channels."""
    cdef idx p, r
    if data.n_products == 0:
        return b
    for r in range(data.q):
        s.slope[r] = b[r]
    for p in range(data.n_products):
        s.slope[data.product[2 * p]] += b[data.q + p] * s.u[data.product[2 * p + 1]]
        s.slope[data.product[2 * p + 1]] += b[data.q + p] * s.u[data.product[2 * p]]
    return s.slope


cdef inline void nu_bend(const Data *data, const double *b, double g, double *curv) noexcept nogil:
    """Subtract from the negative curvature g times the predictor's second derivatives."""
    cdef idx p, r, c
    for p in range(data.n_products):
        r = data.product[2 * p + 1]
        c = data.product[2 * p]
        curv[r * data.q + c] -= g * b[data.q + p] * (2.0 if r == c else 1.0)


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
    cdef const double *slope
    while start < i1 and data.lanes and q == 1:
        stop = start + FLUSH if start + FLUSH < i1 else i1
        total += sm_logit_curvature(data.y + start, data.a + start, data.b + start, <int> (stop - start),
                                    s.u[0], grad, curv)
        start = stop
    while start < i1:
        if family_of(data, start) < 0:
            total += set_curvature(data, s, start, grad, curv)
            start += response_size(data, start)
            continue
        stop = start + ROW_BLOCK if start + ROW_BLOCK < i1 else i1
        for i in range(start + 1, stop):
            if family_of(data, i) != family_of(data, start):
                stop = i
                break
        size = <int> (stop - start)
        for k in range(size):
            b = data.b + (start + k) * data.n_latent
            x = data.a[start + k]
            for r in range(q):
                x += b[r] * s.u[r]
            for r in range(data.n_products):
                x += b[q + r] * s.u[data.product[2 * r]] * s.u[data.product[2 * r + 1]]
            nu[k] = x
        rows_derivatives(data, family_of(data, start), start, size, nu, f, g, h)
        for k in range(size):
            w = data.row_weight[start + k] if data.row_weight != NULL else 1.0
            b = data.b + (start + k) * data.n_latent
            slope = nu_slope(data, s, b)
            total += w * f[k]
            for r in range(q):
                if slope[r] == 0.0:
                    continue
                grad[r] += w * g[k] * slope[r]
                x = w * h[k] * slope[r]
                for c in range(r + 1):
                    curv[r * q + c] -= x * slope[c]
            nu_bend(data, b, w * g[k], curv)
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


cdef void forget(const Data *data, ModeState *state, int level, idx j) noexcept nogil:
    """mode = 0, for cluster j and all below."""
    cdef idx child
    memset(state.mode[level] + j * data.ql[level], 0, data.ql[level] * sizeof(double))
    if level > 0:
        for child in range(data.offset[level][j], data.offset[level][j + 1]):
            forget(data, state, level - 1, child)


cdef int find_mode(const Data *data, ModeState *state, double **kept, Scratch *s, idx j,
                   int maxiter, double tol) noexcept nogil:
    """Newton with step halving on the joint log density of a top cluster. 1 if converged."""
    cdef int top = data.n_levels - 1, iteration, halving
    cdef double value, trial, decrement, new_decrement, largest, t
    value = sweep_up(data, state, s, top, j, &decrement)
    if value < NOWHERE:
        # the last mode is where some mean does not exist now
        forget(data, state, top, j)
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
    cdef double top = drop_at(data, s, j, mode), x, f, slope, low, high, wall
    cdef double ends[2]
    cdef int side, iteration
    for side in range(2):
        x = sqrt(2.0 * depth) * sd
        low = 0.0
        high = -1.0
        wall = -1.0
        for iteration in range(60 if top > NOWHERE else 0):
            f = top - drop_at(data, s, j, mode + (x if side else -x)) - depth
            if f > -NOWHERE:
                # some mean does not exist there: the interval ends before, where derivatives are finite
                wall = x
                high = x
                if low > INSIDE * wall:
                    break
                x = 0.5 * (low + high)
                continue
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
        if wall > 0.0 and x > INSIDE * wall:
            x = INSIDE * wall
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
