/* Samples to codes and back; which values occur at all. */

#include "core.h"

#define EACH_SAMPLE_TYPE(body)                        \
    switch (type) {                                   \
    case SPIKEY_UINT8: body(uint8_t) break;           \
    case SPIKEY_INT16: body(int16_t) break;           \
    default: body(int32_t) break;                     \
    }

int spikey_mark(const void *samples, spikey_sample_type type, int64_t n, int32_t lowest, uint8_t *seen,
                int64_t n_seen, int32_t *least_, int32_t *greatest_) {
    int astray = 0;
    int32_t low = INT32_MAX, high = INT32_MIN;
#define BODY(T)                                                       \
    {                                                                 \
        const T *from = samples;                                      \
        for (int64_t i = 0; i < n; i++) {                             \
            uint64_t at = (uint64_t)((int64_t)from[i] - lowest);      \
            low = from[i] < low ? from[i] : low;                      \
            high = from[i] > high ? from[i] : high;                   \
            if (at < (uint64_t)n_seen)                                \
                seen[at] = 1;                                         \
            else                                                      \
                astray = 1;                                           \
        }                                                             \
    }
    EACH_SAMPLE_TYPE(BODY)
#undef BODY
    *least_ = low, *greatest_ = high;
    return !astray;
}

int spikey_uniform_codes(const void *samples, spikey_sample_type type, int64_t n, int32_t offset, int32_t step,
                         int32_t size, int32_t *codes) {
    const uint32_t span = (uint32_t)((int64_t)(size - 1) * step);
    const double per_step = 1.0 / step;
    uint32_t astray = 0;
    if (step == 1) {
#define BODY(T)                                                                \
    {                                                                          \
        const T *from = samples;                                               \
        for (int64_t i = 0; i < n; i++) {                                      \
            uint32_t distance = (uint32_t)(int32_t)from[i] - (uint32_t)offset; \
            astray |= distance > span;                                         \
            codes[i] = (int32_t)distance;                                      \
        }                                                                      \
    }
        EACH_SAMPLE_TYPE(BODY)
#undef BODY
        return !astray;
    }
#define BODY(T)                                                                             \
    {                                                                                       \
        const T *from = samples;                                                            \
        for (int64_t i = 0; i < n; i++) {                                                   \
            uint32_t distance = (uint32_t)(int32_t)from[i] - (uint32_t)offset;              \
            /* exact for whole multiples below 2**24; the check refuses all else */         \
            uint32_t code = (uint32_t)(int32_t)((double)(int32_t)distance * per_step + 0.5); \
            astray |= (distance > span) | (code * (uint32_t)step != distance);              \
            codes[i] = (int32_t)code;                                                       \
        }                                                                                   \
    }
    EACH_SAMPLE_TYPE(BODY)
#undef BODY
    return !astray;
}

int spikey_uniform_samples(const int32_t *codes, int64_t n, int32_t offset, int32_t step, int32_t size,
                           spikey_sample_type type, void *samples) {
    uint32_t astray = 0;
#define BODY(T)                                                                                    \
    {                                                                                              \
        T *to = samples;                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                          \
            uint32_t code = (uint32_t)codes[i];                                                    \
            astray |= code >= (uint32_t)size;                                                      \
            to[i] = (T)((uint32_t)offset + code * (uint32_t)step);                                 \
        }                                                                                          \
    }
    EACH_SAMPLE_TYPE(BODY)
#undef BODY
    return !astray;
}

int spikey_table_codes(const void *samples, spikey_sample_type type, int64_t n, int32_t lowest,
                       const int16_t *code_of, int64_t n_code_of, int32_t *codes) {
    int astray = 0;
#define BODY(T)                                                                             \
    {                                                                                       \
        const T *from = samples;                                                            \
        for (int64_t i = 0; i < n; i++) {                                                   \
            uint64_t distance = (uint64_t)((int64_t)from[i] - lowest); /* below 0: a huge one */ \
            int32_t code = distance < (uint64_t)n_code_of ? code_of[distance] : 0;          \
            astray |= code == 0;                                                            \
            codes[i] = code - 1;                                                            \
        }                                                                                   \
    }
    EACH_SAMPLE_TYPE(BODY)
#undef BODY
    return !astray;
}

int spikey_table_samples(const int32_t *codes, int64_t n, const int32_t *values, int32_t size,
                         spikey_sample_type type, void *samples) {
    int astray = 0;
#define BODY(T)                                               \
    {                                                         \
        T *to = samples;                                      \
        for (int64_t i = 0; i < n; i++) {                     \
            uint32_t code = (uint32_t)codes[i];               \
            astray |= code >= (uint32_t)size;                 \
            to[i] = code < (uint32_t)size ? (T)values[code] : 0; \
        }                                                     \
    }
    EACH_SAMPLE_TYPE(BODY)
#undef BODY
    return !astray;
}
