/* Entropy coders: their streams and how they begin and end. */

#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "range.h"
#include "rice.h"

enum {
    SYMBOL_BITS = 23, /* a margin of 2**24 is 22 bits, and a hundredth is lost where the width is cut down to steps */
    REST_BITS = 25
};

static int check(const spikey_coding *coding) {
    if (coding->n_streams < 1 || coding->first_lane[0] != 0 ||
        coding->first_lane[coding->n_streams] != coding->n_lanes || coding->n_lanes > INT32_MAX / 64 ||
        coding->n_steps > SPIKEY_FAR || !spikey_check_profile(coding->edges, coding->n_edges))
        return 0;
    for (int64_t stream = 0; stream < coding->n_streams; stream++) {
        int64_t size = coding->size[stream];
        if (coding->first_lane[stream] >= coding->first_lane[stream + 1] || size < 1 || size > SPIKEY_MAX_SIZE ||
            (coding->profiled[stream] && size != coding->n_edges - 1))
            return 0;
    }
    for (int64_t lane = 0; lane < coding->n_lanes; lane++)
        if (coding->length[lane] < 1) return 0;
    return 1;
}

static void carve(spikey_coder *coder, spikey_arena *arena) {
    int64_t streams = coder->n_streams, lanes = coder->n_lanes;
    int has_range = coder->kind == SPIKEY_RANGE, has_rice = coder->kind == SPIKEY_RICE;
    int has_ranks = coder->kind == SPIKEY_RANKS, has_edges = coder->n_edges > 0;
    int64_t rows = has_rice && has_edges ? spikey_rank_rows(coder->n_edges - 1) : 0;
#define TAKE(name, n) coder->name = spikey_take(arena, n, sizeof *coder->name)
    TAKE(first_lane, streams + 1);
    TAKE(size, streams);
    TAKE(width, streams);
    TAKE(profiled, streams);
    TAKE(stream_kind, streams);
    TAKE(damaged, streams);
    TAKE(samples, streams);
    TAKE(length, lanes);
    TAKE(edges, coder->n_edges + 8);
    coder->n_near = has_range && has_edges && coder->decodes ? (int32_t)(coder->n_edges - 1) << 3 : 0;
    TAKE(near, coder->n_near);
    TAKE(near_edges, 2 * coder->n_near);
    TAKE(low, has_range ? streams + 8 : 0);
    TAKE(range_width, has_range ? streams + 8 : 0);
    TAKE(at, has_range ? streams + 8 : 0);
    TAKE(end, has_range ? streams + 8 : 0);
    TAKE(stream_position, streams);
    TAKE(stream_stride, streams);
    TAKE(first_word, streams + 1);
    TAKE(cursor, has_rice ? streams : 0);
    TAKE(end_bit, has_rice ? streams : 0);
    TAKE(rows, rows);
    TAKE(origins, rows ? 2 * (coder->n_edges - 1) : 0);
    TAKE(first_rank, has_ranks ? lanes + 1 : 0);
    TAKE(ranks, has_ranks ? coder->n_ranks + 1 : 0);
#undef TAKE
}

static void fill_near(spikey_coder *coder) {
    int32_t code = 0;
    for (int32_t i = 0; i < coder->n_near; i++) {
        while (code < coder->n_edges - 2 && coder->edges[code + 1] <= i * 8 + 4) code++;
        coder->near[i] = (int16_t)code;
        coder->near_edges[2 * i] = coder->edges[code];
        coder->near_edges[2 * i + 1] = coder->edges[code + 1];
    }
}

static void fill(spikey_coder *coder, const spikey_coding *coding) {
    memcpy(coder->first_lane, coding->first_lane, (size_t)(coder->n_streams + 1) * sizeof *coder->first_lane);
    memcpy(coder->length, coding->length, (size_t)coder->n_lanes * sizeof *coder->length);
    if (coder->n_edges) memcpy(coder->edges, coding->edges, (size_t)coder->n_edges * sizeof *coder->edges);
    for (int64_t stream = 0; stream < coder->n_streams; stream++) {
        coder->size[stream] = (int32_t)coding->size[stream];
        coder->width[stream] = spikey_code_width(coder->size[stream]);
        coder->profiled[stream] = coding->profiled[stream] != 0;
        coder->stream_kind[stream] = spikey_kind_of(coder->size[stream], coder->profiled[stream]);
        for (int64_t lane = coder->first_lane[stream]; lane < coder->first_lane[stream + 1]; lane++)
            coder->samples[stream] += coding->n_steps < 0 ? coding->length[lane] : coding->n_steps;
    }
    if (coder->near) fill_near(coder);
    if (coder->kind == SPIKEY_RICE && coder->n_edges) coder->n_cells = 2 * (coder->n_edges - 1);
    if (coder->kind == SPIKEY_RANKS)
        for (int64_t lane = 0; lane < coder->n_lanes; lane++)
            coder->first_rank[lane + 1] = coder->first_rank[lane] + coding->length[lane] - 1;
}

/* Words that a stream takes at most, with some to spare. */
static int64_t words_of(const spikey_coder *coder, int64_t stream, const int64_t *samples, int64_t steps) {
    int64_t n = samples ? samples[stream] : steps * (coder->first_lane[stream + 1] - coder->first_lane[stream]);
    if (coder->kind == SPIKEY_RICE) return n * SPIKEY_MAX_CODE_BITS / 64 + SPIKEY_SPARE_WORDS;
    int bits = coder->size[stream] <= SPIKEY_MAX_SMALL ? SYMBOL_BITS : SYMBOL_BITS + REST_BITS;
    return n * bits / 32 + SPIKEY_SPARE_HALVES;
}

/* Room for all streams of an encoder. */
static int make_room(spikey_coder *coder, const int64_t *samples, int64_t steps) {
    int is_rice = coder->kind == SPIKEY_RICE;
    int64_t words = 0;
    for (int64_t stream = 0; stream < coder->n_streams; stream++) words += words_of(coder, stream, samples, steps);
    if (words >= SPIKEY_LOST) return SPIKEY_NO_MEMORY;
    if (words > coder->n_words || is_rice) {
        void *room = calloc((size_t)words + 1, is_rice ? sizeof(uint64_t) : sizeof(uint32_t));
        if (!room) return SPIKEY_NO_MEMORY;
        free(coder->room);
        coder->room = room;
        coder->n_words = words;
        coder->words = room;
        coder->bit_words = room;
    }
    for (int64_t stream = 0; stream < coder->n_streams; stream++)
        coder->first_word[stream + 1] = coder->first_word[stream] + words_of(coder, stream, samples, steps);
    return SPIKEY_OK;
}

static void begin(spikey_coder *coder) {
    for (int64_t stream = 0; stream < coder->n_streams; stream++) {
        if (coder->kind == SPIKEY_RICE) {
            coder->cursor[stream] = coder->first_word[stream] * 64;
        } else {
            spikey_interval whole = {0, UINT64_MAX, (int32_t)coder->first_word[stream], 0};
            set_interval(coder, stream, whole);
        }
    }
}

spikey_coder *spikey_coder_new(const spikey_tables *tables, const spikey_coding *coding, int *error) {
    *error = SPIKEY_BAD_ARGUMENT;
    if (!check(coding)) return 0;
    *error = SPIKEY_NO_MEMORY;
    spikey_coder *coder = calloc(1, sizeof *coder);
    if (!coder) return 0;
    coder->tables = tables;
    coder->kind = coding->kind;
    coder->decodes = coding->decodes;
    coder->n_streams = coding->n_streams;
    coder->n_lanes = coding->n_lanes;
    coder->n_edges = coding->n_edges;
    for (int64_t lane = 0; lane < coding->n_lanes; lane++) {
        coder->n_ranks += coding->length[lane] - 1;
        if (coding->length[lane] > coder->longest) coder->longest = coding->length[lane];
    }
    coder->is_endless = coding->n_steps >= 0;
    coder->steps_left = coder->decodes ? INT64_MAX : coder->is_endless ? coding->n_steps : coder->longest - 1;
    coder->next_step = 1;
    coder->is_open = coder->kind == SPIKEY_RANKS;
    spikey_arena arena = {0, 0};
    carve(coder, &arena);
    coder->memory = calloc(1, arena.used + 64);
    if (coder->memory) {
        arena.base = (char *)coder->memory + (-(uintptr_t)coder->memory & 63);
        arena.used = 0;
        carve(coder, &arena);
        fill(coder, coding);
        int has_room = coder->decodes || coder->kind == SPIKEY_RANKS;
        if (has_room || make_room(coder, coder->samples, 0) == SPIKEY_OK) {
            if (!has_room) begin(coder);
            *error = SPIKEY_OK;
            return coder;
        }
    }
    spikey_coder_free(coder);
    return 0;
}

int spikey_coder_fit(spikey_coder *coder, const spikey_state *state) {
    const int is_rice = coder->kind == SPIKEY_RICE, is_parts = coder->kind == SPIKEY_RANGE && !coder->decodes;
    const int64_t n = state->n_positions, n_parts = is_parts ? n : 0, n_rice = is_rice ? n : 0;
    if ((!is_rice && !is_parts) || coder->n_positions >= n) return SPIKEY_OK;
    spikey_arena arena = {0, 0};
    for (int pass = 0; pass < 2; pass++) {
        coder->below = spikey_take(&arena, n_parts, sizeof *coder->below);
        coder->part = spikey_take(&arena, n_parts, sizeof *coder->part);
        coder->rest = spikey_take(&arena, n_parts, sizeof *coder->rest);
        coder->rest_bits = spikey_take(&arena, n_parts, sizeof *coder->rest_bits);
        coder->rank = spikey_take(&arena, n_rice, sizeof *coder->rank);
        coder->parameter = spikey_take(&arena, n_rice, sizeof *coder->parameter);
        coder->cell = spikey_take(&arena, n_rice, sizeof *coder->cell);
        coder->row_at = spikey_take(&arena, n_rice, sizeof *coder->row_at);
        if (pass) break;
        free(coder->parts);
        coder->n_positions = 0;
        coder->parts = calloc(1, arena.used + 64);
        if (!coder->parts) return SPIKEY_NO_MEMORY;
        arena.base = (char *)coder->parts + (-(uintptr_t)coder->parts & 63);
        arena.used = 0;
    }
    coder->n_positions = n;
    return SPIKEY_OK;
}

void spikey_coder_free(spikey_coder *coder) {
    if (!coder) return;
    free(coder->room);
    free(coder->parts);
    free(coder->memory);
    free(coder);
}

int spikey_coder_restart(spikey_coder *coder, int64_t n_steps) {
    if (coder->kind != SPIKEY_RANGE || coder->decodes || n_steps < 1 || n_steps > SPIKEY_FAR)
        return SPIKEY_BAD_ARGUMENT;
    coder->steps_left = 0;
    coder->is_closed = 1;
    int error = make_room(coder, 0, n_steps);
    if (error) return error;
    coder->steps_left = n_steps;
    coder->next_stream = 0;
    coder->is_closed = 0;
    begin(coder);
    return SPIKEY_OK;
}

static uint64_t big_endian(const uint8_t *bytes, int64_t n, int size) {
    uint64_t word = 0;
    for (int i = 0; i < size; i++) word = word << 8 | (i < n ? bytes[i] : 0u);
    return word;
}

int spikey_coder_open(spikey_coder *coder, const uint8_t *bytes, const int64_t *first) {
    int is_rice = coder->kind == SPIKEY_RICE, size = is_rice ? 8 : 4;
    if (!coder->decodes || (!is_rice && coder->kind != SPIKEY_RANGE)) return SPIKEY_BAD_ARGUMENT;
    int64_t words = 0;
    for (int64_t stream = 0; stream < coder->n_streams; stream++) {
        if (first[stream] < 0 || first[stream + 1] < first[stream]) return SPIKEY_BAD_ARGUMENT;
        int64_t n = first[stream + 1] - first[stream];
        words += is_rice ? (n + 7) / 8 + SPIKEY_SPARE_WORDS : n / 4 + 1;
    }
    if (words >= SPIKEY_LOST) return SPIKEY_NO_MEMORY;
    if (words + 1 > coder->n_words || !coder->room) {
        void *room = malloc(((size_t)words + 1) * (size_t)size);
        if (!room) return SPIKEY_NO_MEMORY;
        free(coder->room);
        coder->room = room;
        coder->n_words = words + 1;
        coder->words = room;
        coder->bit_words = room;
    }
    int64_t at = 0;
    for (int64_t stream = 0; stream < coder->n_streams; stream++) {
        const uint8_t *from = bytes + first[stream];
        int64_t n = first[stream + 1] - first[stream], word = at;
        if (is_rice) {
            coder->cursor[stream] = 64 * at;
            coder->end_bit[stream] = 64 * at + 8 * n;
            for (int64_t i = 0; i < n; i += 8) coder->bit_words[word++] = big_endian(from + i, n - i, 8);
            for (int i = 0; i < SPIKEY_SPARE_WORDS; i++) coder->bit_words[word++] = 0;
        } else {
            coder->damaged[stream] = n % 4 != 0 || n == 0;
            for (int64_t i = 0; i + 4 <= n; i += 4) coder->words[word++] = (uint32_t)big_endian(from + i, 4, 4);
            uint64_t one = word > at ? coder->words[at] : 0, two = word > at + 1 ? coder->words[at + 1] : 0;
            spikey_interval interval = {one << 32 | two, UINT64_MAX, (int32_t)at + 2, (int32_t)word};
            set_interval(coder, stream, interval);
            coder->words[word++] = 0;
        }
        at = word;
    }
    coder->is_open = 1;
    coder->next_step = 1;
    coder->next_stream = 0;
    return SPIKEY_OK;
}

/* Fix a number within an encoder's interval. A width is at least 2**32: so the number with the next higher top half, or
 * low's own, lies within. */
static void fix(spikey_interval *interval, uint32_t *words) {
    uint64_t low = interval->low;
    if (low & UINT32_MAX) {
        uint64_t number = low + UINT32_MAX;
        if (number < low) carry(words, interval->at - 1);
        low = number;
    }
    words[interval->at++] = (uint32_t)(low >> 32);
}

void spikey_coder_close(spikey_coder *coder, int64_t *sizes) {
    for (int64_t stream = 0; stream < coder->n_streams; stream++) {
        sizes[stream] = 0;
        if (coder->decodes) continue;
        if (coder->kind == SPIKEY_RANGE) {
            spikey_interval interval = interval_of(coder, stream);
            if (!coder->is_closed) fix(&interval, coder->words); /* again would write behind the stream's room */
            set_interval(coder, stream, interval);
            sizes[stream] = 4 * (interval.at - coder->first_word[stream]);
        } else if (coder->kind == SPIKEY_RICE) {
            sizes[stream] = (coder->cursor[stream] - 64 * coder->first_word[stream] + 7) / 8;
        }
    }
    coder->steps_left = 0;
    coder->is_closed = 1;
}

void spikey_coder_stream(const spikey_coder *coder, int64_t stream, uint8_t *bytes) {
    int64_t first = coder->first_word[stream];
    if (coder->decodes) return;
    if (coder->kind == SPIKEY_RANGE)
        for (int64_t i = first; i < coder->at[stream]; i++)
            for (int shift = 24; shift >= 0; shift -= 8) *bytes++ = (uint8_t)(coder->words[i] >> shift);
    if (coder->kind == SPIKEY_RICE)
        for (int64_t bit = 64 * first; bit < coder->cursor[stream]; bit += 8)
            *bytes++ = (uint8_t)(coder->bit_words[bit >> 6] >> (56 - (bit & 63)));
}

void spikey_coder_whole(const spikey_coder *coder, uint8_t *whole) {
    for (int64_t stream = 0; stream < coder->n_streams; stream++) {
        int used_up = 1;
        if (coder->kind == SPIKEY_RANGE) /* the decoder is always one word further than the encoder was */
            used_up = coder->at[stream] == coder->end[stream] + 1;
        if (coder->kind == SPIKEY_RICE) {
            int64_t left = coder->end_bit[stream] - coder->cursor[stream];
            used_up = left >= 0 && left < 8;
        }
        whole[stream] = used_up && !coder->damaged[stream];
    }
}

int32_t *spikey_coder_ranks(spikey_coder *coder, int64_t stream, int64_t *n) {
    if (coder->kind != SPIKEY_RANKS || stream < 0 || stream >= coder->n_streams) return 0;
    int64_t first = coder->first_rank[coder->first_lane[stream]];
    *n = coder->first_rank[coder->first_lane[stream + 1]] - first;
    return coder->ranks + first;
}

void spikey_coder_damage(spikey_coder *coder, int64_t stream) { coder->damaged[stream] = 1; }

int64_t spikey_coder_streams(const spikey_coder *coder) { return coder->n_streams; }

int spikey_coder_decodes(const spikey_coder *coder) { return coder->decodes; }
