# cython: language_level=3
"""What every density says of one row: its logarithm, and derivatives in the predictor and up to three slots.

Slots t1, t2, t3 are further predictors of a row without latent variables (log dispersion, thresholds,
logit of a zero probability, log scale). Members that a density does not set stay zero; what a caller
does not use, the compiler removes.
"""

cdef enum:
    MAX_SLOTS = 3

cdef struct Density:
    double f
    double g
    double g1
    double g2
    double g3
    double h
    double h1
    double h2
    double h3
    double h11
    double h12
    double h13
    double h22
    double h23
    double h33

cdef inline Density nothing() noexcept nogil:
    """All zero, to start from."""
    cdef Density out
    out.f = 0.0
    out.g = 0.0
    out.g1 = 0.0
    out.g2 = 0.0
    out.g3 = 0.0
    out.h = 0.0
    out.h1 = 0.0
    out.h2 = 0.0
    out.h3 = 0.0
    out.h11 = 0.0
    out.h12 = 0.0
    out.h13 = 0.0
    out.h22 = 0.0
    out.h23 = 0.0
    out.h33 = 0.0
    return out
