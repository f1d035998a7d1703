/* Raw LZMA2, as within .xz files, with a dictionary of at most 1 MiB: the larger tables of archives. */

#include <stdlib.h>
#include <string.h>

#include "archive.h"

enum { DICTIONARY = 1 << 20, MAX_POSITION_BITS = 4, STATES = 12, FIRST_AFTER_MATCH = 7 };
enum { HALF = 1 << 10, MOVE = 5, TOP = 1 << 24 };
enum { LOW_LENGTHS = 8, HIGH_LENGTHS = 256, LENGTH_CONTEXTS = 4, SLOTS = 64, SPECIAL = 115, ALIGN_BITS = 4 };

typedef uint16_t bit_model; /* the probability of a 0, of 2**11 */

typedef struct {
    bit_model is_high, is_highest, low[1 << MAX_POSITION_BITS][LOW_LENGTHS], middle[1 << MAX_POSITION_BITS][LOW_LENGTHS],
        high[HIGH_LENGTHS];
} length_models;

typedef struct {
    bit_model is_match[STATES][1 << MAX_POSITION_BITS], is_repeated[STATES], is_not_first[STATES], is_not_second[STATES],
        is_not_third[STATES], is_long[STATES][1 << MAX_POSITION_BITS];
    bit_model slot[LENGTH_CONTEXTS][SLOTS], special[SPECIAL], align[1 << ALIGN_BITS];
    length_models match, repeated;
    bit_model literal[1 << 4][0x300]; /* lc + lp is at most 4 */
} models;

typedef struct {
    spikey_reader in; /* of the chunk */
    uint32_t range, code;
    int context_bits, low_position_bits, position_bits, state;
    uint32_t distance[4]; /* minus 1; the last ones */
    models models;
    int64_t dictionary; /* bytes since the dictionary was reset */
} decoder;

static void normalize(decoder *of) {
    if (of->range >= TOP) return;
    of->range <<= 8;
    of->code = of->code << 8 | (uint32_t)take_number(&of->in, 1);
}

static int take_bit(decoder *of, bit_model *model) {
    normalize(of);
    uint32_t bound = (of->range >> 11) * *model;
    if (of->code < bound) {
        of->range = bound;
        *model = (bit_model)(*model + ((2 * HALF - *model) >> MOVE));
        return 0;
    }
    of->range -= bound;
    of->code -= bound;
    *model = (bit_model)(*model - (*model >> MOVE));
    return 1;
}

/* A number of so many bits, from the highest; models[1..2**bits - 1]. */
static int take_tree(decoder *of, bit_model *tree, int bits) {
    int at = 1;
    for (int i = 0; i < bits; i++) at = 2 * at + take_bit(of, &tree[at]);
    return at - (1 << bits);
}

/* The same from the lowest bit. */
static uint32_t take_reversed(decoder *of, bit_model *tree, int bits) {
    int at = 1;
    uint32_t number = 0;
    for (int i = 0; i < bits; i++) {
        int bit = take_bit(of, &tree[at]);
        at = 2 * at + bit;
        number |= (uint32_t)bit << i;
    }
    return number;
}

static uint32_t take_direct(decoder *of, int bits) {
    uint32_t number = 0;
    for (int i = 0; i < bits; i++) {
        normalize(of);
        of->range >>= 1;
        int bit = of->code >= of->range;
        if (bit) of->code -= of->range;
        number = number << 1 | (uint32_t)bit;
    }
    return number;
}

static int take_length(decoder *of, length_models *own, int position) {
    if (!take_bit(of, &own->is_high)) return 2 + take_tree(of, own->low[position], 3);
    if (!take_bit(of, &own->is_highest)) return 2 + LOW_LENGTHS + take_tree(of, own->middle[position], 3);
    return 2 + 2 * LOW_LENGTHS + take_tree(of, own->high, 8);
}

static uint32_t take_distance(decoder *of, int length) {
    int context = length - 2 < LENGTH_CONTEXTS ? length - 2 : LENGTH_CONTEXTS - 1;
    int slot = take_tree(of, of->models.slot[context], 6);
    if (slot < 4) return (uint32_t)slot;
    int bits = (slot >> 1) - 1;
    uint32_t first = (uint32_t)(2 | (slot & 1)) << bits;
    if (slot < 14) return first + take_reversed(of, of->models.special + first - slot, bits);
    first += take_direct(of, bits - ALIGN_BITS) << ALIGN_BITS;
    return first + take_reversed(of, of->models.align, ALIGN_BITS);
}

static void take_literal(decoder *of, spikey_inflated *out) {
    uint8_t *to = out->memory + out->n;
    uint32_t before = of->dictionary ? to[-1] : 0;
    uint32_t context = ((uint32_t)of->dictionary & ((1u << of->low_position_bits) - 1)) << of->context_bits;
    bit_model *tree = of->models.literal[context + (before >> (8 - of->context_bits))];
    uint32_t at = 1;
    if (of->state >= FIRST_AFTER_MATCH) {
        uint32_t match = to[-(int64_t)of->distance[0] - 1], offset = 0x100;
        while (at < 0x100) {
            match <<= 1;
            uint32_t bit = match & offset, taken = (uint32_t)take_bit(of, &tree[offset + bit + at]);
            at = 2 * at + taken;
            offset &= taken ? bit : ~bit;
        }
    }
    while (at < 0x100) at = 2 * at + (uint32_t)take_bit(of, &tree[at]);
    *to = (uint8_t)at;
    out->n++;
    of->dictionary++;
    of->state = of->state < 4 ? 0 : of->state < 10 ? of->state - 3 : of->state - 6;
}

/* The length of the next match, whose distance becomes the first. */
static int take_match(decoder *of, int position) {
    const int is_after = of->state >= FIRST_AFTER_MATCH;
    uint32_t *distance = of->distance;
    if (!take_bit(of, &of->models.is_repeated[of->state])) {
        int length = take_length(of, &of->models.match, position);
        memmove(distance + 1, distance, 3 * sizeof *distance);
        distance[0] = take_distance(of, length);
        of->state = is_after ? 10 : 7;
        return length;
    }
    int i = 0;
    if (!take_bit(of, &of->models.is_not_first[of->state])) {
        if (!take_bit(of, &of->models.is_long[of->state][position])) {
            of->state = is_after ? 11 : 9;
            return 1;
        }
    } else {
        i = !take_bit(of, &of->models.is_not_second[of->state]) ? 1 : 2 + take_bit(of, &of->models.is_not_third[of->state]);
    }
    uint32_t chosen = distance[i];
    memmove(distance + 1, distance, (size_t)i * sizeof *distance);
    distance[0] = chosen;
    of->state = is_after ? 11 : 8;
    return take_length(of, &of->models.repeated, position);
}

/* The `n` bytes of a chunk, for which there is room; 0 if it is damaged. */
static int take_chunk(decoder *of, int64_t n, spikey_inflated *out) {
    const int64_t stop = out->n + n;
    of->range = UINT32_MAX;
    if (take_number(&of->in, 1)) return 0;
    of->code = 0;
    for (int i = 0; i < 4; i++) of->code = of->code << 8 | (uint32_t)take_number(&of->in, 1);
    while (out->n < stop && !of->in.failed) {
        const int position = (int)(of->dictionary & ((1 << of->position_bits) - 1));
        if (!take_bit(of, &of->models.is_match[of->state][position])) {
            take_literal(of, out);
            continue;
        }
        const int length = take_match(of, position);
        const int64_t distance = (int64_t)of->distance[0] + 1;
        if (distance > of->dictionary || distance > DICTIONARY || length > stop - out->n) return 0;
        uint8_t *to = out->memory + out->n;
        for (int i = 0; i < length; i++) to[i] = to[i - distance];
        out->n += length;
        of->dictionary += length;
    }
    normalize(of);
    return !of->in.failed && !left_in(&of->in) && !of->code;
}

static void reset_state(decoder *of) {
    bit_model *all = (bit_model *)&of->models;
    for (size_t i = 0; i < sizeof of->models / sizeof *all; i++) all[i] = HALF;
    memset(of->distance, 0, sizeof of->distance);
    of->state = 0;
}

static int set_properties(decoder *of, uint64_t byte) {
    of->position_bits = (int)(byte / 45);
    of->low_position_bits = (int)(byte % 45 / 9);
    of->context_bits = (int)(byte % 9);
    return byte < 225 && of->context_bits + of->low_position_bits <= 4;
}

static int take_all(decoder *of, spikey_reader *in, int64_t most, spikey_inflated *out) {
    int is_reset = 0, has_properties = 0;
    for (;;) {
        uint64_t control = take_number(in, 1);
        if (in->failed) return SPIKEY_DAMAGED;
        if (control == 0) return SPIKEY_OK;
        if (control == 1 || control >= 0xE0) is_reset = 1, has_properties = 0, of->dictionary = 0;
        if (!is_reset || (control > 2 && control < 0x80)) return SPIKEY_DAMAGED;
        const uint8_t *sizes = take(in, control < 0x80 ? 2 : 4);
        if (!sizes) return SPIKEY_DAMAGED;
        int64_t n = 1 + (sizes[0] << 8 | sizes[1]), n_packed = n;
        if (control >= 0x80) n += (int64_t)(control & 31) << 16, n_packed = 1 + (sizes[2] << 8 | sizes[3]);
        if (control >= 0xC0 && !(has_properties = set_properties(of, take_number(in, 1)))) return SPIKEY_DAMAGED;
        if (control >= 0x80 && !has_properties) return SPIKEY_DAMAGED;
        if (control >= 0xA0) reset_state(of);
        const uint8_t *packed = take(in, (uint64_t)n_packed);
        if (!packed) return SPIKEY_DAMAGED;
        if (n > most - out->n) return SPIKEY_BEYOND_MEMORY;
        if (n > out->room - out->n) {
            int64_t room = least(greatest(2 * out->room, out->n + n), most);
            uint8_t *memory = (uint64_t)room > SIZE_MAX ? 0 : realloc(out->memory, (size_t)room);
            if (!memory) return SPIKEY_NO_MEMORY;
            out->memory = memory;
            out->room = room;
        }
        if (control >= 0x80) {
            of->in = reader_of(packed, n_packed);
            if (!take_chunk(of, n, out)) return SPIKEY_DAMAGED;
        } else {
            memcpy(out->memory + out->n, packed, (size_t)n);
            out->n += n;
            of->dictionary += n;
        }
    }
}

int spikey_unpack_lzma(const uint8_t *from, int64_t n, int64_t most, spikey_inflated *out) {
    memset(out, 0, sizeof *out);
    decoder *of = calloc(1, sizeof *of);
    out->memory = malloc(1);
    spikey_reader in = reader_of(from, n);
    int error = of && out->memory ? take_all(of, &in, most, out) : SPIKEY_NO_MEMORY;
    out->used = n - left_in(&in);
    free(of);
    if (error) free(out->memory), out->memory = 0;
    return error;
}
