/* MiddleOut: messages between channels, gathered for the network and joined to regions. */

#include "internal.h"

int spikey_gather_messages(const int64_t *receiver, const int64_t *sender, const float *metric, int64_t n,
                           const float *latent, int64_t rows, int64_t n_lanes, const int32_t *normalised_error,
                           float *messages) {
    for (int64_t i = 0; i < n; i++)
        if (receiver[i] < 0 || receiver[i] >= n_lanes || sender[i] < 0 || sender[i] >= n_lanes)
            return SPIKEY_BAD_ARGUMENT;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < n; i++) {
            messages[row * n + i] = latent[row * n_lanes + receiver[i]];
            messages[(rows + row) * n + i] = latent[row * n_lanes + sender[i]];
        }
    for (int64_t i = 0; i < n; i++) {
        messages[2 * rows * n + i] = metric[i];
        messages[(2 * rows + 1) * n + i] = (float)normalised_error[sender[i]];
    }
    return SPIKEY_OK;
}

/* A float32 that holds an integer of a proven range, as one; anything else becomes some number of that range. */
static int64_t integer_of(float x) {
    return x >= -33554432.0f && x <= 33554432.0f ? (int64_t)x : 0;
}

int spikey_join_regions(int64_t first_lane, const int64_t *receiver, const int64_t *share, int64_t n,
                        const float *region, const float *latent, int64_t rows, int64_t n_lanes, int is_residual,
                        float *joined, int64_t n_joined) {
    if (first_lane < 0 || n_joined < 0 || first_lane > n_lanes - n_joined) return SPIKEY_BAD_ARGUMENT;
    for (int64_t i = 0; i < n; i++)
        if (receiver[i] < first_lane || receiver[i] >= first_lane + n_joined) return SPIKEY_BAD_ARGUMENT;
    for (int64_t row = 0; row < rows; row++) {
        float *sum = joined + row * n_joined;
        for (int64_t i = 0; i < n_joined; i++) sum[i] = 0;
        for (int64_t i = 0; i < n; i++) sum[receiver[i] - first_lane] += region[row * n + i];
        for (int64_t i = 0; i < n_joined; i++) {
            int64_t total = integer_of(sum[i]), count = greatest(share[first_lane + i], 1);
            int64_t average = total >= 0 ? total / count : -((count - 1 - total) / count);
            if (is_residual) average += integer_of(latent[row * n_lanes + first_lane + i]);
            sum[i] = (float)clip(average, SPIKEY_INPUT_LIMIT);
        }
    }
    return SPIKEY_OK;
}
