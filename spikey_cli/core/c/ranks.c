/* Ranks first, bits later: for coders whose streams do not depend on the predicted scale. */

#include "ranks.h"

#include "internal.h"

static rank_origin origin_at(const spikey_coder *coder, const spikey_state *state, int64_t stream, int64_t i) {
    return origin_of(state->predicted_mean[i], coder->profiled[stream] ? coder->edges : 0, coder->size[stream]);
}

void spikey_ranks_encode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop,
                         const int32_t *codes) {
    for (int64_t stream = first; stream < stop; stream++)
        for (int64_t lane = coder->first_lane[stream]; lane < coder->first_lane[stream + 1]; lane++) {
            int64_t i = state->position_of[lane];
            if (state->length[i] > state->step)
                coder->ranks[coder->first_rank[lane] + state->step - 1] =
                    rank_from_code(codes[i], origin_at(coder, state, stream, i), coder->size[stream]);
        }
}

void spikey_ranks_decode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes) {
    for (int64_t stream = first; stream < stop; stream++)
        for (int64_t lane = coder->first_lane[stream]; lane < coder->first_lane[stream + 1]; lane++) {
            int64_t i = state->position_of[lane];
            if (state->length[i] <= state->step) continue;
            int32_t rank = coder->ranks[coder->first_rank[lane] + state->step - 1];
            if (rank < 0 || rank >= coder->size[stream]) {
                rank = 0;
                coder->damaged[stream] = 1;
            }
            codes[i] = code_from_rank(rank, origin_at(coder, state, stream, i), coder->size[stream]);
        }
}
