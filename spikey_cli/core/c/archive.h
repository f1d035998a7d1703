/* What the files of the decoder of archives and of the encoder of chunks share. */

#ifndef SPIKEY_ARCHIVE_H
#define SPIKEY_ARCHIVE_H

#include "core.h"
#include "internal.h"
#include "reader.h"

enum {
    MAX_PALETTE = 4096,
    MAX_RESIDUES = 4096, /* of a lattice; and the denominator of its step */
    MAX_DENOMINATOR = 1 << 20,
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

/* crc32.c */
void spikey_fill_crc(uint32_t table[8][256]);
uint32_t spikey_crc(uint32_t table[8][256], uint32_t crc, const uint8_t *bytes, int64_t n);

/* sha256.c */
typedef struct {
    uint32_t state[8];
    uint64_t n; /* bytes so far */
    uint8_t block[64];
    void (*take_blocks)(uint32_t state[8], const uint8_t *from, int64_t n);
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
    int32_t source, is_negated; /* of a copy; the source is a channel of the same file */
    /* topology: references are to channels of the archive */
    int32_t file, coding_pass, lag, order, n_earlier, n_later, earlier[SPIKEY_MAX_REFERENCES], later[SPIKEY_MAX_LATER];
} spikey_channel;

/* The largest integer up to x / y, y above 0. */
static inline int64_t floor_of(int64_t x, int64_t y) { return x / y - (x % y < 0); }

/* A point of a lattice; and the number of the last one up to x. */
static inline int64_t point_of(const spikey_channel *lattice, int64_t number) {
    return floor_of(2 * (lattice->numerator * number + lattice->shift) + lattice->denominator, 2 * lattice->denominator);
}

static inline int64_t number_of(const spikey_channel *lattice, int64_t x) {
    return floor_of((2 * x + 1) * lattice->denominator - 2 * lattice->shift - 1, 2 * lattice->numerator);
}

/* Value of a code of the quantizer n1. */
static inline int32_t n1_value(int32_t code) { return (65535 * code - 1023 * 32768) / 1023; }

/* A file; or a group of a file of records, behind its file, which stands for the kept numbers. */
typedef struct {
    int type;       /* of its samples; 0: verbatim; RECORDS: kept numbers */
    int is_group;
    int64_t frames; /* or bytes */
    int64_t frame_bytes, channels, first_channel, rate;
    int integer_bytes; /* of the scaled samples, or the samples' own */
    const char *name;
    int64_t name_bytes;
    const uint8_t *header;
    int64_t header_bytes, trailer_bytes;
    int64_t n_records, per_record, unit; /* of records: unit is the frames, or bytes of kept numbers, of one */
    int kept_type; /* of kept numbers of a single field, as chunks have them; else -1 */
    uint32_t crc;
    uint8_t digest[32];
} spikey_file;

typedef struct {
    int file;
    int64_t first, frames;
} spikey_span;

/* An archive that is being decoded, or a chunk that is encoded. A chunk is an archive of an array, in one piece. */
typedef struct {
    int is_chunk;
    const uint8_t *front, *end; /* header and directory; index, directory, header and trailer */
    int64_t n, n_front, n_end;  /* bytes of the archive, and of these */
    spikey_limits limits;
    const char *reason;
    uint32_t crc[8][256];
    int coder, effort, has_model;
    const spikey_model *model;
    spikey_network *network;
    uint8_t identity[8];
    char *names;
    spikey_file *files;
    int64_t n_files, files_room, n_names; /* files and groups; files */
    int array, metadata;      /* of a chunk: indices of chunk.npy and chunk.json, which is -1 if there is none */
    spikey_fields directory;
    spikey_channel *channels;
    int64_t n_channels, channels_room;
    int64_t *first_linked, *linked; /* of each file, where the files that are linked with it begin; NULL: none are */
    int64_t n_blocks, n_parts;
    int64_t *block_bytes, *block_parts; /* of each block */
    spikey_span *parts;
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

/* lzma.c: unpack raw LZMA2 as spikey_inflate inflates */
int spikey_unpack_lzma(const uint8_t *from, int64_t n, int64_t most, spikey_inflated *out);

/* How a stream holds what it does; see docs/format.md, Streams. */
enum { PACKED, CODED, STORED, XZ, ESCAPED_PACKED, ESCAPED_CODED, SPLIT, ESCAPED_SPLIT, NUMBERS, FRAMES };

/* open.c: all but the blocks, from chunk->front and chunk->end; and the bytes that these take of an archive of n bytes */
enum { SPIKEY_BLOCK_HEADER = 24 };
#define SPIKEY_MAGIC "\x89SPK\r\n\x1a\n"
int spikey_find_ends(spikey_chunk *chunk, const uint8_t *header, const uint8_t *trailer);
int spikey_read_archive(spikey_chunk *chunk);
int spikey_make_network(spikey_chunk *chunk);
void spikey_free_archive(spikey_chunk *chunk);

/* The limits that a caller gave, or the defaults. */
spikey_limits spikey_limits_of(const spikey_limits *limits);

/* Tell the caller, unless `reason` is NULL, what is wrong, or NULL; returns the error. `chunk` is NULL if it is not its own. */
int spikey_explain(const spikey_chunk *chunk, int error, const char **reason);

/* directory.c */
extern const char spikey_dictionary[]; /* of the deflated tables */
extern const int64_t spikey_dictionary_bytes;
int spikey_open_table(spikey_chunk *chunk, const uint8_t *from, int64_t n, int64_t most, spikey_fields *table);
void spikey_close_table(spikey_fields *table);
void spikey_take_column(spikey_reader *in, int64_t n, uint64_t most, uint64_t *column);
void spikey_take_wide_column(spikey_fields *table, int64_t n, uint64_t most, uint64_t *column);
int spikey_read_directory(spikey_chunk *chunk, const uint8_t *from, int64_t n);

static inline int is_sampled(const spikey_file *file) { return file->type && file->type != RECORDS; }

/* A channel of a part of a block, a verbatim part or kept numbers; behind these, the residues of each lattice: what is
 * coded, and what that depends on. Others are named by their positions in the block. */
typedef struct {
    const spikey_channel *channel; /* NULL: none, or residues */
    int64_t frames;
    int32_t coding_pass, lag, order, n_earlier, n_later, earlier[SPIKEY_MAX_REFERENCES], later[SPIKEY_MAX_LATER];
    int32_t leader, next;  /* first and next channel of the joint group; -1: none */
    int32_t residues;      /* position of the residues of a lattice */
    int32_t size;
    int is_coded;          /* and, in a decoder, needed */
    const uint8_t *bytes;  /* of the coded stream */
    int64_t n;
    spikey_low_bits low;
    int32_t *codes;
    uint8_t *to;           /* where the samples go, `stride` bytes apart; NULL if they are not wanted */
    int64_t stride;
    int is_needed;         /* as are channels on which wanted ones depend */
} spikey_coded;

/* references.c: the topology; and what it means in a block, whose channels become positions, of parts[n_parts] */
int spikey_read_topology(spikey_chunk *chunk, spikey_fields *table);
int spikey_join(spikey_chunk *chunk, const spikey_span *parts, int64_t n_parts, spikey_coded **coded, int64_t *n_coded);

/* block.c: parts of blocks; the decoding of one file of a chunk into `body`; and of channels of one block, of which
 * memory[i] is where position i goes, or NULL */
int spikey_take_parts(spikey_chunk *chunk, spikey_reader *in, const int64_t *counts, int64_t n_counts, spikey_span *parts);
int spikey_decode_file(spikey_chunk *chunk, int file, uint8_t *body);
int spikey_decode_positions(spikey_chunk *chunk, int64_t block, const uint8_t *bytes, int64_t n, void *const *memory);

/* samples.c: channels of a part from their streams */
typedef struct {
    int method;
    const uint8_t *bytes;
    int64_t n;
} spikey_stream;

/* Take what a stream holds of the channel at a position but its codes, if these are coded; what is left of a stream
 * without escaped samples is left in `escapes`. 0 if it is damaged. */
int spikey_open_stream(spikey_coded *coded, int64_t position, int is_scaled, const spikey_stream *stream,
                       spikey_stream *escapes);

/* Write the wanted samples of a part whose channels begin at coded[first]. */
int spikey_write_samples(spikey_chunk *chunk, const spikey_file *file, spikey_coded *coded, int64_t first,
                         const spikey_stream *escapes);

/* Copy a part in frames, whose samples must be ones that streams could hold. */
int spikey_copy_frames(spikey_chunk *chunk, const spikey_file *file, const spikey_coded *coded, int64_t first,
                       const uint8_t *from);

/* channels.c: decode what is coded of a block with lanes of so many steps; codes[n_codes] are those of all positions */
int spikey_decode_channels(spikey_chunk *chunk, int64_t steps, spikey_coded *coded, int64_t n_coded, int32_t *codes,
                           int64_t n_codes);

/* The reverse, of the channels that are to be coded: their streams, which the caller frees. What would not become shorter
 * than packed codes is not coded. */
int spikey_encode_channels(spikey_chunk *chunk, int64_t steps, spikey_coded *coded, int64_t n_coded, int32_t *codes,
                           int64_t n_codes);

/* ranks of a stream of the coder huffman; 0 if it does not hold exactly these, -1 if there is no memory */
int spikey_unpack_ranks(const uint8_t *bytes, int64_t n_bytes, int64_t n, int32_t size, int32_t *ranks);

/* numbers.c */
int spikey_unpack_numbers(spikey_chunk *chunk, const spikey_file *file, const uint8_t *bytes, int64_t n, int64_t n_records,
                          uint8_t *out);

#endif
