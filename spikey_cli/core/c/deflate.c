/* Raw deflate (RFC 1951) of tables, with a preset dictionary or none: matches are found by hashes of three bytes, and a
 * block has codes of its own if these are worth their place. */

#include <stdlib.h>
#include <string.h>

#include "encoder.h"

enum {
    LITERALS = 286, DISTANCES = 30, LENGTHS = 19, END = 256,
    MIN_MATCH = 3, MAX_MATCH = 258, WINDOW = 1 << 15, MAX_CHAIN = 256,
    TOO_FAR = 4096,     /* of a match of MIN_MATCH bytes */
    FILTERED = 6,       /* least match of noisy columns */
    HASH_BITS = 12,
    MOST_CODES = LITERALS + DISTANCES
};

/* A literal below 256; or the length, and above it the distance, of a match. */
typedef uint32_t token;

typedef struct {
    spikey_writer *out;
    uint64_t held;
    int n;
} bit_writer;

static void put_code(bit_writer *to, uint32_t bits, int n) {
    to->held |= (uint64_t)bits << to->n;
    for (to->n += n; to->n >= 8; to->n -= 8, to->held >>= 8) put_number(to->out, to->held & 255, 1);
}

/* ---- codes ---- */

typedef struct {
    uint8_t length[LITERALS + 2];
    uint16_t bits[LITERALS + 2]; /* first bit lowest */
} code;

/* Lengths of at most `most` bits for symbols of these counts; frequent ones are taken for rarer until they fit. */
static void find_lengths(const uint32_t *count, int n, int most, uint8_t *length) {
    uint32_t weight[2 * LITERALS + 4], scaled[LITERALS + 2];
    int16_t parent[2 * LITERALS + 4], symbol[LITERALS + 2];
    int used = 0;
    for (int i = 0; i < n; i++) scaled[i] = count[i];
    for (int i = 0; i < n; i++) { /* by insertion: rarest first */
        if (!count[i]) continue;
        int k = used++;
        for (; k > 0 && count[symbol[k - 1]] > count[i]; k--) symbol[k] = symbol[k - 1];
        symbol[k] = (int16_t)i;
    }
    memset(length, 0, (size_t)n);
    if (used == 1) length[symbol[0]] = 1;
    for (int longest = most + 1; used > 1 && longest > most;) {
        int leaf = 0, node = used, made = used;
        for (int i = 0; i < used; i++) weight[i] = scaled[symbol[i]];
        for (; made < 2 * used - 1; made++) { /* the two least of leaves and of nodes, both of which are in order */
            uint32_t sum = 0;
            for (int two = 0; two < 2; two++) {
                int least = leaf < used && (node >= made || weight[leaf] <= weight[node]) ? leaf++ : node++;
                sum += weight[least];
                parent[least] = (int16_t)made;
            }
            weight[made] = sum;
        }
        longest = 0;
        weight[made - 1] = 0; /* from here on depths */
        for (int i = made - 2; i >= 0; i--) weight[i] = weight[parent[i]] + 1;
        for (int i = 0; i < used; i++) {
            length[symbol[i]] = (uint8_t)weight[i];
            longest = (int)weight[i] > longest ? (int)weight[i] : longest;
            scaled[symbol[i]] = (scaled[symbol[i]] + 1) / 2;
        }
    }
}

static void assign(code *made, int n) {
    uint16_t count[17] = {0}, next[17] = {0};
    for (int i = 0; i < n; i++) count[made->length[i]]++;
    count[0] = 0;
    for (int i = 1; i < 17; i++) next[i] = (uint16_t)((next[i - 1] + count[i - 1]) << 1);
    for (int i = 0; i < n; i++) {
        int length = made->length[i], bits = length ? next[length]++ : 0;
        made->bits[i] = 0;
        for (int b = 0; b < length; b++) made->bits[i] = (uint16_t)(made->bits[i] | (bits >> b & 1) << (length - 1 - b));
    }
}

/* ---- matches ---- */

static int length_symbol(int length, int *extra) {
    *extra = 0;
    if (length == MAX_MATCH) return 285;
    int i = length - 3, shift = 0;
    while (i >> shift > 7) shift++;
    *extra = shift;
    return shift ? 257 + 4 * shift + (i >> shift) : 257 + i;
}

static int distance_symbol(int distance, int *extra) {
    int i = distance - 1, shift = 0;
    while (i >> shift > 3) shift++;
    *extra = shift;
    return shift ? 2 * shift + (i >> shift) : i;
}

typedef struct {
    const uint8_t *bytes;
    int64_t n;
    int32_t head[1 << HASH_BITS], *before; /* the last place of a hash, and that before each place; -1: none */
    int least;
} matcher;

static uint32_t hash_of(const uint8_t *bytes) {
    return ((uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2]) * 2654435761u >> (32 - HASH_BITS);
}

static void note_place(matcher *of, int64_t at) {
    if (at + MIN_MATCH > of->n) return;
    uint32_t hash = hash_of(of->bytes + at);
    of->before[at] = of->head[hash];
    of->head[hash] = (int32_t)at;
}

/* The longest match before `at`; its length, 0 if there is none. */
static int find_match(const matcher *of, int64_t at, int *distance) {
    int best = 0, most = (int)least(MAX_MATCH, of->n - at);
    if (most < MIN_MATCH) return 0;
    int32_t place = of->head[hash_of(of->bytes + at)];
    for (int tries = 0; place >= 0 && at - place <= WINDOW && tries < MAX_CHAIN && best < most; tries++) {
        int length = 0;
        while (length < most && of->bytes[place + length] == of->bytes[at + length]) length++;
        if (length > best) best = length, *distance = (int)(at - place);
        place = of->before[place];
    }
    return best < of->least || (best == MIN_MATCH && *distance > TOO_FAR) ? 0 : best;
}

/* Tokens of the bytes from `first` to `stop`; a match is put off by a byte if that makes it longer. */
static int64_t find_tokens(matcher *of, int64_t first, int64_t stop, token *tokens) {
    int64_t n = 0, whole = of->n;
    int distance = 0, next_distance = 0;
    of->n = stop;
    for (int64_t at = first; at < stop;) {
        int length = find_match(of, at, &distance);
        note_place(of, at);
        if (length && at + 1 < stop && find_match(of, at + 1, &next_distance) > length) length = 0;
        tokens[n++] = length ? (uint32_t)distance << 16 | (uint32_t)length << 1 | 1 : (uint32_t)of->bytes[at] << 1;
        for (int i = 1; i < length; i++) note_place(of, at + i);
        at += length ? length : 1;
    }
    of->n = whole;
    return n;
}

/* ---- blocks ---- */

/* The lengths of a block's codes as symbols: 0..15, 16 for 3 to 6 of the one before, 17 and 18 for zeros. */
static int run_lengths(const uint8_t *lengths, int n, uint8_t *symbols, uint8_t *extra) {
    int made = 0;
    for (int i = 0; i < n;) {
        int run = 1;
        while (i + run < n && lengths[i + run] == lengths[i]) run++;
        int is_zero = !lengths[i], most = is_zero ? 138 : 6;
        if (!is_zero) symbols[made] = lengths[i], extra[made++] = 0, i++, run--;
        while (run >= 3) {
            int part = run < most ? run : most;
            symbols[made] = (uint8_t)(is_zero ? (part > 10 ? 18 : 17) : 16);
            extra[made++] = (uint8_t)(part - (is_zero && part > 10 ? 11 : 3));
            i += part, run -= part;
        }
        for (; run > 0; run--) symbols[made] = lengths[i++], extra[made++] = 0;
    }
    return made;
}

static void put_tokens(bit_writer *to, const token *tokens, int64_t n, const code *literals, const code *distances) {
    for (int64_t i = 0; i < n; i++) {
        int length = tokens[i] >> 1 & 0x7FFF, distance = (int)(tokens[i] >> 16), extra;
        if (!(tokens[i] & 1)) {
            put_code(to, literals->bits[length], literals->length[length]);
            continue;
        }
        int symbol = length_symbol(length, &extra);
        put_code(to, literals->bits[symbol], literals->length[symbol]);
        put_code(to, (uint32_t)(length - 3) & ((1u << extra) - 1), extra);
        symbol = distance_symbol(distance, &extra);
        put_code(to, distances->bits[symbol], distances->length[symbol]);
        put_code(to, (uint32_t)(distance - 1) & ((1u << extra) - 1), extra);
    }
    put_code(to, literals->bits[END], literals->length[END]);
}

static int64_t bits_of(const uint32_t *count, const code *of, int n) {
    int64_t bits = 0;
    for (int i = 0; i < n; i++) bits += (int64_t)count[i] * of->length[i];
    return bits;
}

static void fixed_codes(code *literals, code *distances) {
    for (int i = 0; i < 288; i++) literals->length[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    memset(distances->length, 5, 32);
    assign(literals, 288);
    assign(distances, 32);
}

static void put_block(bit_writer *to, const uint8_t *bytes, int64_t n_bytes, const token *tokens, int64_t n, int is_last) {
    static const uint8_t order[LENGTHS] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    static const uint8_t extra_bits[LENGTHS] = {[16] = 2, [17] = 3, [18] = 7};
    uint32_t count[LITERALS + DISTANCES + LENGTHS] = {0}, *far = count + LITERALS, *of_lengths = far + DISTANCES;
    code literals, distances, lengths;
    uint8_t all[MOST_CODES], symbols[MOST_CODES], extra[MOST_CODES];
    int64_t extra_total = 0;
    for (int64_t i = 0; i < n; i++) {
        int more, value = tokens[i] >> 1 & 0x7FFF;
        if (tokens[i] & 1) {
            count[length_symbol(value, &more)]++, extra_total += more;
            far[distance_symbol((int)(tokens[i] >> 16), &more)]++, extra_total += more;
        } else {
            count[value]++;
        }
    }
    count[END]++;
    find_lengths(count, LITERALS, 15, literals.length);
    find_lengths(far, DISTANCES, 15, distances.length);
    int n_literals = LITERALS, n_distances = DISTANCES, n_lengths = LENGTHS;
    while (n_literals > 257 && !literals.length[n_literals - 1]) n_literals--;
    while (n_distances > 1 && !distances.length[n_distances - 1]) n_distances--;
    memcpy(all, literals.length, (size_t)n_literals);
    memcpy(all + n_literals, distances.length, (size_t)n_distances);
    int runs = run_lengths(all, n_literals + n_distances, symbols, extra);
    for (int i = 0; i < runs; i++) of_lengths[symbols[i]]++;
    find_lengths(of_lengths, LENGTHS, 7, lengths.length);
    while (n_lengths > 4 && !lengths.length[order[n_lengths - 1]]) n_lengths--;
    int64_t own = 14 + 3 * n_lengths + bits_of(of_lengths, &lengths, LENGTHS) + extra_total +
                  bits_of(count, &literals, LITERALS) + bits_of(far, &distances, DISTANCES);
    for (int i = 0; i < runs; i++) own += extra_bits[symbols[i]];
    code fixed_literals, fixed_distances;
    fixed_codes(&fixed_literals, &fixed_distances);
    int64_t fixed = extra_total + bits_of(count, &fixed_literals, LITERALS) + bits_of(far, &fixed_distances, DISTANCES);
    int64_t pieces = (n_bytes + 0xFFFE) / 0xFFFF, stored = 8 * (n_bytes + 5 * pieces);
    if (n_bytes && stored < own && stored < fixed) {
        for (int64_t at = 0; at < n_bytes; at += 0xFFFF) {
            uint32_t size = (uint32_t)least(0xFFFF, n_bytes - at);
            put_code(to, is_last && at + size == n_bytes, 3);
            put_code(to, 0, (8 - to->n) & 7);
            put_number(to->out, size | (uint64_t)(size ^ 0xFFFF) << 16, 4);
            put_bytes(to->out, bytes + at, size);
        }
    } else if (fixed <= own) {
        put_code(to, (uint32_t)is_last | 1 << 1, 3);
        put_tokens(to, tokens, n, &fixed_literals, &fixed_distances);
    } else {
        assign(&literals, LITERALS), assign(&distances, DISTANCES), assign(&lengths, LENGTHS);
        put_code(to, (uint32_t)is_last | 2 << 1, 3);
        put_code(to, (uint32_t)(n_literals - 257) | (uint32_t)(n_distances - 1) << 5 | (uint32_t)(n_lengths - 4) << 10, 14);
        for (int i = 0; i < n_lengths; i++) put_code(to, lengths.length[order[i]], 3);
        for (int i = 0; i < runs; i++) {
            put_code(to, lengths.bits[symbols[i]], lengths.length[symbols[i]]);
            put_code(to, extra[i], extra_bits[symbols[i]]);
        }
        put_tokens(to, tokens, n, &literals, &distances);
    }
}

void spikey_deflate(const uint8_t *bytes, int64_t n_dictionary, int64_t n, const int64_t *ends, int n_ends, int is_noisy,
                    spikey_writer *out) {
    matcher *of = malloc(sizeof *of);
    token *tokens = spikey_room(n, sizeof *tokens);
    int32_t *before = spikey_room(n_dictionary + n, sizeof *before);
    if (of && tokens && before) {
        *of = (matcher){.bytes = bytes, .n = n_dictionary + n, .before = before, .least = is_noisy ? FILTERED : MIN_MATCH};
        memset(of->head, 255, sizeof of->head);
        for (int64_t i = 0; i < n_dictionary; i++) note_place(of, i);
        bit_writer to = {out, 0, 0};
        int64_t at = 0;
        for (int i = 0; i <= n_ends; i++) {
            int64_t stop = i < n_ends ? ends[i] : n;
            if (i < n_ends && (stop == at || stop == n)) continue;
            int64_t n_tokens = find_tokens(of, n_dictionary + at, n_dictionary + stop, tokens);
            put_block(&to, bytes + n_dictionary + at, stop - at, tokens, n_tokens, i == n_ends);
            at = stop;
        }
        put_code(&to, 0, (8 - to.n) & 7);
    } else {
        out->failed = 1;
    }
    free(of), free(tokens), free(before);
}
