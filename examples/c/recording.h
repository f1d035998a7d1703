/* Recordings of an archive in a file, with libspikey: shared by traces.c and ../matlab/spikey_read.c. */

#ifndef RECORDING_H
#define RECORDING_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <spikey.h>

/* Positions are of 64 bits on every platform. */
#ifdef _WIN32
#define seek_to _fseeki64
#define place_in _ftelli64
#else
#include <sys/types.h>
#define seek_to fseeko
#define place_in ftello
#endif

/* Read `n` bytes from `offset` into new memory; NULL if they cannot be read. */
static unsigned char *read_bytes(FILE *file, int64_t offset, int64_t n) {
    unsigned char *bytes = malloc((size_t)n + 1);
    if (bytes && !seek_to(file, offset, SEEK_SET) && fread(bytes, 1, (size_t)n, file) == (size_t)n) return bytes;
    free(bytes);
    return NULL;
}

/* Open the archive in a file; NULL and a `reason` if that fails. Give it to spikey_close. */
static spikey_archive *open_archive(FILE *file, const char **reason) {
    spikey_archive *archive = NULL;
    int64_t n_front = 0, n_end = 0, bytes = seek_to(file, 0, SEEK_END) ? -1 : place_in(file);
    *reason = "not a Spikey archive";
    if (bytes < SPIKEY_HEADER_BYTES + SPIKEY_TRAILER_BYTES) return NULL;
    unsigned char *front = read_bytes(file, 0, SPIKEY_HEADER_BYTES);
    unsigned char *end = read_bytes(file, bytes - SPIKEY_TRAILER_BYTES, SPIKEY_TRAILER_BYTES);
    int error = front && end ? spikey_ends(front, end, bytes, &n_front, &n_end, reason) : SPIKEY_NO_MEMORY;
    free(front), free(end);
    front = error ? NULL : read_bytes(file, 0, n_front);
    end = error ? NULL : read_bytes(file, bytes - n_end, n_end);
    if (front && end) spikey_open(front, (size_t)n_front, end, (size_t)n_end, bytes, NULL, &archive, reason);
    else if (!error) *reason = "the file cannot be read";
    free(front), free(end);
    return archive;
}

/* Decode a recording: the samples of its first channel, one after another, then those of the second, and so on. Returns
 * NULL and a `reason` if that fails. */
static void *read_recording(FILE *file, const spikey_archive *archive, int64_t number, const char **reason) {
    spikey_recording_info recording;
    *reason = "there is no such recording";
    if (spikey_recording(archive, number, &recording)) return NULL;
    const int64_t size = recording.sample_bytes, frame_bytes = recording.channels * size;
    const int is_possible = recording.frames < (int64_t)(PTRDIFF_MAX / frame_bytes);
    char *samples = is_possible ? malloc((size_t)(recording.frames * frame_bytes) + 1) : NULL;
    int error = samples ? SPIKEY_OK : SPIKEY_NO_MEMORY;
    *reason = "there is not enough memory";
    for (int64_t i = 0; i < spikey_parts(archive) && !error; i++) {
        spikey_part_info part;
        if (spikey_part(archive, i, &part) || part.recording != number) continue;
        /* where the samples of each position of the block are to be; NULL for those of other recordings */
        void **memory = calloc((size_t)spikey_positions(archive, part.block) + 1, sizeof *memory);
        unsigned char *block = read_bytes(file, part.block_offset, part.block_bytes);
        for (int64_t k = 0; memory && k < recording.channels; k++)
            memory[part.position + k] = samples + (k * recording.frames + part.first) * size;
        error = memory && block ? spikey_decode_block(archive, part.block, block, (size_t)part.block_bytes, memory, reason)
                                : SPIKEY_NO_MEMORY;
        free(block), free(memory);
    }
    if (!error) return samples;
    free(samples);
    return NULL;
}

/* The first recording of this name, or -1; a file that holds several stands before them, with what it keeps beside. */
static int64_t find_recording(const spikey_archive *archive, const char *name) {
    spikey_recording_info recording;
    int64_t found = -1;
    for (int64_t i = 0; i < spikey_recordings(archive); i++)
        if (!spikey_recording(archive, i, &recording) && !strcmp(recording.name, name) && (found < 0 || recording.type)) {
            found = i;
            if (recording.type) break;
        }
    return found;
}

#endif
