/* Residuals of an excerpt under a linear prediction of short order: what a channel does not say of itself beforehand.
 * Channels that were recorded together share some of it.
 *
 *     d(t)   the differences of the samples
 *     r(t) = d(t) - sum of a(k) d(t - k)       a: least squares by the autocorrelation method (Levinson, Durbin)
 *     out  = 127 / 4 * (r, clipped at 4 deviations, less its mean) / deviation
 *
 * The deviation is 1.4826 medians of |r| plus one step of the samples: spikes and artefacts do not count, and of a
 * channel that hardly moves, only what does.
 *
 * And the bits that longer predictions save, by the errors of least squares. Only an encoder computes all this; its floating
 * point needs not be the same on every machine. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

enum { ORDER = SPIKEY_MIN_ORDER, RUN = 16, RUNS = 64, BINS = 1 << 11, BIN_SHIFT = 20,
       TAPS = SPIKEY_MAX_ORDER + 2, STRETCH = 1 << 10, SUMMED = 1 << 13 };
static const double ADDED = 1e-3; /* mean square of noise, as if samples had it */

/* Differences of one of `n_channels` interleaved channels, after ORDER zeros. */
static void differences_of(const void *samples, spikey_sample_type type, int64_t n, int64_t n_channels, float *d) {
    for (int64_t t = 0; t < ORDER + 1; t++) d[t] = 0;
    d += ORDER;
#define BODY(T)                                                             \
    {                                                                       \
        const T *from = samples;                                            \
        for (int64_t t = 1; t < n; t++)                                     \
            d[t] = (float)from[t * n_channels] - (float)from[(t - 1) * n_channels]; \
    }
    switch (type) {
    case SPIKEY_UINT8: BODY(uint8_t) break;
    case SPIKEY_INT16: BODY(int16_t) break;
    default: BODY(int32_t) break;
    }
#undef BODY
}

/* Sums of d(t) d(t - k), over every second run of a long excerpt. Partial sums side by side: a compiler may not reorder a
 * single one. */
static void autocorrelate(const float *d, int64_t n, double sums[ORDER + 1]) {
    for (int k = 0; k <= ORDER; k++) sums[k] = 0;
    int64_t every = n < 1 << 14 ? 1 : 2;
    for (int64_t first = 0; first < n; first += every * RUN * RUNS) {
        int64_t stop = first + RUN * RUNS < n ? first + RUN * RUNS : n;
        for (int k = 0; k <= ORDER; k++) {
            float partial[RUN] = {0};
            int64_t t = first;
            for (; t + RUN <= stop; t += RUN)
                for (int i = 0; i < RUN; i++) partial[i] += d[t + i] * d[t + i - k];
            for (; t < stop; t++) partial[0] += d[t] * d[t - k];
            for (int i = 0; i < RUN; i++) sums[k] += (double)partial[i];
        }
    }
}

/* Coefficients of the prediction; 0 from where it cannot become better. */
static void solve(const double sums[ORDER + 1], float a[ORDER]) {
    double c[ORDER] = {0}, error = sums[0];
    for (int k = 0; k < ORDER && error > 1e-6 * sums[0]; k++) {
        double reflection = sums[k + 1], before[ORDER];
        for (int i = 0; i < k; i++) reflection -= c[i] * sums[k - i];
        reflection /= error;
        memcpy(before, c, sizeof before);
        for (int i = 0; i < k; i++) c[i] -= reflection * before[k - 1 - i];
        c[k] = reflection;
        error *= 1 - reflection * reflection;
    }
    for (int k = 0; k < ORDER; k++) a[k] = (float)c[k];
}

/* About the median of |r|: the lower edge of its bin of an eighth of an octave. */
static float median(const float *r, int64_t n) {
    int32_t count[BINS] = {0}, below = 0;
    int64_t every = n < 1 << 13 ? 1 : 4, half = ((n + every - 1) / every + 1) / 2;
    union {
        float number;
        uint32_t bits;
    } value = {0};
    for (int64_t t = 0; t < n; t += every) {
        value.number = r[t];
        count[(value.bits & 0x7fffffff) >> BIN_SHIFT]++;
    }
    uint32_t bin = 0;
    while (bin < BINS - 1 && (below += count[bin]) < half) bin++;
    value.bits = bin << BIN_SHIFT;
    return value.number;
}

static void predict(const float *restrict d, int64_t n, const float a[ORDER], float *restrict r) {
    for (int64_t t = 0; t < n; t++) {
        float predicted = 0;
        for (int k = 0; k < ORDER; k++) predicted += a[k] * d[t - 1 - k];
        r[t] = d[t] - predicted;
    }
}

/* r clipped at four deviations, less its mean, as int8. */
static void quantise(float *r, int64_t n, int8_t *out) {
    float limit = 4 * (1.4826F * median(r, n) + 1), scale = 127 / limit, mean[RUN] = {0};
    for (int64_t i = 0; i < n; i++) r[i] = r[i] < limit ? r[i] > -limit ? r[i] : -limit : limit;
    int64_t t = 0;
    for (; t + RUN <= n; t += RUN)
        for (int i = 0; i < RUN; i++) mean[i] += r[t + i];
    for (; t < n; t++) mean[0] += r[t];
    for (int i = 1; i < RUN; i++) mean[0] += mean[i];
    mean[0] /= (float)n;
    for (t = 0; t < n; t++) {
        int32_t x = (int32_t)((r[t] - mean[0]) * scale + 256.5F) - 256;
        x = x < 127 ? x : 127;
        out[t] = (int8_t)(x > -127 ? x : -127);
    }
}

/* ---- orders ---- */

/* Sums of x(t - i) x(t - j), j <= i, of samples with the differences d, over stretches of a long excerpt, each less its mean;
 * returns over how many samples. Along a diagonal, sums differ only by the ends of stretches. */
static int64_t multiply(const float *d, int64_t n, double sums[TAPS][TAPS]) {
    const int64_t every = 1 + n / SUMMED;
    int64_t summed = 0;
    memset(sums, 0, TAPS * sizeof *sums);
    for (int64_t first = 0; first + 2 * TAPS <= n; first += every * STRETCH) {
        const int64_t size = first + STRETCH < n ? STRETCH : n - first, count = size - TAPS;
        double x[STRETCH], mean = 0, sum = 0;
        for (int64_t t = 0; t < size; t++) mean += x[t] = sum += (double)d[first + t];
        for (int64_t t = 0; t < size; t++) x[t] -= mean / (double)size;
        for (int k = 0; k < TAPS; k++) {
            double partial[RUN] = {0};
            const double *own = x + TAPS, *before = own - k;
            int64_t t = 0;
            for (; t + RUN <= count; t += RUN)
                for (int i = 0; i < RUN; i++) partial[i] += own[t + i] * before[t + i];
            for (; t < count; t++) partial[0] += own[t] * before[t];
            for (int i = 0; i < RUN; i++) sums[k][0] += partial[i];
        }
        for (int i = 1; i < TAPS; i++)
            for (int j = 1; j <= i; j++) sums[i][j] += x[TAPS - i] * x[TAPS - j] - x[size - i] * x[size - j];
        summed += count;
    }
    for (int i = 1; i < TAPS; i++)
        for (int j = 1; j <= i; j++) sums[i][j] += sums[i - 1][j - 1];
    return summed;
}

/* The bits that more differences save a sample: p of them and the level say what p + 1 samples say. Solved by LDL^T, whose
 * pivots take one sample after another from the error. */
static void find_savings(const float *d, int64_t n, double saved[2]) {
    double sums[TAPS][TAPS], error[TAPS];
    const double count = (double)multiply(d, n, sums), noise = ADDED * (count + 1);
    for (int k = 1; k < TAPS; k++) {
        const double inverse = 1 / ((sums[k][k] > 0 ? sums[k][k] : 0) + noise);
        for (int i = k + 1; i < TAPS; i++) {
            const double factor = sums[i][k] * inverse;
            for (int j = k + 1; j <= i; j++) sums[i][j] -= factor * sums[j][k];
            sums[i][0] -= factor * sums[k][0];
        }
        sums[0][0] -= sums[k][0] * sums[k][0] * inverse;
        error[k] = (sums[0][0] > 0 ? sums[0][0] : 0) + (count + 1) / 12; /* samples are rounded */
    }
    saved[0] = 0.5 * log2(error[ORDER + 1] / error[2 * ORDER + 1]);
    saved[1] = 0.5 * log2(error[ORDER + 1] / error[4 * ORDER + 1]);
}

int spikey_residuals(const void *samples, spikey_sample_type type, int64_t n, int64_t n_channels, int8_t *residuals,
                     double *saved) {
    float *work = malloc((size_t)(ORDER + 2 * n) * sizeof(float));
    if (!work) return SPIKEY_NO_MEMORY;
    float *d = work + ORDER, *r = d + n;
    int64_t first = n < ORDER + 1 ? n : ORDER + 1; /* before it, the prediction lacks differences */
    size_t width = type == SPIKEY_UINT8 ? 1 : type == SPIKEY_INT16 ? 2 : 4;
    memset(residuals, 0, (size_t)(n * n_channels));
    memset(saved, 0, (size_t)(2 * n_channels) * sizeof *saved);
    for (int64_t channel = 0; channel < n_channels && n > first; channel++) {
        double sums[ORDER + 1];
        float a[ORDER];
        differences_of((const char *)samples + (size_t)channel * width, type, n, n_channels, work);
        autocorrelate(d, n, sums);
        solve(sums, a);
        predict(d, n, a, r);
        find_savings(d, n, saved + 2 * channel);
        quantise(r + first, n - first, residuals + channel * n + first);
    }
    free(work);
    return 0;
}
