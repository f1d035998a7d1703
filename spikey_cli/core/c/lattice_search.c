/* The search for lattices: points with a step that is no integer, or integers near points, as
 * spikey_cli/core/channel_quantizers.py describes them. */

#include <math.h>

#include "encoder.h"

enum {
    MAX_DENOMINATOR = 1 << 12,
    MAX_RESIDUES = 64,
    LATTICE_FRAMES = 1 << 15,
    MIN_FRAMES = 500,
    SPECTRUM = SPIKEY_SPECTRUM,
    MAX_TRANSFORM = 1 << 22
};

static const double MIN_SAVED = 0.1; /* bits a sample that a lattice must promise */
static const double REVIVAL = 0.5;   /* a comb of this strength shows a lattice, where */
static const double DIP = 0.6;       /* lower frequencies fall below this share of it */

static int compare(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Bits per symbol; they become sorted. */
static double entropy(int64_t *symbols, int64_t n) {
    double sum = 0;
    qsort(symbols, (size_t)n, sizeof *symbols, compare);
    for (int64_t i = 0, run = 0; i < n; i++) {
        run++;
        if (i + 1 < n && symbols[i + 1] == symbols[i]) continue;
        sum += (double)run * log2((double)run);
        run = 0;
    }
    return log2((double)n) - sum / (double)n;
}

/* Bits a sample: differences of lattice points, and residues given the ones before. */
static double cost_of(const int32_t *x, int64_t n, const spikey_channel *lattice, int64_t *work) {
    double sum = 0;
    for (int part = 0; part < 3; part++) {
        int64_t k_before = 0, r_before = 0;
        for (int64_t i = 0; i < n; i++) {
            int64_t k = number_of(lattice, x[i]), r = x[i] - point_of(lattice, k);
            if (i) work[i - 1] = part == 0 ? k - k_before : part == 1 ? r * lattice->residues + r_before : r_before;
            k_before = k, r_before = r;
        }
        sum += part < 2 ? entropy(work, n - 1) : -entropy(work, n - 1);
    }
    return sum;
}

/* The lattice of this step that is shifted so that most values are points. */
static spikey_channel shifted(const int32_t *x, int64_t n, int64_t numerator, int64_t denominator) {
    spikey_channel best = {.kind = LATTICE, .numerator = numerator, .denominator = denominator, .size = 1};
    int64_t most = 0, step = denominator > 16 ? denominator / 16 : 1;
    best.residues = (int32_t)((numerator + denominator - 1) / denominator);
    for (int64_t part = 0; part < denominator; part += step) {
        spikey_channel lattice = best;
        int64_t count[MAX_RESIDUES + 1] = {0}, mode = 0;
        lattice.shift = part;
        for (int64_t i = 0; i < n; i++) {
            int64_t residue = x[i] - point_of(&lattice, number_of(&lattice, x[i]));
            count[residue]++;
        }
        for (int64_t i = 1; i <= MAX_RESIDUES; i++)
            if (count[i] > count[mode]) mode = i;
        if (count[mode] <= most) continue;
        most = count[mode];
        best.shift = part + mode * denominator;
    }
    return best;
}

/* About the period of the comb that the histogram of differences shows; 0 if it shows none, below 0 without memory. */
static double period_of(const spikey_fourier *fourier, const int32_t *x, int64_t n) {
    int64_t n_near = 0;
    double *histogram = spikey_room(SPECTRUM + SPECTRUM / 2 + 1, sizeof *histogram);
    if (!histogram) return -1;
    double *strength = histogram + SPECTRUM, lowest = INFINITY, period = 0;
    for (int64_t i = 1; i < n; i++) {
        int64_t d = (int64_t)x[i] - x[i - 1];
        if (d > -SPECTRUM / 2 && d < SPECTRUM / 2) histogram[d + SPECTRUM / 2]++, n_near++;
    }
    if (2 * n_near >= n - 1) {
        spikey_power(fourier, histogram, strength);
        const double whole = (double)n_near * (double)n_near; /* of powers, which are squares */
        for (int k = 1; k <= SPECTRUM / 2; k++) {
            lowest = strength[k] < lowest ? strength[k] : lowest;
            if (k < SPECTRUM / MAX_RESIDUES || strength[k] <= REVIVAL * REVIVAL * whole || lowest >= DIP * DIP * strength[k]) continue;
            while (k < SPECTRUM / 2 && strength[k + 1] > strength[k]) k++;
            period = (double)SPECTRUM / k;
            break;
        }
    }
    free(histogram);
    return period;
}

/* The step that the values support best near an estimate, in 1 / MAX_DENOMINATOR; 0 if their range is too wide, below 0 without
 * memory. */
static int64_t refined(const int32_t *x, int64_t n, double about) {
    int32_t low = x[0], high = x[0];
    for (int64_t i = 1; i < n; i++) low = x[i] < low ? x[i] : low, high = x[i] > high ? x[i] : high;
    int64_t size = 8, span = (int64_t)high - low + 1, numerator = 0;
    while (size < 8 * span) size *= 2;
    if (size > MAX_TRANSFORM) return 0;
    spikey_fourier fourier;
    double *counts = spikey_room(size + size / 2 + 1, sizeof *counts);
    int error = spikey_fourier_new(&fourier, size);
    if (counts && !error) {
        double *power = counts + size;
        for (int64_t i = 0; i < n; i++) counts[x[i] - low]++;
        spikey_power(&fourier, counts, power);
        int64_t first = (int64_t)((double)size / (about + 1)), at = first = greatest(first, 1);
        int64_t last = least((int64_t)((double)size / (about - 1)), size / 2);
        for (int64_t i = first; i <= last; i++)
            if (power[i] > power[at]) at = i;
        if (at < size / 2) { /* the peak of a parabola through three of them */
            double left = sqrt(power[at - 1]), middle = sqrt(power[at]), right = sqrt(power[at + 1]);
            double place = (double)at + 0.5 * (left - right) / (left - 2 * middle + right);
            double step = rint((double)size / place * MAX_DENOMINATOR);
            numerator = step > 0 && step < (double)MAX_RESIDUES * MAX_DENOMINATOR ? (int64_t)step : 0;
        }
    }
    spikey_fourier_free(&fourier);
    free(counts);
    return counts && !error ? numerator : -1;
}

int spikey_find_lattice(const spikey_fourier *fourier, const int32_t *x, int64_t n, int has_palette, spikey_channel *lattice) {
    n = least(n, LATTICE_FRAMES);
    if (n < MIN_FRAMES) return 0;
    const double about = period_of(fourier, x, n);
    if (about <= 0) return about < 0 ? SPIKEY_NO_MEMORY : 0;
    const int64_t near = (int64_t)rint(about), fine = refined(x, n, about);
    int64_t *work = spikey_room(n, sizeof *work);
    if (fine < 0 || !work) {
        free(work);
        return SPIKEY_NO_MEMORY;
    }
    for (int64_t i = 1; i < n; i++) work[i - 1] = floor_of((int64_t)x[i] - x[i - 1], near);
    double least_cost = entropy(work, n - 1) + log2((double)near); /* a smooth density sees no comb */
    for (int64_t i = 0; i < n; i++) work[i] = x[i];
    if (has_palette) least_cost = fmin(least_cost, entropy(work, n));
    least_cost -= MIN_SAVED;
    int is_found = 0;
    for (int way = 0; way < 2; way++) {
        const int64_t denominator = way ? MAX_DENOMINATOR : 1, numerator = way ? fine : near;
        if (numerator <= denominator || numerator >= MAX_RESIDUES * denominator) continue;
        spikey_channel found = shifted(x, n, numerator, denominator);
        double cost = cost_of(x, n, &found, work);
        if (cost < least_cost) *lattice = found, least_cost = cost, is_found = 1;
    }
    free(work);
    return is_found;
}

int spikey_fit_lattice(spikey_channel *lattice, int32_t low, int32_t high, int32_t lowest) {
    lattice->shift += number_of(lattice, low) * lattice->numerator; /* the first point is that of the lowest value */
    int64_t points = number_of(lattice, high) + 1;
    lattice->size = (int32_t)least(points, MAX_CODES);
    return points * lattice->residues <= MAX_CODES && point_of(lattice, 0) >= lowest;
}
