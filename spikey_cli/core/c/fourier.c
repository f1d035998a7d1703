/* The discrete Fourier transform of real numbers, by which an encoder looks for periods. It decides no bit that a decoder must
 * know, and needs not be the same on every machine. */

#include <math.h>

#include "encoder.h"

static const double HALF_TURN = 3.141592653589793;

int spikey_reach(spikey_fourier *of, int64_t n) {
    if (n <= of->n) return SPIKEY_OK;
    spikey_fourier_free(of);
    of->work = spikey_room(2 * n, sizeof *of->work);
    of->turns = spikey_room(2 * n, sizeof *of->turns);
    if (!of->work || !of->turns) return SPIKEY_NO_MEMORY;
    of->n = n;
    /* of each stage, the cosines of half a turn, then the sines: every other one is that of the stage before */
    of->turns[0] = 1;
    for (int64_t half = 2; half <= n / 2; half *= 2) {
        const double cosine = cos(HALF_TURN / (double)half), sine = -sin(HALF_TURN / (double)half);
        const double *before = of->turns + half - 2, *before_sines = before + half / 2;
        double *cosines = of->turns + 2 * (half - 1), *sines = cosines + half;
        for (int64_t i = 0; i < half / 2; i++) {
            cosines[2 * i] = before[i], cosines[2 * i + 1] = before[i] * cosine - before_sines[i] * sine;
            sines[2 * i] = before_sines[i], sines[2 * i + 1] = before[i] * sine + before_sines[i] * cosine;
        }
    }
    return SPIKEY_OK;
}

void spikey_fourier_free(spikey_fourier *of) {
    free(of->work), free(of->turns);
    *of = (spikey_fourier){.n = 0};
}

/* Join the transforms of even and of odd numbers, `n` frequencies each, of `count` sequences side by side: from
 * [n][2][count] to [2][n][count] complex numbers. */
static void join(const double *turns, int64_t n, int64_t count, const double *restrict re, const double *restrict im,
                 double *restrict to_re, double *restrict to_im) {
    for (int64_t k = 0; k < n; k++) {
        const double cosine = turns[k], sine = turns[n + k];
        const int64_t even = 2 * k * count, odd = even + count, low = k * count, high = low + n * count;
        for (int64_t i = 0; i < count; i++) {
            const double x = re[odd + i] * cosine - im[odd + i] * sine, y = re[odd + i] * sine + im[odd + i] * cosine;
            to_re[low + i] = re[even + i] + x, to_im[low + i] = im[even + i] + y;
            to_re[high + i] = re[even + i] - x, to_im[high + i] = im[even + i] - y;
        }
    }
}

/* The squared magnitude, or the real part, of each frequency. Stockham's order: no bits of indices are reversed. */
static inline void each_frequency(const spikey_fourier *of, int64_t n, const double *x, int is_real, double *out) {
    const int64_t half = n / 2;
    double *re = of->work, *im = re + half, *to_re = im + half, *to_im = to_re + half, *from;
    for (int64_t i = 0; i < half; i++) re[i] = x[2 * i], im[i] = x[2 * i + 1]; /* even numbers, and odd ones */
    for (int64_t joined = 1; joined < half; joined *= 2) {
        join(of->turns + 2 * (joined - 1), joined, half / (2 * joined), re, im, to_re, to_im);
        from = re, re = to_re, to_re = from;
        from = im, im = to_im, to_im = from;
    }
    const double *cosines = of->turns + 2 * (half - 1), *sines = cosines + half;
    for (int64_t k = 0; k <= half; k++) {
        const int64_t i = k & (half - 1), m = (half - k) & (half - 1);
        const double even = (re[i] + re[m]) / 2, even_i = (im[i] - im[m]) / 2;
        const double odd = (im[i] + im[m]) / 2, odd_i = (re[m] - re[i]) / 2;
        const double cosine = k < half ? cosines[k] : -1, sine = k < half ? sines[k] : 0;
        const double real = even + odd * cosine - odd_i * sine, imaginary = even_i + odd * sine + odd_i * cosine;
        out[k] = is_real ? real : real * real + imaginary * imaginary;
    }
}

void spikey_power(const spikey_fourier *of, int64_t n, const double *x, double *power) { each_frequency(of, n, x, 0, power); }

void spikey_real_part(const spikey_fourier *of, int64_t n, const double *x, double *real) { each_frequency(of, n, x, 1, real); }
