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


include "_structs.pxi"
include "_rows.pxi"
include "_integrate.pxi"
include "_posterior.pxi"
include "_modes.pxi"
include "_door.pxi"
