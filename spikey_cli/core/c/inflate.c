/* Raw deflate (RFC 1951), with a preset dictionary or none. */

#include <stdlib.h>
#include <string.h>

#include "archive.h"

enum { MAX_LENGTH = 15, FAST = 10, END = 256 };

/* A canonical code: the number of codes of each length, and the symbols in the order of their codes. Codes of up to FAST
 * bits are looked up: symbol << 4 | length of what the next bits are; 0 for longer ones. */
typedef struct {
    uint16_t count[MAX_LENGTH + 1], symbol[288], fast[1 << FAST];
} code;

typedef struct {
    const uint8_t *at, *end;
    uint64_t window; /* the next bits, the first one lowest */
    int held;
    int failed;
} bits;

static void fill(bits *in) {
    for (; in->held <= 56 && in->at < in->end; in->held += 8) in->window |= (uint64_t)*in->at++ << in->held;
}

static uint32_t take_bits(bits *in, int n) {
    fill(in);
    if (in->held < n) {
        in->failed = 1;
        return 0;
    }
    uint32_t value = (uint32_t)(in->window & (((uint64_t)1 << n) - 1));
    in->window >>= n;
    in->held -= n;
    return value;
}

/* Returns 0 if the lengths are none of a code: too many for some length; or too few, but for one code of one bit. */
static int make_code(code *made, const uint8_t *lengths, int n, int may_be_single) {
    uint16_t next[MAX_LENGTH + 2], value[MAX_LENGTH + 2] = {0};
    memset(made, 0, sizeof *made);
    for (int i = 0; i < n; i++) made->count[lengths[i]]++;
    made->count[0] = 0;
    int free = 1, longest = 0;
    next[1] = 0;
    for (int length = 1; length <= MAX_LENGTH; length++) {
        free = 2 * free - made->count[length];
        if (free < 0) return 0;
        if (made->count[length]) longest = length;
        next[length + 1] = (uint16_t)(next[length] + made->count[length]);
        value[length + 1] = (uint16_t)((value[length] + made->count[length]) << 1);
    }
    if (free > 0 && !(may_be_single && longest <= 1)) return 0;
    for (int i = 0; i < n; i++) {
        int length = lengths[i];
        if (!length) continue;
        made->symbol[next[length]++] = (uint16_t)i;
        uint32_t bits_of = value[length]++, reversed = 0;
        if (length > FAST) continue;
        for (int b = 0; b < length; b++) reversed |= (bits_of >> b & 1) << (length - 1 - b);
        for (uint32_t k = reversed; k < 1u << FAST; k += 1u << length) made->fast[k] = (uint16_t)(i << 4 | length);
    }
    return 1;
}

static int take_symbol(bits *in, const code *from) {
    fill(in);
    int entry = from->fast[in->window & ((1 << FAST) - 1)];
    if (entry && (entry & 15) <= in->held) {
        in->window >>= entry & 15;
        in->held -= entry & 15;
        return entry >> 4;
    }
    int value = 0, first = 0, index = 0;
    for (int length = 1; length <= MAX_LENGTH; length++) {
        value |= (int)take_bits(in, 1);
        if (in->failed) break;
        int count = from->count[length];
        if (value - first < count) return from->symbol[index + value - first];
        index += count;
        first = (first + count) << 1;
        value <<= 1;
    }
    in->failed = 1;
    return 0;
}

static int take_codes(bits *in, int kind, code *literals, code *distances) {
    static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[320] = {0};
    if (kind == 1) {
        for (int i = 0; i < 288; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
        memset(lengths + 288, 5, 32);
        return make_code(literals, lengths, 288, 0) && make_code(distances, lengths + 288, 32, 0);
    }
    int n_literals = (int)take_bits(in, 5) + 257, n_distances = (int)take_bits(in, 5) + 1;
    int n = (int)take_bits(in, 4) + 4;
    if (in->failed || n_literals > 286 || n_distances > 30) return 0;
    for (int i = 0; i < n; i++) lengths[order[i]] = (uint8_t)take_bits(in, 3);
    if (!make_code(literals, lengths, 19, 0)) return 0;
    memset(lengths, 0, sizeof lengths);
    for (int i = 0; i < n_literals + n_distances;) {
        int symbol = take_symbol(in, literals), repeated = 0, times = 1;
        if (symbol < 16) repeated = symbol;
        if (symbol == 16) {
            if (i == 0) return 0;
            repeated = lengths[i - 1];
            times = 3 + (int)take_bits(in, 2);
        }
        if (symbol == 17) times = 3 + (int)take_bits(in, 3);
        if (symbol == 18) times = 11 + (int)take_bits(in, 7);
        if (in->failed || times > n_literals + n_distances - i) return 0;
        for (; times > 0; times--) lengths[i++] = (uint8_t)repeated;
    }
    return lengths[END] && make_code(literals, lengths, n_literals, 1) &&
           make_code(distances, lengths + n_literals, n_distances, 1);
}

/* Room for `more` bytes, at most `most` in all; 0 if that is too many, -1 if there is no memory. */
static int make_room(spikey_inflated *out, int64_t more, int64_t most) {
    if (more > most - out->n) return 0;
    if (more <= out->room - out->n) return 1;
    int64_t room = least(greatest(2 * out->room, out->n + more + 1024), most);
    uint64_t bytes = (uint64_t)(out->dictionary + room);
    uint8_t *memory = bytes > SIZE_MAX ? 0 : realloc(out->memory, (size_t)bytes);
    if (!memory) return -1;
    out->memory = memory;
    out->room = room;
    return 1;
}

static int take_block(bits *in, const code *literals, const code *distances, spikey_inflated *out, int64_t most) {
    for (;;) {
        int symbol = take_symbol(in, literals);
        if (in->failed) return 0;
        if (symbol == END) return 1;
        int64_t length = 1, distance = 0;
        if (symbol > END) {
            if (symbol > 285) return 0;
            int i = symbol - 257, extra = i < 8 || i == 28 ? 0 : (i >> 2) - 1;
            length = i == 28 ? 258 : i < 8 ? i + 3 : (int64_t)(4 + (i & 3)) << extra;
            length += (i < 8 || i == 28 ? 0 : 3) + (int64_t)take_bits(in, extra);
            int d = take_symbol(in, distances);
            if (in->failed || d > 29) return 0;
            extra = d < 4 ? 0 : (d >> 1) - 1;
            distance = (d < 4 ? d : (int64_t)(2 + (d & 1)) << extra) + 1 + (int64_t)take_bits(in, extra);
            if (in->failed || distance > out->dictionary + out->n) return 0;
        }
        int has_room = make_room(out, length, most);
        if (has_room <= 0) return has_room ? has_room : -2;
        uint8_t *to = out->memory + out->dictionary + out->n;
        if (symbol < END)
            *to = (uint8_t)symbol;
        else
            for (int64_t i = 0; i < length; i++) to[i] = to[i - distance];
        out->n += length;
    }
}

int spikey_inflate(const uint8_t *from, int64_t n, const uint8_t *dictionary, int64_t n_dictionary, int64_t most,
                   spikey_inflated *out) {
    bits in = {from, from + n, 0, 0, 0};
    code literals, distances;
    int is_last = 0, result = 1;
    memset(out, 0, sizeof *out);
    out->dictionary = n_dictionary;
    out->memory = malloc((size_t)n_dictionary + 1);
    if (!out->memory) return SPIKEY_NO_MEMORY;
    if (n_dictionary) memcpy(out->memory, dictionary, (size_t)n_dictionary);
    while (!is_last && result > 0) {
        is_last = (int)take_bits(&in, 1);
        uint32_t kind = take_bits(&in, 2);
        if (kind == 0 && !in.failed) {
            take_bits(&in, in.held & 7);
            int64_t length = take_bits(&in, 16), inverse = take_bits(&in, 16);
            result = !in.failed && (length ^ inverse) == 0xFFFF && length <= (in.end - in.at) + (in.held >> 3);
            if (result && !make_room(out, length, most)) result = -2;
            else if (result) result = make_room(out, length, most);
            for (int64_t i = 0; result > 0 && i < length; i++)
                out->memory[out->dictionary + out->n++] = (uint8_t)take_bits(&in, 8);
        } else {
            result = !in.failed && kind < 3 && take_codes(&in, (int)kind, &literals, &distances);
            if (result) result = take_block(&in, &literals, &distances, out, most);
        }
    }
    out->used = n - (in.end - in.at) - (in.held >> 3);
    if (result > 0) return SPIKEY_OK;
    free(out->memory);
    out->memory = 0;
    return result == -1 ? SPIKEY_NO_MEMORY : result == -2 ? SPIKEY_BEYOND_MEMORY : SPIKEY_DAMAGED;
}
