/* Steps: predict, code, take in, learn; one loop for all coders and both directions. */

#include <string.h>

#include "internal.h"

/* Where the samples of a group's lanes stand among the codes that the caller has. */
typedef struct {
    int32_t *codes;
    int64_t n_codes;
    int by_step;      /* codes[step][lane], the first being those of the next step */
} source;

/* Whether each lane's samples from the next step on lie within the codes. */
static int covers(const spikey_state *state, const source *codes, int64_t n_steps) {
    if (codes->by_step) return n_steps <= codes->n_codes / state->n_lanes;
    for (int64_t lane = 0; lane < state->n_lanes; lane++) {
        int64_t length = state->length[state->position_of[lane]];
        if (state->start[lane] > codes->n_codes - length) return 0;
    }
    return 1;
}

enum { LANES_AT_ONCE = 16 }; /* that are copied side by side: a row of them fills a line of the cache */

/* Where the samples of a lane's next steps stand, and how far they are apart. */
static int32_t *samples_of(const spikey_state *state, const source *codes, int64_t lane, int64_t step, int64_t row,
                           int64_t *pace) {
    *pace = codes->by_step ? state->n_lanes : 1;
    return codes->codes + (codes->by_step ? row * state->n_lanes + lane : state->start[lane] + step);
}

/* Copy `n` steps from the codes to the tile; returns 0 if one is not of its channel. Behind its end a lane has zeros. */
static int gather(spikey_state *state, const source *codes, int64_t row, int64_t n) {
    int32_t astray = 0;
    for (int64_t first = 0; first < state->n_lanes; first += LANES_AT_ONCE) {
        int64_t lanes = least(LANES_AT_ONCE, state->n_lanes - first), pace = 1, shared = n;
        const int32_t *from[LANES_AT_ONCE];
        int32_t *to[LANES_AT_ONCE], most[LANES_AT_ONCE];
        for (int64_t k = 0; k < lanes; k++) {
            int64_t i = state->position_of[first + k];
            from[k] = samples_of(state, codes, first + k, state->step, row, &pace);
            to[k] = state->tile + i;
            most[k] = state->size[state->channel_of[first + k]] - 1;
            shared = least(shared, greatest(state->length[i] - state->step, 0));
        }
        for (int64_t s = 0; s < n; s++)
            for (int64_t k = 0; k < lanes; k++) {
                int32_t code = 0;
                if (s < shared || s < state->length[to[k] - state->tile] - state->step) code = from[k][s * pace];
                astray |= code | (int32_t)((uint32_t)most[k] - (uint32_t)code); /* its sign */
                to[k][s * state->n_positions] = code;
            }
    }
    return astray >= 0;
}

static void scatter(const spikey_state *state, const source *codes, int64_t step, int64_t row, int64_t n) {
    for (int64_t first = 0; first < state->n_lanes; first += LANES_AT_ONCE) {
        int64_t lanes = least(LANES_AT_ONCE, state->n_lanes - first), pace = 1, shared = n;
        int32_t *to[LANES_AT_ONCE];
        const int32_t *from[LANES_AT_ONCE];
        for (int64_t k = 0; k < lanes; k++) {
            int64_t i = state->position_of[first + k];
            to[k] = samples_of(state, codes, first + k, step, row, &pace);
            from[k] = state->tile + i;
            shared = least(shared, greatest(state->length[i] - step, 0));
        }
        for (int64_t s = 0; s < n; s++)
            for (int64_t k = 0; k < lanes; k++)
                if (s < shared || s < state->length[from[k] - state->tile] - step)
                    to[k][s * pace] = from[k][s * state->n_positions];
    }
}

/* Note where a stream's lanes stand, if they are evenly spread. */
static void place_stream(const spikey_state *state, spikey_coder *coder, int64_t stream) {
    const int32_t *position = state->position_of + coder->first_lane[stream];
    int64_t n = coder->first_lane[stream + 1] - coder->first_lane[stream], stride = n > 1 ? position[1] - position[0] : LANES;
    for (int64_t i = 2; i < n; i++)
        if (position[i] - position[i - 1] != stride) stride = 0;
    coder->stream_position[stream] = position[0];
    coder->stream_stride[stream] = stride;
}

/* Whether the coder has the lanes of the group, its streams are of one pass each, and both come to this pass next. */
static int fits(const spikey_state *state, spikey_coder *coder, int64_t next_pass) {
    if (coder->n_lanes != state->n_lanes || coder->n_edges != state->n_edges || state->next_pass != next_pass ||
        (!coder->is_endless && coder->next_step != state->step) || (coder->decodes && !coder->is_open))
        return 0;
    if (coder->n_edges && memcmp(coder->edges, state->edges, (size_t)coder->n_edges * sizeof *coder->edges)) return 0;
    int64_t stream = 0;
    for (int64_t pass = 0; pass < state->n_passes; pass++) {
        if (pass == next_pass && stream != coder->next_stream) return 0;
        int64_t stop = state->first_lane[state->pass_channel[pass + 1]];
        for (; stream < coder->n_streams && coder->first_lane[stream] < stop; stream++) {
            if (coder->first_lane[stream + 1] > stop) return 0;
            for (int64_t lane = coder->first_lane[stream]; lane < coder->first_lane[stream + 1]; lane++) {
                int64_t channel = state->channel_of[lane];
                if (coder->size[stream] != state->size[channel] ||
                    coder->profiled[stream] != state->profiled[channel])
                    return 0;
            }
            place_stream(state, coder, stream);
        }
    }
    /* an encoder has room for lanes as long as it was told, or for a number of steps */
    for (int64_t lane = 0; (!coder->is_endless || coder->kind == SPIKEY_RANKS) && lane < state->n_lanes; lane++)
        if (coder->length[lane] != state->length[state->position_of[lane]]) return 0;
    return 1;
}

static void code_streams(spikey_state *state, spikey_coder *coder, int64_t first, int64_t stop, int32_t *codes) {
    switch (coder->kind) {
    case SPIKEY_RANGE:
        (coder->decodes ? spikey_range_decode(coder, state, first, stop, codes)
                        : spikey_range_encode(coder, state, first, stop, codes));
        break;
    case SPIKEY_RICE:
        (coder->decodes ? state->kernels->rice_decode(coder, state, first, stop, codes)
                        : state->kernels->rice_encode(coder, state, first, stop, codes));
        break;
    case SPIKEY_RANKS:
        (coder->decodes ? spikey_ranks_decode(coder, state, first, stop, codes)
                        : spikey_ranks_encode(coder, state, first, stop, codes));
        break;
    }
}

/* Take the state's step of some passes; `stream` is the first one of the first pass, and becomes that behind the last.
 * An encoder knows all codes, and predicts and codes the passes together. */
static void take_step(spikey_state *state, spikey_coder *coder, int naive, int64_t first_pass, int64_t stop_pass,
                      int64_t *stream, int32_t *codes) {
    const spikey_kernels *kernels = state->kernels;
    int64_t first = *stream;
    if (first_pass == 0) spikey_begin_step(state);
    kernels->begin(state, naive);
    for (int64_t pass = first_pass; pass < stop_pass; pass++) {
        int64_t stop_lane = state->first_lane[state->pass_channel[pass + 1]];
        while (*stream < coder->n_streams && coder->first_lane[*stream] < stop_lane) ++*stream;
        kernels->take_means(state, pass);
        if (coder->decodes) {
            kernels->predict_means(state, pass, pass + 1);
            code_streams(state, coder, first, *stream, codes);
            first = *stream;
        }
        kernels->advance(state, pass, codes);
    }
    if (!coder->decodes) {
        kernels->predict_means(state, first_pass, stop_pass);
        code_streams(state, coder, first, *stream, codes);
    }
    if (state->log.n)
        for (int64_t pass = first_pass; pass < stop_pass; pass++) spikey_record(state, pass, codes, naive);
    if (stop_pass == state->n_passes) {
        kernels->update(state);
        spikey_end_step(state);
    }
}

static void go_on(spikey_state *state, spikey_coder *coder) {
    coder->steps_left--;
    coder->next_step++;
    coder->next_stream = state->next_pass = 0;
    if (++state->step > SPIKEY_FAR) spikey_shift_steps(state, -SPIKEY_FAR / 2); /* a live stream never ends */
}

int spikey_take_steps(spikey_state *state, spikey_coder *coder, int32_t *codes, int64_t n_codes, int by_step,
                      int64_t n_steps) {
    source from = {codes, n_codes, by_step};
    if (n_steps < 0 || n_steps > SPIKEY_FAR || !fits(state, coder, 0) || !covers(state, &from, n_steps)) return SPIKEY_BAD_ARGUMENT;
    if (n_steps == 0) return SPIKEY_OK;
    if (n_steps > coder->steps_left) return SPIKEY_NO_ROOM;
    if (state->window && !state->network && state->step + n_steps > state->window + 1) return SPIKEY_BAD_ARGUMENT;
    if (spikey_coder_fit(coder, state)) return SPIKEY_NO_MEMORY;
    for (int64_t row = 0; row < n_steps; row += SPIKEY_TILE) {
        int64_t n = least(SPIKEY_TILE, n_steps - row), first_step = state->step;
        if (!coder->decodes && !gather(state, &from, row, n)) return SPIKEY_BAD_CODE;
        for (int64_t i = 0; i < n; i++) {
            int64_t stream = 0;
            int naive = state->step <= state->window || state->window == 0;
            if (!naive && state->vectors)
                state->kernels->evaluate(state);
            else if (!naive)
                spikey_network_evaluate(state->network, state->history, state->n_history, state->step, 0,
                                        state->n_positions, state->n_positions, state->scratch, state->outputs);
            take_step(state, coder, naive, 0, state->n_passes, &stream, state->tile + i * state->n_positions);
            go_on(state, coder);
        }
        if (coder->decodes) scatter(state, &from, first_step, row, n);
    }
    return SPIKEY_OK;
}

int spikey_take_passes(spikey_state *state, spikey_coder *coder, const float *outputs, int64_t first_pass,
                       int64_t stop_pass, int32_t *codes, int64_t n_codes, int by_step) {
    source from = {codes, n_codes, by_step};
    if (first_pass < 0 || first_pass >= stop_pass || stop_pass > state->n_passes || state->window == 0 ||
        state->step <= state->window || !fits(state, coder, first_pass) || !covers(state, &from, 1))
        return SPIKEY_BAD_ARGUMENT;
    if (coder->steps_left < 1) return SPIKEY_NO_ROOM;
    if (!coder->decodes && first_pass == 0 && !gather(state, &from, 0, 1)) return SPIKEY_BAD_CODE;
    if (spikey_coder_fit(coder, state)) return SPIKEY_NO_MEMORY;
    int64_t first_lane = state->first_lane[state->pass_channel[first_pass]];
    int64_t stop_lane = state->first_lane[state->pass_channel[stop_pass]];
    for (int r = 0; r < 3; r++)
        for (int64_t lane = first_lane; lane < stop_lane; lane++) {
            float x = outputs[r * state->n_lanes + lane];
            int32_t whole = x > -(float)SPIKEY_OUTPUT_LIMIT && x < (float)SPIKEY_OUTPUT_LIMIT ? (int32_t)x : 0;
            state->outputs[r * state->n_positions + state->position_of[lane]] = whole;
        }
    int64_t stream = 0;
    while (stream < coder->n_streams && coder->first_lane[stream] < first_lane) stream++;
    take_step(state, coder, 0, first_pass, stop_pass, &stream, state->tile);
    state->next_pass = stop_pass;
    coder->next_stream = stream;
    if (stop_pass == state->n_passes) {
        if (coder->decodes) scatter(state, &from, state->step, 0, 1);
        go_on(state, coder);
    }
    return SPIKEY_OK;
}

int spikey_code_step(spikey_state *state, spikey_coder *coder, const int32_t *predicted_mean, const int32_t *log2_scale,
                     const int32_t *outlier_weight, int32_t *codes) {
    source from = {codes, state->n_lanes, 1};
    if (!fits(state, coder, 0)) return SPIKEY_BAD_ARGUMENT;
    if (coder->steps_left < 1) return SPIKEY_NO_ROOM;
    if (spikey_coder_fit(coder, state)) return SPIKEY_NO_MEMORY;
    if (!coder->decodes && !gather(state, &from, 0, 1)) return SPIKEY_BAD_CODE;
    for (int64_t lane = 0; lane < state->n_lanes; lane++) {
        int64_t i = state->position_of[lane];
        if (predicted_mean[lane] < state->lowest[i] || predicted_mean[lane] > state->highest[i])
            return SPIKEY_BAD_ARGUMENT;
        state->predicted_mean[i] = predicted_mean[lane];
        state->log2_scale[i] = log2_scale[lane];
        state->outlier_weight[i] = outlier_weight[lane];
    }
    code_streams(state, coder, 0, coder->n_streams, state->tile);
    if (coder->decodes) scatter(state, &from, state->step, 0, 1);
    go_on(state, coder);
    return SPIKEY_OK;
}

int spikey_initial_codes(const spikey_state *state, int32_t *codes, int64_t n_codes) {
    for (int64_t lane = 0; lane < state->n_lanes; lane++) {
        if (state->start[lane] >= n_codes) return SPIKEY_BAD_ARGUMENT;
        codes[state->start[lane]] = state->initial_codes[lane];
    }
    return SPIKEY_OK;
}
