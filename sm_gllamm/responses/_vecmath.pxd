# cython: language_level=3
"""The C header of vectorisable functions, declared once."""

cdef extern from "_vecmath.h" nogil:
    double sm_exp(double x) noexcept
    double sm_log(double x) noexcept
    double sm_log_erfc(double z) noexcept
    double sm_expm1(double x) noexcept
    double sm_log1p(double x) noexcept
    double sm_erfcx(double z) noexcept
    double sm_select(bint c, double a, double b) noexcept
    double sm_clamp(double x, double low, double high) noexcept
    double sm_exp_excess(double x) noexcept
    double sm_log_gap(double w, double u) noexcept
    double sm_atan(double x) noexcept
    double sm_stirling(double x) noexcept
    double sm_stirling1(double x) noexcept
    double sm_stirling2(double x) noexcept
    double sm_dot(const double *x, const double *y, int k) noexcept
    double sm_dot3(const double *x, const double *y, const double *z, int k) noexcept
    void sm_moments(const double *w, const double *g, const double *h, const double *u, int k,
                    double *out) noexcept
