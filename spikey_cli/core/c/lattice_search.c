/* The search for lattices: points with a step that is no integer, or integers near points, as
 * spikey_cli/core/channel_quantizers.py describes them.
 *
 * The histogram of differences shows a comb, whose frequency is 1 / step, or 1 - 1 / step for steps below 2. The values fix the
 * frequency, range by range. If all but a few of them are rounded points of one step, it is most likely the simplest fraction of
 * which they are: then it is exact for values that the search does not see. What saves most bits is taken. */

#include <math.h>

#include "encoder.h"

enum {
    LATTICE_FRAMES = 1 << 15,
    MIN_FRAMES = 100,
    MIN_BITS = 4, MAX_BITS = 12, /* of the differences in their histogram */
    SEEN = 1 << 11, /* differences that show how many bits most take */
    MAX_CUTS = 64
};

static const double MIN_SAVED = 0.1;  /* bits a sample that a lattice must promise */
static const double REVIVAL = 0.03;   /* a comb of this strength may show a lattice, if it is above noise, where */
static const double DIP = 0.6;        /* lower frequencies fall below this share of it */
static const double MIN_ALIAS = 0.1;  /* frequency whose alias may be meant */
static const double HARMONIC = 0.7;   /* the first frequency is the one that reaches this share of the highest power */
static const double DENSE = 4;        /* points for each value, up to which a palette saves nothing */
static const double TOLERANCE = 0.1;  /* of a value beside what rounding leaves, before the lattice is exact */

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

/* Bits a sample: differences of lattice points, and residues given the ones before. A pair of residues that is seen first is
 * spelt out, as chance alone would make few of many pairs. */
static double cost_of(const int32_t *x, int64_t n, const spikey_channel *lattice, tally *symbols, int64_t *points,
                      double *of_residues) {
    int64_t *work = symbols->work, residue_before = 0;
    for (int64_t i = 0; i < n; i++) points[i] = number_of(lattice, x[i]);
    for (int64_t i = 1; i < n; i++) work[i - 1] = points[i] - points[i - 1];
    const double of_points = entropy(symbols, n - 1);
    for (int64_t i = 0; i < n; i++) {
        const int64_t residue = x[i] - point_of(lattice, points[i]);
        points[i] = residue_before;
        if (i) work[i - 1] = residue * lattice->residues + residue_before;
        residue_before = residue;
    }
    *of_residues = entropy(symbols, n - 1) + (double)(symbols->n - 1) * log2((double)lattice->residues) / (double)n;
    memcpy(work, points + 1, (size_t)(n - 1) * sizeof *work);
    *of_residues -= entropy(symbols, n - 1);
    /* the directory stands twice in a chunk */
    return of_points + *of_residues + 2 * (log2((double)lattice->numerator) + 2 * log2((double)lattice->denominator)) / (double)n;
}

/* Bits a sample without a lattice: of differences, if those other than 0 have a density that is smooth, and does not see the
 * comb. It is estimated as that of the points is, as chance makes both lower where there are few frames. */
static double smooth_cost(const int32_t *x, int64_t n, double step, tally *symbols) {
    int64_t n_zero = 0;
    double sum = 0;
    for (int64_t i = 1; i < n; i++) {
        const double d = (double)x[i] - x[i - 1];
        symbols->work[i - 1] = (int64_t)rint(d / step);
        sum += fabs(d), n_zero += d == 0;
    }
    const double of_steps = entropy(symbols, n - 1) + (1 - (double)n_zero / (double)(n - 1)) * log2(step);
    return fmin(of_steps, log2(2 * exp(1) * sum / (double)(n - 1))); /* the latter of a Laplacian density */
}

/* ---- the comb ---- */

typedef struct {
    double frequency, phase; /* points are where frequency (x - centre) - phase is an integer */
    int64_t centre, range;   /* differences up to the range show the frequency */
    int is_whole;            /* the frequency may be an alias of 1 - frequency */
} comb;

/* The frequency of the comb that the histogram of differences shows, below 1/2. Returns 1, or 0 if it shows none. */
static int find_comb(spikey_fourier *fourier, const int32_t *x, int64_t n, comb *of) {
    int64_t lengths[33] = {0}, n_seen = 0, n_near = 0;
    for (int64_t i = 1; i < n; i += n / SEEN + 1, n_seen++) {
        int64_t d = (int64_t)x[i] - x[i - 1];
        int bits = 0;
        for (d = d < 0 ? ~d : d; d; d >>= 1) bits++;
        lengths[bits]++;
    }
    int bits = 0;
    for (int64_t most = lengths[0]; bits < MIN_BITS || most < n_seen - n_seen / 32; most += lengths[bits]) bits++;
    const int coarse = bits > MAX_BITS ? bits - MAX_BITS : 0;
    const int64_t size = (int64_t)4 << (bits - coarse), half = (int64_t)1 << bits;
    double *histogram = spikey_room(size + size / 2 + 1, sizeof *histogram);
    if (!histogram || spikey_reach(fourier, size)) {
        free(histogram);
        return SPIKEY_NO_MEMORY;
    }
    for (int64_t i = 1; i < n; i++) {
        int64_t d = (int64_t)x[i] - x[i - 1];
        if (d >= -half && d < half) histogram[(d + half) >> coarse]++, n_near++;
    }
    double *power = histogram + size, highest = 0, lowest = INFINITY;
    spikey_power(fourier, size, histogram, power);
    const double whole = (double)n_near * (double)n_near; /* of powers, which are squares */
    double need = fmax(REVIVAL * REVIVAL * whole, 10 * (double)n_near);
    int64_t at = 0;
    for (int pass = 0; pass < 2; pass++, need = fmax(need, HARMONIC * highest), lowest = INFINITY)
        for (int64_t k = 1; k <= size / 2 && !at; k++) {
            lowest = fmin(lowest, power[k]);
            if (power[k] < need || lowest >= DIP * DIP * power[k]) continue;
            highest = fmax(highest, power[k]);
            while (pass && k < size / 2 && power[k + 1] > power[k]) k++;
            if (pass) at = k;
        }
    if (at) {
        double place = (double)at;
        if (at < size / 2) { /* the peak of a parabola through three of them */
            double left = sqrt(power[at - 1]), middle = sqrt(power[at]), right = sqrt(power[at + 1]);
            place += 0.5 * (left - right) / (left - 2 * middle + right);
        }
        *of = (comb){.frequency = place / (double)(size << coarse), .range = half, .is_whole = !coarse};
    }
    free(histogram);
    return at > 0;
}

/* Fit the comb to values, of which wider ranges show the frequency more exactly. */
static void fit_comb(comb *of, const tally *values) {
    int64_t mode = 0, widest = 0;
    for (int64_t i = 1; i < values->n; i++)
        if (values->counts[i] > values->counts[mode]) mode = i;
    of->centre = values->symbols[mode], of->phase = 0;
    for (int64_t i = 0; i < values->n; i++) widest = greatest(widest, llabs(values->symbols[i] - of->centre));
    const double turn = 2 * acos(-1);
    double cosine = 0, sine = 0;
    for (int64_t i = 0; i < values->n; i++) {
        const double u = (double)(values->symbols[i] - of->centre), count = (double)values->counts[i];
        if (fabs(u) > (double)of->range) continue;
        cosine += count * cos(turn * of->frequency * u), sine += count * sin(turn * of->frequency * u);
    }
    of->phase = atan2(sine, cosine) / turn;
    int64_t range = of->range;
    do {
        for (int pass = 0; pass < 3; pass++) {
            double n = 0, su = 0, suu = 0, st = 0, sut = 0, slope = 0;
            for (int64_t i = 0; i < values->n; i++) {
                const double u = (double)(values->symbols[i] - of->centre), count = (double)values->counts[i];
                if (fabs(u) > (double)range) continue;
                double angle = of->frequency * u - of->phase;
                angle -= floor(angle + 0.5);
                const double t = 2 * angle * (0.5 - fabs(angle)); /* nearly a sine */
                slope += count * (1 - 4 * fabs(angle));
                n += count, su += count * u, suu += count * u * u, st += count * t, sut += count * u * t;
            }
            const double determinant = n * suu - su * su;
            if (slope < 0.05 * n || determinant <= 0) break;
            const double by = n / slope / determinant;
            of->frequency -= by * (n * sut - su * st);
            of->phase += by * (suu * st - su * sut);
        }
        range *= 2;
    } while (range < 2 * widest);
}

/* ---- lattices of a comb ---- */

/* The fraction of the smallest denominator between `low` and `high`. Returns whether it is allowed for a lattice. */
static int find_fraction(double low, double high, int64_t *numerator, int64_t *denominator) {
    int64_t a = 1, a_before = 0, b = 0, b_before = 1;
    for (int is_last = 0; !is_last && low < high;) {
        const double whole = floor(low);
        is_last = whole + 1 < high;
        const double term = whole + is_last;
        if (term * (double)b > MAX_DENOMINATOR || term > 1e9) return 0;
        const int64_t next_a = (int64_t)term * a + a_before, next_b = (int64_t)term * b + b_before;
        a_before = a, b_before = b, a = next_a, b = next_b;
        if (b > MAX_DENOMINATOR) return 0;
        if (is_last) break;
        const double new_low = 1 / (high - whole);
        high = 1 / (low - whole), low = new_low;
    }
    *numerator = a, *denominator = b;
    return low < high && a > b && a < MAX_RESIDUES * b;
}

/* The lattice of the simplest step that has all values as points but those, of less than a quarter of the frames, that are far from any.
 * Returns whether there is one. */
static int find_exact(const comb *of, const tally *values, int64_t *numbers, spikey_channel *lattice) {
    const double step = 1 / of->frequency;
    int64_t widest = 0, n_near = 0, n = 0;
    for (int64_t i = 0; i < values->n; i++) {
        const int64_t u = values->symbols[i] - of->centre;
        const double number = rint(of->frequency * (double)u - of->phase);
        const int is_near = fabs((double)u - (number + of->phase) * step) <= 0.5 + TOLERANCE;
        numbers[i] = is_near ? (int64_t)number : INT64_MIN;
        if (is_near) widest = greatest(widest, llabs(numbers[i]));
        n_near += is_near ? values->counts[i] : 0, n += values->counts[i];
    }
    if (!widest || 4 * n_near < 3 * n) return 0;
    double low = fmax(1 + 1e-6, step - 4 * TOLERANCE / (double)widest), high = step + 4 * TOLERANCE / (double)widest;
    int is_found = 0;
    for (int cut = 0; cut < MAX_CUTS; cut++) {
        int64_t a, b, from = -INT64_MAX, to = INT64_MAX, i = 0, j = 0;
        if (!find_fraction(low, high, &a, &b)) break;
        for (int64_t at = 0; at < values->n; at++) { /* twice the shift is in [from, to) if each of these values is its point */
            if (numbers[at] == INT64_MIN) continue;
            const int64_t least_shift = (2 * (values->symbols[at] - of->centre) - 1) * b - 2 * a * numbers[at];
            if (least_shift > from) from = least_shift, i = at;
            if (least_shift + 2 * b < to) to = least_shift + 2 * b, j = at;
        }
        if (from <= to) { /* if they are equal, ties were rounded in both ways: some are 1 above their point */
            *lattice = (spikey_channel){.kind = LATTICE, .numerator = a, .denominator = b, .size = 1};
            lattice->shift = floor_of(from + (from < to ? 1 : -1), 2) + of->centre * b;
            lattice->residues = (int32_t)((a + b - 1) / b);
            is_found = 1;
        }
        if (from < to || numbers[i] == numbers[j]) break;
        /* these two values bound the step */
        const double bound = (double)(values->symbols[i] - values->symbols[j] - 1) / (double)(numbers[i] - numbers[j]);
        if (numbers[i] > numbers[j]) low = fmax(low, bound);
        else high = fmin(high, bound);
    }
    return is_found;
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
        for (int64_t i = 1; i <= best.residues; i++)
            if (count[i] > count[mode]) mode = i;
        if (count[mode] <= most) continue;
        most = count[mode];
        best.shift = part + mode * denominator;
    }
    return best;
}

/* Whether a comb that was fitted may be that of a lattice. */
static int is_allowed(const comb *of) {
    return of->frequency * MAX_RESIDUES > 1 && of->frequency < 1 && fabs(of->phase) < 1 << 30;
}

/* The lattice of a comb's step, rounded as finely as the range of the values asks for, in two places. Returns how many there are. */
static int find_rounded(const comb *of, const tally *values, spikey_channel *lattice) {
    if (!is_allowed(of)) return 0;
    const double step = 1 / of->frequency;
    int64_t widest = 1, denominator = 16;
    for (int64_t i = 0; i < values->n; i++) widest = greatest(widest, llabs(values->symbols[i] - of->centre));
    while ((double)denominator < 16 * of->frequency * (double)widest && denominator < MAX_DENOMINATOR) denominator *= 2;
    int64_t numerator = (int64_t)rint(step * (double)denominator);
    if (numerator <= denominator || numerator >= MAX_RESIDUES * denominator) return 0;
    const int64_t divisor = (int64_t)divisor_of((uint64_t)numerator, (uint64_t)denominator);
    numerator /= divisor, denominator /= divisor;
    lattice[0] = lattice[1] = shifted(values, numerator, denominator);
    lattice[1].shift -= denominator; /* values next to a point on either side are its residues */
    return 2;
}

/* Lattices of a comb: the exact one, else those of its step and of the integer next to it. Returns how many. */
static int find_candidates(const comb *of, const tally *values, int64_t *numbers, spikey_channel *found) {
    if (!is_allowed(of)) return 0;
    const double near = rint(1 / of->frequency);
    if (find_exact(of, values, numbers, found)) return 1;
    int n = find_rounded(of, values, found);
    if (near > 1 && near < MAX_RESIDUES) found[n++] = shifted(values, (int64_t)near, 1);
    return n;
}

/* The lattice of a comb, if there is one that costs less than no lattice. Returns 1 or 0. */
static int find_near(const int32_t *x, int64_t n, comb *of, int has_palette, tally *symbols, int64_t *points, spikey_channel *lattice) {
    for (int64_t i = 1; i < n; i++) symbols->work[i - 1] = (int64_t)x[i] - x[i - 1];
    entropy(symbols, n - 1);
    fit_comb(of, symbols);
    const comb of_differences = *of;
    for (int64_t i = 0; i < n; i++) symbols->work[i] = x[i];
    const double of_palette = entropy(symbols, n), n_values = (double)symbols->n;
    double most_saved = MIN_SAVED, low = x[0], high = x[0];
    for (int64_t i = 0; i < n; i++) low = fmin(low, x[i]), high = fmax(high, x[i]);
    spikey_channel found[10]; /* before the values are lost to other tallies */
    fit_comb(of, symbols);
    int n_found = find_candidates(of, symbols, points, found), is_found = 0;
    if (n_found != 1) n_found += find_rounded(&of_differences, symbols, found + n_found); /* of which an offset that drifts takes nothing */
    if (n_found != 1 && of->frequency > MIN_ALIAS && of->is_whole) { /* an exact one is exact at its alias, too, with more points */
        const comb alias = {.frequency = 1 - of->frequency, .phase = -of->phase, .centre = of->centre};
        n_found += find_candidates(&alias, symbols, points, found + n_found);
    }
    for (int i = 0; i < n_found; i++) {
        const double step = (double)found[i].numerator / (double)found[i].denominator;
        double of_residues;
        const double cost = cost_of(x, n, &found[i], symbols, points, &of_residues);
        const int is_dense = of_residues < MIN_SAVED && (high - low) / step <= DENSE * n_values;
        const double smooth = smooth_cost(x, n, step, symbols);
        const double saved = (has_palette && !is_dense ? fmin(smooth, of_palette) : smooth) - cost;
        if (saved > most_saved) *lattice = found[i], most_saved = saved, is_found = 1;
    }
    return is_found;
}

int spikey_find_lattice(spikey_fourier *fourier, const int32_t *x, int64_t n, int has_palette, spikey_channel *lattice) {
    n = least(n, LATTICE_FRAMES);
    if (n < MIN_FRAMES) return 0;
    comb of;
    int found = find_comb(fourier, x, n, &of);
    if (found <= 0) return found;
    tally symbols;
    int64_t *points = spikey_room(n, sizeof *points);
    found = make_tally(&symbols, n);
    if (!points) found = SPIKEY_NO_MEMORY;
    if (!found) found = find_near(x, n, &of, has_palette, &symbols, points, lattice);
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
