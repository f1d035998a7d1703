/* The network: layers one after another, exact in float32 (its maker proved that), and in int16 multiply-adds over
 * int32 sums if its weights allow. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { MAX_SIDE = 4096, MAX_LAYERS = 64, ROWS_AT_ONCE = 4 };

/* The least shift that makes integers of all weights and the bias of a row; -1 if there is none below 25. */
static int shift_of(const float *weight, int64_t columns, float bias) {
    for (int shift = 0; shift <= 24; shift++) {
        double unit = (double)(1 << shift);
        int64_t k = 0;
        while (k < columns && weight[k] * unit == floor(weight[k] * unit)) k++;
        if (k == columns && bias * unit == floor(bias * unit)) return shift;
    }
    return -1;
}

static int is_limit(float limit) { return isinf(limit) || (limit == floorf(limit) && fabsf(limit) <= 32767.0f); }

/* Fill in the integer form of one layer. `bounds` are those of the magnitude of its inputs, and become those of its
 * outputs. Returns 0 if it has none. */
static int make_integer(spikey_network *network, int layer, const float *weight, const float *bias, double *bounds,
                        int32_t *pairs, int32_t *integer_bias, int32_t *shift) {
    int64_t rows = network->size[2 * layer], columns = network->size[2 * layer + 1], n_pairs = (columns + 1) / 2;
    double next[MAX_SIDE];
    float low = network->low[layer], high = network->high[layer];
    if (!is_limit(low) || !is_limit(high)) return 0;
    for (int64_t k = 0; k < columns; k++)
        if (bounds[k] > 32767.0) return 0;
    for (int64_t r = 0; r < rows; r++) {
        const float *row = weight + r * columns;
        shift[r] = shift_of(row, columns, bias[r]);
        if (shift[r] < 0 || (shift[r] > 0 && !network->floored[layer])) return 0;
        double unit = (double)(1 << shift[r]), sum = fabs(bias[r] * unit);
        if (sum >= 2147483648.0) return 0;
        integer_bias[r] = (int32_t)(bias[r] * unit);
        for (int64_t k = 0; k < columns; k++) {
            if (fabs(row[k] * unit) > 32767.0) return 0;
            sum += fabs(row[k] * unit) * bounds[k];
            int32_t w = (int32_t)(row[k] * unit);
            int32_t *pair = pairs + r / 4 * 4 * n_pairs + k / 2 * 4 + r % 4;
            uint32_t half = (uint32_t)w & 0xFFFF;
            *pair = (int32_t)(k & 1 ? (uint32_t)*pair | half << 16 : half);
        }
        if (sum >= 2147483647.0) return 0;
        next[r] = ceil(sum / unit);
        double most = fmax(fabs((double)low), fabs((double)high));
        if (next[r] > most) next[r] = most;
        /* a bound on one side only may lie beyond what the sum reaches */
        if (!isinf(low) && next[r] < fabs((double)low) && low > 0) next[r] = low;
        if (!isinf(high) && next[r] < fabs((double)high) && high < 0) next[r] = -(double)high;
    }
    memcpy(bounds, next, (size_t)rows * sizeof *bounds);
    network->integer_low[layer] = isinf(low) ? INT32_MIN : (int32_t)low;
    network->integer_high[layer] = isinf(high) ? INT32_MAX : (int32_t)high;
    return 1;
}

static void make_integers(spikey_network *network, double *bounds) {
    const float *weight = network->weight, *bias = network->bias;
    int32_t *pairs = network->pairs, *integer_bias = network->integer_bias, *shift = network->shift;
    for (int64_t k = 0; k < network->window; k++) bounds[k] = SPIKEY_INPUT_LIMIT;
    for (int layer = 0; layer < network->n_layers; layer++) {
        int64_t rows = network->size[2 * layer], columns = network->size[2 * layer + 1];
        if (!make_integer(network, layer, weight, bias, bounds, pairs, integer_bias, shift)) {
            free(network->pairs);
            network->pairs = 0;
            return;
        }
        weight += rows * columns, bias += rows, integer_bias += rows, shift += rows;
        pairs += rows * ((columns + 1) / 2);
    }
    for (int r = 0; r < 3; r++) {
        if (bounds[r] > (double)SPIKEY_OUTPUT_LIMIT) { /* the plain loops would clip them */
            free(network->pairs);
            network->pairs = 0;
            return;
        }
        network->bound[r] = (int64_t)bounds[r];
    }
}

spikey_network *spikey_network_new(int n_layers, const int64_t *size, const float *weight, int64_t n_weight,
                                   const float *bias, int64_t n_bias, const uint8_t *floored, const float *low,
                                   const float *high) {
    if (n_layers < 1 || n_layers > MAX_LAYERS) return 0;
    int64_t weights = 0, rows_in_all = 0, pairs = 0, widest = 1;
    for (int layer = 0; layer < n_layers; layer++) {
        int64_t rows = size[2 * layer], columns = size[2 * layer + 1];
        if (rows < 4 || rows > MAX_SIDE || rows % ROWS_AT_ONCE || columns < 1 || columns > MAX_SIDE) return 0;
        if (layer > 0 && columns > size[2 * layer - 2]) return 0;
        if (!(low[layer] <= high[layer])) return 0;
        if (low[layer] > (float)SPIKEY_OUTPUT_LIMIT || high[layer] < -(float)SPIKEY_OUTPUT_LIMIT)
            return 0; /* outputs beyond would not fit an int32 */
        weights += rows * columns;
        pairs += rows * ((columns + 1) / 2);
        rows_in_all += rows;
        widest = greatest(widest, rows);
    }
    if (weights != n_weight || rows_in_all != n_bias) return 0;
    spikey_network *network = calloc(1, sizeof *network);
    size_t layers = (size_t)n_layers;
    char *memory = calloc(1, layers * (2 * sizeof(int64_t) + 2 * sizeof(float) + 2 * sizeof(int32_t)) +
                                 (size_t)(weights + rows_in_all) * sizeof(float) +
                                 (size_t)rows_in_all * 2 * sizeof(int32_t) + layers);
    double *bounds = calloc(MAX_SIDE, sizeof *bounds);
    int32_t *pair = calloc((size_t)pairs, sizeof *pair);
    if (!network || !memory || !bounds || !pair) {
        free(network), free(memory), free(bounds), free(pair);
        return 0;
    }
    int64_t *sizes = (int64_t *)(void *)memory;
    float *floats = (float *)(void *)(sizes + 2 * n_layers);
    network->n_layers = n_layers;
    network->window = (int)size[1];
    network->widest = (int)widest;
    network->size = memcpy(sizes, size, 2 * layers * sizeof *size);
    network->weight = memcpy(floats, weight, (size_t)weights * sizeof *weight);
    network->bias = memcpy(floats + weights, bias, (size_t)rows_in_all * sizeof *bias);
    network->low = memcpy(floats + weights + rows_in_all, low, layers * sizeof *low);
    network->high = memcpy(floats + weights + rows_in_all + n_layers, high, layers * sizeof *high);
    network->integer_bias = (int32_t *)(void *)(floats + weights + rows_in_all + 2 * n_layers);
    network->shift = network->integer_bias + rows_in_all;
    network->integer_low = network->shift + rows_in_all;
    network->integer_high = network->integer_low + n_layers;
    network->floored = memcpy(network->integer_high + n_layers, floored, layers);
    network->pairs = pair;
    for (int r = 0; r < 3; r++) network->bound[r] = SPIKEY_OUTPUT_LIMIT;
    make_integers(network, bounds);
    free(bounds);
    return network;
}

void spikey_network_free(spikey_network *network) {
    if (!network) return;
    free((void *)(uintptr_t)network->size);
    free(network->pairs);
    free(network);
}

int64_t spikey_network_window(const spikey_network *network) { return network->window; }

int spikey_network_is_integer(const spikey_network *network) { return network->pairs != 0; }

int64_t spikey_network_scratch(const spikey_network *network) {
    return (network->window + 2 * (int64_t)network->widest) * SPIKEY_LANES_AT_ONCE;
}

static float floor_of(float x) { /* of a number below 2**25 */
    float whole = (float)(int32_t)x;
    return whole > x ? whole - 1.0f : whole;
}

/* One layer, for `n` lanes: y[rows][LANES_AT_ONCE] from x[columns][LANES_AT_ONCE]. */
static void layer_of(const float *x, float *y, const float *weight, const float *bias, int64_t rows, int64_t columns,
                     int is_floored, float low, float high, int64_t n) {
    for (int64_t r = 0; r < rows; r += ROWS_AT_ONCE) {
        float *y0 = y + r * SPIKEY_LANES_AT_ONCE, *y1 = y0 + SPIKEY_LANES_AT_ONCE;
        float *y2 = y1 + SPIKEY_LANES_AT_ONCE, *y3 = y2 + SPIKEY_LANES_AT_ONCE;
        for (int64_t i = 0; i < n; i++)
            y0[i] = bias[r], y1[i] = bias[r + 1], y2[i] = bias[r + 2], y3[i] = bias[r + 3];
        for (int64_t k = 0; k < columns; k++) {
            const float *from = x + k * SPIKEY_LANES_AT_ONCE, *w = weight + r * columns + k;
            float w0 = w[0], w1 = w[columns], w2 = w[2 * columns], w3 = w[3 * columns];
            for (int64_t i = 0; i < n; i++)
                y0[i] += w0 * from[i], y1[i] += w1 * from[i], y2[i] += w2 * from[i], y3[i] += w3 * from[i];
        }
        for (int j = 0; j < ROWS_AT_ONCE; j++) {
            float *to = y0 + j * SPIKEY_LANES_AT_ONCE;
            for (int64_t i = 0; i < n; i++) {
                /* no proven sum is beyond; a number that is none becomes one */
                float sum = to[i] > -33554432.0f ? to[i] : -33554432.0f;
                sum = sum < 33554432.0f ? sum : 33554432.0f;
                if (is_floored) sum = floor_of(sum);
                sum = sum > high ? high : sum;
                to[i] = sum < low ? low : sum;
            }
        }
    }
}

void spikey_network_evaluate(const spikey_network *network, const int16_t *history, int64_t n_history, int64_t step,
                             int64_t first, int64_t stop, int64_t n_positions, float *scratch, int32_t *outputs) {
    int64_t window = network->window;
    for (; first < stop; first += SPIKEY_LANES_AT_ONCE) {
        int64_t n = least(SPIKEY_LANES_AT_ONCE, stop - first);
        float *x = scratch, *y = scratch + window * SPIKEY_LANES_AT_ONCE;
        float *z = y + (int64_t)network->widest * SPIKEY_LANES_AT_ONCE;
        for (int64_t k = 0; k < window; k++) {
            const int16_t *row = history + ((step - window + k) & (n_history - 1)) * n_positions + first;
            for (int64_t i = 0; i < n; i++) x[k * SPIKEY_LANES_AT_ONCE + i] = row[i];
        }
        const float *weight = network->weight, *bias = network->bias;
        for (int layer = 0; layer < network->n_layers; layer++) {
            int64_t rows = network->size[2 * layer], columns = network->size[2 * layer + 1];
            layer_of(x, y, weight, bias, rows, columns, network->floored[layer], network->low[layer],
                     network->high[layer], n);
            float *other = layer == 0 ? z : x;
            x = y, y = other;
            weight += rows * columns, bias += rows;
        }
        for (int r = 0; r < 3; r++)
            for (int64_t i = 0; i < n; i++)
                outputs[r * n_positions + first + i] = (int32_t)x[r * SPIKEY_LANES_AT_ONCE + i];
    }
}

int spikey_network_run(const spikey_network *network, const float *windows, int64_t n, float *outputs,
                       const char *simd) {
    spikey_state state = {.network = network, .step = network->window, .n_history = 1};
    state.kernels = spikey_kernels_of(simd);
    if (!state.kernels) return SPIKEY_BAD_ARGUMENT;
    while (state.n_history < network->window + 2) state.n_history *= 2;
    state.n_positions = (n + 2 * LANES - 1) / (2 * LANES) * (2 * LANES);
    spikey_arena arena = {0, 0};
    void *memory = 0;
    for (int pass = 0; pass < 2; pass++) {
        state.history = spikey_take(&arena, state.n_history * state.n_positions, sizeof *state.history);
        state.outputs = spikey_take(&arena, 3 * state.n_positions, sizeof *state.outputs);
        state.scratch = spikey_take(&arena, spikey_network_scratch(network), sizeof *state.scratch);
        if (pass) break;
        memory = calloc(1, arena.used + 64);
        if (!memory) return SPIKEY_NO_MEMORY;
        arena.base = (char *)memory + (-(uintptr_t)memory & 63);
        arena.used = 0;
    }
    if (!state.history || !state.outputs || !state.scratch) { /* no lanes */
        free(memory);
        return SPIKEY_OK;
    }
    for (int64_t k = 0; k < network->window; k++)
        for (int64_t i = 0; i < n; i++) {
            float x = windows[k * n + i];
            state.history[k * state.n_positions + i] = (int16_t)(x >= -1023.0f ? x <= 1023.0f ? x : 1023.0f : -1023.0f);
        }
    if (network->pairs)
        state.kernels->evaluate(&state);
    else
        spikey_network_evaluate(network, state.history, state.n_history, state.step, 0, n, state.n_positions,
                                state.scratch, state.outputs);
    for (int r = 0; r < 3; r++)
        for (int64_t i = 0; i < n; i++) outputs[r * n + i] = (float)state.outputs[r * state.n_positions + i];
    free(memory);
    return SPIKEY_OK;
}
