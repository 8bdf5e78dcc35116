# The likelihood with all latent variables at zero: an ordinary generalized linear model, row by row.

cdef void pooled_response(const Data *data, Scratch *s, idx i, idx size, double weight, int want,
                          double *value, double *score, double *hess) noexcept nogil:
    """Add log f of the response of row i, and `weight` times its score and Hessian in the active entries.

    The latent variables and nodes of `s` must be zero.
    """
    cdef idx na = data.n_active, row, k, t, v, channel, slot, nz, pattern
    cdef double w = data.row_weight[i] if data.row_weight != NULL else 1.0
    cdef double entry = data.entry[i] if data.entry != NULL else 0.0
    cdef double x
    cdef double *stored = s.store
    cdef bint several = family_of(data, i) < 0
    value[0] += constant_of(data, i) * w
    if several:
        set_derivatives(data, s, i, 1, w, stored, value)
    elif want == 0:
        density_values(family_of(data, i), data.y[i], trials_of(data, i), entry, w, data.slots + i * data.n_slots,
                       data.a + i, 1, value)
    else:
        for k in range(stored_slot(data.density_slots[family_of(data, i)]), stored_slot(data.n_slots)):
            stored[k] = 0.0
        density_derivatives(family_of(data, i), data.y[i], trials_of(data, i), entry, w,
                            data.slots + i * data.n_slots, data.a + i, 1, value, stored)
    if want == 0:
        return
    for row in range(size):
        stored = s.store + row * data.n_stored
        pattern = pattern_of(data, i + row)
        nz = 0
        for k in range(data.pattern_first[pattern], data.pattern_first[pattern + 1]):
            t = data.pattern_entry[k]
            channel = data.active_channel[t]
            slot = -1
            if channel > data.n_latent:
                slot = slot_reading(data, i + row, channel)
                if slot < 0:
                    continue
            elif channel > 0:
                continue
            x = data.pattern_value[k] * design_entry(data, i + row, data.pattern_column[k])
            if x == 0.0:
                continue
            s.row_value[nz] = x
            s.row_index[nz] = t
            s.row_channel[nz] = slot
            nz += 1
            score[t] += weight * x * stored[0 if slot < 0 else stored_slot(slot)]
            if several and slot < 0:
                s.outer[t] += x * stored[data.n_stored - 2]
        if want < 2:
            continue
        for t in range(nz):
            x = weight * s.row_value[t]
            for v in range(t + 1):
                hess[s.row_index[t] * na + s.row_index[v]] += (
                    x * s.row_value[v] * stored[second_at(s.row_channel[t], s.row_channel[v])])
    if several and want >= 2:
        # across the rows of the response
        x = weight * s.store[data.n_stored - 1]
        for t in range(na):
            if s.outer[t] != 0.0:
                for v in range(t + 1):
                    hess[t * na + v] += x * s.outer[t] * s.outer[v]
        memset(s.outer, 0, na * sizeof(double))


cdef inline idx slot_reading(const Data *data, idx i, idx channel) noexcept nogil:
    """Slot of row i that reads a channel, -1 for none."""
    cdef idx slot
    if data.fixed_slots:
        return channel - data.n_latent - 1
    for slot in range(data.n_slots):
        if data.slot_channel[i * data.n_slots + slot] == channel:
            return slot
    return -1


cdef inline idx second_at(idx first, idx second) noexcept nogil:
    """Where a row stores its second derivative in two of its predictors, -1 being nu."""
    cdef idx high = first if first > second else second, low = second if first > second else first
    if high < 0:
        return 1
    return stored_slot(high) + 2 + low
