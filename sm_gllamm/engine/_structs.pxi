# What the kernel works on: data, nodes, their placement, and one thread's scratch memory.

cdef struct Data:
    idx n
    idx d
    idx q
    idx n_active
    idx n_products          # channels of products of two latent variables
    idx n_latent            # channels of latent variables and of their products
    idx n_vectors           # those of them that differ between the nodes of a leaf
    const idx *product      # (n_products, 2) positions in u, the smaller first
    idx n_channels          # of one row: constant, latent ones, one for each slot
    idx leading             # active entries of channel 0 before the first of another
    idx n_constants         # channels of the constant in slots
    idx n_pairs             # different (column, predictor) pairs among the active entries
    idx largest_set         # rows that the largest response owns
    int n_levels
    const int *density_slots    # by code
    int n_slots             # slots of the row that has most
    int n_stored            # doubles a node that a row's derivatives take
    idx padded              # `leading`, rounded up
    int lanes               # 1 if rows are Bernoulli, logit, and leaves have one vector: see _lanes.pxi
    int dense               # 1 if rows are too short for it to pay to skip their zeros
    int fixed_slots         # 1 if slot s of every row is channel n_latent + 1 + s
    idx ql[MAX_LEVELS]
    idx first[MAX_LEVELS]   # position of a level's first latent variable in u
    const int *family               # family_step apart; a step of 0: the same in all rows
    idx family_step
    const double *y
    const double *trials            # or the upper bound of a censored response
    idx trials_step
    const double *entry             # NULL: no late entry
    const int *set_size             # rows that the response of a row owns, 0 after its first; NULL: all one
    const int *link                 # of each row of a composite response; NULL: none
    const double *part              # weight of each row of a composite response; NULL: none
    const int *slot_channel         # (n, n_slots) channel of each slot of a row, -1: none
    const double *slot_base         # (n, n_slots) fixed part of the slots; NULL: zero
    const double *constant
    idx constant_step
    const double *row_weight        # NULL: all one
    const double *design
    idx row_stride
    idx column_stride
    const idx *active_column        # -1: the constant 1
    const idx *active_channel
    const idx *active_pair          # pair of each active entry
    const int *pattern              # of zeros in each row; NULL: all rows have the first
    idx n_patterns
    # active entries that are not zero in the rows of a pattern, where they begin and where the last end;
    # the column of the design of each (-1: none) and what multiplies it
    const idx *pattern_first
    const idx *pattern_entry
    const idx *pattern_column
    const double *pattern_value
    # those that differ between the rows of a pattern; NULL: the design is not factored
    const idx *pattern_first_rest
    const idx *pattern_rest
    int coded               # 1 if second derivatives are summed by code: see add_coded_row
    idx n_seconds           # lower triangle of e2
    # pairs likewise
    const idx *pattern_first_pair
    const idx *pattern_pair
    const idx *pattern_pair_column
    const double *pattern_pair_value
    const idx *pair_channel         # 0 for the predictor nu, else the slot's channel
    const idx *offset[MAX_LEVELS]
    const double *weight[MAX_LEVELS]  # NULL: all one
    const double *base      # offset, NULL: none
    double *a
    double *b
    double *slots           # (n, n_slots) and two entries more


cdef inline double design_entry(const Data *data, idx i, idx column) noexcept nogil:
    """Entry of the design; column -1 is the constant 1."""
    return data.design[i * data.row_stride + column * data.column_stride] if column >= 0 else 1.0


cdef inline int family_of(const Data *data, idx i) noexcept nogil:
    """Code of the density of row i."""
    return data.family[i * data.family_step]


cdef inline double trials_of(const Data *data, idx i) noexcept nogil:
    """Denominator or upper bound of row i."""
    return data.trials[i * data.trials_step]


cdef inline double constant_of(const Data *data, idx i) noexcept nogil:
    """Parameter-free part of the log density of row i."""
    return data.constant[i * data.constant_step]


cdef inline idx pattern_of(const Data *data, idx i) noexcept nogil:
    """Pattern of zeros of row i."""
    return data.pattern[i] if data.pattern != NULL else 0


cdef inline idx vector_channel(const Data *data, idx v) noexcept nogil:
    """Channel of vector v of a leaf: its own latent variables first, then the products."""
    return v + 1 if v < data.ql[0] else data.q + 1 + v - data.ql[0]


cdef inline idx vector_of(const Data *data, idx channel) noexcept nogil:
    """Vector of a latent channel, -1 for a latent variable of a higher level."""
    if channel <= data.ql[0]:
        return channel - 1
    return channel - 1 - data.q + data.ql[0] if channel > data.q else -1


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
    double *nodes           # (n_vectors, Kp) latent variables of the leaf, and products
    double *log_post        # (Kp,)
    double *post            # (Kp,)
    double *nu              # (Kp,)
    double *product         # (Kp,) product of 1 + exp(-|nu|) over Bernoulli-logit rows
    int factors
    double *store           # derivatives
    idx store_rows
    double *set_nu          # (largest_set, Kp) predictors of a response's rows
    double *set_work        # (4, Kp)
    double *pair_score      # (n_pairs, Kp)
    double *set_score       # (n_pairs, Kp)
    double *set_value       # (n_active, Kp)
    idx *set_entry          # (n_active,)
    double *weighted        # (Kp,)
    double *ones            # (Kp,)
    double *same            # (Kp,)
    # deviations of scores, of several leaves side by side: see _deviations.pxi
    double *deviation       # (n_active and five more, columns)
    double *weighted_deviation
    idx columns
    idx filled
    idx n_local             # rows in use
    const idx *place        # active entries of these rows
    idx *everything         # (n_active,) all of them
    idx *touched            # (n_active,) those of a leaf
    char *is_touched        # (n_active,)
    double *code_second     # (n_patterns, n_seconds) sums of e2 of the rows of a code
    # rows side by side: see _lanes.pxi
    idx lane_rows           # room: rows, a multiple of 4
    double *lane_data       # (3, lane_rows) sign of y, and a and b times it
    double *lane_g          # (Kp, rows)
    double *lane_h          # (Kp, rows)
    double *lane_stored     # (rows, Kp)
    double *lane_weight     # (3, Kp)
    double *lane_moments    # (5, rows)
    double *outer           # (n_active, padded)
    double *row_value       # (n_active + PAD,)
    idx *row_index          # (n_active,)
    idx *row_channel        # (n_active,) channel within the row
    idx *slot_of            # channel - n_latent - 1 to the row's channel of its slot, -1: not in this row
    double *e1              # (n_channels,)
    double *e2              # (n_channels, n_channels)
    # higher levels
    double *level_log[MAX_LEVELS]
    double *level_post[MAX_LEVELS]
    double *level_score[MAX_LEVELS]
    double *level_hess[MAX_LEVELS]
    double *child_score[MAX_LEVELS]
    # modes
    double *grad[MAX_LEVELS]
    double *curv[MAX_LEVELS]
    double *delta           # (q,)
    double *across          # (q,)
    double *slope           # (q,) derivatives of a row's nu in u


cdef Scratch *new_scratch(const Data *data, const NodeSet *rule, idx largest_leaf, int want) noexcept nogil:
    cdef Scratch *s = <Scratch *> calloc(1, sizeof(Scratch))
    cdef idx kp = rule.padded[0] if rule != NULL else PAD
    cdef idx na = data.n_active, q = data.q, k
    cdef int level
    if s == NULL:
        return NULL
    s.u = <double *> calloc(q + 1, sizeof(double))
    s.centre = <double *> calloc(q + 1, sizeof(double))
    s.across = <double *> calloc(q + 1, sizeof(double))
    s.slope = <double *> calloc(q + 1, sizeof(double))
    s.delta = <double *> calloc(q + 1, sizeof(double))
    s.nodes = <double *> calloc((data.n_vectors + 1) * kp, sizeof(double))
    s.log_post = <double *> calloc(kp, sizeof(double))
    s.post = <double *> calloc(kp, sizeof(double))
    s.nu = <double *> calloc(kp, sizeof(double))
    s.product = <double *> calloc(kp, sizeof(double))
    s.weighted = <double *> calloc(kp, sizeof(double))
    s.ones = <double *> calloc(kp, sizeof(double))
    s.same = <double *> calloc(kp, sizeof(double))
    for k in range(kp):
        s.ones[k] = 1.0
    s.store_rows = STORE // (kp * data.n_stored)
    if s.store_rows > largest_leaf:
        s.store_rows = largest_leaf
    if s.store_rows < 1:
        s.store_rows = 1
    # room for one response more, for rows beyond the budget
    s.store = <double *> calloc((s.store_rows + data.largest_set) * kp * data.n_stored, sizeof(double))
    s.set_nu = <double *> calloc(data.largest_set * kp, sizeof(double))
    s.set_work = <double *> calloc(4 * kp, sizeof(double))
    s.pair_score = <double *> calloc((data.n_pairs + 1) * kp, sizeof(double))
    s.set_score = <double *> calloc((data.n_pairs + 1) * kp, sizeof(double))
    s.set_value = <double *> calloc((na + 1) * kp, sizeof(double))
    s.set_entry = <idx *> calloc(na + 1, sizeof(idx))
    if want >= 2:
        # whole leaves, and a multiple of 4
        s.columns = (GRAM // (na + 1) // kp + 1) * kp
        s.columns = (s.columns + 3) // 4 * 4
        s.deviation = <double *> calloc((na + 5) * s.columns, sizeof(double))
        s.weighted_deviation = <double *> calloc((na + 5) * s.columns, sizeof(double))
        s.touched = <idx *> calloc(na + 1, sizeof(idx))
        s.is_touched = <char *> calloc(na + 1, 1)
        s.everything = <idx *> calloc(na + 1, sizeof(idx))
        for k in range(na):
            s.everything[k] = k
        s.n_local = na
        s.place = s.everything
        if data.coded:
            s.code_second = <double *> calloc(data.n_patterns * data.n_seconds, sizeof(double))
    if data.lanes and rule != NULL:
        s.lane_rows = ((largest_leaf if largest_leaf < MOST_LANES else MOST_LANES) + 3) // 4 * 4
        s.lane_data = <double *> calloc(3 * s.lane_rows, sizeof(double))
        s.lane_g = <double *> calloc(kp * s.lane_rows, sizeof(double))
        if want >= 1:
            s.lane_h = <double *> calloc(kp * s.lane_rows, sizeof(double))
            s.lane_stored = <double *> calloc(kp * s.lane_rows, sizeof(double))
            s.lane_weight = <double *> calloc(3 * kp, sizeof(double))
            s.lane_moments = <double *> calloc(5 * s.lane_rows, sizeof(double))
    s.outer = <double *> calloc(na * data.padded + na + 1, sizeof(double))
    s.row_value = <double *> calloc(na + PAD, sizeof(double))
    s.row_index = <idx *> calloc(na + 1, sizeof(idx))
    s.row_channel = <idx *> calloc(na + 1, sizeof(idx))
    s.slot_of = <idx *> calloc(data.n_constants + 1, sizeof(idx))
    for k in range(data.n_constants):
        s.slot_of[k] = data.n_latent + 1 + k if data.fixed_slots else -1
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
    return s


cdef void free_scratch(const Data *data, Scratch *s) noexcept nogil:
    cdef int level
    if s == NULL:
        return
    free(s.u)
    free(s.centre)
    free(s.delta)
    free(s.across)
    free(s.slope)
    free(s.nodes)
    free(s.log_post)
    free(s.post)
    free(s.nu)
    free(s.product)
    free(s.weighted)
    free(s.store)
    free(s.set_nu)
    free(s.set_work)
    free(s.pair_score)
    free(s.set_score)
    free(s.set_value)
    free(s.set_entry)
    free(s.ones)
    free(s.same)
    free(s.deviation)
    free(s.weighted_deviation)
    free(s.touched)
    free(s.is_touched)
    free(s.everything)
    free(s.code_second)
    free(s.lane_data)
    free(s.lane_g)
    free(s.lane_h)
    free(s.lane_stored)
    free(s.lane_weight)
    free(s.lane_moments)
    free(s.outer)
    free(s.row_value)
    free(s.row_index)
    free(s.row_channel)
    free(s.slot_of)
    free(s.e1)
    free(s.e2)
    for level in range(data.n_levels):
        free(s.grad[level])
        free(s.curv[level])
        free(s.level_log[level])
        free(s.level_post[level])
        free(s.level_score[level])
        free(s.level_hess[level])
        free(s.child_score[level])
    free(s)
