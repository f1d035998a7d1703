/* What the adaptation of each channel is made of; its steps are in vector_adaptation.c. */

#include <string.h>

#include "internal.h"

enum { PRIOR_STEPS = 3, POWER_SHIFT = 10, REGAIN = 64 };
enum { MIN_ROWS = 8, FIRST_DUE = 16, FIRST_DUE_OF_MANY = 8 };
static const float RIDGE = 15.0f;
static const double FORGETTING = 1.0 / 8192;

static void *take_floats(spikey_arena *arena, int64_t n) { return spikey_take(arena, n, sizeof(float)); }

/* Terms, ridge and room of a channel. Without a base they are only counted. */
static void fill_solver(spikey_state *state, const spikey_group *group, int64_t channel, spikey_beside *beside,
                        spikey_arena *arena, int64_t *past) {
    spikey_solver counted, *solver = state->solvers ? &state->solvers[channel] : &counted;
    memset(solver, 0, sizeof *solver);
    const int64_t *earlier = group->references + channel * SPIKEY_REFERENCES;
    const int64_t *later = group->later + channel * SPIKEY_MAX_LATER;
    int64_t n_lanes = group->first_lane[channel + 1] - group->first_lane[channel];
    while (solver->n_earlier < SPIKEY_REFERENCES && earlier[solver->n_earlier] >= 0) solver->n_earlier++;
    while (solver->n_later < SPIKEY_MAX_LATER && later[solver->n_later] >= 0) solver->n_later++;
    solver->number = beside->known++;
    solver->n_before = beside->before < 2 ? 0 : (int32_t)beside->before;
    solver->in_group = beside->total > 2;
    solver->lag = group->lags[channel];
    int is_alone = !solver->n_earlier && !solver->n_later;
    switch (group->effort) {
    case SPIKEY_FAST: solver->own_lags = SPIKEY_OWN_LAGS, solver->every = 8, solver->longest_gap = 256; break;
    case SPIKEY_NORMAL:
        solver->own_lags = is_alone ? SPIKEY_MORE_OWN_LAGS : SPIKEY_OWN_LAGS;
        solver->every = n_lanes >= SPIKEY_MANY_LANES ? 4 : 2, solver->longest_gap = 256;
        break;
    case SPIKEY_BEST: solver->own_lags = SPIKEY_MORE_OWN_LAGS, solver->every = 1, solver->longest_gap = 64; break;
    }
    solver->n_terms = 1 + solver->own_lags + 3 * solver->n_earlier + 2 * solver->n_later + (solver->n_before ? 3 : 0) +
                      (solver->lag ? 2 : 0);
    if (state->window) solver->n_terms += 1 + SPIKEY_ERROR_LAGS + (solver->n_earlier ? SPIKEY_ERROR_LAGS : 0);
    solver->blocks = (solver->n_terms + 1 + LANES - 1) / LANES;
    solver->capacity = n_lanes * ((MIN_ROWS + n_lanes - 1) / n_lanes);
    solver->due = n_lanes >= SPIKEY_MANY_LANES ? FIRST_DUE_OF_MANY : FIRST_DUE;
    solver->forgetting = n_lanes > 1 ? 0.0 : FORGETTING;
    solver->past = *past;
    for (solver->past_length = 1; solver->past_length <= solver->lag;) solver->past_length *= 2;
    if (solver->lag) *past += 2 * n_lanes * solver->past_length;
    int64_t width = solver->blocks * LANES, n_sums = solver->blocks * (solver->blocks + 1) / 2 * 64;
    solver->weights = take_floats(arena, width);
    solver->ridge = take_floats(arena, width);
    solver->rows = take_floats(arena, solver->capacity * width);
    solver->row_weight = take_floats(arena, solver->capacity);
    solver->batch_sums = take_floats(arena, n_sums);
    solver->sums = spikey_take(arena, n_sums, sizeof(double));
    if (!solver->ridge) return;
    int k = 0;
    for (int lag = 0; lag < solver->own_lags; lag++) solver->ridge[k++] = RIDGE * (1.0f + (float)(lag * lag) / 9.0f);
    for (int j = 0; j < (state->window ? 2 + SPIKEY_ERROR_LAGS : 1); j++) solver->ridge[k++] = RIDGE;
    for (int j = 0; j < solver->n_earlier; j++, k += 3)
        solver->ridge[k] = RIDGE, solver->ridge[k + 1] = 2 * RIDGE, solver->ridge[k + 2] = 2 * RIDGE;
    for (int j = 0; j < SPIKEY_ERROR_LAGS && solver->n_earlier && state->window; j++) solver->ridge[k++] = RIDGE;
    for (int j = 0; j < solver->n_later; j++, k += 2) solver->ridge[k] = 2 * RIDGE, solver->ridge[k + 1] = 2 * RIDGE;
    if (solver->n_before) {
        solver->share = 1.0f / (float)solver->n_before;
        solver->ridge[k] = RIDGE, solver->ridge[k + 1] = 2 * RIDGE, solver->ridge[k + 2] = 2 * RIDGE, k += 3;
    }
    if (solver->lag) solver->ridge[k] = RIDGE, solver->ridge[k + 1] = RIDGE, k+=2;
 for (; k < solver->n_terms; k++) solver->ridge[k] = RIDGE;
}

void spikey_carve_solvers(spikey_state *state, const spikey_group *group, spikey_arena *arena, spikey_beside *beside) {
    int64_t past = 0;
    memset(beside, 0, (size_t)state->n_channels * sizeof *beside);
    for (int64_t channel = 0; channel < state->n_channels; channel++) beside[group->mean_group[channel]].total++;
    state->solvers = spikey_take(arena, state->n_channels, sizeof *state->solvers);
    for (int64_t pass = 0; pass < state->n_passes; pass++) {
        int64_t first = group->pass_channel[pass], stop = group->pass_channel[pass + 1];
        for (int64_t channel = first; channel < stop; channel++)
            fill_solver(state, group, channel, &beside[group->mean_group[channel]], arena, &past);
        for (int64_t channel = first; channel < stop; channel++) beside[group->mean_group[channel]].before++;
    }
    state->past = take_floats(arena, past);
    state->equations = spikey_take(arena, (SPIKEY_MAX_TERMS + 1) * SPIKEY_MAX_TERMS, sizeof(double));
}

void spikey_fill_adaptation(spikey_state *state, const spikey_group *group) {
    int64_t n = state->n_positions;
    state->recent_at = SPIKEY_RECENT - SPIKEY_MORE_OWN_LAGS;
    for (int64_t channel = 0; channel < state->n_channels; channel++) {
        spikey_solver *solver = &state->solvers[channel];
        solver->sum_slot = state->first_lane[group->mean_group[channel]];
        for (int j = 0; j < solver->n_earlier; j++) {
            int64_t other = group->references[channel * SPIKEY_REFERENCES + j];
            solver->earlier[j] = state->position[other], solver->earlier_stride[j] = state->stride[other];
        }
        for (int j = 0; j < solver->n_later; j++) {
            int64_t other = group->later[channel * SPIKEY_MAX_LATER + j];
            solver->later[j] = state->position[other], solver->later_stride[j] = state->stride[other];
        }
    }
    for (int64_t lane = 0; lane < state->n_lanes; lane++) {
        int64_t i = state->position_of[lane];
        float variance = (float)state->tables->mean_square[group->gains[lane]] * (1.0f / 4096);
        state->origin[i] = state->last[i];
        for (int k = 0; k < SPIKEY_TRACKS; k++) {
            state->variance[k * n + i] = k == SPIKEY_TRACKS - 1 ? 1.0f : variance + 0.02f;
            state->share[k * n + i] = 1.0f / SPIKEY_TRACKS;
        }
    }
}

void spikey_begin_step(spikey_state *state) {
    memset(state->sum_differences, 0, (size_t)state->n_lanes * sizeof *state->sum_differences);
    memset(state->sum_levels, 0, (size_t)state->n_lanes * sizeof *state->sum_levels);
    if (state->recent_at > 0) return;
    state->recent_at = SPIKEY_RECENT - SPIKEY_MORE_OWN_LAGS;
    for (int64_t i = 0; i < state->n_positions; i++) {
        float *differences = state->recent + i * SPIKEY_RECENT, *errors = state->recent_errors + i * SPIKEY_RECENT;
        memcpy(differences + state->recent_at, differences, SPIKEY_MORE_OWN_LAGS * sizeof *differences);
        memcpy(errors + state->recent_at, errors, SPIKEY_ERROR_LAGS * sizeof *errors);
    }
}

void spikey_end_step(spikey_state *state) { state->recent_at--; }

void spikey_shift_steps(spikey_state *state, int64_t by) {
    state->step += by;
    for (int64_t channel = 0; channel < state->n_channels; channel++) state->solvers[channel].due += by;
}

void spikey_follow_gains(spikey_state *state) {
    int64_t count = state->step + PRIOR_STEPS;
    for (int64_t i = 0; i < state->n_positions; i++) {
        int64_t difference = state->moved[i];
        int64_t change = difference * difference - state->power[i];
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
