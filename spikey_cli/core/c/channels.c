/* The coded streams of a block: its channels, and the residues of their lattices, encoded or decoded some joint groups at a
 * time; and what decoding takes, which is estimated first. */

#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "writer.h"

enum { MOST_LANES = 1024 };

/* What decoding takes, as spikey_cli/codec/cost.py estimates it: bytes of memory, and nanoseconds. */
enum { HISTORY_BYTES = 8 * 48 * 4, PLACE_BYTES = 64 * 4 + 258, LANE_BYTES = 160, CHANNEL_BYTES = 1024, GROUP_BYTES = 3 << 15 };

typedef struct {
    double group_bytes, lane_bytes; /* of the largest joint group; of a lane of the dearest */
    double time;
} cost;

static double lesser(double a, double b) { return a < b ? a : b; }
static double greater(double a, double b) { return a > b ? a : b; }
static double whole(double x) { return (double)(int64_t)x; } /* of numbers from 0 to 2**62 */

/* The natural logarithm of a number of 1 to 2**62, from below, within 0.06. */
static double logarithm(double x) {
    double sum = 0;
    for (; x >= 2; x /= 2) sum += 0.6931;
    return sum + 0.6931 * (x - 1);
}

static double terms_of(const spikey_chunk *chunk, const spikey_coded *own, int64_t n_before) {
    const int network = chunk->has_model;
    const int64_t first = network && own->n_earlier, has_mean = n_before >= 2;
    int64_t past = own->order + 1 + 4 * network + 2 * (own->n_earlier + own->n_later + first + (own->lag > 0)) + has_mean;
    int64_t present = own->n_earlier + first + 2 * has_mean;
    return (double)(present ? (past + 7) / 8 * 8 + present : past);
}

static spikey_coder_kind coder_kind(const spikey_chunk *chunk) {
    static const spikey_coder_kind kinds[] = {SPIKEY_RICE, SPIKEY_RANGE, SPIKEY_RANKS};
    return kinds[chunk->coder - 1];
}

/* Whether a stream says, behind its lane headers, how many numbers its lanes have. */
static int has_choice(const spikey_chunk *chunk, int64_t lanes) { return lanes > 1 && coder_kind(chunk) == SPIKEY_RANGE; }

static int64_t lanes_of(const spikey_coded *own, int64_t steps) { return (own->frames + steps - 1) / steps; }

/* Steps of the longest lane. */
static int64_t longest_of(const spikey_coded *own, int64_t steps) {
    const int64_t lanes = lanes_of(own, steps);
    return (own->frames + lanes - 1) / lanes;
}

static void add_group(const spikey_chunk *chunk, const spikey_coded *coded, int64_t leader, int64_t most_steps, cost *sum) {
    const spikey_rule *rule = &spikey_rules[chunk->effort];
    const int64_t samples = coded[leader].frames, lanes = lanes_of(&coded[leader], most_steps);
    const double steps = (double)((samples + lanes - 1) / lanes), n = (double)samples;
    const double every = lanes >= SPIKEY_MANY_LANES ? rule->every_of_many : rule->every, each_lane = (double)lanes;
    const double taught = each_lane * (lesser(steps, 512) + whole(greater(steps - 512, 0) / every));
    const double solutions = 8.5 * logarithm(greater(steps, 16) / 16) + 8 + steps / rule->longest_gap;
    int64_t in_pass[17] = {0}, count = 0;
    for (int64_t i = leader; i >= 0; i = coded[i].next)
        if (coded[i].is_coded) in_pass[coded[i].coding_pass + 1]++, count++;
    if (!count) return;
    for (int i = 1; i < 17; i++) in_pass[i] += in_pass[i - 1];
    double bytes = 0, most_terms = 0;
    for (int64_t i = leader; i >= 0; i = coded[i].next) {
        const spikey_coded *own = &coded[i];
        if (!own->is_coded) continue;
        double terms = terms_of(chunk, own, in_pass[own->coding_pass]);
        double blocks = whole((terms + 8) / 8), products = 64 * (blocks * (blocks + 1) / 2);
        double rows = (double)(lanes * ((8 + lanes - 1) / lanes)), past = 1;
        while (own->lag && past < own->lag + 1) past *= 2;
        bytes += CHANNEL_BYTES + 32 * blocks * (1 + rows) + 4 * rows + 12 * products + LANE_BYTES * each_lane;
        bytes += own->lag ? 8 * each_lane * past : 0;
        most_terms = greater(most_terms, 8 * blocks);
        sum->time += n * (80 + 8 * blocks) + 0.15 * taught * products +
                     0.8 * solutions * (terms * terms * terms / 6 + 4 * products);
    }
    double vectors = (double)count, rows = vectors * (double)((lanes + 7) / 8), longest = (double)((lanes + 7) / 8);
    for (int64_t at_once = 2; at_once <= 8; at_once *= 2) {
        double number = (double)((count + at_once - 1) / at_once), own = (double)((lanes * at_once + 7) / 8);
        if (number * own <= rows) vectors = number, rows = number * own, longest = own;
    }
    double window = 1;
    while (chunk->model && window <= chunk->model->window + 1) window *= 2;
    bytes += 8 * rows * (HISTORY_BYTES + PLACE_BYTES + (chunk->model ? 2 * window : 4));
    bytes += vectors * 100 * most_terms;
    sum->lane_bytes = greater(sum->lane_bytes, bytes / (double)(count * lanes));
    sum->group_bytes = greater(sum->group_bytes, bytes + 8 * longest * HISTORY_BYTES);
}

/* Refuse a block that takes too much; else about the most lanes to decode together. */
static int check_cost(spikey_chunk *chunk, int64_t most_steps, const spikey_coded *coded, int64_t n_coded, int64_t *most_lanes) {
    cost sum = {0, 1, 0};
    double scale = (double)chunk->limits.expansion / 8192, network = 0, n_lanes = 0, widest = 0, passes = 1, samples = 0, longest = 0;
    int is_used[16] = {0};
    for (int64_t i = 0; i < n_coded; i++) {
        if (coded[i].leader == i) add_group(chunk, coded, i, most_steps, &sum);
        if (!coded[i].is_coded) continue;
        n_lanes += (double)lanes_of(&coded[i], most_steps);
        samples += (double)coded[i].frames;
        longest = greater(longest, (double)longest_of(&coded[i], most_steps));
        is_used[coded[i].coding_pass] = 1;
    }
    for (int i = 1; i < 16; i++) passes += is_used[i];
    for (int i = 0; chunk->model && i < chunk->model->n_layers; i++) {
        network += (double)(chunk->model->size[2 * i] * (chunk->model->size[2 * i + 1] + 4));
        widest = greater(widest, (double)greatest(chunk->model->size[2 * i], chunk->model->size[2 * i + 1]));
    }
    *most_lanes = (int64_t)greater(1, lesser(MOST_LANES, (double)(chunk->limits.memory / 3) / sum.lane_bytes));
    double steps = longest * (whole(n_lanes / (double)*most_lanes) + 1);
    chunk->time += sum.time + 600 * steps * passes + 0.1 * network * (4 * samples + 16 * steps);
    if (sum.group_bytes + GROUP_BYTES + (chunk->model ? 4 * 512 * (chunk->model->window + 2 * widest) : 0) >
        (double)chunk->limits.memory / 2)
        return fail(chunk, SPIKEY_BEYOND_MEMORY, "the lanes that depend on each other exceed the memory limit");
    if (chunk->time > scale * (4e9 + 2e6 * (double)greatest(chunk->n - 4096, 0)))
        return fail(chunk, SPIKEY_BEYOND_EXPANSION, "its bytes take longer to decode than is usual");
    return SPIKEY_OK;
}

/* The channels that are coded together, sorted by coding pass, and their lanes, in one piece of memory. */
typedef struct {
    int64_t n, lanes, most_steps; /* channels; lanes of all, and steps that one may have */
    int by_lane;                  /* whether an encoder gives each lane a stream */
    int64_t *position, *first_lane, *references, *later, *lags, *orders, *mean_group, *size, *start;
    int64_t pass_channel[17], n_passes;
    uint8_t *profiled, *gains, *bytes;
    /* the coder's streams: one of each channel, or of each of its lanes */
    int64_t n_streams, *first_stream, *lane_of_stream, *size_of_stream, *first_byte;
    uint8_t *profiled_of_stream, *whole;
    int32_t *length, *initial_codes, *channel_of;
} batch;

static int make_batch(spikey_chunk *chunk, const spikey_coded *coded, int64_t bytes, batch *of, spikey_arena *arena) {
    const int64_t n = of->n, lanes = of->lanes;
    const int64_t *position = of->position;
    for (int pass = 0; pass < 2; pass++) {
        arena->used = 0;
        of->first_lane = spikey_take(arena, n + 1, sizeof *of->first_lane);
        of->references = spikey_take(arena, n * SPIKEY_MAX_REFERENCES, sizeof *of->references);
        of->later = spikey_take(arena, n * SPIKEY_MAX_LATER, sizeof *of->later);
        of->lags = spikey_take(arena, n, sizeof *of->lags);
        of->orders = spikey_take(arena, n, sizeof *of->orders);
        of->mean_group = spikey_take(arena, n, sizeof *of->mean_group);
        of->size = spikey_take(arena, n, sizeof *of->size);
        of->position = spikey_take(arena, n, sizeof *of->position);
        of->first_stream = spikey_take(arena, n + 1, sizeof *of->first_stream);
        of->lane_of_stream = spikey_take(arena, lanes + 1, sizeof *of->lane_of_stream);
        of->size_of_stream = spikey_take(arena, lanes, sizeof *of->size_of_stream);
        of->first_byte = spikey_take(arena, lanes + 1, sizeof *of->first_byte);
        of->start = spikey_take(arena, lanes, sizeof *of->start);
        of->length = spikey_take(arena, lanes, sizeof *of->length);
        of->initial_codes = spikey_take(arena, lanes, sizeof *of->initial_codes);
        of->channel_of = spikey_take(arena, lanes, sizeof *of->channel_of);
        of->profiled = spikey_take(arena, n, 1);
        of->profiled_of_stream = spikey_take(arena, lanes, 1);
        of->whole = spikey_take(arena, lanes, 1);
        of->gains = spikey_take(arena, lanes, 1);
        of->bytes = spikey_take(arena, bytes + 1, 1);
        if (!pass && !(arena->base = malloc(arena->used + 64))) return fail(chunk, SPIKEY_NO_MEMORY, 0);
    }
    of->n_passes = 0;
    int64_t k = 0;
    for (int coding_pass = 0; coding_pass < 16; coding_pass++) {
        int64_t before = k;
        for (int64_t i = 0; i < n; i++)
            if (coded[position[i]].coding_pass == coding_pass) of->position[k++] = position[i];
        if (k > before) of->pass_channel[of->n_passes++] = before;
    }
    of->pass_channel[of->n_passes] = n;
    return SPIKEY_OK;
}

/* Fill in all but the lane headers and the streams; `slot` is where each position stands in the batch, or -1. */
static void fill_batch(const spikey_chunk *chunk, const spikey_coded *coded, const int32_t *codes, batch *of, const int64_t *slot) {
    int64_t lane = 0;
    for (int64_t i = 0; i < of->n; i++) {
        const spikey_coded *own = &coded[of->position[i]];
        const int64_t lanes = lanes_of(own, of->most_steps), first = lane;
        of->first_lane[i] = first;
        of->size[i] = own->size;
        of->profiled[i] = own->channel && own->channel->kind == N1 && chunk->model && chunk->model->n_edges;
        of->lags[i] = own->lag;
        of->orders[i] = own->order;
        of->mean_group[i] = i;
        for (int64_t k = own->leader; k >= 0; k = coded[k].next)
            if (slot[k] >= 0) of->mean_group[i] = least(of->mean_group[i], slot[k]);
        int64_t n = 0;
        for (int k = 0; k < own->n_earlier; k++)
            if (slot[own->earlier[k]] >= 0) of->references[i * SPIKEY_MAX_REFERENCES + n++] = slot[own->earlier[k]];
        while (n < SPIKEY_MAX_REFERENCES) of->references[i * SPIKEY_MAX_REFERENCES + n++] = -1;
        n = 0;
        for (int k = 0; k < own->n_later; k++)
            if (slot[own->later[k]] >= 0) of->later[i * SPIKEY_MAX_LATER + n++] = slot[own->later[k]];
        while (n < SPIKEY_MAX_LATER) of->later[i * SPIKEY_MAX_LATER + n++] = -1;
        int64_t begin = own->codes - codes;
        for (; lane < first + lanes; lane++) {
            of->channel_of[lane] = (int32_t)i;
            of->length[lane] = (int32_t)(own->frames / lanes + (lane - first < own->frames % lanes));
            of->start[lane] = begin;
            begin += of->length[lane];
        }
    }
    of->first_lane[of->n] = of->lanes;
}

/* Note the streams of a channel, behind those of the channels before. */
static void add_streams(batch *of, int64_t channel, int by_lane) {
    of->first_stream[channel] = of->n_streams;
    for (int64_t lane = of->first_lane[channel]; lane < of->first_lane[channel + 1]; lane++) {
        if (lane > of->first_lane[channel] && !by_lane) break;
        of->lane_of_stream[of->n_streams] = lane;
        of->size_of_stream[of->n_streams] = of->size[channel];
        of->profiled_of_stream[of->n_streams++] = of->profiled[channel];
    }
    of->first_stream[channel + 1] = of->n_streams;
    of->lane_of_stream[of->n_streams] = of->first_lane[channel + 1];
}

static int64_t longest_lane(const batch *of) {
    int64_t longest = 0;
    for (int64_t i = 0; i < of->lanes; i++) longest = greatest(longest, of->length[i]);
    return longest;
}

/* A state before the first step of a batch's lanes, and a coder. */
static int begin_batch(spikey_chunk *chunk, const batch *of, int decodes, spikey_state **state, spikey_coder **coder) {
    const spikey_model *model = chunk->model;
    spikey_group group = {.n_channels = of->n, .n_lanes = of->lanes, .n_passes = of->n_passes,
                          .first_lane = of->first_lane, .pass_channel = of->pass_channel, .references = of->references,
                          .later = of->later, .lags = of->lags, .orders = of->orders, .mean_group = of->mean_group,
                          .size = of->size, .profiled = of->profiled, .edges = model ? model->edges : 0,
                          .n_edges = model ? model->n_edges : 0, .length = of->length, .start = of->start,
                          .gains = of->gains, .initial_codes = of->initial_codes, .window = model ? model->window : 0,
                          .network = chunk->network, .effort = (spikey_effort)chunk->effort};
    spikey_coding coding = {.kind = coder_kind(chunk), .decodes = decodes, .n_streams = of->n_streams,
                            .n_lanes = group.n_lanes, .first_lane = of->lane_of_stream, .size = of->size_of_stream,
                            .profiled = of->profiled_of_stream, .edges = group.edges, .n_edges = group.n_edges,
                            .length = of->length, .n_steps = -1};
    int error = SPIKEY_OK;
    *coder = 0;
    *state = spikey_state_new(chunk->tables, &group, &error);
    if (*state) *coder = spikey_coder_new(chunk->tables, &coding, &error);
    return error;
}

/* Code the channels that of->position lists; they are `of->n`. */
typedef int code_batch(spikey_chunk *chunk, spikey_coded *coded, int32_t *codes, int64_t n_codes, batch *of, int64_t *slot);

/* A joint group, and the steps of its longest lane. */
typedef struct {
    int64_t leader, steps;
} joint_group;

static int compare(const void *a, const void *b) {
    const joint_group *x = a, *y = b;
    if (x->steps != y->steps) return x->steps < y->steps ? -1 : 1;
    return (x->leader > y->leader) - (x->leader < y->leader);
}

/* Code all channels that are coded, whole joint groups of lanes of similar length with about so many lanes together. */
static int code_batches(spikey_chunk *chunk, int64_t steps, int by_lane, int64_t most_lanes, spikey_coded *coded, int64_t n_coded,
                        int32_t *codes, int64_t n_codes, code_batch *code) {
    int64_t *slot = spikey_room(2 * n_coded, sizeof *slot);
    joint_group *groups = spikey_room(n_coded, sizeof *groups);
    int error = slot && groups ? SPIKEY_OK : SPIKEY_NO_MEMORY;
    int64_t *chosen = slot + (slot ? n_coded : 0), n = 0, n_groups = 0, lanes = 0, shortest = 0;
    for (int64_t i = 0; i < n_coded && !error; i++) {
        slot[i] = -1;
        if (coded[i].leader == i && coded[i].frames) groups[n_groups++] = (joint_group){i, longest_of(&coded[i], steps)};
    }
    if (!error) qsort(groups, (size_t)n_groups, sizeof *groups, compare);
    for (int64_t i = 0; i < n_groups && !error; i++) {
        if (!n) shortest = groups[i].steps;
        for (int64_t k = groups[i].leader; k >= 0; k = coded[k].next) {
            if (!coded[k].is_coded) continue;
            chosen[n++] = k;
            lanes += lanes_of(&coded[k], steps);
        }
        /* all lanes take as many steps as the longest */
        const int is_last = i + 1 == n_groups || groups[i + 1].steps > 2 * shortest;
        if (!n || (!is_last && lanes < most_lanes)) continue;
        batch of = {.n = n, .lanes = lanes, .most_steps = steps, .by_lane = by_lane, .position = chosen};
        error = code(chunk, coded, codes, n_codes, &of, slot);
        for (int64_t k = 0; k < n; k++) slot[chosen[k]] = -1;
        n = lanes = 0;
    }
    free(slot), free(groups);
    return error;
}

/* ---- decoding ---- */

static int give_streams(spikey_coder *coder, const batch *of, spikey_coder_kind kind) {
    if (kind != SPIKEY_RANKS) return spikey_coder_open(coder, of->bytes, of->first_byte);
    for (int64_t i = 0; i < of->n; i++) {
        int64_t n = 0;
        int32_t *ranks = spikey_coder_ranks(coder, i, &n);
        int whole = spikey_unpack_ranks(of->bytes + of->first_byte[i], of->first_byte[i + 1] - of->first_byte[i], n,
                                        (int32_t)of->size[i], ranks);
        if (whole <= 0) return whole < 0 ? SPIKEY_NO_MEMORY : SPIKEY_DAMAGED;
    }
    return SPIKEY_OK;
}

/* Take the lane headers, and the streams behind them. */
static int open_streams(spikey_chunk *chunk, const spikey_coded *coded, batch *of) {
    int64_t at = 0;
    for (int64_t i = 0; i < of->n; i++) {
        const spikey_coded *own = &coded[of->position[i]];
        const int64_t first = of->first_lane[i], lanes = of->first_lane[i + 1] - first;
        int64_t used = spikey_decode_lane_headers(chunk->tables, own->bytes, own->n, lanes, own->size, of->gains + first,
                                                  of->initial_codes + first);
        if (used > own->n) return fail(chunk, SPIKEY_DAMAGED, "a stream is damaged");
        spikey_reader in = reader_of(own->bytes + used, own->n - used);
        add_streams(of, i, has_choice(chunk, lanes) && take_uvarint(&in, 1));
        int64_t sizes = 0; /* of all streams but the last */
        for (int64_t k = of->first_stream[i]; k < of->first_stream[i + 1]; k++) {
            of->first_byte[k] = at + sizes;
            if (k + 1 < of->first_stream[i + 1]) sizes += (int64_t)take_uvarint(&in, (uint64_t)own->n);
        }
        if (in.failed || sizes > left_in(&in)) return fail(chunk, SPIKEY_DAMAGED, "a stream is damaged");
        memcpy(of->bytes + at, in.at, (size_t)left_in(&in));
        at += left_in(&in);
    }
    of->first_byte[of->n_streams] = at;
    return SPIKEY_OK;
}

static int run_decoder(spikey_chunk *chunk, const batch *of, int32_t *codes, int64_t n_codes) {
    spikey_state *state;
    spikey_coder *coder;
    int error = begin_batch(chunk, of, 1, &state, &coder);
    if (!error) error = give_streams(coder, of, coder_kind(chunk));
    if (!error) error = spikey_initial_codes(state, codes, n_codes);
    if (!error) error = spikey_take_steps(state, coder, codes, n_codes, 0, longest_lane(of) - 1);
    if (!error) {
        spikey_coder_whole(coder, of->whole);
        for (int64_t i = 0; i < of->n_streams; i++)
            if (!of->whole[i]) error = SPIKEY_DAMAGED;
    }
    spikey_coder_free(coder);
    spikey_state_free(state);
    return error ? fail(chunk, error, "a stream is damaged") : SPIKEY_OK;
}

static int decode_batch(spikey_chunk *chunk, spikey_coded *coded, int32_t *codes, int64_t n_codes, batch *of, int64_t *slot) {
    spikey_arena arena = {0, 0};
    int64_t bytes = 0;
    for (int64_t i = 0; i < of->n; i++) bytes += coded[of->position[i]].n;
    int error = make_batch(chunk, coded, bytes, of, &arena);
    for (int64_t k = 0; k < of->n && !error; k++) slot[of->position[k]] = k;
    if (!error) fill_batch(chunk, coded, codes, of, slot);
    if (!error) error = open_streams(chunk, coded, of);
    if (!error) error = run_decoder(chunk, of, codes, n_codes);
    free(arena.base);
    return error;
}

int spikey_decode_channels(spikey_chunk *chunk, int64_t steps, spikey_coded *coded, int64_t n_coded, int32_t *codes,
                           int64_t n_codes) {
    int64_t most_lanes = 0;
    TRY(check_cost(chunk, steps, coded, n_coded, &most_lanes));
    return code_batches(chunk, steps, 0, most_lanes, coded, n_coded, codes, n_codes, decode_batch);
}

/* ---- encoding ---- */

/* Put the streams of a closed encoder behind their lane headers. */
static int take_streams(spikey_chunk *chunk, const batch *of, spikey_coder *coder, spikey_coded *coded) {
    int64_t *sizes = of->first_byte;
    spikey_coder_close(coder, sizes);
    for (int64_t i = 0; i < of->n; i++) {
        spikey_coded *own = &coded[of->position[i]];
        const int64_t first = of->first_lane[i], lanes = of->first_lane[i + 1] - first, stop = of->first_stream[i + 1];
        const int by_lane = stop - of->first_stream[i] > 1;
        spikey_writer out = {0};
        uint8_t *headers = put_room(&out, spikey_lane_headers_room(lanes));
        if (!headers) return SPIKEY_NO_MEMORY;
        int64_t n = spikey_encode_lane_headers(chunk->tables, of->gains + first, of->initial_codes + first, lanes, own->size, headers);
        out.n = greatest(n, 0);
        if (has_choice(chunk, lanes)) put_uvarint(&out, (uint64_t)by_lane);
        for (int64_t k = of->first_stream[i]; k + 1 < stop; k++) put_uvarint(&out, (uint64_t)sizes[k]);
        for (int64_t k = of->first_stream[i]; k < stop; k++) {
            uint8_t *bytes = put_room(&out, sizes[k]);
            if (bytes) spikey_coder_stream(coder, k, bytes);
        }
        own->bytes = out.bytes, own->n = out.n;
        if (n < 0 || out.failed) return n < 0 ? (int)n : SPIKEY_NO_MEMORY;
    }
    return SPIKEY_OK;
}

static int run_encoder(spikey_chunk *chunk, batch *of, spikey_coded *coded, int32_t *codes, int64_t n_codes) {
    const spikey_model *model = chunk->model;
    int32_t values[SPIKEY_MAX_SMALL];
    int64_t n_values = model && model->n_edges ? model->n_edges - 1 : 0;
    for (int64_t i = 0; i < n_values; i++) values[i] = (model->edges[i] + model->edges[i + 1]) >> 1;
    TRY(spikey_lane_gains(chunk->tables, codes, n_codes, of->start, of->length, of->channel_of, of->lanes, of->size,
                          of->profiled, of->n, values, n_values, of->gains));
    for (int64_t lane = 0; lane < of->lanes; lane++) of->initial_codes[lane] = codes[of->start[lane]];
    for (int64_t i = 0; i < of->n; i++) add_streams(of, i, of->by_lane);
    spikey_state *state;
    spikey_coder *coder;
    int error = begin_batch(chunk, of, 0, &state, &coder);
    if (!error) error = spikey_take_steps(state, coder, codes, n_codes, 0, longest_lane(of) - 1);
    if (!error) error = take_streams(chunk, of, coder, coded);
    spikey_coder_free(coder);
    spikey_state_free(state);
    return error;
}

/* Whether the prediction of a channel takes samples of one that is not coded any more. */
static int depends(const spikey_coded *coded, int64_t position) {
    const spikey_coded *own = &coded[position];
    for (int k = 0; k < own->n_earlier; k++)
        if (coded[own->earlier[k]].bytes && !coded[own->earlier[k]].is_coded) return 1;
    for (int k = 0; k < own->n_later; k++)
        if (coded[own->later[k]].bytes && !coded[own->later[k]].is_coded) return 1;
    for (int64_t k = own->leader; k >= 0; k = coded[k].next)
        if (coded[k].coding_pass < own->coding_pass && coded[k].bytes && !coded[k].is_coded) return 1;
    return 0;
}

static int encode_batch(spikey_chunk *chunk, spikey_coded *coded, int32_t *codes, int64_t n_codes, batch *of, int64_t *slot) {
    int64_t *chosen = of->position, n = of->n, lanes = of->lanes;
    for (int again = 1; again && n;) {
        spikey_arena arena = {0, 0};
        batch own = {.n = n, .lanes = lanes, .most_steps = of->most_steps, .by_lane = of->by_lane, .position = chosen};
        int error = make_batch(chunk, coded, 0, &own, &arena);
        for (int64_t k = 0; k < n && !error; k++) slot[own.position[k]] = k;
        if (!error) fill_batch(chunk, coded, codes, &own, slot);
        if (!error) error = run_encoder(chunk, &own, coded, codes, n_codes);
        free(arena.base);
        if (error) return error;
        again = 0;
        for (int64_t k = 0; k < n; k++) {
            spikey_coded *one = &coded[chosen[k]];
            one->is_coded = one->n < (one->frames * spikey_code_width(one->size) + 7) / 8;
        }
        for (int64_t k = 0; k < n && !again; k++) again = depends(coded, chosen[k]);
        int64_t kept = 0;
        lanes = 0;
        for (int64_t k = 0; k < n; k++) {
            spikey_coded *one = &coded[chosen[k]];
            slot[chosen[k]] = -1;
            if (again || !one->is_coded) free((void *)one->bytes), one->bytes = 0;
            if (!again || !one->is_coded) continue;
            chosen[kept++] = chosen[k];
            lanes += lanes_of(one, of->most_steps);
        }
        n = kept;
    }
    return SPIKEY_OK;
}

/* Whether a coding pass has fewer channels than a vector, on average: then lanes have streams, to be decoded side by side. */
static int are_few(const spikey_coded *coded, int64_t n_coded) {
    int64_t n = 0, n_passes = 0;
    int is_used[16] = {0};
    for (int64_t i = 0; i < n_coded; i++) {
        if (!coded[i].is_coded || !coded[i].frames) continue;
        n++;
        n_passes += !is_used[coded[i].coding_pass];
        is_used[coded[i].coding_pass] = 1;
    }
    return n < LANES * n_passes;
}

int spikey_encode_channels(spikey_chunk *chunk, int64_t steps, spikey_coded *coded, int64_t n_coded, int32_t *codes,
                           int64_t n_codes) {
    const int by_lane = coder_kind(chunk) == SPIKEY_RANGE && are_few(coded, n_coded);
    return code_batches(chunk, steps, by_lane, MOST_LANES, coded, n_coded, codes, n_codes, encode_batch);
}
