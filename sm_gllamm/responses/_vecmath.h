/* Branch-free elementary and special functions for loops that the compiler vectorises by itself.
 *
 * Why not libm: a call per element costs five to ten times the arithmetic, and vector libraries
 * (libmvec, SVML) are not portable. These functions are plain C: compiled with
 *     -O3 -fno-math-errno -fno-trapping-math
 * a loop over them becomes SIMD code of whatever width the target has. They must never be compiled
 * with -ffast-math or -fassociative-math: the compiler would fold (t + magic) - magic and merge the
 * two words of ln 2, which gives wrong gradients without a warning (tests/responses checks accuracy).
 *
 * exp:  Cody-Waite reduction, degree-11 polynomial (Chebyshev fit of (e^r - 1 - r)/r^2 on
 *       |r| <= ln2/2, relative error 1.7e-17); arguments are clamped to [-708, 709].
 * log:  the reduction and coefficients of fdlibm's e_log.c, for positive normal arguments.
 * log erfc(z), z >= 0: log erfcx(z) - z^2; relative error of erfc below 1e-15 over the whole half
 *       line, no underflow.
 * expm1, exp_excess, log1p, log_gap: what is left of exp and log after their leading terms, without
 *       cancellation.
 * atan: series fit of degree 25 after reduction to |x| <= tan(pi/8).
 * stirling(x), x > 0: log Gamma(x) - (x - 1/2) log x + x - log(2 pi)/2, and its derivatives. Densities
 *       with gamma functions are written in these remainders, because differences of log Gamma itself
 *       have no digits left at small dispersions. Absolute error below 3e-14.
 */
#ifndef SM_GLLAMM_VECMATH_H
#define SM_GLLAMM_VECMATH_H

#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
#define SM_INLINE static __forceinline
#else
#define SM_INLINE static inline __attribute__((always_inline))
#endif

SM_INLINE int64_t sm_bits(double x) { int64_t i; memcpy(&i, &x, 8); return i; }
SM_INLINE double sm_double(int64_t i) { double x; memcpy(&x, &i, 8); return x; }

/* a if c, else b, without a branch even where the compiler knows that c is the same in a whole loop:
 * it then moves the selection out of the loop, where a branch would keep the loop from becoming SIMD.
 * SSE2 alone has no mask of 64-bit integers; there a plain selection is the better one. */
SM_INLINE double sm_select(int c, double a, double b) {
#if defined(__x86_64__) && !defined(__SSE4_2__)
    return c ? a : b;
#else
    int64_t mask = -(int64_t)(c != 0);
    return sm_double((sm_bits(a) & mask) | (sm_bits(b) & ~mask));
#endif
}

SM_INLINE double sm_clamp(double x, double low, double high) {
    x = sm_select(x < low, low, x);
    return sm_select(x > high, high, x);
}

/* (e^r - 1 - r) / r^2, |r| <= ln2/2 */
SM_INLINE double sm_exp_series(double r) {
    double r2 = r * r, r4 = r2 * r2;
    double p01 = 0.50000000000000010221 + 0.16666666666666667453 * r;
    double p23 = 0.041666666666624127873 + 0.0083333333333300618325 * r;
    double p45 = 0.0013888888917213716901 + 0.00019841269863053616878 * r;
    double p67 = 0.000024801521295954375131 + 2.7557268459997064772e-6 * r;
    double p89 = 2.7620088445409748161e-7 + 2.5100385495510319078e-8 * r;
    return (p01 + p23 * r2) + ((p45 + p67 * r2) + p89 * r4) * r4;
}

/* e^r - 1 of the reduced argument; the exponent n is left in the low bits of *shifted. */
SM_INLINE double sm_exp_reduced(double x, double *shifted) {
    const double magic = 6755399441055744.0; /* 1.5 * 2^52 */
    x = sm_clamp(x, -708.0, 709.0);
    double t = x * 1.4426950408889634074 + magic;
    double n = t - magic;
    double r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    *shifted = t;
    return r + r * r * sm_exp_series(r);
}

SM_INLINE double sm_exp(double x) {
    double t, e = 1.0 + sm_exp_reduced(x, &t);
    return sm_double(sm_bits(e) + (int64_t)((uint64_t)sm_bits(t) << 52));
}

/* exp(x) - 1 without cancellation: 2^n (e^r - 1) + (2^n - 1) */
SM_INLINE double sm_expm1(double x) {
    double t, q = sm_exp_reduced(x, &t);
    double scale = sm_double(sm_bits(1.0) + (int64_t)((uint64_t)sm_bits(t) << 52));
    return scale * q + (scale - 1.0);
}

/* e^x - 1 - x */
SM_INLINE double sm_exp_excess(double x) {
    double r = sm_clamp(x, -0.34, 0.34);
    double near = r * r * sm_exp_series(r);
    double far = sm_expm1(x) - x;
    return sm_select(r == x, near, far);
}

/* of log((1+s)/(1-s)) = 2 s + s R: R in z = s^2, |s| <= 0.1716 */
SM_INLINE double sm_log_series(double z) {
    double w = z * z;
    double t1 = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    double t2 = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 +
                w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    return t1 + t2;
}

SM_INLINE double sm_log(double x) {
    /* exponent k and mantissa in [sqrt(1/2), sqrt(2)) */
    int64_t ix = sm_bits(x) - 0x3fe6a09e667f3bcdLL;
    int64_t biased = (int64_t)((uint64_t)(ix + 0x4000000000000000LL) >> 52); /* k + 1024 */
    double k = sm_double(biased | 0x4330000000000000LL) - 4503599627371520.0; /* 2^52 + 1024 */
    double m = sm_double((ix & 0x000fffffffffffffLL) + 0x3fe6a09e667f3bcdLL);
    double f = m - 1.0;
    double s = f / (2.0 + f);
    double hfsq = 0.5 * f * f;
    return k * 6.93147180369123816490e-01 -
           ((hfsq - (s * (hfsq + sm_log_series(s * s)) + k * 1.90821492927058770002e-10)) - f);
}

/* log(1 + x), x > -1: what the rounding of 1 + x loses is added to first order. */
SM_INLINE double sm_log1p(double x) {
    double u = 1.0 + x;
    return sm_log(u) + (x - (u - 1.0)) / u;
}

/* u - log w, where w = 1 + u: both are given, for each may be exact where the other is not */
SM_INLINE double sm_log_gap(double w, double u) {
    double s = u / (2.0 + u);
    double half = 0.5 * u * u;
    double near = half - s * (half + sm_log_series(s * s));
    double far = u - sm_log(w);
    return sm_select((u > -0.29) & (u < 0.41), near, far);
}

/* exp(z^2) erfc(z), z >= 0, relative error below 1e-15: (z + 3.75) erfcx(z) is a polynomial in
 * t = (z - 3.75) / (z + 3.75), 24 Chebyshev terms computed with 60 digits. */
SM_INLINE double sm_erfcx(double z) {
    double r = 1.0 / (z + 3.75), t = (z - 3.75) * r;
    double t2 = t * t, t4 = t2 * t2, t8 = t4 * t4;
    double p0 = (1.0919229095627890363 - 0.95874157665290946979 * t) +
                (0.73631892522175364133 - 0.49047029120768825388 * t) * t2;
    double p1 = (0.27906204903368522743 - 0.13195540117824337329 * t) +
                (0.049118778617206058255 - 0.012535880044978471964 * t) * t2;
    double p2 = (0.00098633806014572688283 + 0.00079482312824767745234 * t) +
                (-0.00034864674071764745448 + 0.000010593866720431546881 * t) * t2;
    double p3 = (0.000037471310663113977371 - 8.9036267414649738094e-6 * t) +
                (-3.2885709585930651329e-6 + 1.6555849395166648215e-6 * t) * t2;
    double p4 = (2.7865722181858275107e-7 - 2.6337499684119528037e-7 * t) +
                (-2.5922843337984977434e-8 + 4.0207875133061637422e-8 * t) * t2;
    double p5 = (2.7748444991228880856e-9 - 5.3688142939511961296e-9 * t) +
                (-2.2991140565077378921e-10 + 4.4046755782598163797e-10 * t) * t2;
    return ((p0 + p1 * t4) + ((p2 + p3 * t4) + (p4 + p5 * t4) * t8) * t8) * r;
}

SM_INLINE double sm_log_erfc(double z) { return sm_log(sm_erfcx(z)) - z * z; }

SM_INLINE double sm_atan(double x) {
    double a = x < 0.0 ? -x : x;
    double w = a > 1.0 ? 1.0 / a : a;
    double v = w > 0.41421356237309504880 ? (w - 1.0) / (w + 1.0) : w;
    double s = v * v;
    double p = 0.99999999999999999995 + s * (-0.33333333333333324206 + s * (0.19999999999997013892 +
        s * (-0.14285714285329708164 + s * (0.11111111085322108759 + s * (-0.090909080590311910269 +
        s * (0.076922810999377432501 + s * (-0.066662052599765261879 + s * (0.058768340046141606641 +
        s * (-0.052173125740615910016 + s * (0.044995007289840320092 + s * (-0.033387824501211951519 +
        s * 0.015113765096600924669)))))))))));
    double b = v * p + (w > 0.41421356237309504880 ? 0.78539816339744830962 : 0.0);
    b = a > 1.0 ? 1.57079632679489661923 - b : b;
    return x < 0.0 ? -b : b;
}

/* Remainder of Stirling's formula. From 8 on the asymptotic series; below, the recurrence by 8 steps:
 * x (x+1) ... (x+7) = v (v+6) (v+10) (v+12) = v^4 + 28 v^3 + 252 v^2 + 720 v with v = x (x+7).
 * The results are balanced for small x: the sums over 1/(x+i) are multiplied by x before a square. */
#define SM_STIRLING_SHIFT                                                            \
    int low = x < 8.0;                                                               \
    double a = sm_select(low, x, 8.0);                                                        \
    double v = a * (a + 7.0);                                                        \
    double inverse = 1.0 / (v * (720.0 + v * (252.0 + v * (28.0 + v))));             \
    double shifted = sm_select(low, x + 8.0, x);                                              \
    double r = 1.0 / shifted, z = r * r;

/* S(x) */
SM_INLINE double sm_stirling(double x) {
    SM_STIRLING_SHIFT
    double series = r * (0.083333333333333333333 + z * (-0.0027777777777777777778 +
        z * (0.00079365079365079365079 + z * (-0.0005952380952380952381 +
        z * (0.00084175084175084175084 + z * (-0.0019175269175269175269 +
        z * (0.0064102564102564102564 + z * (-0.02955065359477124183 +
        z * (0.17964437236883057316 + z * (-1.3924322169059011164 + z * 13.402864044168391994))))))))));
    double b = a + 8.0, b2 = b * b, b4 = b2 * b2;
    double steps = (a - 0.5) * sm_log(b / a) + sm_log(b4 * b4 * inverse) - 8.0;
    return sm_select(low, series + steps, series);
}

/* x S'(x) = x (digamma(x) - log x) + 1/2 */
SM_INLINE double sm_stirling1(double x) {
    SM_STIRLING_SHIFT
    double series = r * (-0.083333333333333333333 + z * (0.0083333333333333333333 +
        z * (-0.003968253968253968254 + z * (0.0041666666666666666667 +
        z * (-0.0075757575757575757576 + z * (0.021092796092796092796 +
        z * (-0.083333333333333333333 + z * (0.44325980392156862745 +
        z * (-3.0539543302701197438 + z * (26.456212121212121212 + z * -281.46014492753623188))))))))));
    double sum = (2.0 * a + 7.0) * (720.0 + v * (504.0 + v * (84.0 + 4.0 * v))) * inverse;
    double steps = a * (sm_log((a + 8.0) / a) + (series - 0.5) * r - sum) + 0.5;
    return sm_select(low, steps, series);
}

/* x^2 S''(x) = x^2 trigamma(x) - x - 1/2 */
SM_INLINE double sm_stirling2(double x) {
    SM_STIRLING_SHIFT
    double series = r * (0.16666666666666666667 + z * (-0.033333333333333333333 +
        z * (0.023809523809523809524 + z * (-0.033333333333333333333 +
        z * (0.075757575757575757576 + z * (-0.25311355311355311355 +
        z * (1.1666666666666666667 + z * (-7.0921568627450980392 +
        z * (54.971177944862155388 + z * (-529.12424242424242424 + z * 6192.1231884057971014))))))))));
    double width = 2.0 * a + 7.0;
    double first = a * (720.0 + v * (504.0 + v * (84.0 + 4.0 * v))) * inverse;
    double second = a * a * (504.0 + v * (168.0 + 12.0 * v)) * inverse;
    double squares = width * width * (first * first - second) - 2.0 * a * first;
    double steps = a * a * r * (1.0 + r * (0.5 + series)) + squares - a - 0.5;
    return sm_select(low, steps, series);
}

/* Dot products: the order of summation is free here, and here only. */
SM_INLINE double sm_dot(const double *x, const double *y, int k) {
    double s = 0.0;
#if !defined(_MSC_VER)
#pragma omp simd reduction(+ : s)
#endif
    for (int i = 0; i < k; i++) s += x[i] * y[i];
    return s;
}

/* sums of w g, w g u, w h, w h u, w h u u over k */
SM_INLINE void sm_moments(const double *w, const double *g, const double *h, const double *u, int k,
                          double *out) {
    double g0 = 0.0, g1 = 0.0, h0 = 0.0, h1 = 0.0, h2 = 0.0;
#if !defined(_MSC_VER)
#pragma omp simd reduction(+ : g0, g1, h0, h1, h2)
#endif
    for (int i = 0; i < k; i++) {
        double a = w[i] * g[i], b = w[i] * h[i];
        g0 += a;
        g1 += a * u[i];
        h0 += b;
        h1 += b * u[i];
        h2 += b * u[i] * u[i];
    }
    out[0] = g0;
    out[1] = g1;
    out[2] = h0;
    out[3] = h1;
    out[4] = h2;
}

SM_INLINE double sm_dot3(const double *x, const double *y, const double *z, int k) {
    double s = 0.0;
#if !defined(_MSC_VER)
#pragma omp simd reduction(+ : s)
#endif
    for (int i = 0; i < k; i++) s += x[i] * y[i] * z[i];
    return s;
}

#endif
