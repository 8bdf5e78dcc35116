# Predictors of the rows: a, b and the slots, from values of the active entries.

cdef inline void start_row(const Data *data, idx i) noexcept nogil:
    """Fixed parts of the predictors of a row."""
    cdef idx slot, n_slots = data.n_slots
    data.a[i] = data.base[i] if data.base != NULL else 0.0
    for slot in range(n_slots):
        data.slots[i * n_slots + slot] = data.slot_base[i * n_slots + slot] if data.slot_base != NULL else 0.0


cdef inline void add_to_slots(const Data *data, idx i, idx channel, double x) noexcept nogil:
    """Add to the slots of a row that read a channel."""
    cdef idx slot, n_slots = data.n_slots
    if data.fixed_slots:
        data.slots[i * n_slots + channel - data.n_latent - 1] += x
        return
    for slot in range(n_slots):
        if data.slot_channel[i * n_slots + slot] == channel:
            data.slots[i * n_slots + slot] += x


cdef inline void add_entry(const Data *data, idx i, idx channel, double x) noexcept nogil:
    """Add what an active entry contributes to a row."""
    if channel == 0:
        data.a[i] += x
    elif channel <= data.n_latent:
        data.b[i * data.n_latent + channel - 1] += x
    else:
        add_to_slots(data, i, channel, x)


cdef void whole_predictors(const Data *data, const double *phi, idx start, idx stop) noexcept nogil:
    """Predictors of rows start:stop of a design without patterns: an entry at a time over a few rows."""
    cdef idx i, t, channel, column, first, last, step, q = data.n_latent
    cdef double x
    cdef out_ptr target
    cdef in_ptr source
    first = start
    while first < stop:
        last = first + ROW_BLOCK if first + ROW_BLOCK < stop else stop
        for i in range(first, last):
            start_row(data, i)
        memset(data.b + first * q, 0, (last - first) * q * sizeof(double))
        for t in range(data.n_active):
            x = phi[t]
            channel = data.active_channel[t]
            column = data.active_column[t]
            if channel > q and not data.fixed_slots:
                for i in range(first, last):
                    add_to_slots(data, i, channel, x * design_entry(data, i, column))
                continue
            if channel == 0:
                target = data.a + first
                step = 1
            elif channel <= q:
                target = data.b + first * q + channel - 1
                step = q
            else:
                target = data.slots + first * data.n_slots + channel - q - 1
                step = data.n_slots
            if column < 0:
                for i in range(last - first):
                    target[i * step] += x
            else:
                source = data.design + first * data.row_stride + column * data.column_stride
                for i in range(last - first):
                    target[i * step] += x * source[i * data.row_stride]
        first = last


cdef void predictors(const Data *data, const double *phi, idx start, idx stop) noexcept nogil:
    """Predictors of rows start:stop of an ordinary design."""
    cdef idx i, k, t, pattern, q = data.n_latent
    if data.pattern == NULL:
        whole_predictors(data, phi, start, stop)
        return
    for i in range(start, stop):
        start_row(data, i)
        memset(data.b + i * q, 0, q * sizeof(double))
        pattern = pattern_of(data, i)
        for k in range(data.pattern_first[pattern], data.pattern_first[pattern + 1]):
            t = data.pattern_entry[k]
            add_entry(data, i, data.active_channel[t], phi[t] * design_entry(data, i, data.active_column[t]))


cdef void coded_predictors(const Data *data, const double *phi, idx start, idx stop) noexcept nogil:
    """The same of a factored design: what depends on the code alone is computed once a code."""
    cdef idx i, k, t, p, r, slot, channel, code, q = data.n_latent, n_slots = data.n_slots
    cdef idx wide = 1 + q + n_slots
    cdef double *table = <double *> calloc(data.n_patterns * wide, sizeof(double))
    cdef char *known = <char *> calloc(data.n_patterns, 1)
    cdef double *own
    for i in range(start, stop):
        code = data.pattern[i]
        own = table + code * wide
        if not known[code]:
            known[code] = 1
            for k in range(data.pattern_first[code], data.pattern_first[code + 1]):
                t = data.pattern_entry[k]
                channel = data.active_channel[t]
                if data.pattern_column[k] < 0 and (channel <= q or data.fixed_slots):
                    own[channel] += phi[t] * data.pattern_value[k]
        start_row(data, i)
        data.a[i] += own[0]
        for r in range(q):
            data.b[i * q + r] = own[1 + r]
        for slot in range(n_slots):
            data.slots[i * n_slots + slot] += own[1 + q + slot]
        for p in range(data.pattern_first_rest[code], data.pattern_first_rest[code + 1]):
            k = data.pattern_rest[p]
            t = data.pattern_entry[k]
            add_entry(data, i, data.active_channel[t],
                      phi[t] * data.pattern_value[k] * design_entry(data, i, data.pattern_column[k]))
    free(table)
    free(known)
