/* Fuzzing of the chunk decoder: an input is a chunk; compiled so that its checksums do not matter (see archive.h, .ci/core).
 *
 * Memory is allocated as long as the library is told, so that AddressSanitizer sees every access beyond. */

#include <stdlib.h>
#include <string.h>

#include "spikey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const spikey_limits limits = {1 << 22, 256, 1 << 20, 0};
    uint8_t *chunk = malloc(n ? n : 1);
    spikey_array array;
    if (!chunk) abort();
    memcpy(chunk, data, n);
    const char *reason;
    int error = spikey_describe(chunk, n, &limits, &array, &reason);
    if ((error != SPIKEY_OK) != (reason != 0)) abort();
    if (!error) {
        if (array.bytes < 0 || array.bytes > limits.array) abort();
        char *type = malloc((size_t)array.type_length + 1);
        uint8_t *memory = malloc(array.bytes ? (size_t)array.bytes : 1);
        if (!type || !memory) abort();
        if (spikey_type(chunk, n, &limits, type, (size_t)array.type_length + 1)) abort();
        spikey_decode(chunk, n, &limits, memory, (size_t)array.bytes, &reason);
        free(type), free(memory);
    }
    free(chunk);
    return 0;
}
