/* Branch-free exp, log and log erfc for loops that the compiler vectorises by itself.
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
 * log erfc(z), z >= 0: log t - z^2 + P(t), t = 2/(2+z), P in 28 Chebyshev terms computed with 50
 *       digits; relative error of erfc below 1e-15 over the whole half line, no underflow.
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

/* e^r - 1 of the reduced argument; the exponent n is left in the low bits of *shifted. */
SM_INLINE double sm_exp_reduced(double x, double *shifted) {
    const double magic = 6755399441055744.0; /* 1.5 * 2^52 */
    x = x < -708.0 ? -708.0 : x;
    x = x > 709.0 ? 709.0 : x;
    double t = x * 1.4426950408889634074 + magic;
    double n = t - magic;
    double r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    double r2 = r * r, r4 = r2 * r2;
    double p01 = 0.50000000000000010221 + 0.16666666666666667453 * r;
    double p23 = 0.041666666666624127873 + 0.0083333333333300618325 * r;
    double p45 = 0.0013888888917213716901 + 0.00019841269863053616878 * r;
    double p67 = 0.000024801521295954375131 + 2.7557268459997064772e-6 * r;
    double p89 = 2.7620088445409748161e-7 + 2.5100385495510319078e-8 * r;
    double p = (p01 + p23 * r2) + ((p45 + p67 * r2) + p89 * r4) * r4;
    *shifted = t;
    return r + r2 * p;
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

SM_INLINE double sm_log(double x) {
    /* exponent k and mantissa in [sqrt(1/2), sqrt(2)) */
    int64_t ix = sm_bits(x) - 0x3fe6a09e667f3bcdLL;
    int64_t biased = (int64_t)((uint64_t)(ix + 0x4000000000000000LL) >> 52); /* k + 1024 */
    double k = sm_double(biased | 0x4330000000000000LL) - 4503599627371520.0; /* 2^52 + 1024 */
    double m = sm_double((ix & 0x000fffffffffffffLL) + 0x3fe6a09e667f3bcdLL);
    double f = m - 1.0;
    double s = f / (2.0 + f);
    double z = s * s, w = z * z;
    double t1 = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    double t2 = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 +
                w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    double hfsq = 0.5 * f * f;
    return k * 6.93147180369123816490e-01 -
           ((hfsq - (s * (hfsq + (t1 + t2)) + k * 1.90821492927058770002e-10)) - f);
}

/* log(1 + x), x > -1: what the rounding of 1 + x loses is added to first order. */
SM_INLINE double sm_log1p(double x) {
    double u = 1.0 + x;
    return sm_log(u) + (x - (u - 1.0)) / u;
}

SM_INLINE double sm_log_erfc(double z) {
    double t = 2.0 / (2.0 + z), ty = 4.0 * t - 2.0, d = 0.0, dd = 0.0, tmp;
#define SM_CLENSHAW(c) tmp = d; d = ty * d - dd + (c); dd = tmp;
    SM_CLENSHAW(-2.816663087747176972e-17) SM_CLENSHAW(1.210237189224278992e-16)
    SM_CLENSHAW(-9.457494571291234e-17) SM_CLENSHAW(-1.523028201457104304e-15)
    SM_CLENSHAW(7.106097613609236988e-15) SM_CLENSHAW(3.810905255189232055e-16)
    SM_CLENSHAW(-1.127082236136725237e-13) SM_CLENSHAW(3.130921399342958078e-13)
    SM_CLENSHAW(8.944879273090725717e-13) SM_CLENSHAW(-6.886027526497553398e-12)
    SM_CLENSHAW(2.394038083039114745e-12) SM_CLENSHAW(9.646791102015526802e-11)
    SM_CLENSHAW(-2.273651222931835856e-10) SM_CLENSHAW(-9.913641564930330867e-10)
    SM_CLENSHAW(5.059343495551468942e-09) SM_CLENSHAW(6.529054439098851496e-09)
    SM_CLENSHAW(-8.523809591492654253e-08) SM_CLENSHAW(1.562644172206614318e-08)
    SM_CLENSHAW(1.303655835580523202e-06) SM_CLENSHAW(-1.624290004647025513e-06)
    SM_CLENSHAW(-2.027857811253424315e-05) SM_CLENSHAW(4.252332480690777164e-05)
    SM_CLENSHAW(3.668394978527614519e-04) SM_CLENSHAW(-9.465953444820368663e-04)
    SM_CLENSHAW(-9.561514786808631642e-03) SM_CLENSHAW(1.947647320418583631e-02)
    SM_CLENSHAW(6.419697923564902603e-01)
#undef SM_CLENSHAW
    return sm_log(t) - z * z + 0.5 * (-1.302653719781709434 + ty * d) - dd;
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

/* Dot products: the order of summation is free here, and here only. */
SM_INLINE double sm_dot(const double *x, const double *y, int k) {
    double s = 0.0;
#if !defined(_MSC_VER)
#pragma omp simd reduction(+ : s)
#endif
    for (int i = 0; i < k; i++) s += x[i] * y[i];
    return s;
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
