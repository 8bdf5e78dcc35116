# The classes Python sees. Every array is checked here; nothing below checks anything.

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


cdef const int *codes_of(array, idx size) except? NULL:
    """Pointer to a C-contiguous intc array, NULL for None."""
    if array is None:
        return NULL
    cdef const int[::1] x
    if array.dtype != np.intc or not array.flags.c_contiguous or array.size != size:
        raise ValueError("the kernel needs C-contiguous intc arrays, one entry a row (and slot)")
    x = array.reshape(-1)
    return &x[0] if x.shape[0] > 0 else NULL


cdef const int *codes_at(array, idx size, idx *step) except? NULL:
    """Pointer to an intc array that is C-contiguous or of one value broadcast, and its step in items."""
    cdef bint same = array.ndim == 1 and array.shape[0] > 1 and array.strides[0] == 0
    step[0] = 0 if same else 1
    if array.shape != (size,):
        raise ValueError("row arrays must have one value a row")
    return codes_of(array[:1] if same else array, 1 if same else size)


cdef const double *doubles_at(array, idx size, idx *step) except? NULL:
    """The same of float64 values."""
    cdef bint same = array is not None and array.ndim == 1 and array.shape[0] > 1 and array.strides[0] == 0
    step[0] = 0 if same else 1
    if array is None or array.shape != (size,):
        raise ValueError("row arrays must have one value a row")
    return flat(array[:1] if same else array)


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
                 active_channel, offsets, weights, dimensions, n_slots=0, slot_channel=None,
                 slot_base=None, n_constants=0, set_size=None, entry=None, link=None, part=None,
                 products=(), pattern=None, entries=None, code_table=None, column_source=None):
        cdef int level
        cdef idx n = len(y), first = 0
        self.kept = [family, y, trials, constant, row_weight, design, base, active_column,
                     active_channel, list(offsets), list(weights), slot_channel, slot_base, set_size,
                     entry, link, part, code_table, column_source]
        if not 1 <= len(offsets) <= MAX_LEVELS or len(weights) != len(offsets) or len(dimensions) != len(offsets):
            raise ValueError(f"between 1 and {MAX_LEVELS} levels, each with offsets, weights and dimension")
        self.data.n = n
        self.data.family = codes_at(family, n, &self.data.family_step)
        self.data.trials = doubles_at(trials, n, &self.data.trials_step)
        self.data.constant = doubles_at(constant, n, &self.data.constant_step)
        if not 0 <= n_slots <= MAX_SLOTS:
            raise ValueError(f"a row has at most {MAX_SLOTS} slots")
        for code in self.family_codes():
            if n_slots < (SLOTS_NEEDED[code] if code >= 0 else code == COMPOSITE_GAUSSIAN):
                raise ValueError(f"rows of family {code} need more slots")
        for array in (row_weight, base, entry, part):
            if array is not None and array.shape != (n,):
                raise ValueError("row arrays must have one value a row")
        if slot_base is not None and slot_base.shape != (n, n_slots):
            raise ValueError("slot_base must have one value a row and slot")
        if slot_channel is None and n_constants != n_slots:
            raise ValueError("without slot_channel there is one channel a slot")
        if design.dtype != np.float64 or design.ndim != 2 or design.shape[0] != n:
            raise ValueError("design must be float64 with one row a row of data")
        if design.strides[0] % sizeof(double) or design.strides[1] % sizeof(double):
            raise ValueError("design must have strides of whole numbers of float64 values")
        if any(k < 1 for k in dimensions):
            raise ValueError("every level needs at least one latent variable")
        cdef const double[:, :] matrix
        self.data.d = design.shape[1]
        self.data.q = sum(dimensions)
        self.data.n_levels = len(offsets)
        slots_needed = np.array(SLOTS_NEEDED, dtype=np.intc)
        self.kept.append(slots_needed)
        self.data.density_slots = codes_of(slots_needed, len(SLOTS_NEEDED))
        self.data.n_slots = n_slots
        self.data.n_constants = n_constants
        self.data.fixed_slots = 1 if slot_channel is None else 0
        self.data.n_active = len(active_column)
        self.data.dense = (
            1 if slot_channel is None and pattern is None and self.data.n_active <= DENSE else 0)
        product = np.array(products, dtype=np.intp).reshape(-1, 2)
        if product.size and (
            product.min() < 0 or product.max() >= self.data.q or np.any(product[:, 0] > product[:, 1])
        ):
            raise ValueError("products are pairs of positions in u, the smaller first")
        self.kept.append(product)
        self.data.n_products = len(product)
        self.data.product = indices(product)
        self.data.n_latent = self.data.q + self.data.n_products
        self.data.n_vectors = dimensions[0] + self.data.n_products
        self.data.n_channels = 1 + self.data.n_latent + self.data.n_slots
        self.data.lanes = (self.data.n_vectors == 1 and n_slots == 0 and row_weight is None
                           and self.all_bernoulli())
        if active_column.ndim != 1 or active_channel.shape != active_column.shape:
            raise ValueError("one column and one channel an active entry")
        if self.data.n_active and (
            active_column.min() < -1
            or active_column.max() >= (design if code_table is None else code_table).shape[1]
            or active_channel.min() < 0 or active_channel.max() > self.data.n_latent + n_constants
        ):
            raise ValueError("active entries point outside the design or the channels")
        others = np.flatnonzero(active_channel)
        self.data.leading = others[0] if len(others) else self.data.n_active
        if slot_channel is not None and slot_channel.size and (
            slot_channel.max() > self.data.n_latent + n_constants
            or np.any((slot_channel >= 0) & (slot_channel <= self.data.n_latent))
        ):
            raise ValueError("slots need a channel of a constant, or -1")
        self.data.padded = (self.data.leading + 3) // 4 * 4
        self.data.slot_channel = codes_of(slot_channel, n * n_slots)
        if code_table is not None:
            self.check_factors(code_table, column_source, pattern)
        self.find_pairs(active_column, active_channel)
        self.take_patterns(
            pattern, [np.arange(self.data.n_active)] if entries is None else entries,
            active_column, active_channel, code_table, column_source)
        self.check_sets(family, set_size, link, part, offsets[0])
        if y.shape != (n,):
            raise ValueError("row arrays must have one value a row")
        self.data.y = flat(y)
        self.data.row_weight = flat(row_weight)
        self.data.base = flat(base)
        self.data.entry = flat(entry)
        self.data.part = flat(part)
        self.data.slot_base = flat(slot_base)
        self.data.set_size = codes_of(set_size, n)
        self.data.link = codes_of(link, n)
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
            if (offset.ndim != 1 or offset.shape[0] < 2 or offset[0] != 0
                    or offset[offset.shape[0] - 1] != below or np.any(np.diff(offset) < 1)):
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
        # two more: a density is handed three slots, of which it reads those that it has
        a, b, slots = np.zeros(n), np.zeros((n, self.data.n_latent)), np.zeros(n * n_slots + MAX_SLOTS)
        self.predictors = (a, b, slots)
        self.data.a = writable(a)
        self.data.b = writable(b)
        self.data.slots = writable(slots)
        self.largest_leaf = int(np.max(np.diff(offsets[0])))

    cdef void find_pairs(self, active_column, active_channel) except *:
        """Number the different pairs of column and predictor among the active entries."""
        predictor = np.where(active_channel > self.data.n_latent, active_channel, 0)
        pairs, pair = np.unique(np.column_stack([active_column, predictor]), axis=0, return_inverse=True)
        kept = [np.ascontiguousarray(x, dtype=np.intp) for x in (pair.reshape(-1), pairs[:, 0], pairs[:, 1])]
        self.kept.append(kept)
        self.data.n_pairs = len(pairs)
        self.data.active_pair, self.data.pair_channel = indices(kept[0]), indices(kept[2])

    cdef list family_codes(self):
        """The different codes of the rows' densities."""
        cdef idx i
        cdef int code
        cdef int n_codes = len(SLOTS_NEEDED) - COMPOSITE_GAUSSIAN
        cdef unsigned char[::1] seen = np.zeros(n_codes, dtype=np.uint8)
        for i in range(self.data.n if self.data.family_step else min(self.data.n, 1)):
            code = family_of(&self.data, i) - COMPOSITE_GAUSSIAN
            if not 0 <= code < n_codes:
                raise ValueError("unknown family code")
            seen[code] = 1
        return [code + COMPOSITE_GAUSSIAN for code in range(n_codes) if seen[code]]

    cdef bint all_bernoulli(self):
        """Whether all rows are Bernoulli with logit link."""
        cdef idx i
        for i in range(self.data.n):
            if family_of(&self.data, i) != BINOMIAL_LOGIT or trials_of(&self.data, i) != 1.0:
                return False
        return True

    cdef void check_factors(self, code_table, column_source, pattern) except *:
        """A factored design: values by code, and the columns of the design that they multiply."""
        if (code_table.dtype != np.float64 or code_table.ndim != 2 or column_source is None
                or column_source.dtype != np.intp or column_source.shape != code_table.shape[1:]):
            raise ValueError("a factored design needs a float64 table with codes in rows, and one intp "
                             "column of the design, or -1, for each of its columns")
        if pattern is None:
            raise ValueError("a factored design needs the code of each row")
        if column_source.size and not -1 <= column_source.min() <= column_source.max() < self.data.d:
            raise ValueError("column_source points outside the design")

    cdef void take_patterns(self, pattern, entries, active_column, active_channel, table, source) except *:
        """Active entries, and pairs, of each pattern of zeros in the rows; of each code of a factored design."""
        cdef idx n_patterns = len(entries)
        if pattern is not None and (
            pattern.shape != (self.data.n,) or pattern.dtype != np.intc
            or (self.data.n and not 0 <= pattern.min() <= pattern.max() < n_patterns)
            or (table is not None and len(table) != n_patterns)
        ):
            raise ValueError("pattern needs the number of a list of entries, an intc, in every row")
        if any(len(own) and not (0 <= own.min() and own.max() < self.data.n_active) for own in entries):
            raise ValueError("patterns point outside the active entries")
        self.data.pattern = codes_of(pattern, self.data.n)
        self.data.n_patterns = n_patterns
        if pattern is not None and not self.data.fixed_slots:
            entries = self.slots_in_use(entries, active_channel)
        pair_of, pair_column, _ = self.kept[len(self.kept) - 1]
        pairs = [np.unique(pair_of[own]) for own in entries]
        first, entry, column, value = self.factors(entries, active_column, table, source)
        first_pair, pair, its_column, its_value = self.factors(pairs, pair_column, table, source)
        # predictors of a code are computed once, but for what multiplies a column or differs in its slot
        differs = column >= 0
        if not self.data.fixed_slots:
            differs |= active_channel[entry] > self.data.n_latent
        rest = np.flatnonzero(differs).astype(np.intp)
        first_rest = np.searchsorted(rest, first).astype(np.intp)
        self.kept.append((pattern, first, entry, column, value, first_pair, pair, its_column, its_value,
                          rest, first_rest))
        self.data.pattern_first = indices(first)
        self.data.pattern_entry = indices(entry)
        self.data.pattern_column = indices(column)
        self.data.pattern_value = flat(value)
        self.data.pattern_first_pair = indices(first_pair)
        self.data.pattern_pair = indices(pair)
        self.data.pattern_pair_column = indices(its_column)
        self.data.pattern_pair_value = flat(its_value)
        self.data.pattern_rest = indices(rest)
        self.data.pattern_first_rest = indices(first_rest) if table is not None else NULL
        # sums of second derivatives by code are for the Hessian of all clusters, not for one at a node
        self.data.coded = table is not None and self.data.n_levels == 1 and self.data.fixed_slots
        self.data.n_seconds = self.data.n_channels * (self.data.n_channels + 1) // 2

    cdef tuple factors(self, lists, column_of, table, source):
        """Lists of all patterns end to end: where each begins, its members, and the column of the design
        and multiplier of each member, whose (logical) column is in `column_of`."""
        first = np.cumsum([0, *(len(own) for own in lists)]).astype(np.intp)
        members = np.ascontiguousarray(np.concatenate(lists), dtype=np.intp)
        column = np.ascontiguousarray(column_of[members], dtype=np.intp)
        value = np.ones(len(members))
        if table is not None:
            code = np.repeat(np.arange(len(lists)), np.diff(first))
            some = column >= 0
            value[some] = table[code[some], column[some]]
            column[some] = source[column[some]]
        return first, members, column, value

    cdef list slots_in_use(self, entries, active_channel):
        """Without the entries whose slot no row of a pattern reads."""
        cdef idx i, slot, n_channels = self.data.n_constants + 1
        cdef idx first = self.data.n_latent + 1
        cdef int channel
        used = np.zeros((self.data.n_patterns, n_channels), dtype=np.uint8)
        cdef unsigned char[:, ::1] mark = used
        for i in range(self.data.n):
            for slot in range(self.data.n_slots):
                channel = self.data.slot_channel[i * self.data.n_slots + slot]
                if channel >= first:
                    mark[self.data.pattern[i], channel - first] = 1
        # channels of nu are in use everywhere
        place = np.maximum(active_channel - first, -1)
        used[:, n_channels - 1] = 1
        return [own[used[pattern, place[own]] == 1] for pattern, own in enumerate(entries)]

    cdef void check_sets(self, family, set_size, link, part, leaf_offsets) except *:
        """Responses of several rows must lie within clusters, and composite ones need links and weights."""
        self.data.largest_set = 1
        self.data.n_stored = (2, 5, 9, 14)[self.data.n_slots]
        if not np.any(family < 0):
            if set_size is not None:
                raise ValueError("set_size goes with responses that own several rows")
            return
        self.data.n_stored += 2
        if set_size is None or set_size.shape != family.shape or set_size.dtype != np.intc:
            raise ValueError("set_size must be an intc array, one entry a row")
        firsts = np.flatnonzero(set_size)
        sizes = set_size[firsts]
        if (set_size.min() < 0 or len(firsts) == 0 or firsts[0] != 0
                or np.any(np.append(firsts[1:], len(family)) != firsts + sizes)):
            raise ValueError("set_size must count the rows of each response in its first row, 0 in others")
        if np.any(np.repeat(family[firsts], sizes) != family):
            raise ValueError("the rows of a response have one family")
        if np.any(set_size[leaf_offsets[:-1]] == 0):
            raise ValueError("a response lies in one cluster")
        if np.any((family >= 0) & (set_size != 1)):
            raise ValueError("this family has one row a response")
        if np.any(family < CHOICE):
            if link is None or part is None or link.shape != family.shape or link.dtype != np.intc:
                raise ValueError("composite responses need a link and a weight a row")
            if link.min() < 0 or link.max() > LINK_SQRT:
                raise ValueError("unknown link code")
        self.data.largest_set = sizes.max()

    def set_predictors(self, const double[::1] phi, idx start, idx stop):
        """Compute a, b and the slots of rows start:stop from values of the active entries. Not while another
        thread evaluates these rows."""
        if phi.shape[0] != self.data.n_active or not 0 <= start <= stop <= self.data.n:
            raise ValueError("phi needs one value an active entry, rows must exist")
        cdef const double *values = doubles(phi)
        with nogil:
            if self.data.pattern_first_rest != NULL:
                coded_predictors(&self.data, values, start, stop)
            else:
                predictors(&self.data, values, start, stop)

    cdef Place place_of(self, placement) except *:
        cdef Place place
        cdef int level
        memset(&place, 0, sizeof(Place))
        if len(placement) != self.data.n_levels:
            raise ValueError("a placement has one tuple of arrays a level")
        for level in range(self.data.n_levels):
            centre, scale, log_det, shift = placement[level]
            q, above = self.data.ql[level], self.data.q - self.data.first[level] - self.data.ql[level]
            j = self.n_clusters[level]
            if (centre.shape != (j, q) or scale.shape != (j, q, q) or log_det.shape != (j,)
                    or shift.shape != (j, q, above)):
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
        if len(modes) != self.data.n_levels:
            raise ValueError("modes are one tuple of arrays a level")
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

    def evaluate(self, clusters, Rule rule, placement, int want, log_likelihood, score, hessian,
                 bint summed=False):
        """Log-likelihood of each top cluster, unweighted; score (clusters, active) and the weighted sum of
        Hessians (active, active; lower triangle is added to) as wanted (0, 1, 2). If `summed`, the weighted
        sum of scores is added to score (1, active)."""
        cdef const idx *which = self.check_clusters(clusters)
        cdef idx count = clusters.shape[0], c, t, na = self.data.n_active
        cdef Place place = self.place_of(placement)
        cdef int top = self.data.n_levels - 1
        cdef double w
        if rule.dimensions() != self.dimensions:
            raise ValueError("the rule's dimensions are not the model's")
        if want not in (0, 1, 2):
            raise ValueError("want is 0 (value), 1 (score) or 2 (Hessian)")
        if log_likelihood.shape != (count,) or (
            want >= 1 and score.shape != (1 if summed else count, na)
        ) or (want >= 2 and hessian.shape != (na, na)):
            raise ValueError("output arrays do not fit")
        cdef double *value = writable(log_likelihood)
        cdef double *s_out = writable(score) if want >= 1 else NULL
        cdef double *h_out = writable(hessian) if want >= 2 else NULL
        cdef double *own = s_out
        cdef Scratch *s
        with nogil:
            s = new_scratch(&self.data, &rule.nodes, self.largest_leaf, want)
            if summed and want >= 1:
                own = <double *> calloc(na + 1, sizeof(double))
            for c in range(count):
                w = self.data.weight[top][which[c]] if self.data.weight[top] != NULL else 1.0
                value[c] = integrate(&self.data, &rule.nodes, &place, s, top, which[c], want, w, own, h_out)
                if want >= 1 and summed:
                    for t in range(na):
                        s_out[t] += w * own[t]
                elif want >= 1:
                    own += na
            if summed and want >= 1:
                free(own)
            if want >= 2:
                flush_deviations(&self.data, s, h_out)
                settle_codes(&self.data, s, h_out)
            free_scratch(&self.data, s)

    def pooled(self, const double[::1] multiplier, int want, log_density, score, hessian):
        """Log density of every row (of responses of several rows, in the first) with all latent variables at
        zero, without the multiplier; adds score and Hessian (lower triangle) of its sum, each row's share
        times its multiplier."""
        cdef idx na = self.data.n_active, i = 0, size
        if want not in (0, 1, 2):
            raise ValueError("want is 0 (value), 1 (score) or 2 (Hessian)")
        if (log_density.shape != (self.data.n,) or multiplier.shape[0] != self.data.n
                or (want >= 1 and score.shape != (na,)) or (want >= 2 and hessian.shape != (na, na))):
            raise ValueError("arrays do not fit")
        cdef double *value = writable(log_density)
        cdef double *s_out = writable(score) if want >= 1 else NULL
        cdef double *h_out = writable(hessian) if want >= 2 else NULL
        cdef Scratch *s
        with nogil:
            s = new_scratch(&self.data, NULL, self.largest_leaf, 0)
            while i < self.data.n:
                size = response_size(&self.data, i)
                pooled_response(&self.data, s, i, size, multiplier[i], want, value + i, s_out, h_out)
                i += size
            free_scratch(&self.data, s)

    def posterior(self, clusters, Rule rule, placement, moments, rows, link, shift=None, slope=None):
        """Add posterior moments to `moments` (a tuple a level: mean, second, residual, residual2) and to
        `rows` (E[nu], E[nu^2], E[inverse link of shift + slope nu]) of the given top clusters."""
        cdef const idx *which = self.check_clusters(clusters)
        cdef idx count = clusters.shape[0], c
        cdef Place place = self.place_of(placement)
        cdef Moments m
        cdef int level
        if rule.dimensions() != self.dimensions:
            raise ValueError("the rule's dimensions are not the model's")
        if len(moments) != self.data.n_levels or len(rows) != 3:
            raise ValueError("moments are one tuple of arrays a level, rows three arrays")
        for level in range(self.data.n_levels):
            mean, second, residual, residual2 = moments[level]
            j, q = self.n_clusters[level], self.data.ql[level]
            if (mean.shape != (j, q) or second.shape != (j, q, q) or residual.shape != (j, q)
                    or residual2.shape != (j, q, q)):
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
        if link is None or link.shape != (self.data.n,) or (self.data.n and not (
                0 <= link.min() and link.max() <= LINK_SQRT)):
            raise ValueError("link needs one code of a link a row")
        for array in (shift, slope):
            if array is not None and array.shape != (self.data.n,):
                raise ValueError("shift and slope need one value a row")
        m.link = codes_of(link, self.data.n)
        m.shift = flat(shift)
        m.slope = flat(slope)
        cdef Scratch *s
        with nogil:
            s = new_scratch(&self.data, &rule.nodes, self.largest_leaf, 0)
            for c in range(count):
                posterior(&self.data, &rule.nodes, &place, s, &m, self.data.n_levels - 1, which[c], 1.0)
            free_scratch(&self.data, s)


def density_table(int code, const double[::1] y, const double[::1] m, const double[::1] e,
                  const double[::1] nu, const double[:, ::1] t):
    """log f of single rows and its derivatives in nu and the slots t (n, 3): f, g, g1, g2, g3, h, h1, h2,
    h3, h11, h12, h13, h22, h23, h33 in the columns of an array."""
    cdef idx n = y.shape[0], i, s, r
    cdef double stored[14]
    cdef double f
    cdef int *place = [0, 4, 1, 5, 8, 2, 6, 9, 11, 3, 7, 10, 12, 13]
    if not 0 <= code < len(SLOTS_NEEDED):
        raise ValueError("unknown family code")
    if not (m.shape[0] == n and e.shape[0] == n and nu.shape[0] == n and t.shape[0] == n and t.shape[1] == 3):
        raise ValueError("all arguments need one row a response")
    out = np.zeros((n, 15))
    cdef double[:, ::1] target = out
    cdef int members = (2, 5, 9, 14)[SLOTS_NEEDED[code]]
    for i in range(n):
        f = 0.0
        density_derivatives(code, y[i], m[i], e[i], 1.0, &t[i, 0], &nu[i], 1, &f, stored)
        target[i, 0] = f
        for r in range(members):
            target[i, 1 + place[r]] = stored[r]
    return out


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
