/* Samples that are computed from integers, and those integers. Every product, quotient and sum is rounded once, to the
 * precision of its kind: no step is fused with another (see the build), whatever the machine. */

#include <math.h>
#include <string.h>

#include "exact_floats.h"
#include "core.h"

/* The samples of each kind, from an integer k. Assigning to P rounds. */
#define INTEGER(P, k) ((uint64_t)scaling->base + (uint64_t)scaling->step * (uint64_t)(int64_t)(k))
#define MULTIPLY(P, k) ((P)((P)((P)(k) * (P)gain) + (P)offset))
#define DIVIDE(P, k) ((P)((P)((P)(k) / (P)gain) + (P)offset))
#define SHIFT(P, k) ((P)((P)((P)(k) + (P)offset) * (P)gain))
#define TWICE(P, k) ((P)((P)((P)(k) * (P)gain) * (P)offset))
#define RATIO(P, k) ((P)((P)((P)(k) * (P)gain) / (P)offset))
#define UPPER(P, k) ((k) < 0 ? -((P)(~(k)) * (P)gain) : (P)(k) * (P)gain)

#define EACH_KIND(body, T)                                     \
    switch (scaling->kind) {                                   \
    case SPIKEY_SCALE_MULTIPLY: body(T, double, MULTIPLY) break;  \
    case SPIKEY_SCALE_DIVIDE: body(T, double, DIVIDE) break;      \
    case SPIKEY_SCALE_SHIFT: body(T, double, SHIFT) break;        \
    case SPIKEY_SCALE_TWICE: body(T, double, TWICE) break;      \
    case SPIKEY_SCALE_RATIO: body(T, double, RATIO) break;      \
    case SPIKEY_SCALE_MULTIPLY32: body(T, float, MULTIPLY) break; \
    case SPIKEY_SCALE_DIVIDE32: body(T, float, DIVIDE) break;     \
    case SPIKEY_SCALE_SHIFT32: body(T, float, SHIFT) break;       \
    case SPIKEY_SCALE_TWICE32: body(T, float, TWICE) break;       \
    case SPIKEY_SCALE_RATIO32: body(T, float, RATIO) break;       \
    default: body(T, double, UPPER) break;                     \
    }

#define EACH_TYPE(body)                                            \
    switch (type) {                                                \
    case SPIKEY_SAMPLE_UINT16: body(uint16_t, uint64_t, INTEGER) break; \
    case SPIKEY_SAMPLE_INT32: body(int32_t, uint64_t, INTEGER) break;   \
    case SPIKEY_SAMPLE_UINT32: body(uint32_t, uint64_t, INTEGER) break; \
    case SPIKEY_SAMPLE_INT64: body(int64_t, uint64_t, INTEGER) break;   \
    case SPIKEY_SAMPLE_FLOAT32: EACH_KIND(body, float) break;           \
    default: EACH_KIND(body, double) break;                        \
    }

void spikey_scaled(const int32_t *integers, int64_t n, const spikey_scaling *scaling, spikey_scaled_type type,
                   void *samples) {
    const double gain = scaling->gain, offset = scaling->offset;
#define BODY(T, P, FORWARD)                                                      \
    {                                                                            \
        T *to = samples;                                                         \
        for (int64_t i = 0; i < n; i++) to[i] = (T)FORWARD(P, integers[i]);      \
    }
    EACH_TYPE(BODY)
#undef BODY
}

/* The integers of the upper bits, which are exact: gain is a power of two. */
#define UPPER_BITS(T)                                                                                       \
    for (int64_t i = 0; i < n; i++) {                                                                       \
        const double x = (double)((const T *)samples)[i], steps = fabs(x) / gain;                           \
        const int is_within = (steps >= 1 || x == 0) && steps <= (double)(signbit(x) ? ~lowest : highest);  \
        const int32_t whole = is_within ? (int32_t)steps : 0;                                               \
        exceptions += !is_within;                                                                           \
        integers[i] = !is_within ? SPIKEY_NO_INTEGER : signbit(x) ? ~whole : whole;                         \
    }

static int64_t upper_bits(const void *samples, spikey_scaled_type type, int64_t n, double gain, int32_t lowest, int32_t highest,
                          int32_t *integers) {
    int64_t exceptions = 0;
    if (type == SPIKEY_SAMPLE_FLOAT32) UPPER_BITS(float) else UPPER_BITS(double)
    return exceptions;
}

int64_t spikey_unscaled(const void *samples, spikey_scaled_type type, int64_t n, const spikey_scaling *scaling,
                        int32_t lowest, int32_t highest, int32_t *integers) {
    if (scaling->kind == SPIKEY_SCALE_UPPER_BITS) return upper_bits(samples, type, n, scaling->gain, lowest, highest, integers);
    const double gain = scaling->gain, offset = scaling->offset;
    const double first = lowest, last = highest;
    int64_t exceptions = 0;
    /* k is about factor * (x - origin) - shift; whether it is, its sample tells */
    const int is_quotient = scaling->kind == SPIKEY_SCALE_DIVIDE || scaling->kind == SPIKEY_SCALE_DIVIDE32;
    const int is_shifted = scaling->kind == SPIKEY_SCALE_SHIFT || scaling->kind == SPIKEY_SCALE_SHIFT32;
    const int is_product = scaling->kind == SPIKEY_SCALE_TWICE || scaling->kind == SPIKEY_SCALE_TWICE32;
    const int is_ratio = scaling->kind == SPIKEY_SCALE_RATIO || scaling->kind == SPIKEY_SCALE_RATIO32;
    const double factor = is_quotient ? gain : is_product ? 1.0 / (gain * offset) : is_ratio ? offset / gain : 1.0 / gain;
    const double origin = is_shifted || is_product || is_ratio ? 0.0 : offset, shift = is_shifted ? offset : 0.0;
    const double per_step = 1.0 / (double)scaling->step;
#define GUESS_uint64_t(x) ((double)(int64_t)((uint64_t)(x) - (uint64_t)scaling->base) * per_step)
#define GUESS_double(x) (((double)(x) - origin) * factor - shift)
#define GUESS_float(x) GUESS_double(x)
#define BODY(T, P, FORWARD)                                                          \
    {                                                                                \
        const T *from = samples;                                                     \
        for (int64_t i = 0; i < n; i++) {                                            \
            double guess = GUESS_##P(from[i]);                                       \
            guess = guess > first ? guess : first; /* a NaN becomes `first` */       \
            guess = guess < last ? guess : last;                                     \
            int32_t k = (int32_t)(guess - first + 0.5) + lowest;                     \
            T sample = (T)FORWARD(P, k);                                             \
            int differs = memcmp(&sample, &from[i], sizeof(T)) != 0;                 \
            exceptions += differs;                                                   \
            integers[i] = differs ? SPIKEY_NO_INTEGER : k;                           \
        }                                                                            \
    }
    EACH_TYPE(BODY)
#undef BODY
    return exceptions;
}
