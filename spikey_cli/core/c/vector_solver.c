/* The regularised normal equations of a channel's adaptation, by LDL^T in float64.
 *
 * Operations are IEEE 754's + - * / in the order written; each entry of the matrix meets the pivots in ascending order, so
 * that vectors of any width give the same bits.
 *
 * The ridge is a prior: weights are about 0, with a variance of 1 / ridge; the more so, the longer the lag.
 * W. H. Press et al., "Numerical Recipes", 3rd ed., 2.9; A. E. Hoerl, R. W. Kennard, "Ridge regression", Technometrics
 * 12, 1970. */

#include <math.h>
#include <string.h>

#include "vector_internal.h"

enum { MAX = SPIKEY_MAX_TERMS, PANEL = 8, HALF = 4 };
static const float WEIGHT_LIMIT = 65536.0f;

typedef double dvec __attribute__((vector_size(8 * HALF), may_alias)); /* GCC moves longer ones through memory */
typedef int64_t dmask __attribute__((vector_size(8 * HALF), may_alias));

INLINE dvec load_double(const double *from) { return *(const dvec *)(const void *)from; }
INLINE void store_double(double *to, dvec x) { *(dvec *)(void *)to = x; }
INLINE dvec doubles(double x) { return (dvec){x, x, x, x}; }

static void fill_equations(spikey_equation *own, double *b, const spikey_solver *solver) {
    const double *sums = solver->sums;
    for (int i = 0; i < solver->blocks; i++)
        for (int j = 0; j <= i; j++)
            for (int k = 0; k < PANEL; k++, sums += PANEL)
                memcpy(own[j * PANEL + k].row + i * PANEL, sums, PANEL * sizeof *sums);
    for (int i = 0; i < solver->n_terms; i++) {
        own[i].row[i] += solver->ridge[i];
        b[i] = own[i].row[solver->n_terms];
    }
}

/* x where a lane, counted from `first`, is behind lane j; elsewhere 0. */
INLINE dvec behind(dvec x, int first, int j) {
    const dmask lane = {first, first + 1, first + 2, first + 3};
    return (dvec)((dmask)x & (lane > (dmask){j, j, j, j}));
}

/* Solve for the diagonal block of a panel: its pivots' inverses, and what they take of its own rows. */
static void take_block(spikey_equation *own, double *b, const float *ridge, int first, int stop, double *inverse) {
    dvec low[PANEL], high[PANEL];
    dvec b_low = load_double(b + first), b_high = load_double(b + first + HALF);
#pragma GCC unroll 8
    for (int j = 0; j < PANEL; j++) {
        low[j] = load_double(own[first + j].row + first);
        high[j] = load_double(own[first + j].row + first + HALF);
    }
#pragma GCC unroll 8
    for (int j = 0; j < PANEL; j++) {
        if (first + j >= stop) break;
        double *row = own[first + j].row + first, *factor = own[first + j].factor + first;
        const double pivot = (j < HALF ? low[j] : high[j])[j % HALF], known = (j < HALF ? b_low : b_high)[j % HALF];
        const double by = 1.0 / (pivot > ridge[first + j] ? pivot : ridge[first + j]);
        const dvec x = low[j] * doubles(by), y = high[j] * doubles(by);
        inverse[first + j] = by;
        b_low -= behind(x * doubles(known), 0, j), b_high -= behind(y * doubles(known), HALF, j);
        store_double(row, low[j]), store_double(row + HALF, high[j]);
        store_double(factor, x), store_double(factor + HALF, y);
#pragma GCC unroll 8
        for (int k = j + 1; k < PANEL; k++) {
            low[k] -= x * doubles(row[k]);
            high[k] -= y * doubles(row[k]);
        }
    }
    store_double(b + first, b_low), store_double(b + first + HALF, b_high);
}

/* Entries i, i + 1, ... behind the block: what each of its pivots takes of the panel's later rows, and of the solution. */
INLINE void take_behind(spikey_equation *own, double *b, int first, int i, const double *inverse) {
    dvec row[PANEL], known = load_double(b + i);
#pragma GCC unroll 8
    for (int j = 0; j < PANEL; j++) row[j] = load_double(own[first + j].row + i);
#pragma GCC unroll 8
    for (int j = 0; j < PANEL; j++) {
        dvec factor = row[j] * doubles(inverse[first + j]);
        known -= factor * doubles(b[first + j]);
#pragma GCC unroll 8
        for (int k = j + 1; k < PANEL; k++) row[k] -= factor * doubles(own[first + j].row[first + k]);
        store_double(own[first + j].factor + i, factor);
        store_double(own[first + j].row + i, row[j]);
    }
    store_double(b + i, known);
}

/* What a panel's pivots take of row k behind it. */
INLINE void take_row(spikey_equation *own, int first, int k, int n) {
    dvec column[PANEL];
    for (int j = 0; j < PANEL; j++) column[j] = doubles(own[first + j].row[k]);
    for (int i = k & -HALF; i < n; i += HALF) {
        dvec x = load_double(own[k].row + i);
        for (int j = 0; j < PANEL; j++) x -= load_double(own[first + j].factor + i) * column[j];
        store_double(own[k].row + i, x);
    }
}

static void solve_equations(spikey_equation *own, double *b, const float *ridge, int n) {
    double inverse[MAX];
    for (int first = 0; first < n; first += PANEL) {
        int stop = first + PANEL < n ? first + PANEL : n;
        take_block(own, b, ridge, first, stop, inverse);
        for (int i = stop; i < n; i += HALF) take_behind(own, b, first, i, inverse);
        for (int k = stop; k < n; k++) take_row(own, first, k, n);
    }
    for (int i = 0; i < n; i++) b[i] *= inverse[i];
    for (int k = n - 1; k > 0; k--)
        for (int i = 0; i < k; i++) b[i] -= own[i].factor[k] * b[k];
}

/* Put weights where the channel's vector has them. Past terms that only fill a vector have weight 0. */
static void set_weights(spikey_state *state, int64_t channel, const double *b) {
    const spikey_solver *solver = &state->solvers[channel];
    const vector_group *group = &state->groups[state->group_of[channel]];
    for (int i = 0; i < solver->n_terms; i++)
        for (int64_t lane = channel - group->first_channel; lane < LANES; lane += group->at_once)
            group->weights[term_in_group(group, solver, i) * LANES + lane] = (float)b[i];
}

static int64_t count_sums(const spikey_solver *solver) { return solver->blocks * (solver->blocks + 1) / 2 * 64; }

/* Add the sums of a batch, which are float32, to all sums, which are float64. */
static void add_batch(spikey_solver *solver) {
    for (int64_t i = 0; i < count_sums(solver); i++) {
        solver->sums[i] += solver->batch_sums[i];
        solver->batch_sums[i] = 0;
    }
}

/* Set a channel's weights by what its sums say. */
static void solve(spikey_state *state, int64_t channel) {
    spikey_solver *solver = &state->solvers[channel];
    add_batch(solver);
    _Alignas(64) double b[MAX];
    fill_equations(state->equations, b, solver);
    solve_equations(state->equations, b, solver->ridge, solver->n_terms);
    int is_sound = 1;
    for (int i = 0; i < solver->n_terms; i++) is_sound &= fabs(b[i]) < WEIGHT_LIMIT;
    if (is_sound) set_weights(state, channel, b);
    int64_t gap = least(greatest(solver->due / 8, 2), solver->longest_gap);
    solver->due += gap;
    if (gap == solver->longest_gap) solver->due += (solver->longest_gap - 1) & -(solver->due + 37 * (int64_t)solver->number);
    if (solver->forgetting > 0) {
        double keep = 1.0 - (double)gap * solver->forgetting;
        for (int64_t i = 0; i < count_sums(solver); i++) solver->sums[i] *= keep;
    }
}
