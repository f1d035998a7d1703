/* The regularised normal equations of a channel's adaptation, by LDL^T in float64.
 *
 * Operations are IEEE 754's + - * / in the order written; each entry of the matrix meets the pivots in ascending order, so
 * that vectors of any width give the same bits.
 *
 * The ridge is a prior: weights are about 0, with a variance of 1 / ridge; the more so, the longer the lag.
 * W. H. Press et al., "Numerical Recipes", 3rd ed., 2.9; A. E. Hoerl, R. W. Kennard, "Ridge regression", Technometrics
 * 12, 1970. */

#include <math.h>

#include "internal.h"

enum { MAX = SPIKEY_MAX_TERMS };
static const float WEIGHT_LIMIT = 65536.0f;

/* Entry (i, j), j <= i, of the sums, which lie in blocks of 8 x 8. */
static inline int64_t entry_of(int i, int j) {
    int ib = i >> 3, jb = j >> 3;
    return (ib * (ib + 1) / 2 + jb) * 64 + (i & 7) * 8 + (j & 7);
}

static void solve_equations(spikey_solver *solver, double *restrict a, double *restrict b) {
    const int n = solver->n_terms;
    double inverse[MAX], column[MAX];
    for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++) a[i * MAX + j] = solver->sums[entry_of(i, j)];
        a[i * MAX + i] += solver->ridge[i];
        b[i] = solver->sums[entry_of(n, i)];
    }
    for (int j = 0; j < n; j++) {
        double pivot = a[j * MAX + j] > solver->ridge[j] ? a[j * MAX + j] : solver->ridge[j];
        inverse[j] = 1.0 / pivot;
        for (int i = j + 1; i < n; i++) column[i] = a[i * MAX + j];
        for (int i = j + 1; i < n; i++) {
            double factor = column[i] * inverse[j], *restrict row = a + i * MAX;
            row[j] = factor;
            for (int k = j + 1; k <= i; k++) row[k] -= factor * column[k];
            b[i] -= factor * b[j];
        }
    }
    for (int i = 0; i < n; i++) b[i] *= inverse[i];
    for (int k = n - 1; k > 0; k--)
        for (int i = 0; i < k; i++) b[i] -= a[k * MAX + i] * b[k];
}

/* Put weights where the channel's vector has them. Past terms that only fill a vector have weight 0. */
static void set_weights(spikey_state *state, int64_t channel, const double *b) {
    const spikey_solver *solver = &state->solvers[channel];
    const vector_group *group = &state->groups[state->group_of[channel]];
    for (int i = 0; i < solver->n_terms; i++)
        for (int64_t lane = channel - group->first_channel; lane < LANES; lane += group->at_once)
            group->weights[term_in_group(group, solver, i) * LANES + lane] = (float)b[i];
}

void spikey_solve(spikey_state *state, int64_t channel) {
    spikey_solver *solver = &state->solvers[channel];
    int64_t n_sums = solver->blocks * (solver->blocks + 1) / 2 * 64;
    for (int64_t i = 0; i < n_sums; i++) {
        solver->sums[i] += solver->batch_sums[i];
        solver->batch_sums[i] = 0;
    }
    double *a = state->equations, *b = a + MAX * MAX;
    solve_equations(solver, a, b);
    int is_sound = 1;
    for (int i = 0; i < solver->n_terms; i++) is_sound &= fabs(b[i]) < WEIGHT_LIMIT;
    if (is_sound) set_weights(state, channel, b);
    int64_t gap = least(greatest(solver->due / 8, 2), solver->longest_gap);
    solver->due += gap;
    if (gap == solver->longest_gap) solver->due += (solver->longest_gap - 1) & -(solver->due + 37 * (int64_t)solver->number);
    double keep = 1.0 - (double)gap * solver->forgetting;
    for (int64_t i = 0; i < n_sums; i++) solver->sums[i] *= keep;
}
