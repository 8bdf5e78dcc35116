/* Inner loops over the rows and nodes of a leaf, written so that they become SIMD code.
 *
 * Two layouts: nodes of a row side by side (the densities of _dispatch.pxi), and rows of a node side by
 * side, which is faster for a density as short as the Bernoulli's where a leaf has few nodes and many
 * rows: its sums over nodes need no sum within a register.
 */
#ifndef SM_GLLAMM_LEAF_H
#define SM_GLLAMM_LEAF_H

#include "_vecmath.h"

#if defined(_MSC_VER)
#define SM_REDUCE(...)
#else
#define SM_PRAGMA(x) _Pragma(#x)
#define SM_REDUCE(...) SM_PRAGMA(omp simd __VA_ARGS__)
#endif

#if defined(__GNUC__)
typedef double sm_four __attribute__((vector_size(32), aligned(8), may_alias));
typedef int64_t sm_places __attribute__((vector_size(32)));
#if defined(__clang__)
#define SM_PICK(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define SM_PICK(a, b, i, j, k, l) __builtin_shuffle(a, b, (sm_places){i, j, k, l})
#endif
#define SM_AT(p) (*(const sm_four *) (p))

/* sums of four vectors, in this order */
SM_INLINE sm_four sm_sums(sm_four a, sm_four b, sm_four c, sm_four d) {
    sm_four ab = SM_PICK(a, b, 0, 4, 2, 6) + SM_PICK(a, b, 1, 5, 3, 7);
    sm_four cd = SM_PICK(c, d, 0, 4, 2, 6) + SM_PICK(c, d, 1, 5, 3, 7);
    return SM_PICK(ab, cd, 0, 1, 4, 5) + SM_PICK(ab, cd, 2, 3, 6, 7);
}
#endif

/* Bernoulli responses with logit link, n rows (a multiple of 4) at k nodes u, the rows of a node side by
 * side. With sign 1 or -1 of y and a, b times it, log f = -log(1 + exp(-a - b u)). Multiplies 1 / f of all
 * rows into product, which may overflow; writes the derivatives of log f in the unsigned predictor. */
SM_INLINE void sm_logit_derivatives(const double *__restrict sign, const double *__restrict a,
                                    const double *__restrict b, int n, const double *__restrict u, int k,
                                    double *__restrict product, double *__restrict g, double *__restrict h) {
    int fours = n / 4;
    for (int m = 0; m < k; m++, g += n, h += n) {
        double at = u[m], all = 1.0;
        SM_REDUCE(reduction(* : all))
        for (int i = 0; i < 4 * fours; i++) {
            double e = sm_exp(-a[i] - b[i] * at);
            double inverse = 1.0 + e, f = 1.0 / inverse, rest = e * f;
            all *= inverse;
            g[i] = sign[i] * rest;
            h[i] = -f * rest;
        }
        product[m] *= all;
    }
}

/* The same without derivatives; `work` has room for k n numbers. */
SM_INLINE void sm_logit_values(const double *__restrict a, const double *__restrict b, int n,
                               const double *__restrict u, int k, double *__restrict product,
                               double *__restrict work) {
    int fours = n / 4;
    for (int m = 0; m < k; m++) {
        double at = u[m], *inverse = work + (long) m * n;
        SM_REDUCE()
        for (int i = 0; i < 4 * fours; i++) inverse[i] = -a[i] - b[i] * at;
    }
    /* one long loop: its exponentials do not wait for a product */
    SM_REDUCE()
    for (int i = 0; i < 4 * fours * k; i++) work[i] = 1.0 + sm_exp(work[i]);
    for (int m = 0; m < k; m++) {
        const double *inverse = work + (long) m * n;
        double all = 1.0;
        SM_REDUCE(reduction(* : all))
        for (int i = 0; i < 4 * fours; i++) all *= inverse[i];
        product[m] *= all;
    }
}

/* Log density of n rows at one u; adds its derivative and negative second derivative in u. At most 512 rows. */
SM_INLINE double sm_logit_curvature(const double *y, const double *a, const double *b, int n, double u,
                                    double *slope, double *curvature) {
    double sum = 0.0, factor = 1.0, first = 0.0, second = 0.0;
    SM_REDUCE(reduction(+ : sum, first, second) reduction(* : factor))
    for (int i = 0; i < n; i++) {
        double nu = a[i] + b[i] * u;
        double t = sm_exp(nu > 0.0 ? -nu : nu);
        double r = 1.0 / (1.0 + t);
        sum += y[i] * nu - (nu > 0.0 ? nu : 0.0);
        factor *= 1.0 + t;
        first += b[i] * (y[i] - (nu > 0.0 ? r : t * r));
        second += b[i] * b[i] * (t * r * r);
    }
    *slope += first;
    *curvature += second;
    return sum - sm_log(factor);
}

/* For n rows (a multiple of 4) side by side: out[c][i] = sum over k of weight[c][k] g[k][i] for c = 0, 1
 * and, if h is wanted, of weight[c - 2][k] h[k][i] for c = 2, 3, 4; all rows of out are n long. */
SM_INLINE void sm_row_moments(const double *g, const double *h, int n, int k, const double *weight,
                              int second, double *out) {
    const double *w = weight, *wu = weight + k, *wuu = weight + 2 * k;
#if defined(__GNUC__)
    for (int i = 0; i < n; i += 4) {
        sm_four g0 = {0}, g1 = {0}, h0 = {0}, h1 = {0}, h2 = {0};
        for (int m = 0; m < k; m++) {
            sm_four x = SM_AT(g + (long) m * n + i);
            g0 += w[m] * x;
            g1 += wu[m] * x;
        }
        *(sm_four *) (out + i) = g0;
        *(sm_four *) (out + n + i) = g1;
        if (!second) continue;
        for (int m = 0; m < k; m++) {
            sm_four x = SM_AT(h + (long) m * n + i);
            h0 += w[m] * x;
            h1 += wu[m] * x;
            h2 += wuu[m] * x;
        }
        *(sm_four *) (out + 2 * n + i) = h0;
        *(sm_four *) (out + 3 * n + i) = h1;
        *(sm_four *) (out + 4 * n + i) = h2;
    }
#else
    for (int c = 0; c < (second ? 5 : 2); c++) {
        const double *its = c == 0 || c == 2 ? w : (c == 4 ? wuu : wu);
        for (int i = 0; i < n; i++) out[c * n + i] = 0.0;
        for (int m = 0; m < k; m++)
            for (int i = 0; i < n; i++) out[c * n + i] += its[m] * (c < 2 ? g : h)[(long) m * n + i];
    }
#endif
}

/* out (n, k) = transpose of x (k, n), n a multiple of 4 */
SM_INLINE void sm_transpose(const double *__restrict x, int k, int n, double *__restrict out) {
    int m = 0;
#if defined(__GNUC__)
    for (; m + 4 <= k; m += 4)
        for (int i = 0; i < n; i += 4) {
            const double *from = x + (long) m * n + i;
            double *to = out + (long) i * k + m;
            sm_four a = SM_AT(from), b = SM_AT(from + n), c = SM_AT(from + 2 * n), d = SM_AT(from + 3 * n);
            sm_four ab = SM_PICK(a, b, 0, 4, 2, 6), ba = SM_PICK(a, b, 1, 5, 3, 7);
            sm_four cd = SM_PICK(c, d, 0, 4, 2, 6), dc = SM_PICK(c, d, 1, 5, 3, 7);
            *(sm_four *) to = SM_PICK(ab, cd, 0, 1, 4, 5);
            *(sm_four *) (to + k) = SM_PICK(ba, dc, 0, 1, 4, 5);
            *(sm_four *) (to + 2 * k) = SM_PICK(ab, cd, 2, 3, 6, 7);
            *(sm_four *) (to + 3 * k) = SM_PICK(ba, dc, 2, 3, 6, 7);
        }
#endif
    for (; m < k; m++)
        for (int i = 0; i < n; i++) out[(long) i * k + m] = x[(long) m * n + i];
}

/* out[i] += x v[i] */
SM_INLINE void sm_add_scaled(double x, const double *v, int k, double *out) {
    int fours = k / 4;
    SM_REDUCE()
    for (int i = 0; i < 4 * fours; i++) out[i] += x * v[i];
    for (int i = 4 * fours; i < k; i++) out[i] += x * v[i];
}

/* out[i] = v[i] factor[i] - mean, and weighted[i] = weight[i] out[i] */
SM_INLINE void sm_deviations(const double *v, const double *factor, double mean, const double *weight, int k,
                             double *out, double *weighted) {
    int fours = k / 4;
    SM_REDUCE()
    for (int i = 0; i < 4 * fours; i++) {
        double x = v[i] * factor[i] - mean;
        out[i] = x;
        weighted[i] = weight[i] * x;
    }
    for (int i = 4 * fours; i < k; i++) {
        double x = v[i] * factor[i] - mean;
        out[i] = x;
        weighted[i] = weight[i] * x;
    }
}

/* Add the lower triangle of A W' to that of `out` (row length `wide`) at the rows and columns place[0],
 * ..., place[n - 1], ascending. A and W have n rows `stride` apart, k columns (a multiple of 4), and room
 * for five rows more. Blocks of 4 x 3 stay in registers; k is cut so that the blocks' rows stay in cache. */
static void sm_gram(const double *a, const double *w, int n, int k, long stride, const ptrdiff_t *place,
                    double *out, long wide) {
    const int part = 128;
    for (int begin = 0; begin < k; begin += part) {
        int end = k - begin < part ? k : begin + part;
        for (int t = 0; t < n; t += 4)
            for (int v = 0; v < t + 4 && v < n; v += 3) {
                const double *a0 = a + t * stride, *w0 = w + v * stride;
                double sum[3][4];
#if defined(__GNUC__)
                const double *a1 = a0 + stride, *a2 = a1 + stride, *a3 = a2 + stride;
                const double *w1 = w0 + stride, *w2 = w1 + stride;
                sm_four s00 = {0}, s01 = {0}, s02 = {0}, s10 = {0}, s11 = {0}, s12 = {0};
                sm_four s20 = {0}, s21 = {0}, s22 = {0}, s30 = {0}, s31 = {0}, s32 = {0};
                for (int m = begin; m < end; m += 4) {
                    sm_four x0 = SM_AT(w0 + m), x1 = SM_AT(w1 + m), x2 = SM_AT(w2 + m), y;
                    y = SM_AT(a0 + m), s00 += y * x0, s01 += y * x1, s02 += y * x2;
                    y = SM_AT(a1 + m), s10 += y * x0, s11 += y * x1, s12 += y * x2;
                    y = SM_AT(a2 + m), s20 += y * x0, s21 += y * x1, s22 += y * x2;
                    y = SM_AT(a3 + m), s30 += y * x0, s31 += y * x1, s32 += y * x2;
                }
                *(sm_four *) sum[0] = sm_sums(s00, s10, s20, s30);
                *(sm_four *) sum[1] = sm_sums(s01, s11, s21, s31);
                *(sm_four *) sum[2] = sm_sums(s02, s12, s22, s32);
#else
                for (int j = 0; j < 3; j++)
                    for (int i = 0; i < 4; i++)
                        sum[j][i] = sm_dot(a0 + i * stride + begin, w0 + j * stride + begin, end - begin);
#endif
                for (int i = 0; i < 4 && t + i < n; i++) {
                    double *target = out + place[t + i] * wide;
                    for (int j = 0; j < 3 && v + j <= t + i; j++) target[place[v + j]] += sum[j][i];
                }
            }
    }
}

#endif
