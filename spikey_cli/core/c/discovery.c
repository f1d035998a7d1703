/* Discovery: which channels each channel is predicted from, in which order they are coded, long lags and orders, as
 * spikey_cli/topology/discovery.py describes and explains it. */

#include <math.h>

#include "encoder.h"

enum {
    GROUP_CHANNELS = 64, GROUP_SAMPLES = 1 << 20, /* channels that depend on each other: so many, or as many as have so many samples */
    MIN_SAMPLES = 200,
    EXACT = 1024, /* 1024 * 127**2 < 2**24: float32 sums that many products without rounding */
    PASSES = 16,
    LAG_SAMPLES = 1 << 12, LAGS = 1 << 11, SAMPLES_PER_LAG = 8
};

static const double FALSE_PAIRS = 1e-4, LEAST_VARIANCE = 1e-4, LAG_CORRELATION = 0.15, LAG_DEVIATIONS = 8,
                    LEARNING = 4, BESIDE_REFERENCES = 0.25;

typedef float four __attribute__((vector_size(16)));

/* The deviations that a normal number exceeds with a probability of 0 < p < 1e-4. */
static double deviations_of(double p) {
    double x = sqrt(-2 * log(p));
    for (int i = 0; i < 30; i++) {
        double above = 0.5 * erfc(x * 0.7071067811865476), density = 0.3989422804014327 * exp(-0.5 * x * x);
        x += (log(above) - log(p)) * above / density;
    }
    return x;
}

/* ---- correlations ---- */

/* Of the residuals of n channels with each other, 0 with themselves. */
static int correlate(const int8_t *const *rows, int64_t n, int64_t count, double *correlation) {
    float *piece = spikey_room(n * EXACT, sizeof *piece);
    double *inverse = spikey_room(n, sizeof *inverse);
    int error = piece && inverse ? SPIKEY_OK : SPIKEY_NO_MEMORY;
    for (int64_t at = 0; at < count && !error; at += EXACT) {
        for (int64_t i = 0; i < n; i++)
            for (int64_t t = 0; t < EXACT; t++) piece[i * EXACT + t] = at + t < count ? (float)rows[i][at + t] : 0;
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j <= i; j++) {
                const four *a = (const four *)(piece + i * EXACT), *b = (const four *)(piece + j * EXACT);
                four sum = {0}, sum2 = {0}, sum3 = {0}, sum4 = {0};
                for (int64_t t = 0; t < EXACT / 4; t += 4) {
                    sum += a[t] * b[t], sum2 += a[t + 1] * b[t + 1];
                    sum3 += a[t + 2] * b[t + 2], sum4 += a[t + 3] * b[t + 3];
                }
                sum += sum2 + (sum3 + sum4);
                correlation[i * n + j] += (double)(sum[0] + sum[1] + sum[2] + sum[3]);
            }
    }
    for (int64_t i = 0; i < n && !error; i++) inverse[i] = pow(correlation[i * n + i], -0.5);
    for (int64_t i = 0; i < n && !error; i++) {
        for (int64_t j = 0; j < i; j++) {
            const double product = correlation[i * n + j];
            correlation[i * n + j] = product * inverse[j] * inverse[i];
            correlation[j * n + i] = product * inverse[i] * inverse[j];
        }
        correlation[i * n + i] = 0;
    }
    free(piece), free(inverse);
    return error;
}

/* ---- a session: channels that are connected ---- */

typedef struct {
    int64_t n;
    const double *correlation; /* [n][n] */
    double least;              /* that is not taken for chance */
    int64_t *in_order, *before; /* Prim's order; the channel before each in the tree */
    int *passes;
    double *shared, *covariance, *variance, *columns; /* [n][PASSES]; [n]; [n]; [SPIKEY_MAX_REFERENCES][n] */
    uint8_t *possible;
} session;

static double size_of(const session *of, int64_t i, int64_t j) { return fabs(of->correlation[i * of->n + j]); }

static void find_order(session *of) {
    double *nearest = of->covariance;
    for (int64_t i = 0; i < of->n; i++) nearest[i] = size_of(of, 0, i), of->before[i] = 0;
    nearest[0] = -1;
    of->in_order[0] = 0;
    for (int64_t k = 1; k < of->n; k++) {
        int64_t next = 0;
        for (int64_t i = 1; i < of->n; i++)
            if (nearest[i] > nearest[next]) next = i;
        of->in_order[k] = next;
        nearest[next] = -1;
        for (int64_t i = 0; i < of->n; i++)
            if (nearest[i] >= 0 && size_of(of, next, i) > nearest[i]) nearest[i] = size_of(of, next, i), of->before[i] = next;
    }
}

static void assign_passes(session *of) {
    const int64_t room = (of->n + PASSES - 1) / PASSES;
    int64_t count[PASSES] = {0};
    for (int64_t k = 0; k < of->n; k++) {
        const int64_t channel = of->in_order[k];
        const double *shared = of->shared + channel * PASSES;
        int chosen = -1;
        for (int pass = 0; pass < PASSES; pass++)
            if (count[pass] < room && (chosen < 0 || shared[pass] < shared[chosen])) chosen = pass;
        of->passes[channel] = chosen;
        count[chosen]++;
        for (int64_t i = 0; i < of->n; i++) { /* what a pair loses in one pass: the information that the two samples share */
            const double size = fmin(size_of(of, i, channel), 0.999);
            of->shared[i * PASSES + chosen] -= log(1 - size * size);
        }
    }
}

/* References of a channel to earlier passes, the most useful ones first: a pivoted Cholesky decomposition. */
static int find_earlier(session *of, int64_t channel, int most, int64_t *found) {
    const int64_t n = of->n;
    double own = 1, *covariance = of->covariance, *variance = of->variance;
    int count = 0;
    for (int64_t i = 0; i < n; i++) {
        covariance[i] = of->correlation[channel * n + i]; /* with each other one, given the chosen ones */
        variance[i] = 1;
        of->possible[i] = of->passes[i] < of->passes[channel];
    }
    while (count < most) {
        int64_t best = 0;
        double most_gain = 0;
        for (int64_t i = 0; i < n; i++) {
            if (!of->possible[i] || variance[i] <= LEAST_VARIANCE) continue;
            double gain = covariance[i] * covariance[i] / fmax(variance[i], 1e-9);
            if (gain > most_gain) most_gain = gain, best = i;
        }
        if (most_gain < of->least * of->least * own) break;
        double *column = of->columns + count * n;
        const double root = sqrt(fmax(variance[best], 1e-9)), with_own = covariance[best] / root;
        for (int64_t i = 0; i < n; i++) column[i] = i == best ? 1 : of->correlation[best * n + i];
        for (int k = 0; k < count; k++) {
            const double *previous = of->columns + k * n, at_best = previous[best];
            for (int64_t i = 0; i < n; i++) column[i] -= previous[i] * at_best;
        }
        for (int64_t i = 0; i < n; i++) {
            column[i] /= root;
            covariance[i] -= with_own * column[i];
            variance[i] -= column[i] * column[i];
        }
        own = fmax(own - with_own * with_own, 1e-6);
        of->possible[best] = 0;
        found[count++] = best;
    }
    const int64_t before = of->before[channel];
    int is_listed = of->passes[before] >= of->passes[channel];
    for (int i = 0; i < count; i++) is_listed |= found[i] == before;
    if (!is_listed) found[count = (int)least(count, most - 1)] = before, count++;
    return count;
}

/* References to channels of its own and of later passes, the nearest first. */
static int find_later(const session *of, int64_t channel, int64_t *found) {
    int count = 0;
    for (int64_t i = 0; i < of->n; i++) {
        const double size = size_of(of, channel, i);
        if (of->passes[i] < of->passes[channel] || size < of->least) continue;
        int k = count < SPIKEY_MAX_LATER ? count++ : SPIKEY_MAX_LATER;
        for (; k > 0 && size > size_of(of, channel, found[k - 1]); k--)
            if (k < SPIKEY_MAX_LATER) found[k] = found[k - 1];
        if (k < SPIKEY_MAX_LATER) found[k] = i;
    }
    const int64_t before = of->before[channel];
    int is_listed = before == channel || of->passes[before] < of->passes[channel];
    for (int i = 0; i < count; i++) is_listed |= found[i] == before;
    if (!is_listed) found[count = (int)least(count, SPIKEY_MAX_LATER - 1)] = before, count++;
    return count;
}

/* Fill in passes and references of connected channels. */
static int fill_session(spikey_encoder *of, const int64_t *members, int64_t n, const double *correlation, double least_size) {
    session own = {.n = n, .correlation = correlation, .least = least_size};
    own.in_order = spikey_room(2 * n, sizeof *own.in_order);
    own.passes = spikey_room(n, sizeof *own.passes);
    own.shared = spikey_room(n * (PASSES + 2 + SPIKEY_MAX_REFERENCES), sizeof *own.shared);
    own.possible = spikey_room(n, 1);
    int error = own.in_order && own.passes && own.shared && own.possible ? SPIKEY_OK : SPIKEY_NO_MEMORY;
    if (!error) {
        int64_t found[SPIKEY_MAX_REFERENCES];
        own.before = own.in_order + n;
        own.covariance = own.shared + n * PASSES;
        own.variance = own.covariance + n;
        own.columns = own.variance + n;
        find_order(&own);
        assign_passes(&own);
        for (int64_t i = 0; i < n; i++) {
            spikey_channel *channel = &of->chunk.channels[members[i]];
            channel->coding_pass = own.passes[i];
            channel->n_earlier = find_earlier(&own, i, of->preset_earlier, found);
            for (int k = 0; k < channel->n_earlier; k++) channel->earlier[k] = (int32_t)members[found[k]];
            channel->n_later = find_later(&own, i, found);
            for (int k = 0; k < channel->n_later; k++) channel->later[k] = (int32_t)members[found[k]];
        }
    }
    free(own.in_order), free(own.passes), free(own.shared), free(own.possible);
    return error;
}

/* Find what is connected among n channels, and fill it in. */
static int link_channels(spikey_encoder *of, const int8_t *residuals, const int64_t *channels, int64_t n, double limit) {
    const int64_t count = of->excerpt_frames;
    const double least_size = tanh(limit / sqrt((double)(count - 3)));
    double *correlation = spikey_room(2 * n * n, sizeof *correlation), *own = correlation ? correlation + n * n : 0;
    const int8_t **rows = spikey_room(n, sizeof *rows);
    int64_t *members = spikey_room(2 * n, sizeof *members), *place = members ? members + n : 0;
    uint8_t *is_left = spikey_room(n, 1);
    int error = own && rows && place && is_left ? SPIKEY_OK : SPIKEY_NO_MEMORY;
    for (int64_t i = 0; i < n && !error; i++) rows[i] = residuals + channels[i] * count, is_left[i] = 1;
    if (!error) error = correlate(rows, n, count, correlation);
    for (int64_t first = 0; first < n && !error; first++) {
        int64_t n_members = 0;
        if (!is_left[first]) continue;
        place[n_members++] = first;
        is_left[first] = 0;
        for (int64_t k = 0; k < n_members; k++)
            for (int64_t j = 0; j < n; j++)
                if (is_left[j] && fabs(correlation[place[k] * n + j]) >= least_size) place[n_members++] = j, is_left[j] = 0;
        if (n_members < 2) continue;
        for (int64_t k = 1; k < n_members; k++) { /* sorted, by insertion */
            const int64_t moved = place[k];
            int64_t at = k;
            for (; at > 0 && place[at - 1] > moved; at--) place[at] = place[at - 1];
            place[at] = moved;
        }
        for (int64_t i = 0; i < n_members; i++) {
            members[i] = channels[place[i]];
            for (int64_t j = 0; j < n_members; j++) own[i * n_members + j] = correlation[place[i] * n + place[j]];
        }
        error = fill_session(of, members, n_members, own, least_size);
    }
    free(correlation), free(rows), free(members), free(is_left);
    return error;
}

/* ---- long lags ---- */

static int find_lags(spikey_encoder *of, const int8_t *residuals) {
    const int64_t count = of->excerpt_frames, n = least(count, LAG_SAMPLES), longest = least(LAGS, count / SAMPLES_PER_LAG);
    if (longest < SPIKEY_MIN_LAG) return SPIKEY_OK;
    const double least_size = fmax(LAG_CORRELATION, LAG_DEVIATIONS / sqrt((double)n));
    int64_t size = 8;
    while (size < n + longest) size *= 2;
    spikey_fourier fourier = {0};
    double *samples = spikey_room(2 * size + 2, sizeof *samples), *power = samples ? samples + size : 0;
    int error = spikey_reach(&fourier, size);
    if (!samples) error = SPIKEY_NO_MEMORY;
    for (int64_t channel = 0; channel < of->source.channels && !error; channel++) {
        const int8_t *residual = residuals + channel * count;
        for (int64_t t = 0; t < size; t++) samples[t] = t < n ? residual[t] : 0;
        spikey_power(&fourier, size, samples, power);
        for (int64_t k = 0; k < size; k++) samples[k] = power[k <= size / 2 ? k : size - k];
        spikey_real_part(&fourier, size, samples, power); /* products at each lag, but for a factor */
        double most = 0;
        int64_t lag = 0;
        for (int64_t k = SPIKEY_MIN_LAG; k <= longest; k++) {
            const double correlation = fabs(power[k]) * (double)n / (double)(n - k) / fmax(power[0], (double)size);
            if (correlation > most) most = correlation, lag = k;
        }
        if (most >= least_size) of->chunk.channels[channel].lag = (int32_t)lag;
    }
    spikey_fourier_free(&fourier);
    free(samples);
    return error;
}

/* ---- orders ---- */

/* The order that saves each channel most. References tell much of it, too. */
static void find_orders(spikey_encoder *of, const double *saved) {
    const double cost = of->order_cost + LEARNING / (double)of->excerpt_frames;
    for (int64_t i = 0; i < of->source.channels; i++) {
        spikey_channel *channel = &of->chunk.channels[i];
        const double share = channel->n_earlier + channel->n_later ? BESIDE_REFERENCES : 1;
        double most = 0;
        for (int k = 0; k < 2; k++) {
            const int order = 2 * SPIKEY_MIN_ORDER << k;
            const double gain = share * saved[2 * i + k] - cost * (order - SPIKEY_MIN_ORDER);
            if (gain > most) most = gain, channel->order = order;
        }
    }
}

/* ---- the whole ---- */

/* What is predicted of the excerpt, and its residuals. */
static int find_residuals(spikey_encoder *of, int8_t *residuals, double *saved) {
    const int64_t n = of->excerpt_frames;
    for (int64_t i = 0; i < of->source.channels; i++) {
        const spikey_channel *channel = &of->chunk.channels[i];
        int32_t *own = of->excerpt + i * n;
        if (channel->kind == COPY) memset(own, 0, (size_t)n * sizeof *own);
        for (int64_t t = 0; channel->kind == LATTICE && t < n; t++) own[t] = (int32_t)number_of(channel, own[t]);
        TRY(spikey_residuals(own, SPIKEY_INT32, n, 1, residuals + i * n, saved + 2 * i));
    }
    return SPIKEY_OK;
}

/* Channels of the next dependency group that can be compared; *next becomes the first one behind it. */
static int64_t comparable(const spikey_encoder *of, const int8_t *residuals, int64_t *next, int64_t *channels) {
    const int64_t n = of->source.channels, count = of->excerpt_frames;
    const int64_t most = least(MAX_GROUP, greatest(GROUP_CHANNELS, GROUP_SAMPLES / greatest(of->source.frames, 1)));
    const int64_t n_groups = (n + most - 1) / most, group = *next * n_groups / n;
    int64_t found = 0;
    for (; *next < n && *next * n_groups / n == group; ++*next) {
        int is_silent = 1;
        for (int64_t t = 0; t < count && is_silent; t++) is_silent = !residuals[*next * count + t];
        if (!is_silent) channels[found++] = *next;
    }
    return found;
}

int spikey_find_topology(spikey_encoder *of) {
    const int64_t n = of->source.channels;
    for (int64_t i = 0; i < n; i++) of->chunk.channels[i].order = SPIKEY_MIN_ORDER;
    if (!of->excerpt_frames) return SPIKEY_OK;
    int8_t *residuals = spikey_room(n * of->excerpt_frames, 1);
    double *saved = spikey_room(2 * n, sizeof *saved);
    int64_t channels[MAX_GROUP], count, tested = 0;
    int error = residuals && saved ? find_residuals(of, residuals, saved) : SPIKEY_NO_MEMORY;
    const int is_long = of->excerpt_frames >= MIN_SAMPLES;
    for (int64_t next = 0; !error && is_long && next < n;) {
        count = comparable(of, residuals, &next, channels);
        tested += count * (count - 1) / 2;
    }
    const double limit = tested ? deviations_of(FALSE_PAIRS / 2 / (double)tested) : 0;
    for (int64_t next = 0; !error && tested && next < n;) {
        count = comparable(of, residuals, &next, channels);
        if (count > 1) error = link_channels(of, residuals, channels, count, limit);
    }
    if (!error) error = find_lags(of, residuals);
    if (!error) find_orders(of, saved);
    free(residuals), free(saved);
    return error;
}
