/* The ranks of a channel in the stream of the coder `huffman`: canonical codes, and packed streams beside them. */

#include <stdlib.h>

#include "archive.h"

enum { MAX_LENGTH = 31, MAX_SYMBOLS = 386 };

/* The next bits of a stream, the most significant one of each byte first. */
typedef struct {
    const uint8_t *bytes;
    int64_t at, end;
} bit_reader;

/* The symbol of the next code, -1 if there is none. */
static int32_t take_symbol(bit_reader *in, const int32_t *count, int n_lengths) {
    int64_t value = 0, first = 0, index = 0;
    for (int length = 1; length <= n_lengths && in->at < in->end; length++) {
        value = value << 1 | (in->bytes[in->at >> 3] >> (7 - (in->at & 7)) & 1);
        in->at++;
        first <<= 1;
        if (value - first < count[length]) return (int32_t)(index + value - first);
        index += count[length];
        first += count[length];
    }
    return -1;
}

/* The bytes of `n` packed codes of `size`, unpacked; 0 if a code is not below size or there are too few bytes. */
static int take_packed(spikey_reader *in, int64_t n, int32_t size, int32_t *codes) {
    int width = spikey_code_width(size);
    const uint8_t *bytes = take(in, ((uint64_t)n * (uint64_t)width + 7) / 8);
    return bytes && spikey_unpack(bytes, n, width, size, codes);
}

int spikey_unpack_ranks(const uint8_t *bytes, int64_t n_bytes, int64_t n, int32_t size, int32_t *ranks) {
    spikey_reader in = reader_of(bytes, n_bytes);
    int low = (int)take_number(&in, 1), n_lengths = (int)take_number(&in, 1);
    int32_t count[MAX_LENGTH + 1] = {0}, n_symbols = 0;
    if (in.failed || low > spikey_code_width(size) || n_lengths > MAX_LENGTH || n > 8 * n_bytes) return 0;
    for (int i = 1; i <= n_lengths; i++) {
        count[i] = (int32_t)take_uvarint(&in, MAX_SYMBOLS);
        n_symbols += count[i];
        if (count[i] > (int64_t)1 << i) return 0;
    }
    int64_t n_beyond = (int64_t)take_uvarint(&in, (uint64_t)n), k = 0;
    if (in.failed || n_symbols < 1 || n_symbols > MAX_SYMBOLS) return 0;
    int32_t *beyond = spikey_room(n_beyond, sizeof *beyond), *lows = spikey_room(low ? n : 0, sizeof *lows);
    int is_whole = beyond && lows && (size == 1 || take_packed(&in, n_beyond, size, beyond)) &&
                   (!low || take_packed(&in, n, 1 << low, lows));
    bit_reader codes = {in.at, 0, 8 * left_in(&in)};
    for (int64_t i = 0; is_whole && i < n; i++) {
        int32_t symbol = take_symbol(&codes, count, n_lengths);
        int64_t rank = symbol < 0 ? size : (int64_t)symbol << low | (low ? lows[i] : 0);
        if (symbol == n_symbols - 1) rank = k < n_beyond ? beyond[k++] : size;
        is_whole = rank < size;
        ranks[i] = is_whole ? (int32_t)rank : 0;
    }
    is_whole = is_whole && k == n_beyond && codes.end - codes.at < 8;
    for (; is_whole && codes.at < codes.end; codes.at++)
        is_whole = !(codes.bytes[codes.at >> 3] >> (7 - (codes.at & 7)) & 1);
    int result = beyond && lows ? is_whole : -1;
    free(beyond), free(lows);
    return result;
}
