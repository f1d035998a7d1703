/* The channels of a group on their way: how their lanes lie, and what is known of them before the first step. */

#include <stdlib.h>
#include <string.h>

#include "float32.h"
#include "internal.h"

static int is_partition(const int64_t *first, int64_t n, int64_t total) {
    if (n < 1 || first[0] != 0 || first[n] != total) return 0;
    for (int64_t i = 0; i < n; i++)
        if (first[i] >= first[i + 1]) return 0;
    return 1;
}

int spikey_check_profile(const int32_t *edges, int64_t n_edges) {
    if (n_edges == 0) return 1;
    if (n_edges < SPIKEY_ORDERED + 1 || n_edges > SPIKEY_MAX_SMALL + 1) return 0;
    for (int64_t i = 0; i < n_edges; i++) {
        int64_t away = edges[i] - (64 * i - 32);
        if (away < -SPIKEY_MAX_DRIFT || away > SPIKEY_MAX_DRIFT || (i > 0 && edges[i] <= edges[i - 1])) return 0;
    }
    return 1;
}

/* Whether two channels have as many lanes, of the same lengths. */
static int have_equal_lanes(const spikey_group *group, int64_t a, int64_t b) {
    int64_t first = group->first_lane[a], other = group->first_lane[b], n = group->first_lane[a + 1] - first;
    if (group->first_lane[b + 1] - other != n) return 0;
    for (int64_t i = 0; i < n; i++)
        if (group->length[first + i] != group->length[other + i]) return 0;
    return 1;
}

static int check(const spikey_group *group) {
    if (!is_partition(group->first_lane, group->n_channels, group->n_lanes) ||
        !is_partition(group->pass_channel, group->n_passes, group->n_channels) ||
        !spikey_check_profile(group->edges, group->n_edges) || group->window < 0 ||
        group->window > SPIKEY_MAX_WINDOW || group->effort < SPIKEY_FAST || group->effort > SPIKEY_BEST || group->n_lanes > INT32_MAX / 64 ||
        (group->network && group->window != spikey_network_window(group->network)))
        return 0;
    for (int64_t pass = 0; pass < group->n_passes; pass++)
        for (int64_t channel = group->pass_channel[pass]; channel < group->pass_channel[pass + 1]; channel++) {
            int64_t first = group->first_lane[channel], stop = group->first_lane[channel + 1];
            int64_t size = group->size[channel];
            if (size < 1 || size > SPIKEY_MAX_SIZE || (group->profiled[channel] && size != group->n_edges - 1))
                return 0;
            for (int j = 0; j < SPIKEY_MAX_REFERENCES; j++) {
                int64_t other = group->references[channel * SPIKEY_MAX_REFERENCES + j];
                if (other < 0) break;
                if (other >= group->pass_channel[pass] || !have_equal_lanes(group, channel, other)) return 0;
            }
            for (int j = 0; j < SPIKEY_MAX_LATER; j++) {
                int64_t other = group->later[channel * SPIKEY_MAX_LATER + j];
                if (other < 0) break;
                if (other < group->pass_channel[pass] || other >= group->n_channels ||
                    !have_equal_lanes(group, channel, other))
                    return 0;
            }
            int64_t leader = group->mean_group[channel];
            if (leader < 0 || leader > channel || group->mean_group[leader] != leader ||
                !have_equal_lanes(group, channel, leader))
                return 0;
            if (group->lags[channel] < 0 || group->lags[channel] > SPIKEY_MAX_LAG ||
                (group->lags[channel] && group->lags[channel] < SPIKEY_MIN_LAG))
                return 0;
            const int64_t order = group->orders[channel];
            if (order < SPIKEY_MIN_ORDER || order > SPIKEY_MAX_ORDER || (order & (order - 1))) return 0;
            for (int64_t lane = first; lane < stop; lane++)
                if (group->length[lane] < 1 || group->start[lane] < 0 || group->gains[lane] > SPIKEY_MAX_GAIN ||
                    (group->log.n && group->start[lane] > group->log.n - group->length[lane]) ||
                    group->initial_codes[lane] < 0 || group->initial_codes[lane] >= size)
                    return 0;
        }
    return 1;
}

/* ---- vectors ---- */

/* Whether the network runs in vectors. */
static int is_bounded(const spikey_group *group) {
    return group->window == 0 || (group->network && spikey_network_is_integer(group->network));
}

static int32_t lanes_in(const spikey_group *group, int64_t channel) {
    return (int32_t)(group->first_lane[channel + 1] - group->first_lane[channel]);
}

/* Rows of the vectors of the channels from `channel` on that stand side by side. */
static int32_t rows_of(const spikey_state *state, const spikey_group *group, int64_t channel) {
    int64_t most = 0;
    for (int64_t c = channel; c < least(channel + state->at_once, group->n_channels); c++)
        most = greatest(most, lanes_in(group, c));
    return (int32_t)((most * state->at_once + LANES - 1) / LANES);
}

/* Spread the channels over vectors, in the way that needs fewest. Without `state->groups` they are counted. */
static void spread(spikey_state *state, const spikey_group *group) {
    int64_t fewest = INT64_MAX, at_once = 1;
    for (state->at_once = 1; state->at_once <= LANES; state->at_once *= 2) {
        int64_t rows = 0;
        for (int64_t channel = 0; channel < group->n_channels; channel += state->at_once)
            rows += rows_of(state, group, channel);
        if (rows <= fewest) fewest = rows, at_once = state->at_once;
    }
    state->at_once = at_once;
    state->n_positions = (LANES * fewest + 2 * LANES - 1) / (2 * LANES) * (2 * LANES);
    state->n_groups = (group->n_channels + at_once - 1) / at_once;
    state->most_rows = 0;
    int64_t position = 0;
    for (int64_t g = 0; g < state->n_groups; g++) {
        int64_t first = g * at_once, stop = least(first + at_once, group->n_channels);
        int32_t n_rows = rows_of(state, group, first);
        state->most_rows = greatest(state->most_rows, n_rows);
        if (state->groups) {
            vector_group *own = &state->groups[g];
            own->position = position;
            own->rows = n_rows;
            own->at_once = (int32_t)at_once;
            own->first_channel = (int32_t)first;
            own->n_channels = (int32_t)(stop - first);
            for (int64_t c = first; c < stop; c++) {
                state->position[c] = position + (c - first);
                state->stride[c] = at_once;
                state->group_of[c] = (int32_t)g;
            }
        }
        position += LANES * (int64_t)n_rows;
    }
}

static void fill_group(spikey_state *state, int64_t g) {
    vector_group *group = &state->groups[g];
    group->kind = -1;
    for (int64_t k = 0; k < group->n_channels; k++) {
        int64_t channel = group->first_channel + k;
        int kind = spikey_kind_of(state->size[channel], state->profiled[channel]);
        if (group->kind < 0) group->kind = kind;
        if (group->kind == kind) continue;
        int on_profile = group->kind == SPIKEY_PROFILED || group->kind == SPIKEY_MIXED || kind == SPIKEY_PROFILED;
        group->kind = on_profile ? SPIKEY_MIXED : SPIKEY_LARGE;
    }
}

static void carve(spikey_state *state, const spikey_group *group, spikey_arena *arena, spikey_sketch *sketch) {
    int64_t channels = state->n_channels, lanes = state->n_lanes, positions = state->n_positions;
#define TAKE(name, n) state->name = spikey_take(arena, n, sizeof *state->name)
    TAKE(first_lane, channels + 1);
    TAKE(position, channels);
    TAKE(stride, channels);
    TAKE(pass_channel, state->n_passes + 1);
    TAKE(size, channels);
    TAKE(profiled, channels);
    TAKE(edges, state->n_edges + LANES);
    TAKE(values, state->n_edges + LANES);
    TAKE(position_of, lanes);
    TAKE(channel_of, lanes);
    TAKE(start, lanes);
    TAKE(initial_codes, lanes);
    TAKE(length, positions);
    TAKE(lowest, positions);
    TAKE(highest, positions);
    TAKE(last, positions);
    TAKE(gain, positions);
    TAKE(power, state->gains_follow ? positions : 0);
    TAKE(moved, positions);
    TAKE(origin, positions);
    TAKE(input_factor, positions);
    TAKE(output_factor, positions);
    TAKE(gain_scale, positions);
    TAKE(net_term, positions);
    TAKE(net_scale, positions);
    TAKE(error, positions);
    TAKE(square, positions);
    TAKE(teaching_variance, positions);
    TAKE(usual, positions);
    TAKE(since, positions);
    TAKE(slow_mean, positions);
    TAKE(above_mean, positions);
    TAKE(recent, SPIKEY_RECORD * (positions + LANES * state->most_rows));
    TAKE(sum_differences, positions + LANES * state->most_rows);
    TAKE(sum_levels, positions + LANES * state->most_rows);
    TAKE(variance, SPIKEY_TRACKS * positions);
    TAKE(track, SPIKEY_TRACKS * positions);
    TAKE(share, (SPIKEY_TRACKS + 1) * positions);
    TAKE(gradient, (SPIKEY_TRACKS + 1) * positions);
    TAKE(scale, positions);
    TAKE(partial, LANES * positions);
    TAKE(predicted_mean, positions);
    TAKE(log2_scale, positions);
    TAKE(outlier_weight, positions);
    TAKE(outputs, 3 * positions);
    TAKE(history, state->n_history * positions);
    TAKE(groups, state->n_groups);
    TAKE(group_of, channels);
    TAKE(profile_mask, positions);
    TAKE(symbols, positions);
    TAKE(widths, positions);
    TAKE(scratch, state->network ? spikey_network_scratch(state->network) : 0);
    TAKE(tile, SPIKEY_TILE * positions);
    spikey_carve_solvers(state, group, arena, sketch);
#undef TAKE
}

static void fill_channels(spikey_state *state, const spikey_group *group) {
    memcpy(state->first_lane, group->first_lane, (size_t)(state->n_channels + 1) * sizeof *state->first_lane);
    memcpy(state->pass_channel, group->pass_channel, (size_t)(state->n_passes + 1) * sizeof *state->pass_channel);
    memcpy(state->initial_codes, group->initial_codes, (size_t)state->n_lanes * sizeof *state->initial_codes);
    memcpy(state->start, group->start, (size_t)state->n_lanes * sizeof *state->start);
    if (state->n_edges) memcpy(state->edges, group->edges, (size_t)state->n_edges * sizeof *state->edges);
    for (int64_t i = 0; i + 1 < state->n_edges; i++) state->values[i] = (state->edges[i] + state->edges[i + 1]) >> 1;
    for (int64_t channel = 0; channel < state->n_channels; channel++) {
        state->size[channel] = (int32_t)group->size[channel];
        state->profiled[channel] = group->profiled[channel] != 0;
    }
}

static void fill_lanes(spikey_state *state, const spikey_group *group) {
    for (int64_t channel = 0; channel < state->n_channels; channel++) {
        int64_t first = state->first_lane[channel], stop = state->first_lane[channel + 1];
        const int32_t *values = state->profiled[channel] ? state->values : 0;
        for (int64_t lane = first; lane < stop; lane++) {
            int64_t i = state->position[channel] + (lane - first) * state->stride[channel];
            state->position_of[lane] = (int32_t)i;
            state->channel_of[lane] = (int32_t)channel;
            state->length[i] = group->length[lane];
            state->lowest[i] = value_of(0, values);
            state->highest[i] = value_of(state->size[channel] - 1, values);
            state->last[i] = value_of(group->initial_codes[lane], values);
            state->shortest = least(state->shortest, state->length[i]);
            state->profile_mask[i] = -state->profiled[channel];
            state->symbols[i] = (int32_t)least(state->size[channel], SPIKEY_MAX_SMALL);
            state->widths[i] = spikey_code_width(state->size[channel]);
            spikey_set_gain(state, i, group->gains[lane]);
            if (state->gains_follow) state->power[i] = state->tables->mean_square[group->gains[lane]];
        }
    }
}

void spikey_set_gain(spikey_state *state, int64_t i, int gain) {
    state->gain[i] = (uint8_t)gain;
    state->input_factor[i] = (float)state->tables->input_factor[gain] * (1.0f / (1 << 30));
    state->output_factor[i] = (float)state->tables->output_factor[gain] * (1.0f / (1 << 22));
    state->gain_scale[i] = (float)state->tables->log2_rms[gain] * 0.0625f;
}

spikey_state *spikey_state_new(const spikey_tables *tables, const spikey_group *group, int *error) {
    *error = SPIKEY_BAD_ARGUMENT;
    if (!check(group)) return 0;
    *error = SPIKEY_NO_MEMORY;
    spikey_state *state = calloc(1, sizeof *state);
    if (!state) return 0;
    state->tables = tables;
    state->network = group->network;
    state->step = 1;
    state->window = group->window;
    state->gains_follow = group->gains_follow != 0;
    state->log = group->log;
    state->n_channels = group->n_channels;
    state->n_lanes = group->n_lanes;
    state->n_passes = group->n_passes;
    state->n_edges = group->n_edges;
    state->n_positions = group->n_lanes;
    state->shortest = INT32_MAX;
    state->vectors = !group->plain && is_bounded(group);
    state->kernels = spikey_kernels_of(group->simd);
    if (!state->kernels) {
        *error = SPIKEY_BAD_ARGUMENT;
        free(state);
        return 0;
    }
    spread(state, group);
    for (state->n_history = 1; state->n_history < state->window + 2;) state->n_history *= 2;
    spikey_sketch *sketch = malloc((size_t)group->n_channels * sizeof *sketch);
    if (!sketch) {
        free(state);
        return 0;
    }
    spikey_arena arena = {0, 0};
    carve(state, group, &arena, sketch);
    state->memory = calloc(1, arena.used + 64);
    if (!state->memory) {
        free(sketch);
        free(state);
        return 0;
    }
    arena.base = (char *)state->memory + (-(uintptr_t)state->memory & 63);
    arena.used = 0;
    carve(state, group, &arena, sketch);
    free(sketch);
    spread(state, group);
    fill_channels(state, group);
    for (int64_t g = 0; g < state->n_groups; g++) fill_group(state, g);
    fill_lanes(state, group);
    spikey_fill_adaptation(state, group);
    *error = SPIKEY_OK;
    return state;
}

void spikey_state_free(spikey_state *state) {
    if (!state) return;
    free(state->memory);
    free(state);
}

int64_t spikey_state_step(const spikey_state *state) { return state->step; }

int spikey_state_set_step(spikey_state *state, int64_t step) {
    int64_t period = greatest(state->n_history, 64);
    if (step < 1 || step > SPIKEY_FAR || (step - state->step) % period) return SPIKEY_BAD_ARGUMENT;
    spikey_shift_steps(state, step - state->step);
    return SPIKEY_OK;
}

void spikey_state_gains(const spikey_state *state, uint8_t *gains) {
    for (int64_t lane = 0; lane < state->n_lanes; lane++) gains[lane] = state->gain[state->position_of[lane]];
}

void spikey_state_windows(const spikey_state *state, float *windows) {
    for (int64_t k = 0; k < state->window; k++) {
        int64_t row = (state->step - state->window + k) & (state->n_history - 1);
        for (int64_t lane = 0; lane < state->n_lanes; lane++)
            windows[k * state->n_lanes + lane] = state->history[row * state->n_positions + state->position_of[lane]];
    }
}

void spikey_state_normalised_errors(const spikey_state *state, int32_t *errors) {
    for (int64_t lane = 0; lane < state->n_lanes; lane++) {
        int64_t i = state->position_of[lane];
        float z = normalised(*history_of(state, i, SPIKEY_ERROR, 0), state->net_scale[i]);
        errors[lane] = (int32_t)at_least(at_most(z, SPIKEY_LIMIT), -SPIKEY_LIMIT);
    }
}

int64_t spikey_state_lanes(const spikey_state *state) { return state->n_lanes; }

int64_t spikey_state_window(const spikey_state *state) { return state->window; }

int spikey_state_is_vector(const spikey_state *state) { return state->vectors; }

