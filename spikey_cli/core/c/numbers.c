/* Kept numbers: arrays that are not predicted, as the bytes of their differences. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"

/* The i-th word, of which plane b has byte b. */
static uint64_t word_of(const uint8_t *planes, int64_t n, int size, int64_t i) {
    uint64_t word = 0;
    for (int b = 0; b < size; b++) word |= (uint64_t)planes[b * n + i] << 8 * b;
    return word;
}

static double float64_of(uint64_t bits) {
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

int spikey_unpack_numbers(spikey_chunk *chunk, const spikey_file *file, const uint8_t *bytes, int64_t n, int64_t n_records,
                          uint8_t *out) {
    static const char damaged[] = "a stream of numbers is damaged";
    const int is_float = file->kept_type == FLOAT64_NUMBERS, size = is_float ? 8 : file->kept_type;
    const int64_t count = n_records * file->per_record, plain = count * size;
    spikey_inflated inflated;
    int error = spikey_inflate(bytes, n, 0, 0, 17 + 2 * plain, &inflated);
    if (error) return fail(chunk, error == SPIKEY_NO_MEMORY ? error : SPIKEY_DAMAGED, damaged);
    spikey_reader in = reader_of(inflated.memory, inflated.n);
    const uint64_t form = take_number(&in, 1);
    double gain = 1, offset = 0;
    if (form > 2) {
        gain = float64_of(take_number(&in, 8));
        offset = float64_of(take_number(&in, 8));
    }
    const uint8_t *planes = take(&in, (uint64_t)plain), *remainders = form > 2 ? take(&in, (uint64_t)plain) : 0;
    int is_whole = !in.failed && !left_in(&in) && inflated.used == n && form < (is_float ? 5 : 3) && isfinite(gain) &&
                   isfinite(offset) && gain != 0;
    const int order = form > 2 ? 2 : (int)form;
    uint64_t first = 0, second = 0;
    for (int64_t i = 0; is_whole && i < count; i++) {
        uint64_t word = word_of(planes, count, size, i);
        second += word;
        first += order > 1 ? second : word;
        if (order > 0) word = first;
        if (form > 2) {
            double k = (double)(int64_t)word, product = form == 3 ? k / gain : k * gain, number = product + offset;
            uint64_t result;
            memcpy(&result, &number, sizeof result);
            word = result + word_of(remainders, count, size, i);
        }
        put_little(out + i * size, word, size);
    }
    free(inflated.memory);
    return is_whole ? SPIKEY_OK : fail(chunk, SPIKEY_DAMAGED, damaged);
}
