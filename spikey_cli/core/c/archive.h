/* What the files of the decoder and the encoder of chunks share. */

#ifndef SPIKEY_ARCHIVE_H
#define SPIKEY_ARCHIVE_H

#include "core.h"
#include "internal.h"
#include "reader.h"

enum {
    MAX_CODES = 1 << 24,
    MAX_PALETTE = 4096,
    MAX_STEPS = 1 << 25, /* of a block; and its samples, but for one frame */
    MAX_LANES = 1 << 17,
    MAX_GROUP = 256, /* channels of a dependency group */
    FLOAT64_NUMBERS = 9, /* a type of kept numbers */
    RECORDS = 10,        /* stands for the type of a sample */
    TILE = 1024          /* frames that become samples at a time */
};

/* inflate.c */
typedef struct {
    uint8_t *memory;             /* the preset dictionary, and behind it `n` bytes; the caller frees it */
    int64_t dictionary, n, room;
    int64_t used; /* bytes that the stream took */
} spikey_inflated;

/* Inflate the stream at the beginning of some bytes; SPIKEY_BEYOND_MEMORY if it has more than `most` bytes. */
int spikey_inflate(const uint8_t *from, int64_t n, const uint8_t *dictionary, int64_t n_dictionary, int64_t most,
                   spikey_inflated *out);

/* checksums.c */
void spikey_fill_crc(uint32_t table[8][256]);
uint32_t spikey_crc(uint32_t table[8][256], uint32_t crc, const uint8_t *bytes, int64_t n);
typedef struct {
    uint32_t state[8];
    uint64_t n; /* bytes so far */
    uint8_t block[64];
} spikey_sha;

void spikey_sha_begin(spikey_sha *sha);
void spikey_sha_add(spikey_sha *sha, const uint8_t *bytes, int64_t n);
void spikey_sha_end(spikey_sha *sha, uint8_t digest[32]);
void spikey_sha256(const uint8_t *first, int64_t n_first, const uint8_t *second, int64_t n_second, uint8_t digest[32]);

/* models.c: the models that come with Spikey and are chains of layers */
typedef struct {
    uint8_t digest[8];
    int n_layers, window;
    const int64_t *size;
    const float *weight, *bias, *low, *high;
    int64_t n_weight, n_bias, n_edges;
    const uint8_t *floored;
    const int32_t *edges;
} spikey_model;

const spikey_model *spikey_model_of(const uint8_t digest[8]); /* NULL if there is none; of NULL the default one */

/* A table: its fields, inflated, and what is behind them. */
typedef struct {
    spikey_inflated inflated;
    spikey_reader in, tail;
} spikey_fields;

typedef enum { IDENTITY, N1, STEP, PALETTE, BY_CHANNEL, LATTICE, COPY } spikey_quantizer_kind;

typedef struct {
    spikey_scaling scaling;
    /* quantizer */
    spikey_quantizer_kind kind;
    int32_t size; /* codes; of a lattice, points */
    int32_t offset, step;
    const uint8_t *gaps; /* of a palette, in the directory */
    int32_t *values;     /* of a palette, in an encoder */
    int64_t numerator, denominator, shift; /* of a lattice, as is the next */
    int32_t residues;
    int32_t source, is_negated; /* of a copy */
    /* topology, within dependency groups */
    int32_t coding_pass, lag, n_earlier, n_later, earlier[SPIKEY_MAX_REFERENCES], later[SPIKEY_MAX_LATER];
    int32_t leader, next; /* first and next channel of the joint group; -1: none */
} spikey_channel;

typedef struct {
    int type;       /* of its samples; 0: verbatim; RECORDS: kept numbers */
    int64_t frames; /* or bytes */
    int64_t frame_bytes, channels;
    const uint8_t *header;
    int64_t header_bytes;
    int64_t n_records, per_record, unit; /* of kept numbers: unit is the bytes of a record */
    int kept_type;
    uint32_t crc;
    uint8_t digest[32];
} spikey_file;

typedef struct {
    int file;
    int64_t first, frames;
} spikey_part;

/* A chunk that is being decoded, or encoded. */
typedef struct {
    const uint8_t *bytes;
    int64_t n;
    spikey_limits limits;
    const char *reason;
    uint32_t crc[8][256];
    int coder, effort, has_model;
    const spikey_model *model;
    spikey_network *network;
    uint8_t identity[8];
    int n_files, array, metadata; /* indices of the files chunk.npy and chunk.json, which is -1 if there is none */
    spikey_file files[2];
    spikey_fields directory;
    int integer_bytes; /* of the scaled samples, or the samples' own */
    spikey_channel *channels;
    int64_t n_channels;
    int64_t n_blocks, n_parts;
    int64_t *block_bytes, *block_parts; /* of each block */
    spikey_part *parts;
    int64_t first_block;
    double time;   /* estimated nanoseconds of the blocks so far */
    const spikey_tables *tables;
} spikey_chunk;

/* Whether checksums or copies differ; a fuzzer would not get beyond them. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define DIFFER(condition) ((void)(condition), 0)
#else
#define DIFFER(condition) (condition)
#endif

static inline int fail(spikey_chunk *chunk, int error, const char *reason) {
    chunk->reason = reason;
    return error;
}

#define TRY(call)                    \
    do {                             \
        int error_ = (call);         \
        if (error_) return error_;   \
    } while (0)

/* `n` things of `size` bytes, of zeros; at least one, so that NULL means that there is no memory. */
void *spikey_room(int64_t n, size_t size);

/* directory.c */
extern const char spikey_dictionary[]; /* of the deflated tables */
extern const int64_t spikey_dictionary_bytes;
int spikey_open_table(spikey_chunk *chunk, const uint8_t *from, int64_t n, int64_t most, spikey_fields *table);
void spikey_close_table(spikey_fields *table);
void spikey_take_column(spikey_reader *in, int64_t n, uint64_t most, uint64_t *column);
void spikey_take_wide_column(spikey_fields *table, int64_t n, uint64_t most, uint64_t *column);
int spikey_read_directory(spikey_chunk *chunk, const uint8_t *from, int64_t n);

/* references.c */
int spikey_read_topology(spikey_chunk *chunk, spikey_fields *table);
int spikey_form_groups(spikey_chunk *chunk); /* of the channels' references */

/* block.c: parts of blocks, and the decoding of one file of a chunk into `body` */
int spikey_take_parts(spikey_chunk *chunk, spikey_reader *in, const int64_t *counts, int64_t n_counts, spikey_part *parts);
int spikey_decode_file(spikey_chunk *chunk, int file, uint8_t *body);

/* samples.c: channels of a part, coded in some streams */
typedef struct {
    int method;
    const uint8_t *bytes;
    int64_t n;
} spikey_stream;

int spikey_decode_samples(spikey_chunk *chunk, int64_t frames, int64_t steps, const spikey_stream *streams, uint8_t *out);

/* Copy a part in frames, whose samples must be ones that streams could hold. */
int spikey_copy_frames(spikey_chunk *chunk, int64_t frames, const uint8_t *from, uint8_t *out);

/* What is coded of a channel of a part, or of the residues of one */
typedef struct {
    int is_coded;
    const uint8_t *bytes; /* of the coded stream */
    int64_t n;
    int32_t size;
    int32_t *codes;
} spikey_coded;

/* channels.c: decode what is coded of a part; `coded`, whose codes are of one array, has one entry for each channel and then for each lattice */
int spikey_decode_channels(spikey_chunk *chunk, int64_t frames, int64_t steps, spikey_coded *coded, int64_t n_coded);

/* The reverse, of the channels that are to be coded: their streams, which the caller frees. What would not become shorter
 * than packed codes is not coded. */
int spikey_encode_channels(spikey_chunk *chunk, int64_t frames, int64_t steps, spikey_coded *coded, int64_t n_coded);

/* ranks of a stream of the coder huffman; 0 if it does not hold exactly these, -1 if there is no memory */
int spikey_unpack_ranks(const uint8_t *bytes, int64_t n_bytes, int64_t n, int32_t size, int32_t *ranks);

/* numbers.c */
int spikey_unpack_numbers(spikey_chunk *chunk, const spikey_file *file, const uint8_t *bytes, int64_t n, int64_t n_records,
                          uint8_t *out);

#endif
