/* Fuzzing of the core in C: the first byte of an input chooses a target, the rest drives it; see .ci/core.
 *
 * Arrays are allocated as long as the core is told, so that AddressSanitizer sees every access beyond. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define REQUIRE(condition)                                                        \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);       \
            abort();                                                              \
        }                                                                         \
    } while (0)

enum { MAX_CHANNELS = 20, MAX_STREAMS = 20 * MAX_CHANNELS, MAX_LANES = 200, MAX_LENGTH = 70, MAX_LONG = 600 };

static const spikey_tables *tables;

/* ---- the input ---- */

typedef struct {
    const uint8_t *at;
    size_t left;
} input;

static uint64_t take_bytes(input *in, int n) {
    uint64_t x = 0;
    for (; n > 0; n--) {
        x = x << 8 | (in->left ? *in->at : 0);
        if (in->left) in->at++, in->left--;
    }
    return x;
}

/* A number of low..high. */
static int64_t number(input *in, int64_t low, int64_t high) {
    uint64_t span = (uint64_t)high - (uint64_t)low;
    int n = span < 256 ? 1 : span < 65536 ? 2 : 4;
    return (int64_t)((uint64_t)low + take_bytes(in, n) % (span + 1));
}

static int chance(input *in, int one_in) { return number(in, 0, one_in - 1) == one_in - 1; }

static void *room(int64_t n, size_t size) {
    void *memory = calloc(n > 0 ? (size_t)n : 1, n > 0 ? size : 1);
    REQUIRE(memory);
    return memory;
}

/* The next `n` bytes, in an array of that length. */
static uint8_t *copy(input *in, int64_t n) {
    uint8_t *bytes = malloc(n > 0 ? (size_t)n : 1);
    REQUIRE(bytes);
    for (int64_t i = 0; i < n; i++) bytes[i] = (uint8_t)take_bytes(in, 1);
    return bytes;
}

static int32_t any_size(input *in) {
    static const int32_t usual[] = {1, 2, 3, 64, 100, 1024, 4096, 4097, 65536, 1 << 24};
    int64_t i = number(in, 0, 15);
    return i < 10 ? usual[i] : (int32_t)number(in, 1, 1 << (2 * (i - 8)));
}

/* ---- bytes to codes and back ---- */

static void lane_headers(input *in) {
    int32_t size = any_size(in);
    int64_t n = number(in, 0, 70), n_bytes = (int64_t)in->left;
    uint8_t *bytes = copy(in, n_bytes), *gains = room(n, 1), *again = room(n, 1);
    int32_t *codes = room(n, 4), *codes_again = room(n, 4);
    int64_t used = spikey_decode_lane_headers(tables, bytes, n_bytes, n, size, gains, codes);
    for (int64_t i = 0; i < n; i++) REQUIRE(gains[i] <= SPIKEY_MAX_GAIN && codes[i] >= 0 && codes[i] < size);
    if (used <= n_bytes) {
        uint8_t *written = room(spikey_lane_headers_room(n), 1);
        int64_t n_written = spikey_encode_lane_headers(tables, gains, codes, n, size, written);
        REQUIRE(n_written <= spikey_lane_headers_room(n));
        REQUIRE(spikey_decode_lane_headers(tables, written, n_written, n, size, again, codes_again) == n_written);
        REQUIRE(!memcmp(gains, again, (size_t)n) && !memcmp(codes, codes_again, (size_t)n * sizeof *codes));
        free(written);
    }
    free(bytes), free(gains), free(again), free(codes), free(codes_again);
}

static void packed(input *in) {
    int width = (int)number(in, 1, 31);
    int32_t size = (int32_t)take_bytes(in, 4);
    int64_t n = (int64_t)in->left * 8 / width, n_bytes = (n * width + 7) / 8;
    uint8_t *bytes = copy(in, n_bytes), *back = room(n_bytes, 1);
    int32_t *codes = room(n, 4);
    int whole = spikey_unpack(bytes, n, width, size, codes);
    for (int64_t i = 0; i < n; i++) REQUIRE(codes[i] >= 0 && (!whole || codes[i] < size));
    spikey_pack(codes, n, width, back);
    int spare = (int)(8 * n_bytes - n * width);
    if (n_bytes) bytes[n_bytes - 1] = (uint8_t)(bytes[n_bytes - 1] >> spare << spare);
    REQUIRE(!memcmp(bytes, back, (size_t)n_bytes));
    free(bytes), free(back), free(codes);
}

static void quantizer(input *in) {
    spikey_sample_type type = (spikey_sample_type)number(in, 0, 2);
    int64_t item = type == SPIKEY_UINT8 ? 1 : type == SPIKEY_INT16 ? 2 : 4;
    int32_t size = any_size(in), step = size > 1 ? (int32_t)number(in, 1, ((1 << 24) - 1) / (size - 1)) : 1;
    int32_t offset = (int32_t)number(in, -(1 << 24) + 1, (1 << 24) - 1), lowest = (int32_t)take_bytes(in, 4);
    int64_t n_table = number(in, 0, 300), n_values = number(in, 1, 300);
    int16_t *table = (int16_t *)(void *)copy(in, 2 * n_table);
    int32_t *values = (int32_t *)(void *)copy(in, 4 * n_values);
    int64_t n = (int64_t)in->left / item;
    uint8_t *samples = copy(in, n * item), *back = room(n * item, 1), *seen = room(n_table, 1);
    int32_t *codes = room(n, 4);
    int on_grid = spikey_uniform_codes(samples, type, n, offset, step, size, codes);
    int back_on_grid = spikey_uniform_samples(codes, n, offset, step, size, type, back);
    if (on_grid) REQUIRE(back_on_grid && !memcmp(samples, back, (size_t)(n * item)));
    int32_t low, high;
    if (spikey_table_codes(samples, type, n, lowest, table, n_table, codes))
        REQUIRE(spikey_mark(samples, type, n, lowest, seen, n_table, &low, &high));
    spikey_table_samples(codes, n, values, (int32_t)n_values, type, back);
    free(table), free(values), free(samples), free(back), free(seen), free(codes);
}

/* ---- networks ---- */

/* Layers of any sizes; with integer weights that keep all sums below 2**24, unless `wild`. */
static spikey_network *any_network(input *in, int wild) {
    int n_layers = (int)number(in, 1, 3);
    int64_t size[6], n_weight = 0, n_bias = 0;
    uint8_t floored[3];
    float low[3], high[3];
    for (int i = 0; i < n_layers; i++) {
        size[2 * i] = 4 * number(in, wild && chance(in, 20) ? 0 : 1, 2);
        size[2 * i + 1] = i == 0 ? number(in, 1, 5) : wild && chance(in, 20) ? 9 : size[2 * i - 2] - number(in, 0, 3);
        n_weight += size[2 * i] * size[2 * i + 1], n_bias += size[2 * i];
        floored[i] = 1;
        low[i] = (float)-number(in, 0, 2047), high[i] = (float)number(in, 0, 2047);
        if (i + 1 == n_layers && chance(in, 3)) low[i] = -1.0f / 0.0f;
        if (i + 1 == n_layers && chance(in, 3)) high[i] = 1.0f / 0.0f;
        if (wild && chance(in, 3)) {
            uint32_t bits[2] = {(uint32_t)take_bytes(in, 4), (uint32_t)take_bytes(in, 4)};
            memcpy(&low[i], &bits[0], 4), memcpy(&high[i], &bits[1], 4);
            floored[i] = (uint8_t)chance(in, 2);
        }
    }
    float *weight = room(n_weight, 4), *bias = room(n_bias, 4);
    float unit = 1.0f / (float)(1 << number(in, 0, 7));
    for (int64_t i = 0; i < n_weight + n_bias; i++) {
        float x = (float)number(in, -127, 127) * unit;
        if (wild && chance(in, 4)) {
            uint32_t bits = (uint32_t)take_bytes(in, 4);
            memcpy(&x, &bits, 4);
        }
        *(i < n_weight ? weight + i : bias + i - n_weight) = x;
    }
    if (wild && chance(in, 20)) n_weight--;
    spikey_network *network = spikey_network_new(n_layers, size, weight, n_weight, bias, n_bias, floored, low, high);
    free(weight), free(bias);
    return network;
}

static void network(input *in) {
    spikey_network *network = any_network(in, 1);
    if (!network) return;
    int64_t n = number(in, 0, 40), rows = spikey_network_window(network);
    float *windows = (float *)(void *)copy(in, 4 * n * rows), *outputs = room(3 * n, 4);
    for (int i = 0; spikey_simd_name(i); i++) {
        REQUIRE(spikey_network_run(network, windows, n, outputs, spikey_simd_name(i)) == SPIKEY_OK);
        for (int64_t k = 0; k < 3 * n; k++) REQUIRE(outputs[k] >= -33554432.0f && outputs[k] <= 33554432.0f);
    }
    free(windows), free(outputs);
    spikey_network_free(network);
}

/* ---- groups ---- */

typedef struct {
    spikey_group group;
    spikey_coding coding;
    spikey_network *network;
    int64_t *first_lane, *pass_channel, *references, *later, *lags, *orders, *mean_group, *size, *start;
    int64_t *lane_of_stream, *size_of_stream;
    uint8_t *profiled, *gains, *profiled_of_stream;
    int32_t *edges, *length, *initial_codes;
    int64_t n_codes, most_steps;
} description;

/* A group that the core accepts. */
static description describe(input *in) {
    description d;
    memset(&d, 0, sizeof d);
    int64_t channels = number(in, 1, MAX_CHANNELS), passes = number(in, 1, 3), lanes = 0;
    if (passes > channels) passes = channels;
    d.first_lane = room(channels + 1, 8), d.size = room(channels, 8), d.profiled = room(channels, 1);
    d.pass_channel = room(passes + 1, 8), d.references = room(SPIKEY_MAX_REFERENCES * channels, 8);
    d.later = room(SPIKEY_MAX_LATER * channels, 8), d.lags = room(channels, 8);
    d.orders = room(channels, 8), d.mean_group = room(channels, 8);
    int64_t n_edges = chance(in, 2) ? number(in, 65, 300) : 0;
    d.edges = room(n_edges, 4);
    for (int64_t i = 0; i < n_edges; i++) d.edges[i] = (int32_t)(64 * i - 32 + number(in, -31, 31));
    int one_kind = chance(in, 2), usual_lanes = (int)number(in, 1, 9);
    int32_t usual_size = any_size(in);
    for (int64_t c = 0; c < channels; c++) {
        d.profiled[c] = (uint8_t)(n_edges && (one_kind || chance(in, 3)));
        d.size[c] = d.profiled[c] ? n_edges - 1 : one_kind ? usual_size : any_size(in);
        lanes += chance(in, 5) ? number(in, 1, 20) : usual_lanes;
        d.first_lane[c + 1] = lanes;
    }
    for (int64_t p = 1; p < passes; p++) d.pass_channel[p] = p * channels / passes;
    d.pass_channel[passes] = channels;
    d.length = room(lanes, 4), d.start = room(lanes, 8), d.gains = room(lanes, 1), d.initial_codes = room(lanes, 4);
    int is_long = lanes < 4 && chance(in, 4); /* beyond the steps that all teach */
    int32_t usual_length = (int32_t)number(in, 1, is_long ? MAX_LONG : MAX_LENGTH);
    int uneven = !is_long && chance(in, 3);
    int wide_gains = chance(in, 3);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t lane = d.first_lane[c]; lane < d.first_lane[c + 1]; lane++) {
            d.length[lane] = uneven ? (int32_t)number(in, 1, MAX_LENGTH) : usual_length;
            d.start[lane] = d.n_codes;
            d.n_codes += d.length[lane];
            if (d.length[lane] > d.most_steps) d.most_steps = d.length[lane];
            d.gains[lane] = (uint8_t)number(in, 0, wide_gains ? SPIKEY_MAX_GAIN : 100);
            d.initial_codes[lane] = (int32_t)number(in, 0, d.size[c] - 1);
        }
    for (int64_t c = 0, pass = 0; c < channels; c++) {
        while (d.pass_channel[pass + 1] <= c) pass++;
        int64_t n = pass && !uneven ? number(in, 0, SPIKEY_MAX_REFERENCES) : 0, stored = 0;
        int64_t n_lanes = d.first_lane[c + 1] - d.first_lane[c];
        for (int64_t j = 0; j < SPIKEY_MAX_REFERENCES; j++) d.references[SPIKEY_MAX_REFERENCES * c + j] = -1;
        for (int64_t j = 0; j < n; j++) {
            int64_t other = number(in, 0, d.pass_channel[pass] - 1);
            if (d.first_lane[other + 1] - d.first_lane[other] == n_lanes)
                d.references[SPIKEY_MAX_REFERENCES * c + stored++] = other;
        }
        stored = 0;
        for (int64_t j = 0; j < SPIKEY_MAX_LATER; j++) d.later[SPIKEY_MAX_LATER * c + j] = -1;
        for (int64_t j = 0; j < SPIKEY_MAX_LATER && !uneven; j++) {
            int64_t other = number(in, d.pass_channel[pass], channels - 1);
            if (d.first_lane[other + 1] - d.first_lane[other] == n_lanes)
                d.later[SPIKEY_MAX_LATER * c + stored++] = other;
        }
        d.lags[c] = chance(in, 3) ? number(in, SPIKEY_MIN_LAG, 2 * SPIKEY_MIN_LAG) : 0;
        d.orders[c] = SPIKEY_MIN_ORDER << number(in, 0, 2);
        d.mean_group[c] = c;
        for (int64_t other = 0; other < c && !uneven; other++)
            if (d.mean_group[other] == other && d.first_lane[other + 1] - d.first_lane[other] == n_lanes) {
                d.mean_group[c] = other;
                break;
            }
    }
    if (chance(in, 4)) d.network = 0;
    else d.network = any_network(in, 0);
    spikey_group group = {.n_channels = channels, .n_lanes = lanes, .n_passes = passes, .first_lane = d.first_lane,
                          .pass_channel = d.pass_channel, .references = d.references, .later = d.later,
                          .lags = d.lags, .orders = d.orders, .mean_group = d.mean_group, .size = d.size,
                          .profiled = d.profiled, .edges = d.edges, .n_edges = n_edges, .length = d.length,
                          .start = d.start, .gains = d.gains, .initial_codes = d.initial_codes,
                          .window = d.network ? spikey_network_window(d.network) : 0, .network = d.network,
                          .effort = (spikey_effort)number(in, SPIKEY_FAST, SPIKEY_BEST), .gains_follow = chance(in, 4)};
    d.group = group;
    const spikey_coder_kind kind = (spikey_coder_kind)number(in, 0, 2);
    d.lane_of_stream = room(lanes + 1, 8), d.size_of_stream = room(lanes, 8), d.profiled_of_stream = room(lanes, 1);
    int64_t n_streams = 0, of_lanes = number(in, 0, 2); /* whether lanes have streams: of no channel, of each, of some */
    for (int64_t c = 0; c < channels; c++) {
        int by_lane = kind == SPIKEY_RANGE && (of_lanes == 2 ? chance(in, 2) : (int)of_lanes);
        for (int64_t lane = d.first_lane[c]; lane < d.first_lane[c + 1]; lane++) {
            if (lane > d.first_lane[c] && !by_lane) break;
            d.lane_of_stream[n_streams] = lane;
            d.size_of_stream[n_streams] = d.size[c];
            d.profiled_of_stream[n_streams++] = d.profiled[c];
        }
    }
    d.lane_of_stream[n_streams] = lanes;
    spikey_coding coding = {.kind = kind, .n_streams = n_streams, .n_lanes = lanes, .first_lane = d.lane_of_stream,
                            .size = d.size_of_stream, .profiled = d.profiled_of_stream, .edges = d.edges,
                            .n_edges = n_edges, .length = d.length, .n_steps = -1};
    d.coding = coding;
    return d;
}

static void forget(description *d) {
    free(d->first_lane), free(d->pass_channel), free(d->references), free(d->later), free(d->lags), free(d->orders), free(d->mean_group), free(d->size), free(d->start);
    free(d->lane_of_stream), free(d->size_of_stream), free(d->profiled_of_stream);
    free(d->profiled), free(d->gains), free(d->edges), free(d->length), free(d->initial_codes);
    spikey_network_free(d->network);
}

static spikey_state *state_of(const description *d, int how) {
    spikey_group group = d->group;
    int error = 1;
    group.plain = spikey_simd_name(how) == 0;
    group.simd = spikey_simd_name(how);
    spikey_state *state = spikey_state_new(tables, &group, &error);
    REQUIRE(state && error == SPIKEY_OK);
    return state;
}

static spikey_coder *coder_of(const description *d, int decodes) {
    spikey_coding coding = d->coding;
    int error = 1;
    coding.decodes = decodes;
    spikey_coder *coder = spikey_coder_new(tables, &coding, &error);
    REQUIRE(coder && error == SPIKEY_OK);
    return coder;
}

/* Streams, one after another. */
typedef struct {
    uint8_t *bytes;
    int64_t first[MAX_STREAMS + 1];
    int32_t **ranks;
} streams;

/* Decode, by each instruction set and by the plain loops, which agree; returns the codes. */
static int32_t *decode(const description *d, const streams *s, uint8_t *whole) {
    int32_t *first_codes = 0;
    uint8_t found[MAX_STREAMS];
    for (int how = 0;; how++) {
        spikey_state *state = state_of(d, how);
        spikey_coder *coder = coder_of(d, 1);
        int32_t *codes = room(d->n_codes, 4);
        if (d->coding.kind == SPIKEY_RANKS) {
            for (int64_t c = 0; c < d->coding.n_streams; c++) {
                int64_t n;
                int32_t *to = spikey_coder_ranks(coder, c, &n);
                memcpy(to, s->ranks[c], (size_t)n * sizeof *to);
            }
        } else {
            REQUIRE(spikey_coder_open(coder, s->bytes, s->first) == SPIKEY_OK);
        }
        REQUIRE(spikey_initial_codes(state, codes, d->n_codes) == SPIKEY_OK);
        REQUIRE(spikey_take_steps(state, coder, codes, d->n_codes, 0, d->most_steps - 1) == SPIKEY_OK);
        spikey_coder_whole(coder, found);
        for (int64_t c = 0; c < d->group.n_channels; c++)
            for (int64_t lane = d->first_lane[c]; lane < d->first_lane[c + 1]; lane++)
                for (int64_t i = d->start[lane]; i < d->start[lane] + d->length[lane]; i++)
                    REQUIRE(codes[i] >= 0 && codes[i] < d->size[c]);
        if (first_codes) {
            REQUIRE(!memcmp(codes, first_codes, (size_t)d->n_codes * sizeof *codes));
            REQUIRE(!memcmp(whole, found, (size_t)d->coding.n_streams));
            free(codes);
        } else {
            first_codes = codes;
            memcpy(whole, found, (size_t)d->coding.n_streams);
        }
        spikey_state_free(state), spikey_coder_free(coder);
        if (!spikey_simd_name(how)) return first_codes;
    }
}

static void decode_anything(input *in) {
    description d = describe(in);
    int64_t n = d.coding.n_streams;
    streams s = {0, {0}, room(n, sizeof *s.ranks)};
    uint8_t whole[MAX_STREAMS];
    int64_t n_bytes = (int64_t)in->left;
    for (int64_t i = 0; d.coding.kind == SPIKEY_RANKS && i < n; i++) {
        int64_t count = 0;
        for (int64_t lane = d.first_lane[i]; lane < d.first_lane[i + 1]; lane++) count += d.length[lane] - 1;
        s.ranks[i] = (int32_t *)(void *)copy(in, 4 * count);
    }
    if (d.coding.kind != SPIKEY_RANKS) s.bytes = copy(in, n_bytes);
    for (int64_t i = 1; i <= n; i++) s.first[i] = n_bytes * i / n;
    free(decode(&d, &s, whole));
    for (int64_t i = 0; i < n; i++) free(s.ranks[i]);
    free(s.ranks), free(s.bytes);
    forget(&d);
}

/* Encode codes by each instruction set: the streams are the same, and decode to the codes. */
static void round_trip(input *in) {
    description d = describe(in);
    int64_t n = d.coding.n_streams;
    int32_t *codes = room(d.n_codes, 4);
    int pace = (int)number(in, 0, 3);
    for (int64_t c = 0; c < d.group.n_channels; c++)
        for (int64_t lane = d.first_lane[c]; lane < d.first_lane[c + 1]; lane++) {
            int64_t code = d.initial_codes[lane];
            for (int64_t i = 0; i < d.length[lane]; i++) {
                codes[d.start[lane] + i] = (int32_t)code;
                if (pace == 3) code = number(in, 0, d.size[c] - 1);
                else code = (code + d.size[c] + (int8_t)take_bytes(in, 1) % d.size[c] * (pace + 1) % d.size[c]) % d.size[c];
            }
        }
    streams s = {0, {0}, room(n, sizeof *s.ranks)};
    for (int how = 0; how == 0 || spikey_simd_name(how - 1); how++) {
        spikey_state *state = state_of(&d, how);
        spikey_coder *coder = coder_of(&d, 0);
        int64_t sizes[MAX_STREAMS], taken = 0;
        while (taken < d.most_steps - 1) {
            int64_t more = number(in, 1, 2 * MAX_LENGTH);
            if (more > d.most_steps - 1 - taken) more = d.most_steps - 1 - taken;
            REQUIRE(spikey_take_steps(state, coder, codes, d.n_codes, 0, more) == SPIKEY_OK);
            taken += more;
        }
        spikey_coder_close(coder, sizes);
        int64_t first[MAX_STREAMS + 1] = {0};
        for (int64_t c = 0; c < n; c++) first[c + 1] = first[c] + sizes[c];
        uint8_t *bytes = room(first[n], 1);
        for (int64_t c = 0; c < n; c++) spikey_coder_stream(coder, c, bytes + first[c]);
        if (how) {
            REQUIRE(!memcmp(first, s.first, sizeof first) && !memcmp(bytes, s.bytes, (size_t)first[n]));
            free(bytes);
        } else {
            memcpy(s.first, first, sizeof first);
            s.bytes = bytes;
        }
        for (int64_t c = 0; d.coding.kind == SPIKEY_RANKS && c < n; c++) {
            int64_t n_ranks;
            int32_t *ranks = spikey_coder_ranks(coder, c, &n_ranks);
            size_t size = (size_t)n_ranks * sizeof *ranks;
            if (how) REQUIRE(!memcmp(ranks, s.ranks[c], size));
            else s.ranks[c] = memcpy(room(n_ranks, 4), ranks, size);
        }
        spikey_state_free(state), spikey_coder_free(coder);
    }
    uint8_t whole[MAX_STREAMS];
    int32_t *back = decode(&d, &s, whole);
    REQUIRE(!memcmp(codes, back, (size_t)d.n_codes * sizeof *codes));
    for (int64_t c = 0; c < n; c++) {
        REQUIRE(whole[c]);
        free(s.ranks[c]);
    }
    if (d.coding.kind != SPIKEY_RANKS && s.first[n]) { /* damaged, all decode to the same */
        for (int64_t k = number(in, 1, 4); k > 0; k--) s.bytes[number(in, 0, s.first[n] - 1)] ^= (uint8_t)(1 << number(in, 0, 7));
        free(decode(&d, &s, whole));
    }
    free(codes), free(back), free(s.ranks), free(s.bytes);
    forget(&d);
}

/* Calls in any order, with arguments that need not fit together. */
static void any_calls(input *in) {
    description d = describe(in), other = describe(in);
    int64_t *numbers[] = {d.first_lane, d.pass_channel, d.references, d.size, d.start, d.later, d.lags, d.orders,
                          d.mean_group, d.lane_of_stream, d.size_of_stream};
    if (chance(in, 2)) numbers[number(in, 0, 10)][0] = (int64_t)take_bytes(in, 8);
    if (chance(in, 4)) d.length[0] = (int32_t)take_bytes(in, 4);
    if (chance(in, 4)) d.gains[0] = (uint8_t)take_bytes(in, 1);
    if (chance(in, 4) && d.group.n_edges) d.edges[number(in, 0, d.group.n_edges - 1)] = (int32_t)take_bytes(in, 4);
    spikey_state *state[2];
    spikey_coder *coder[3];
    int error;
    if (d.group.window == 0 && chance(in, 2)) d.group.window = number(in, 0, 5); /* the caller evaluates it */
    if (d.length[0] > 1000) d.length[0] = 1000;
    state[0] = spikey_state_new(tables, &d.group, &error);
    state[1] = spikey_state_new(tables, &other.group, &error);
    for (int i = 0; i < 3; i++) {
        spikey_coding coding = i < 2 ? d.coding : other.coding;
        coding.decodes = chance(in, 2);
        coding.n_steps = chance(in, 2) ? number(in, 0, 100) : -1;
        coder[i] = spikey_coder_new(tables, &coding, &error);
    }
    int64_t n_codes = chance(in, 4) ? number(in, 0, d.n_codes) : d.n_codes + number(in, 0, 1) * other.n_codes;
    int32_t *codes = room(n_codes, 4);
    for (int64_t i = 0; i < n_codes; i++) codes[i] = chance(in, 30) ? (int32_t)take_bytes(in, 4) : (int32_t)take_bytes(in, 1) & 1;
    for (int calls = 0; calls < 50 && in->left; calls++) {
        spikey_state *s = state[number(in, 0, 1)];
        spikey_coder *c = coder[number(in, 0, 2)];
        if (!s || !c) continue;
        int64_t sizes[MAX_STREAMS], n_streams = spikey_coder_streams(c), n_lanes = spikey_state_lanes(s);
        int by_step = chance(in, 2);
        switch (number(in, 0, 8)) {
        case 0: {
            int64_t n_steps = number(in, -1, 200);
            if (chance(in, 20) && !spikey_coder_decodes(c)) n_steps = (int64_t)take_bytes(in, 8);
            spikey_take_steps(s, c, codes, n_codes, by_step, n_steps);
            break;
        }
        case 1:
        case 2: {
            float *outputs = (float *)(void *)copy(in, 12 * n_lanes);
            int64_t first_pass = number(in, -1, 3);
            spikey_take_passes(s, c, outputs, first_pass, number(in, first_pass, 4), codes, n_codes, by_step);
            free(outputs);
            break;
        }
        case 3:
            spikey_coder_close(c, sizes);
            for (int64_t i = 0; i < n_streams; i++) {
                REQUIRE(sizes[i] >= 0);
                uint8_t *bytes = room(sizes[i], 1);
                spikey_coder_stream(c, i, bytes);
                free(bytes);
            }
            break;
        case 4: spikey_coder_restart(c, number(in, -1, 100)); break;
        case 5: {
            int64_t n_bytes = number(in, 0, 400), first[MAX_STREAMS + 1];
            uint8_t *bytes = copy(in, n_bytes);
            for (int64_t i = 0; i <= n_streams; i++) first[i] = chance(in, 40) ? (int64_t)take_bytes(in, 8) : n_bytes * i / n_streams;
            /* as module_coder.c does */
            if (first[0] >= 0 && first[n_streams] <= n_bytes) spikey_coder_open(c, bytes, first);
            free(bytes);
            break;
        }
        case 6: spikey_initial_codes(s, codes, n_codes); break;
        case 7: {
            float *windows = room(spikey_state_window(s) * n_lanes, 4);
            int32_t *errors = room(n_lanes, 4);
            uint8_t *gains = room(n_lanes, 1);
            spikey_state_windows(s, windows), spikey_state_normalised_errors(s, errors), spikey_state_gains(s, gains);
            free(windows), free(errors), free(gains);
            break;
        }
        default: {
            int32_t *numbers_ = (int32_t *)(void *)copy(in, 12 * n_lanes), *row = room(n_lanes, 4);
            for (int64_t i = 0; i < n_lanes && chance(in, 2); i++) numbers_[i] &= 63;
            spikey_code_step(s, c, numbers_, numbers_ + n_lanes, numbers_ + 2 * n_lanes, row);
            free(numbers_), free(row);
        }
        }
    }
    for (int i = 0; i < 2; i++) spikey_state_free(state[i]);
    for (int i = 0; i < 3; i++) spikey_coder_free(coder[i]);
    free(codes);
    forget(&d), forget(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static void (*const targets[])(input *) = {lane_headers, packed,     quantizer, network,
                                               decode_anything, round_trip, any_calls};
    if (!tables) {
        spikey_tables *filled = room(1, (size_t)spikey_tables_size());
        spikey_fill_tables(filled);
        tables = filled;
    }
    input in = {data, n};
    if (n) targets[take_bytes(&in, 1) % (sizeof targets / sizeof targets[0])](&in);
    return 0;
}

#ifdef RUN_FILES /* where there is no libFuzzer: run the files that are named */
int main(int count, char **names) {
    static uint8_t data[1 << 20];
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(names[i], "rb");
        if (!file) return 1;
        size_t n = fread(data, 1, sizeof data, file);
        fclose(file);
        uint8_t *exact = malloc(n + 1);
        if (!exact) return 1;
        memcpy(exact, data, n);
        LLVMFuzzerTestOneInput(exact, n);
        free(exact);
    }
    return 0;
}
#endif
