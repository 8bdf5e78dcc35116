# The numeric kernel: integrates latent variables out of a tree of clusters.
#
# What is computed.  Row i has nu_i = a_i + b_i'u + sum_p c_ip u_r(p) u_s(p), u the standardised latent
# variables of all levels, the lowest level's first, with products of two of them where the model has any.
# A leaf is a cluster of the lowest latent level: the innermost loops run over its nodes (contiguous, padded
# to a multiple of 8), so they are element-wise and vectorise. A cluster of a higher level is a loop over its
# own nodes and, inside, a recursion into its children, each with its nodes shifted linearly in the latent
# variables above it.
#
# What is differentiated.  The engine knows nothing of models: nu_i = offset_i + D_i' Phi (1, u). An "active"
# entry t of Phi is (column of D, channel); channel 0 is the constant 1, channel r > 0 is u_r, the next are
# the products, and the last ones are constants of other predictors, which rows use in up to three slots (log
# dispersion, thresholds, logit of a zero probability, log scale). Score and Hessian are taken with respect to
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
from libc.math cimport atan2, exp, expm1, fabs, isfinite, log, sqrt

from sm_gllamm.responses._density cimport MAX_SLOTS, Density
from sm_gllamm.responses._vecmath cimport sm_dot, sm_dot3, sm_exp, sm_log, sm_log_erfc, sm_moments

import numpy as np

from sm_gllamm.responses.densities import DENSITIES

#: slots of each density, by code
SLOTS_NEEDED = [slots for _, _, slots in DENSITIES]

cdef extern from "_leaf.h" nogil:
    void sm_logit_derivatives(const double *sign, const double *a, const double *b, int n, const double *u,
                              int k, double *product, double *g, double *h) noexcept
    void sm_logit_values(const double *a, const double *b, int n, const double *u, int k, double *product,
                         double *work) noexcept
    double sm_logit_curvature(const double *y, const double *a, const double *b, int n, double u,
                              double *slope, double *curvature) noexcept
    void sm_row_moments(const double *g, const double *h, int n, int k, const double *weight, int second,
                        double *out) noexcept
    void sm_transpose(const double *x, int k, int n, double *out) noexcept
    void sm_add_scaled(double x, const double *v, int k, double *out) noexcept
    void sm_deviations(const double *v, const double *factor, double mean, const double *weight, int k,
                       double *out, double *weighted) noexcept
    void sm_gram(const double *a, const double *w, int n, int k, long stride, const Py_ssize_t *place,
                 double *out, long wide) noexcept

cdef extern from *:
    ctypedef double* out_ptr "double * __restrict"
    ctypedef const double* in_ptr "const double * __restrict"

cdef enum:
    MAX_LEVELS = 8
    PAD = 8
    ROW_BLOCK = 64
    STORE = 131072          # doubles kept of a leaf's derivatives: 1 MiB
    DENSE = 24              # active entries up to which zeros of a row are not skipped
    GRAM = 2048             # doubles of deviations collected before their products are taken, at least
    LEAST_LANES = 6         # rows of a Bernoulli leaf from which they are taken side by side
    MOST_LANES = 256        # and up to which
    FLUSH = 512             # factors in (1, 2] multiplied before a logarithm is taken

cdef double NOWHERE = -1e90     # log densities below are those of means that do not exist
cdef double INSIDE = 0.97       # share of the way to such a place that a bracket may go

cdef enum:
    BINOMIAL_LOGIT = 0      # place in responses.densities.DENSITIES; Bernoulli rows have a short cut
    CHOICE = -1             # responses.densities.SETS
    COMPOSITE_BINOMIAL = -2
    COMPOSITE_POISSON = -3
    COMPOSITE_GAUSSIAN = -4

cdef enum:                  # responses.links.LINK_CODES
    LINK_IDENTITY = 0
    LINK_LOG = 1
    LINK_LOGIT = 2
    LINK_PROBIT = 3
    LINK_CLOGLOG = 4
    LINK_LOGLOG = 5
    LINK_CAUCHIT = 6
    LINK_INVERSE = 7
    LINK_INVERSE_SQUARED = 8
    LINK_SQRT = 9

cdef double OUTSIDE = -1e100    # log density outside its domain
cdef double PADDED_LOG_WEIGHT = -1e300

ctypedef Py_ssize_t idx


include "_structs.pxi"
include "_predictors.pxi"
include "_rows.pxi"
include "_sets.pxi"
include "_lanes.pxi"
include "_deviations.pxi"
include "_integrate.pxi"
include "_pooled.pxi"
include "_posterior.pxi"
include "_modes.pxi"
include "_door.pxi"
