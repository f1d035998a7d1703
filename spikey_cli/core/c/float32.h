/* Functions of float32 that are the same on every machine: IEEE 754's + - * / in the order written. */

#ifndef SPIKEY_FLOAT32_H
#define SPIKEY_FLOAT32_H

#include <stdint.h>
#include <string.h>

static inline float bits_to_float(int32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline int32_t float_to_bits(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* About 2**x, -100 < x < 100. */
static inline float exp2_about(float x) {
    int32_t whole = (int32_t)(x + 128.0f) - 128;
    float m = x - (float)whole;
    return bits_to_float((whole + 127) << 23) * (1.0f + m * (0.65625f + 0.34375f * m));
}

static inline float at_most(float x, float limit) { return x < limit ? x : limit; }
static inline float at_least(float x, float limit) { return x > limit ? x : limit; }

/* A prediction error of the network in 1/256 of its predicted deviation, as messages and logs have it. */
static inline float normalised(float error, float log2_scale) {
    return error * exp2_about(-at_least(at_most(log2_scale, 30.0f), -30.0f)) * 256.0f;
}

#endif
