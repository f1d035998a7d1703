/* libspikey: decodes and encodes Spikey chunks, arrays of samples with their type and shape, as docs/format.md specifies them;
 * and decodes traces of archives, see below.
 *
 *     spikey_array array;
 *     int error = spikey_describe(chunk, n, NULL, &array, NULL);
 *     void *memory = error ? NULL : malloc(array.bytes);
 *     if (memory) error = spikey_decode(chunk, n, NULL, memory, array.bytes, NULL);
 *
 * The functions keep no state: any number of threads may call them. They take any bytes, and read and write nothing
 * beyond what they are given. */

#ifndef SPIKEY_H
#define SPIKEY_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(SPIKEY_BUILD)
#define SPIKEY_API __declspec(dllexport)
#elif defined(__GNUC__) && !defined(_WIN32)
#define SPIKEY_API __attribute__((visibility("default")))
#else
#define SPIKEY_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What the functions return. */
enum {
    SPIKEY_OK = 0,
    SPIKEY_NO_MEMORY = -1,
    SPIKEY_BAD_ARGUMENT = -2,    /* an argument does not fit the array, the chunk or the archive */
    SPIKEY_NOT_A_CHUNK = -10,    /* other bytes, or an archive of other files; or no archive */
    SPIKEY_DAMAGED = -11,        /* the chunk contradicts its checksums or the format */
    SPIKEY_UNSUPPORTED = -12,    /* a model, a coder, a version or a compression that this library does not have */
    SPIKEY_TOO_LARGE = -13,      /* the array is larger than spikey_limits.array */
    SPIKEY_BEYOND_MEMORY = -14,  /* decoding takes more than spikey_limits.memory */
    SPIKEY_BEYOND_EXPANSION = -15, /* more bytes or more time than spikey_limits.expansion allows */
    SPIKEY_ROOM_TOO_SMALL = -16  /* the encoded chunk is longer than the room for it */
};

/* What a chunk may ask for; see docs/format.md, Limits. NULL stands for the defaults. */
typedef struct {
    int64_t memory;    /* bytes beside chunk and array; 64 MiB by default */
    int64_t expansion; /* bytes of samples for each byte of the chunk, 16 MiB being free; the time scales with it; 8192.
                        * Values that only fill up an array are no samples: `array` alone bounds them */
    int64_t array;     /* bytes of the array at most; 2**31 - 1 by default */
    int64_t expected;  /* an array of so many bytes is expected, and may be as small a chunk as it likes; 0 */
} spikey_limits;

enum { SPIKEY_TYPE = 32, SPIKEY_MAX_DIMENSIONS = 64 };

/* The array in a chunk. */
typedef struct {
    char type[SPIKEY_TYPE]; /* as NumPy writes it: byte order, kind, bytes, such as "<i2", ">f8", "|u1", "<M8[ns]"; cut
                             * off if it is longer, as lists of fields in Latin-1 are: see spikey_type */
    int64_t type_length;    /* bytes of the whole type */
    int32_t is_fortran;     /* whether the first index changes fastest in memory; otherwise the last does */
    int32_t n_dimensions;
    int64_t shape[SPIKEY_MAX_DIMENSIONS];
    int64_t bytes;
} spikey_array;

/* Find out what array a chunk of `n` bytes holds. `reason` (or NULL) is set to a text that says what is wrong, or NULL. */
SPIKEY_API int spikey_describe(const void *chunk, size_t n, const spikey_limits *limits, spikey_array *array,
                               const char **reason);

/* Decode the array into `memory`, which has spikey_array.bytes bytes. After an error they may hold anything. */
SPIKEY_API int spikey_decode(const void *chunk, size_t n, const spikey_limits *limits, void *memory, size_t bytes,
                             const char **reason);

/* Copy the whole type, spikey_array.type_length bytes and a zero byte, as far as there is room. */
SPIKEY_API int spikey_type(const void *chunk, size_t n, const spikey_limits *limits, char *type, size_t room);

/* How arrays are encoded. NULL, or a member that is NULL, stands for the default. */
typedef struct {
    const char *coder;  /* "range", the default, or "rice", which is faster */
    const char *preset; /* "default", "fast" or "best" */
} spikey_encoding;

/* Bytes that the chunk of an array takes at most; 0 if its type, shape or size cannot be encoded. */
SPIKEY_API size_t spikey_bound(const spikey_array *array);

/* Encode an array of integers of 1, 2, 4 or 8 bytes and with time along the first or the last axis, into `chunk`, which has `room`
 * bytes. The array's type, shape, is_fortran and bytes count, as spikey_describe gives them. `n` becomes the length of the
 * chunk, also if there is too little room. The array must not change meanwhile. SPIKEY_UNSUPPORTED: of other arrays, and of
 * integers that span more than 24 bits. Beside array and chunk it takes memory for another chunk and for at most 2**24
 * samples at a time, 16 bytes each at most. */
SPIKEY_API int spikey_encode(const void *memory, const spikey_array *array, const spikey_encoding *encoding, void *chunk,
                             size_t room, size_t *n, const char **reason);

/* ---- archives: traces of any recordings, block by block ----
 *
 * The caller fetches bytes, of a file or from a server, when the functions say which:
 *
 *     int64_t front, end;
 *     int error = spikey_ends(first_bytes, last_bytes, size, &front, &end, &reason);
 *     spikey_archive *archive;
 *     if (!error) error = spikey_open(beginning, front, ending, end, size, NULL, &archive, &reason);
 *     for (int64_t i = 0; i < spikey_parts(archive); i++) {
 *         spikey_part_info part;   // frames of a recording, and the block that holds them
 *         spikey_part(archive, i, &part);
 *         ...                      // memory[position] of each channel that is wanted
 *         error = spikey_decode_block(archive, part.block, block, part.block_bytes, memory, &reason);
 *     }
 *     spikey_close(archive);
 *
 * Any number of threads may use an open archive. */

typedef struct spikey_archive spikey_archive;

enum { SPIKEY_HEADER_BYTES = 40, SPIKEY_TRAILER_BYTES = 56 };

/* A file of an archive, or one of several recordings in a file; these follow the file. */
typedef struct {
    const char *name; /* UTF-8 of a stranger, and a zero byte; as long as the archive is open */
    int64_t name_bytes;
    int64_t type; /* of its samples, little-endian: 1 uint8, 2 int16, 3 int24, 4 int32, 5 float32, 6 float64, 7 uint16, 8 uint32,
                   * 9 int64; 0: none, it is no recording, or what is kept beside samples */
    int64_t sample_bytes;
    int64_t is_in_file; /* whether it belongs to the file before */
    int64_t channels;
    int64_t frames; /* or bytes, if there are no samples */
    int64_t rate;   /* in Hz; 0 if unknown */
} spikey_recording_info;

/* Consecutive frames of a recording, which are in one block. */
typedef struct {
    int64_t recording, first, frames;
    int64_t block, block_offset, block_bytes; /* number of the block, and where it stands in the archive */
    int64_t position; /* of its first channel among those of the block; bytes take one position */
} spikey_part_info;

/* How many bytes of the front and of the end of an archive of `bytes` bytes spikey_open takes. `header` has its first
 * SPIKEY_HEADER_BYTES, and `trailer` its last SPIKEY_TRAILER_BYTES. */
SPIKEY_API int spikey_ends(const void *header, const void *trailer, int64_t bytes, int64_t *front, int64_t *end,
                           const char **reason);

/* Open an archive, of which `front` has as many bytes of the front and `end` as many of the end as spikey_ends says.
 * They are copied. Of the limits, `array` and `expected` mean nothing. */
SPIKEY_API int spikey_open(const void *front, size_t n_front, const void *end, size_t n_end, int64_t bytes,
                           const spikey_limits *limits, spikey_archive **archive, const char **reason);
SPIKEY_API void spikey_close(spikey_archive *archive);

/* How many recordings and parts it has; and one of them: SPIKEY_BAD_ARGUMENT beyond the last. */
SPIKEY_API int64_t spikey_recordings(const spikey_archive *archive);
SPIKEY_API int64_t spikey_parts(const spikey_archive *archive);
SPIKEY_API int spikey_recording(const spikey_archive *archive, int64_t i, spikey_recording_info *recording);
SPIKEY_API int spikey_part(const spikey_archive *archive, int64_t i, spikey_part_info *part);

/* How many positions a block has; -1 beyond the last block. */
SPIKEY_API int64_t spikey_positions(const spikey_archive *archive, int64_t block);

/* Which positions of a block are decoded together: groups[position] is the same for all that depend on each other. */
SPIKEY_API int spikey_groups(const spikey_archive *archive, int64_t block, int32_t *groups, const char **reason);

/* Decode positions of a block, whose `n` bytes are given: memory[position] has room for the frames of the part, in the type
 * of the recording, one after another; NULL for what is not wanted. After an error it may hold anything. Checksums are
 * those of the streams that are needed. */
SPIKEY_API int spikey_decode_block(const spikey_archive *archive, int64_t block, const void *bytes, size_t n,
                                   void *const *memory, const char **reason);

/* What an error means, in general. */
SPIKEY_API const char *spikey_error_text(int error);

#ifdef __cplusplus
}
#endif

#endif
