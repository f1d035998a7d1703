/* The search for lattices: points with a step that is no integer, or integers near points, as
 * spikey_cli/core/channel_quantizers.py describes them. */

#include <math.h>

#include "encoder.h"

enum {
    MAX_DENOMINATOR = 1 << 12,
    MAX_RESIDUES = 64,
    LATTICE_FRAMES = 1 << 15,
    MIN_FRAMES = 500,
    SPECTRUM = 1 << 13, /* of the histogram of differences */
    MAX_TRANSFORM = 1 << 22
};

static const double MIN_SAVED = 0.1; /* bits a sample that a lattice must promise */
static const double REVIVAL = 0.5;   /* a comb of this strength shows a lattice, where */
static const double DIP = 0.6;       /* lower frequencies fall below this share of it */

/* How often each of some symbols occurs. */
typedef struct {
    int64_t *work, *symbols, *counts, n; /* symbols to be tallied; the different ones, and how many */
    int32_t *slots;                      /* 1 + the place of a symbol, by its hash */
    uint64_t mask;
} tally;

static int make_tally(tally *of, int64_t n) {
    int64_t size = 16;
    while (size < 2 * n) size *= 2;
    of->work = spikey_room(3 * n, sizeof *of->work);
    of->slots = spikey_room(size, sizeof *of->slots);
    of->symbols = of->work + n, of->counts = of->symbols + n, of->mask = (uint64_t)size - 1;
    return of->work && of->slots ? SPIKEY_OK : SPIKEY_NO_MEMORY;
}

static void free_tally(tally *of) { free(of->work), free(of->slots); }

/* Tally the first n numbers of `work`. Returns their entropy, in bits. */
static double entropy(tally *of, int64_t n) {
    double sum = 0;
    memset(of->slots, 0, (of->mask + 1) * sizeof *of->slots);
    of->n = 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t at = (uint64_t)of->work[i] * 0x9E3779B97F4A7C15u >> 32 & of->mask;
        while (of->slots[at] && of->symbols[of->slots[at] - 1] != of->work[i]) at = (at + 1) & of->mask;
        if (!of->slots[at]) of->symbols[of->n] = of->work[i], of->counts[of->n] = 0, of->slots[at] = (int32_t)++of->n;
        of->counts[of->slots[at] - 1]++;
    }
    for (int64_t i = 0; i < of->n; i++) sum += (double)of->counts[i] * log2((double)of->counts[i]);
    return log2((double)n) - sum / (double)n;
}

/* Bits a sample: differences of lattice points, and residues given the ones before. */
static double cost_of(const int32_t *x, int64_t n, const spikey_channel *lattice, tally *symbols, int64_t *points) {
    int64_t *work = symbols->work, residue_before = 0;
    for (int64_t i = 0; i < n; i++) points[i] = number_of(lattice, x[i]);
    for (int64_t i = 1; i < n; i++) work[i - 1] = points[i] - points[i - 1];
    double bits = entropy(symbols, n - 1);
    for (int64_t i = 0; i < n; i++) {
        const int64_t residue = x[i] - point_of(lattice, points[i]);
        points[i] = residue_before;
        if (i) work[i - 1] = residue * lattice->residues + residue_before;
        residue_before = residue;
    }
    bits += entropy(symbols, n - 1);
    memcpy(work, points + 1, (size_t)(n - 1) * sizeof *work);
    return bits - entropy(symbols, n - 1);
}

/* The lattice of this step that is shifted so that most values are points. */
static spikey_channel shifted(const tally *values, int64_t numerator, int64_t denominator) {
    spikey_channel best = {.kind = LATTICE, .numerator = numerator, .denominator = denominator, .size = 1};
    int64_t most = 0, step = denominator > 16 ? denominator / 16 : 1;
    best.residues = (int32_t)((numerator + denominator - 1) / denominator);
    for (int64_t part = 0; part < denominator; part += step) {
        spikey_channel lattice = best;
        int64_t count[MAX_RESIDUES + 1] = {0}, mode = 0;
        lattice.shift = part;
        for (int64_t i = 0; i < values->n; i++) {
            const int64_t value = values->symbols[i];
            count[value - point_of(&lattice, number_of(&lattice, value))] += values->counts[i];
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
static double period_of(spikey_fourier *fourier, const int32_t *x, int64_t n) {
    int64_t n_near = 0;
    double *histogram = spikey_room(SPECTRUM + SPECTRUM / 2 + 1, sizeof *histogram);
    if (!histogram || spikey_reach(fourier, SPECTRUM)) {
        free(histogram);
        return -1;
    }
    double *strength = histogram + SPECTRUM, lowest = INFINITY, period = 0;
    for (int64_t i = 1; i < n; i++) {
        int64_t d = (int64_t)x[i] - x[i - 1];
        if (d > -SPECTRUM / 2 && d < SPECTRUM / 2) histogram[d + SPECTRUM / 2]++, n_near++;
    }
    if (2 * n_near >= n - 1) {
        spikey_power(fourier, SPECTRUM, histogram, strength);
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
static int64_t refined(spikey_fourier *fourier, const tally *values, double about) {
    int64_t low = values->symbols[0], high = low;
    for (int64_t i = 1; i < values->n; i++) low = least(low, values->symbols[i]), high = greatest(high, values->symbols[i]);
    int64_t size = 8, span = high - low + 1, numerator = 0;
    while (size < 8 * span) size *= 2;
    if (size > MAX_TRANSFORM) return 0;
    double *counts = spikey_room(size + size / 2 + 1, sizeof *counts);
    if (!counts || spikey_reach(fourier, size)) {
        free(counts);
        return -1;
    }
    double *power = counts + size;
    for (int64_t i = 0; i < values->n; i++) counts[values->symbols[i] - low] = (double)values->counts[i];
    spikey_power(fourier, size, counts, power);
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
    free(counts);
    return numerator;
}

/* The lattice of a step near an estimate, if there is one that costs less than no lattice. Returns 1 or 0, or SPIKEY_NO_MEMORY. */
static int find_near(spikey_fourier *fourier, const int32_t *x, int64_t n, double about, int has_palette, tally *symbols,
                     int64_t *points, spikey_channel *lattice) {
    const int64_t near = (int64_t)rint(about);
    for (int64_t i = 1; i < n; i++) symbols->work[i - 1] = floor_of((int64_t)x[i] - x[i - 1], near);
    double least_cost = entropy(symbols, n - 1) + log2((double)near); /* a smooth density sees no comb */
    for (int64_t i = 0; i < n; i++) symbols->work[i] = x[i];
    const double of_palette = entropy(symbols, n);
    if (has_palette) least_cost = fmin(least_cost, of_palette);
    least_cost -= MIN_SAVED;
    const int64_t fine = refined(fourier, symbols, about);
    if (fine < 0) return SPIKEY_NO_MEMORY;
    spikey_channel found[2]; /* before the values are lost to other tallies */
    int n_found = 0, is_found = 0;
    if (near > 1 && near < MAX_RESIDUES) found[n_found++] = shifted(symbols, near, 1);
    if (fine > MAX_DENOMINATOR && fine < MAX_RESIDUES * MAX_DENOMINATOR) found[n_found++] = shifted(symbols, fine, MAX_DENOMINATOR);
    for (int i = 0; i < n_found; i++) {
        double cost = cost_of(x, n, &found[i], symbols, points);
        if (cost < least_cost) *lattice = found[i], least_cost = cost, is_found = 1;
    }
    return is_found;
}

int spikey_find_lattice(spikey_fourier *fourier, const int32_t *x, int64_t n, int has_palette, spikey_channel *lattice) {
    n = least(n, LATTICE_FRAMES);
    if (n < MIN_FRAMES) return 0;
    const double about = period_of(fourier, x, n);
    if (about <= 0) return about < 0 ? SPIKEY_NO_MEMORY : 0;
    tally symbols;
    int64_t *points = spikey_room(n, sizeof *points);
    int found = make_tally(&symbols, n);
    if (!points) found = SPIKEY_NO_MEMORY;
    if (!found) found = find_near(fourier, x, n, about, has_palette, &symbols, points, lattice);
    free_tally(&symbols), free(points);
    return found;
}

int spikey_find_step(const int32_t *x, int64_t n, int has_palette, int64_t *numerator, int64_t *denominator, int64_t *shift) {
    spikey_fourier fourier = {0};
    spikey_channel lattice = {0};
    int found = spikey_find_lattice(&fourier, x, n, has_palette, &lattice);
    spikey_fourier_free(&fourier);
    *numerator = lattice.numerator, *denominator = lattice.denominator, *shift = lattice.shift;
    return found;
}

int spikey_fit_lattice(spikey_channel *lattice, int32_t low, int32_t high, int32_t lowest) {
    lattice->shift += number_of(lattice, low) * lattice->numerator; /* the first point is that of the lowest value */
    int64_t points = number_of(lattice, high) + 1;
    lattice->size = (int32_t)least(points, SPIKEY_MAX_SIZE);
    return points * lattice->residues <= SPIKEY_MAX_SIZE && point_of(lattice, 0) >= lowest;
}
