/* Fuzzing of the reader of archives: an input is an archive; compiled so that its checksums do not matter (see archive.h,
 * .ci/core).
 *
 * Memory is allocated as long as the library is told, so that AddressSanitizer sees every access beyond. */

#include <stdlib.h>
#include <string.h>

#include "spikey.h"

enum { MOST_BYTES = 1 << 24 };

static const char POISON[] = "not set"; /* what every call must replace */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(int error, const char *reason) {
    if ((error != SPIKEY_OK) != (reason != 0) || reason == POISON) abort();
}

static uint8_t *copy(const uint8_t *from, int64_t n) {
    uint8_t *to = malloc(n ? (size_t)n : 1);
    if (!to) abort();
    if (n) memcpy(to, from, (size_t)n);
    return to;
}

/* Decode the channels of one part, and then the last of them alone. */
static void decode(const spikey_archive *archive, const uint8_t *data, const spikey_part_info *part) {
    spikey_recording_info own;
    const char *reason = POISON;
    const int64_t n = spikey_positions(archive, part->block);
    if (spikey_recording(archive, part->recording, &own) || n < part->position + own.channels) abort();
    if (part->frames * own.sample_bytes > MOST_BYTES / own.channels) return;
    void **memory = calloc((size_t)n, sizeof *memory);
    uint8_t *block = copy(data + part->block_offset, part->block_bytes);
    if (!memory) abort();
    for (int64_t i = 0; i < own.channels; i++)
        if (!(memory[part->position + i] = malloc((size_t)(part->frames * own.sample_bytes)))) abort();
    int error = spikey_decode_block(archive, part->block, block, (size_t)part->block_bytes, memory, &reason);
    check(error, reason);
    for (int64_t i = 0; i + 1 < own.channels; i++) free(memory[part->position + i]), memory[part->position + i] = 0;
    if (!error && spikey_decode_block(archive, part->block, block, (size_t)part->block_bytes, memory, 0)) abort();
    free(memory[part->position + own.channels - 1]), free(memory), free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const spikey_limits limits = {1 << 22, 32, 0, 0};
    const int64_t size = (int64_t)n;
    int64_t front_bytes = -1, end_bytes = -1;
    const char *reason = POISON;
    spikey_archive *archive;
    if (n < SPIKEY_HEADER_BYTES + SPIKEY_TRAILER_BYTES) return 0;
    int error = spikey_ends(data, data + n - SPIKEY_TRAILER_BYTES, size, &front_bytes, &end_bytes, &reason);
    check(error, reason);
    if (front_bytes < 0 || end_bytes < 0 || (!error && front_bytes > size - end_bytes)) abort();
    if (error) return 0;
    uint8_t *front = copy(data, front_bytes), *end = copy(data + n - end_bytes, end_bytes);
    reason = POISON;
    error = spikey_open(front, (size_t)front_bytes, end, (size_t)end_bytes, size, &limits, &archive, &reason);
    free(front), free(end);
    check(error, reason);
    if ((error != SPIKEY_OK) != (archive == 0)) abort();
    if (error) return 0;
    spikey_recording_info own;
    for (int64_t i = 0; i < spikey_recordings(archive); i++)
        if (spikey_recording(archive, i, &own) || (int64_t)strlen(own.name) > own.name_bytes) abort();
    spikey_part_info part;
    const int64_t n_parts = spikey_parts(archive);
    for (int64_t i = 0; i < n_parts; i += n_parts / 4 + 1) {
        if (spikey_part(archive, i, &part) || part.block_offset + part.block_bytes > size) abort();
        int32_t *groups = calloc((size_t)spikey_positions(archive, part.block), sizeof *groups);
        if (!groups) abort();
        reason = POISON;
        check(spikey_groups(archive, part.block, groups, &reason), reason);
        free(groups);
        decode(archive, data, &part);
    }
    reason = POISON;
    if (!spikey_groups(archive, -1, 0, &reason)) abort();
    check(SPIKEY_BAD_ARGUMENT, reason);
    reason = POISON;
    if (!spikey_decode_block(archive, -1, 0, 0, 0, &reason)) abort();
    check(SPIKEY_BAD_ARGUMENT, reason);
    spikey_close(archive);
    return 0;
}
