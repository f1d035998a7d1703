/* The discrete Fourier transform of real numbers, by which an encoder looks for periods. It decides no bit that a decoder must
 * know, and needs not be the same on every machine. */

#include <math.h>

#include "encoder.h"

static const double TURN = 6.283185307179586;

int spikey_fourier_new(spikey_fourier *of, int64_t n) {
    const int64_t half = n / 2;
    of->n = n;
    of->re = spikey_room(2 * half, sizeof *of->re);
    of->im = of->re ? of->re + half : 0;
    of->turns = spikey_room(2 * n, sizeof *of->turns);
    if (!of->re || !of->turns) return SPIKEY_NO_MEMORY;
    double *last = of->turns + n - 2; /* of each stage, of which this is the last one: cosines, then sines */
    for (int64_t i = 0; i < half; i++) {
        last[i] = cos(TURN * (double)i / (double)n);
        last[half + i] = -sin(TURN * (double)i / (double)n);
    }
    for (int64_t length = 2; length < n; length *= 2)
        for (int64_t i = 0; i < length / 2; i++) {
            of->turns[length - 2 + i] = last[i * (n / length)];
            of->turns[length - 2 + length / 2 + i] = last[half + i * (n / length)];
        }
    return SPIKEY_OK;
}

void spikey_fourier_free(spikey_fourier *of) { free(of->re), free(of->turns); }

/* The transform of the complex numbers in re and im, in place: their order is reversed in bits, then they are joined. */
static void transform(const spikey_fourier *of) {
    const int64_t half = of->n / 2;
    double *re = of->re, *im = of->im;
    for (int64_t i = 0, k = 0; i < half; i++) {
        if (i < k) {
            double a = re[i], b = im[i];
            re[i] = re[k], im[i] = im[k], re[k] = a, im[k] = b;
        }
        int64_t bit = half >> 1;
        for (; bit && k & bit; bit >>= 1) k ^= bit;
        k |= bit;
    }
    const double *turns = of->turns;
    for (int64_t length = 2; length <= half; turns += length, length *= 2) {
        const int64_t n = length / 2;
        const double *cosines = turns, *sines = turns + n;
        for (int64_t first = 0; first < half; first += length) {
            double *restrict a = re + first, *restrict b = im + first, *restrict c = a + n, *restrict d = b + n;
            for (int64_t i = 0; i < n; i++) {
                double x = c[i] * cosines[i] - d[i] * sines[i], y = c[i] * sines[i] + d[i] * cosines[i];
                c[i] = a[i] - x, d[i] = b[i] - y;
                a[i] += x, b[i] += y;
            }
        }
    }
}

/* The squared magnitude, or the real part, of each frequency. */
static inline void each_frequency(const spikey_fourier *of, const double *x, int is_real, double *out) {
    const int64_t half = of->n / 2;
    const double *cosines = of->turns + 2 * (half - 1), *sines = cosines + half;
    for (int64_t i = 0; i < half; i++) of->re[i] = x[2 * i], of->im[i] = x[2 * i + 1];
    transform(of);
    for (int64_t k = 0; k <= half; k++) { /* of the even and of the odd numbers */
        const int64_t i = k & (half - 1), m = (half - k) & (half - 1);
        double even = (of->re[i] + of->re[m]) / 2, even_i = (of->im[i] - of->im[m]) / 2;
        double odd = (of->im[i] + of->im[m]) / 2, odd_i = (of->re[m] - of->re[i]) / 2;
        double c = k < half ? cosines[k] : -1, s = k < half ? sines[k] : 0;
        double re = even + odd * c - odd_i * s, im = even_i + odd * s + odd_i * c;
        out[k] = is_real ? re : re * re + im * im;
    }
}

void spikey_power(const spikey_fourier *of, const double *x, double *power) { each_frequency(of, x, 0, power); }

void spikey_real_part(const spikey_fourier *of, const double *x, double *real) { each_frequency(of, x, 1, real); }
