/* What the files of the chunk encoder share. */

#ifndef SPIKEY_ENCODER_H
#define SPIKEY_ENCODER_H

#include "archive.h"
#include "writer.h"

enum {
    SPIKEY_ENDS = 64,
    PIECE_BYTES = 8 << 20,  /* at the beginning of the samples, which show what channels may have */
    EXCERPT_FRAMES = 1 << 16 /* by which channels are compared */
};

/* deflate.c: append raw deflate of bytes[n_dictionary..n_dictionary + n], of which the first ones are a preset dictionary.
 * Blocks end at `ends`. Of noisy bytes, short matches cost more than they save. */
void spikey_deflate(const uint8_t *bytes, int64_t n_dictionary, int64_t n, const int64_t *ends, int n_ends, int is_noisy,
                    spikey_writer *out);

static inline uint64_t divisor_of(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b, b = rest;
    }
    return a;
}

/* table_writer.c */
typedef struct {
    spikey_writer fields, tail;
    int64_t ends[SPIKEY_ENDS]; /* of long fields */
    int n_ends;
} spikey_table_writer;

void spikey_put_data(spikey_table_writer *table, const void *bytes, int64_t n);
void spikey_put_column(spikey_table_writer *table, const uint64_t *column, int64_t n);
void spikey_put_wide_column(spikey_table_writer *table, const uint64_t *column, int64_t n);
static inline void spikey_put_item(spikey_table_writer *table, uint64_t number) { spikey_put_column(table, &number, 1); }

/* Append the table to an archive, and give back its memory. */
int spikey_end_table(spikey_table_writer *table, spikey_writer *out);

/* array.c: an array in memory as frames of samples, and what is coded of them */
typedef struct {
    const uint8_t *memory;
    uint8_t *copy; /* of the array, where no strides lead through it as frames; NULL if there is none */
    int64_t rows, columns, row_bytes, column_bytes; /* in time, and channels, with padding; from one to the next */
    int is_transposed;                              /* whether the array is of shape (.., channels, time) */
    int size, is_signed, is_big;                    /* of its items */
    int64_t frames, channels;                       /* without padding */
    int type, sample_bytes, integer_bytes;          /* of samples in chunk.npy; of what is coded */
    uint64_t base, step;                            /* coded integers are (item - base) / step */
    int is_body;                                    /* whether the memory is the samples of chunk.npy */
    spikey_writer npy, json;                        /* header of chunk.npy; chunk.json, of no bytes if there is none */
} spikey_source;

/* Bytes, at most, of a chunk of an array of this type and shape; 0 if there is none. */
int64_t spikey_bound_of(const spikey_array *array, const char **reason);
int spikey_open_source(const void *memory, const spikey_array *array, spikey_source *source, const char **reason);
void spikey_close_source(spikey_source *source);

/* integers[channel - first_channel][frame - first] of some frames and channels, in rows of `stride`. */
void spikey_read_integers(const spikey_source *source, int64_t first, int64_t n, int64_t first_channel, int64_t n_channels,
                          int64_t stride, int32_t *integers);

/* The bytes of frames as chunk.npy has them. */
void spikey_read_frames(const spikey_source *source, int64_t first, int64_t n, uint8_t *bytes);

/* An array that is being encoded. */
typedef struct {
    spikey_chunk chunk; /* what its decoder will know */
    spikey_source source;
    int preset_earlier, preset_lanes;
    double order_cost; /* bits a sample that each further one of its own differences has to save a channel */
    int is_by_channel;            /* whether channels have quantizers of their own */
    spikey_channel whole, *own;   /* quantizers of all samples and of channels that may be taken; they have the values */
    int32_t *excerpt;             /* [n_channels][excerpt_frames]: integers at the beginning */
    int64_t excerpt_frames;
} spikey_encoder;

/* quantizer_search.c: fill in the quantizers of channels */
int spikey_find_quantizers(spikey_encoder *of);
void spikey_put_quantizer(spikey_writer *out, const spikey_channel *channel);

/* fourier.c: transforms of real numbers */
typedef struct {
    int64_t n; /* of the longest transform */
    double *work, *turns;
} spikey_fourier;

/* Prepare transforms of up to `n` numbers. A new one is all zeros, and is to be freed, also after an error. */
int spikey_reach(spikey_fourier *of, int64_t n);
void spikey_fourier_free(spikey_fourier *of);

/* Squared magnitudes, or real parts, of frequencies 0..n/2 of `n` numbers, a power of two from 8 on. */
void spikey_power(const spikey_fourier *of, int64_t n, const double *x, double *power);
void spikey_real_part(const spikey_fourier *of, int64_t n, const double *x, double *real);

/* lattice_search.c: spikey_find_step with transforms of the caller's; the lattice has no points yet */
int spikey_find_lattice(spikey_fourier *fourier, const int32_t *integers, int64_t n, int has_palette, spikey_channel *lattice);

/* Choose the points that hold the values low..high; 0 if these had too many codes, or the first one were below `lowest`. */
int spikey_fit_lattice(spikey_channel *lattice, int32_t low, int32_t high, int32_t lowest);

/* discovery.c: fill in references, passes, long lags and orders of channels */
int spikey_find_topology(spikey_encoder *of);

/* samples_encoder.c: the streams of a block, appended to `streams`: counts[i] of part i, which is one if the part is in
 * frames, else one of each channel. */
typedef struct {
    int method;
    int64_t n;
} spikey_coded_stream;

int spikey_encode_block(spikey_encoder *of, const spikey_span *parts, int64_t n_parts, int64_t steps, int64_t *counts,
                        spikey_coded_stream *listed, spikey_writer *streams);

#endif
