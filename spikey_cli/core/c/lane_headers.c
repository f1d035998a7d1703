/* Lane headers: gain and first code of each lane of a channel.
 *
 *     first lane     gain, 8 bits; first code, `width` bits
 *     later lanes    zigzag of the gain less the gain before, Rice with k = 1; rank of the first code around the first
 *                    code of the lane before, Rice with the k of the lane's gain and one octave more
 */

#include <string.h>

#include "internal.h"
#include "ranks.h"
#include "rice.h"

enum { GAIN_K = 1, GAIN_WIDTH = 9, OCTAVE = 16 };

int64_t spikey_lane_headers_room(int64_t n) { return (n * 2 * SPIKEY_MAX_CODE_BITS / 64 + 2) * 8; }

/* Bytes have the order of the stream; words that of the machine. */
static inline uint64_t word_from(const uint8_t *bytes, int64_t n) {
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) word = word << 8 | (i < n ? bytes[i] : 0u);
    return word;
}

/* The 64 bits from a cursor on; zeros behind the end. */
static uint64_t peek_bytes(const uint8_t *stream, int64_t n_bytes, int64_t cursor) {
    int64_t byte = cursor >> 3;
    int offset = (int)(cursor & 7);
    if (byte >= n_bytes) return 0;
    uint64_t word = word_from(stream + byte, n_bytes - byte);
    uint64_t next = byte + 8 < n_bytes ? stream[byte + 8] : 0;
    return word << offset | next >> (8 - offset);
}

int64_t spikey_encode_lane_headers(const spikey_tables *tables, const uint8_t *gains, const int32_t *initial_codes,
                                   int64_t n, int32_t size, uint8_t *stream) {
    int width = spikey_code_width(size);
    uint64_t words[4] = {0, 0, 0, 0}; /* the last bits, from the byte `done` on */
    int64_t done = 0, cursor = 0;
    for (int64_t lane = 0; lane < n; lane++) {
        if (gains[lane] > SPIKEY_MAX_GAIN || initial_codes[lane] < 0 || initial_codes[lane] >= size)
            return SPIKEY_BAD_CODE;
        if (lane == 0) {
            put_bits(words, cursor, gains[0], 8);
            put_bits(words, cursor + 8, (uint64_t)initial_codes[0], width);
            cursor += 8 + width;
        } else {
            int32_t change = (int32_t)gains[lane] - gains[lane - 1];
            int32_t folded = change < 0 ? -2 * change - 1 : 2 * change;
            rank_origin origin = {initial_codes[lane - 1], 1};
            int32_t rank = rank_from_code(initial_codes[lane], origin, size);
            cursor = put_rank(words, cursor, folded, GAIN_K, GAIN_WIDTH);
            cursor = put_rank(words, cursor, rank, rice_parameter(tables->log2_rms[gains[lane]] + OCTAVE), width);
        }
        while (cursor >= 64) {
            for (int i = 0; i < 8; i++) stream[done + i] = (uint8_t)(words[0] >> (56 - 8 * i));
            words[0] = words[1], words[1] = words[2], words[2] = words[3], words[3] = 0;
            done += 8, cursor -= 64;
        }
    }
    for (int64_t i = 0; i < cursor; i += 8) stream[done++] = (uint8_t)(words[0] >> (56 - i));
    return done;
}

int64_t spikey_decode_lane_headers(const spikey_tables *tables, const uint8_t *stream, int64_t n_bytes, int64_t n,
                                   int32_t size, uint8_t *gains, int32_t *initial_codes) {
    int width = spikey_code_width(size);
    int64_t cursor = 0, end = 8 * n_bytes;
    for (int64_t lane = 0; lane < n; lane++) {
        int32_t gain = SPIKEY_MAX_GAIN + 1, first = 0;
        if (cursor < end && lane == 0) {
            uint64_t window = peek_bytes(stream, n_bytes, cursor);
            gain = (int32_t)(window >> 56);
            first = (int32_t)(window << 8 >> (64 - width));
            cursor += 8 + width;
        } else if (cursor < end) {
            int32_t folded, rank;
            cursor += get_rank(peek_bytes(stream, n_bytes, cursor), GAIN_K, GAIN_WIDTH, &folded);
            gain = gains[lane - 1] + (folded & 1 ? -((folded + 1) >> 1) : folded >> 1);
            if (gain >= 0 && gain <= SPIKEY_MAX_GAIN && cursor < end) {
                int k = rice_parameter(tables->log2_rms[gain] + OCTAVE);
                cursor += get_rank(peek_bytes(stream, n_bytes, cursor), k, width, &rank);
                rank_origin origin = {initial_codes[lane - 1], 1};
                first = rank < size ? code_from_rank(rank, origin, size) : size;
            } else {
                gain = SPIKEY_MAX_GAIN + 1;
            }
        }
        if (gain < 0 || gain > SPIKEY_MAX_GAIN || first >= size) {
            cursor = end + 1; /* damage: go on with harmless values */
            gain = first = 0;
        }
        gains[lane] = (uint8_t)gain;
        initial_codes[lane] = first;
    }
    return (cursor + 7) / 8;
}
