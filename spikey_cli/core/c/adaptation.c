/* What the adaptation of each channel is made of; its steps are in vector_adaptation.c. */

#include <string.h>

#include "internal.h"

enum { PRIOR_STEPS = 3, POWER_SHIFT = 10, REGAIN = 64 };
enum { MIN_ROWS = 8, FIRST_DUE = 16, FIRST_DUE_OF_MANY = 8 };
static const float RIDGE = 15.0f;
static const double FORGETTING = 1.0 / 8192;

static void *take_floats(spikey_arena *arena, int64_t n) { return spikey_take(arena, n, sizeof(float)); }

typedef struct {
    const spikey_state *state;
    const spikey_solver *solver;
    int64_t channel;
    int n_past, n_present;
} term_list;

/* A term that is known before the step, or one of its channel's pass. Before there is room, they are only counted. */
static void add_term(term_list *list, int is_present, int64_t channel, spikey_history history, int lag, float ridge) {
    int k = is_present ? list->n_present++ : list->n_past++;
    const spikey_solver *solver = list->solver;
    if (!solver->ridge) return;
    const vector_group *group = &list->state->groups[list->state->group_of[list->channel]];
    int own = k + (is_present ? solver->past_blocks * LANES : 0);
    int64_t t = (k + (is_present ? group->first_present : 0)) * LANES;
    solver->ridge[own] = ridge * RIDGE;
    for (int lane = 0; lane < LANES; lane++)
        if (beside_of(group, lane) == list->channel - group->first_channel) {
            int64_t position = list->state->position[channel] + behind_of(group, lane);
            group->places[t + lane] = (int32_t)place_of(position, history, lag);
            group->masks[t + lane] = -1;
        }
}

static void add_past(term_list *list, int64_t channel, spikey_history history, int lag, float ridge) {
    add_term(list, 0, channel, history, lag, ridge);
}

static void add_present(term_list *list, int64_t channel, spikey_history history, float ridge) {
    add_term(list, 1, channel, history, 0, ridge);
}

/* The terms of a channel, in the order of docs/format.md. The ridge grows with the lag, and is less for what is mostly
 * larger. That of the own differences is small: in filtered traces, large weights of them nearly cancel each other. */
static term_list list_terms(const spikey_state *state, const spikey_solver *solver, const spikey_group *group,
                            int64_t channel) {
    term_list list = {state, solver, channel, 0, 0};
    const int64_t *earlier = group->references + channel * SPIKEY_MAX_REFERENCES;
    const int64_t *later = group->later + channel * SPIKEY_MAX_LATER;
    for (int lag = 1; lag <= solver->order; lag++)
        add_past(&list, channel, SPIKEY_DIFFERENCE, lag, (float)(9 + (lag - 1) * (lag - 1)) / 1024.0f);
    add_past(&list, channel, SPIKEY_LEVEL, 0, 16.0f);
    if (group->window) add_past(&list, channel, SPIKEY_NETWORK, 0, 1.0f);
    for (int lag = 1; group->window && lag <= SPIKEY_ERROR_LAGS; lag++)
        add_past(&list, channel, SPIKEY_ERROR, lag, 1.0f);
    for (int j = 0; j < solver->n_earlier; j++) {
        add_past(&list, earlier[j], SPIKEY_DIFFERENCE, 1, 2.0f);
        add_past(&list, earlier[j], SPIKEY_LEVEL, 0, 2.0f);
        add_present(&list, earlier[j], SPIKEY_DIFFERENCE, 1.0f);
    }
    if (group->window && solver->n_earlier) {
        for (int lag = 1; lag < SPIKEY_ERROR_LAGS; lag++) add_past(&list, earlier[0], SPIKEY_ERROR, lag, 1.0f);
        add_present(&list, earlier[0], SPIKEY_ERROR, 1.0f);
    }
    for (int j = 0; j < solver->n_later; j++) {
        add_past(&list, later[j], SPIKEY_DIFFERENCE, 1, 2.0f);
        add_past(&list, later[j], SPIKEY_LEVEL, 0, 2.0f);
    }
    if (solver->n_before) {
        add_past(&list, channel, SPIKEY_MEAN_DIFFERENCE, 1, 2.0f);
        add_present(&list, channel, SPIKEY_MEAN_DIFFERENCE, 1.0f);
        add_present(&list, channel, SPIKEY_MEAN_LEVEL, 2.0f);
    }
    if (solver->lag) {
        add_past(&list, channel, SPIKEY_LAGGED_DIFFERENCE, 0, 1.0f);
        add_past(&list, channel, SPIKEY_LAGGED_LEVEL, 0, 1.0f);
    }
    return list;
}

const spikey_rule spikey_rules[] = {
    [SPIKEY_FAST] = {8, 8, 256},
    [SPIKEY_NORMAL] = {2, 4, 256},
    [SPIKEY_BEST] = {1, 1, 64},
};

/* Terms and room of a channel; returns its blocks. Without a base they are only counted. */
static int64_t carve_solver(spikey_state *state, const spikey_group *group, int64_t channel, spikey_sketch *sketch,
                            spikey_arena *arena, int64_t *past) {
    spikey_solver counted, *solver = state->solvers ? &state->solvers[channel] : &counted;
    spikey_sketch *own = &sketch[channel], *joint = &sketch[group->mean_group[channel]];
    int64_t n_lanes = group->first_lane[channel + 1] - group->first_lane[channel];
    memset(solver, 0, sizeof *solver);
    solver->n_lanes = (int32_t)n_lanes;
    while (solver->n_earlier < SPIKEY_MAX_REFERENCES && group->references[channel * SPIKEY_MAX_REFERENCES + solver->n_earlier] >= 0)
        solver->n_earlier++;
    while (solver->n_later < SPIKEY_MAX_LATER && group->later[channel * SPIKEY_MAX_LATER + solver->n_later] >= 0)
        solver->n_later++;
    solver->number = state->gains_follow ? channel : joint->known++;
    solver->n_before = joint->before < 2 ? 0 : (int32_t)joint->before;
    solver->in_group = joint->total > 2;
    solver->lag = group->lags[channel];
    solver->order = (int32_t)group->orders[channel];
    const spikey_rule *rule = &spikey_rules[group->effort];
    solver->every = n_lanes >= SPIKEY_MANY_LANES ? rule->every_of_many : rule->every;
    solver->longest_gap = rule->longest_gap;
    term_list list = list_terms(state, solver, group, channel);
    own->n_past = list.n_past;
    own->n_present = list.n_present;
    own->past_blocks = (list.n_past + (list.n_present ? 0 : 1) + LANES - 1) / LANES;
    solver->past_blocks = own->past_blocks;
    solver->n_terms = list.n_present ? own->past_blocks * LANES + list.n_present : list.n_past;
    solver->blocks = (solver->n_terms + 1 + LANES - 1) / LANES;
    solver->capacity = n_lanes * ((MIN_ROWS + n_lanes - 1) / n_lanes);
    solver->first_full = n_lanes * (1 + channel % (solver->capacity / n_lanes));
    solver->full = solver->first_full;
    solver->due = n_lanes >= SPIKEY_MANY_LANES ? FIRST_DUE_OF_MANY : FIRST_DUE;
    solver->forgetting = n_lanes > 1 ? 0.0 : FORGETTING;
    solver->past = *past;
    for (solver->past_length = 1; solver->past_length <= solver->lag;) solver->past_length *= 2;
    if (solver->lag) *past += 2 * n_lanes * solver->past_length;
    int64_t width = solver->blocks * LANES, n_sums = solver->blocks * (solver->blocks + 1) / 2 * LANES * LANES;
    solver->rows = take_floats(arena, solver->capacity * width);
    solver->row_weight = take_floats(arena, solver->capacity);
    solver->batch_sums = take_floats(arena, n_sums);
    solver->sums = spikey_take(arena, n_sums, sizeof(double));
    solver->ridge = take_floats(arena, width);
    return solver->blocks;
}

/* Room for the terms of a vector's channels, from `channel` on. */
static void carve_terms(const spikey_state *state, vector_group *group, int64_t channel, const spikey_sketch *sketch,
                        spikey_arena *arena) {
    int32_t blocks = 0, n_present = 0;
    for (int64_t c = channel; c < least(channel + state->at_once, state->n_channels); c++) {
        group->n_past = (int32_t)greatest(group->n_past, sketch[c].n_past);
        blocks = (int32_t)greatest(blocks, sketch[c].past_blocks);
        n_present = (int32_t)greatest(n_present, sketch[c].n_present);
    }
    group->first_present = n_present ? blocks * LANES : group->n_past;
    group->n_terms = group->first_present + n_present;
    group->mix_limit = take_floats(arena, LANES);
    group->share = take_floats(arena, LANES);
    group->sums = spikey_take(arena, LANES, sizeof *group->sums);
    group->places = spikey_take(arena, group->n_terms * LANES, sizeof *group->places);
    group->masks = spikey_take(arena, group->n_terms * LANES, sizeof *group->masks);
    group->place = spikey_take(arena, group->n_terms, sizeof *group->place);
    group->weights = take_floats(arena, group->n_terms * LANES);
}

static void fill_solver(spikey_state *state, const spikey_group *group, int64_t channel) {
    spikey_solver *solver = &state->solvers[channel];
    vector_group *vectors = &state->groups[state->group_of[channel]];
    for (int k = 0; k < solver->n_terms; k++) solver->ridge[k] = RIDGE;
    list_terms(state, solver, group, channel);
    solver->joint = state->position[group->mean_group[channel]];
    vectors->has_means |= solver->n_before > 0;
    state->has_lags |= solver->lag > 0;
    for (int lane = 0; lane < LANES; lane++)
        if (beside_of(vectors, lane) == channel - vectors->first_channel) {
            vectors->sums[lane] = (int32_t)solver->joint + behind_of(vectors, lane);
            vectors->mix_limit[lane] = 0.035f / (float)solver->n_lanes;
            vectors->share[lane] = solver->n_before ? 1.0f / (float)solver->n_before : 0.0f;
        }
}

/* Note which terms can be loaded as a vector. */
static void find_vectors(vector_group *group) {
    for (int t = 0; t < group->n_terms; t++) {
        const int32_t *places = group->places + t * LANES, *masks = group->masks + t * LANES;
        int together = places[0] % LANES == 0;
        for (int lane = 0; lane < LANES; lane++)
            if (beside_of(group, lane) < group->n_channels)
                together &= masks[lane] && places[lane] == places[0] + lane;
        group->place[t] = together ? places[0] : -1;
    }
}

/* Note when a group's channels have something to do. */
static void find_times(const spikey_state *state, vector_group *group) {
    const spikey_solver *solver = &state->solvers[group->first_channel];
    group->every = solver->every, group->due = solver->due;
    group->turn = state->gains_follow ? group->first_channel / LANES : 0; /* as of all its channels: no group crosses eight */
    for (int k = 1; k < group->n_channels; k++) {
        group->every = least(group->every, solver[k].every);
        group->due = least(group->due, solver[k].due);
    }
}

void spikey_carve_solvers(spikey_state *state, const spikey_group *group, spikey_arena *arena, spikey_sketch *sketch) {
    int64_t past = 0, blocks = 0;
    memset(sketch, 0, (size_t)state->n_channels * sizeof *sketch);
    for (int64_t channel = 0; channel < state->n_channels; channel++) sketch[group->mean_group[channel]].total++;
    state->solvers = spikey_take(arena, state->n_channels, sizeof *state->solvers);
    for (int64_t pass = 0; pass < state->n_passes; pass++) {
        int64_t first = group->pass_channel[pass], stop = group->pass_channel[pass + 1];
        for (int64_t channel = first; channel < stop; channel++)
            blocks = greatest(blocks, carve_solver(state, group, channel, sketch, arena, &past));
        for (int64_t channel = first; channel < stop; channel++) sketch[group->mean_group[channel]].before++;
    }
    for (int64_t g = 0; g < state->n_groups; g++) {
        vector_group counted = {0}, *own = state->groups ? &state->groups[g] : &counted;
        carve_terms(state, own, g * state->at_once, sketch, arena);
    }
    state->past = take_floats(arena, past);
    state->equations = spikey_take(arena, blocks * LANES, sizeof *state->equations);
}

void spikey_fill_adaptation(spikey_state *state, const spikey_group *group) {
    int64_t n = state->n_positions;
    for (int64_t channel = 0; channel < state->n_channels; channel++) {
        fill_solver(state, group, channel);
        state->n_recent = greatest(state->n_recent, group->orders[channel]);
    }
    state->recent_at = SPIKEY_RECENT - state->n_recent;
    for (int64_t g = 0; g < state->n_groups; g++) {
        find_vectors(&state->groups[g]);
        find_times(state, &state->groups[g]);
    }
    for (int64_t lane = 0; lane < state->n_lanes; lane++) {
        int64_t i = state->position_of[lane];
        float variance = (float)state->tables->mean_square[group->gains[lane]] * (1.0f / 4096);
        state->origin[i] = state->last[i];
        state->usual[i] = variance + 0.3f;
        state->since[i] = SPIKEY_CALM;
        for (int k = 0; k < SPIKEY_TRACKS; k++) {
            state->variance[k * n + i] = k == SPIKEY_TRACKS - 1 ? 1.0f : variance + 0.02f;
            state->share[k * n + i] = 1.0f / SPIKEY_TRACKS;
        }
    }
}

void spikey_begin_step(spikey_state *state) {
    memset(state->sum_differences, 0, (size_t)state->n_positions * sizeof *state->sum_differences);
    memset(state->sum_levels, 0, (size_t)state->n_positions * sizeof *state->sum_levels);
    if (state->recent_at > 1) return;
    int64_t kept = state->n_recent + 1, from = state->recent_at - 1, to = SPIKEY_RECENT - kept;
    state->recent_at = to + 1;
    for (int64_t i = 0; i < state->n_positions / LANES * SPIKEY_HISTORIES; i++) {
        float *history = state->recent + i * SPIKEY_RECENT * LANES;
        memmove(history + to * LANES, history + from * LANES, (size_t)kept * LANES * sizeof(float));
    }
}

void spikey_end_step(spikey_state *state) { state->recent_at--; }

void spikey_shift_steps(spikey_state *state, int64_t by) {
    state->step += by;
    for (int64_t channel = 0; channel < state->n_channels; channel++) state->solvers[channel].due += by;
    for (int64_t g = 0; g < state->n_groups; g++) state->groups[g].due += by;
}

void spikey_follow_gains(spikey_state *state) {
    int64_t count = state->step + PRIOR_STEPS;
    for (int64_t i = 0; i < state->n_positions; i++) {
        int64_t difference = state->moved[i];
        int64_t change = state->since[i] ? difference * difference - state->power[i] : 0;
        if (count < 1 << POWER_SHIFT)
            state->power[i] += change >= 0 ? change / count : -((count - 1 - change) / count);
        else
            state->power[i] += change >> POWER_SHIFT;
    }
    if (state->step <= REGAIN || state->step % REGAIN == 0)
        for (int64_t i = 0; i < state->n_positions; i++) {
            int gain = spikey_gain_of(state->tables, state->power[i]);
            if (gain != state->gain[i]) spikey_set_gain(state, i, gain);
        }
}
