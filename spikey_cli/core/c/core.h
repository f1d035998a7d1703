/* The integer arithmetic of Spikey's format: everything that decides a coded bit.
 *
 * The functions keep no global state, allocate nothing but what the `_new` functions return, and report errors as
 * codes. Those that take a pointer to `const` objects may run at the same time in several threads; a `spikey_state` and
 * a `spikey_coder` belong to one thread at a time. Sums and products that damaged streams or odd models can drive out of
 * range wrap around as two's complement numbers do.
 *
 * Words:  a *channel* is a sequence of codes 0..size-1; a *lane* is a run of a channel's samples, coded step by step
 * beside the other lanes of the *group*; a *pass* is a run of channels that take a step together, after those that they
 * reference; *values* are in 1/64 codes; *log2 scales* in 1/16 octaves of codes.
 */

#ifndef SPIKEY_CORE_H
#define SPIKEY_CORE_H

#include <stdint.h>

#include "spikey.h"

/* Errors beside SPIKEY_OK, SPIKEY_NO_MEMORY and SPIKEY_BAD_ARGUMENT: sizes, indices or kinds that do not fit together. */
enum {
    SPIKEY_BAD_CODE = -3, /* a code to be encoded is not in 0..size-1 */
    SPIKEY_NO_ROOM = -4   /* an encoder is given more steps than it was made for */
};

enum {
    SPIKEY_MAX_SIZE = 1 << 24,  /* codes of a quantizer, at most */
    SPIKEY_MAX_SMALL = 4096,    /* codes of a small alphabet, at most, and thus of a profile */
    SPIKEY_MAX_GAIN = 216,
    SPIKEY_MAX_REFERENCES = 8, /* of a channel to channels of earlier passes */
    SPIKEY_MAX_LATER = 2,       /* to others */
    SPIKEY_MIN_LAG = 32,
    SPIKEY_MAX_LAG = 4096,
    SPIKEY_MIN_ORDER = 8,       /* orders are this, and twice and four times as much */
    SPIKEY_MAX_ORDER = 32,
    SPIKEY_MAX_DRIFT = 64 * 64, /* of an edge from its place among equal bins, in 1/64 codes */
    SPIKEY_ORDERED = 64         /* ranks that a rank table orders; a profile has at least so many codes */
};

/* How much the adaptation learns:
 *                                        fast       normal             best
 *     teaching steps after the first 512  every 8th  every 2nd, 4th     each       (4th: of a channel of 4 lanes or more)
 *     steps between solutions, at most    256        256                64 */
typedef enum { SPIKEY_FAST = 1, SPIKEY_NORMAL, SPIKEY_BEST } spikey_effort;

typedef enum { SPIKEY_UINT8, SPIKEY_INT16, SPIKEY_INT32 } spikey_sample_type;

/* ---- tables.c: constant tables, which everything below takes ---- */

typedef struct spikey_tables spikey_tables;

/* Bytes of the tables. */
int64_t spikey_tables_size(void);

/* Fill in the tables, once; they are constant from then on. */
void spikey_fill_tables(spikey_tables *tables);

/* The i-th table, its name and its length, to compare with formulas; NULL behind the last. */
const void *spikey_table(const spikey_tables *tables, int i, const char **name, int64_t *n_bytes);

/* ---- transpose.c ---- */

/* to[column][row] = from[row][column]: items of 1, 2, 4 or 8 bytes, aligned; the arrays do not overlap. */
void spikey_transpose(const void *from, int64_t rows, int64_t columns, int64_t size, void *to);

/* ---- residual.c: what an encoder compares channels by ---- */

/* residuals[channel][t], -127..127, of interleaved samples[t][channel], at least one frame; saved[channel][2]: the bits that
 * predictions of order 16 and 32 save a sample, compared with one of order 8. SPIKEY_NO_MEMORY. */
int spikey_residuals(const void *samples, spikey_sample_type type, int64_t n_frames, int64_t n_channels,
                     int8_t *residuals, double *saved);

/* ---- lattice_search.c ---- */

/* Find the lattice of a channel's integers, if coding by it saves bits, in comparison to a palette, too: its step, which is
 * numerator / denominator, and its shift. Returns 1 or 0, or SPIKEY_NO_MEMORY. */
int spikey_find_step(const int32_t *integers, int64_t n, int has_palette, int64_t *numerator, int64_t *denominator, int64_t *shift);

/* ---- quantizer.c: samples and their codes; all of these return 1, or 0 if a value is off the grid ---- */

/* Set seen[sample - lowest] for each of `n` samples, and find the least and the greatest one; 0 if one is outside
 * lowest..lowest+n_seen-1. */
int spikey_mark(const void *samples, spikey_sample_type type, int64_t n, int32_t lowest, uint8_t *seen,
                int64_t n_seen, int32_t *least, int32_t *greatest);

/* codes[i] = (samples[i] - offset) / step. |offset| < 2**24, step and size 1..2**24, (size - 1) * step < 2**24. */
int spikey_uniform_codes(const void *samples, spikey_sample_type type, int64_t n, int32_t offset, int32_t step,
                         int32_t size, int32_t *codes);

/* samples[i] = offset + codes[i] * step, cut down to the samples' type; any codes. */
int spikey_uniform_samples(const int32_t *codes, int64_t n, int32_t offset, int32_t step, int32_t size,
                           spikey_sample_type type, void *samples);

/* codes[i] = code_of[samples[i] - lowest] - 1, where `code_of` has n_code_of entries; 0 marks a value off the grid. */
int spikey_table_codes(const void *samples, spikey_sample_type type, int64_t n, int32_t lowest,
                       const int16_t *code_of, int64_t n_code_of, int32_t *codes);

/* samples[i] = values[codes[i]], cut down to the samples' type; `values` has `size` entries; any codes. */
int spikey_table_samples(const int32_t *codes, int64_t n, const int32_t *values, int32_t size,
                         spikey_sample_type type, void *samples);

/* ---- scaling.c: samples computed from integers, bit for bit ---- */

typedef enum {
    SPIKEY_SAMPLE_INT32 = 4,
    SPIKEY_SAMPLE_FLOAT32,
    SPIKEY_SAMPLE_FLOAT64,
    SPIKEY_SAMPLE_UINT16,
    SPIKEY_SAMPLE_UINT32,
    SPIKEY_SAMPLE_INT64
} spikey_scaled_type;

typedef enum {
    SPIKEY_SCALE_INTEGER,  /* base + k * step, cut down to the samples' type; of integer types only */
    SPIKEY_SCALE_MULTIPLY, /* k * gain + offset, in float64, then rounded to the samples' type */
    SPIKEY_SCALE_DIVIDE,   /* k / gain + offset */
    SPIKEY_SCALE_SHIFT,    /* (k + offset) * gain */
    SPIKEY_SCALE_TWICE,    /* (k * gain) * offset */
    SPIKEY_SCALE_RATIO,    /* (k * gain) / offset */
    SPIKEY_SCALE_MULTIPLY32, /* the same with k, gain, offset and every result rounded to float32 */
    SPIKEY_SCALE_DIVIDE32,
    SPIKEY_SCALE_SHIFT32,
    SPIKEY_SCALE_TWICE32,
    SPIKEY_SCALE_RATIO32,
    SPIKEY_SCALE_UPPER_BITS /* k * gain, and -(~k * gain) of k below 0; gain is a power of two. See low_bits.c */
} spikey_scaling_kind;

typedef struct {
    spikey_scaling_kind kind;
    double gain, offset;  /* of floating-point types; gain is not 0, nor is offset where it is a factor */
    int64_t base, step;   /* of integer types; step is not 0 */
} spikey_scaling;

enum { SPIKEY_NO_INTEGER = INT32_MIN };

/* samples[i] of integers[i], of -2**23..2**23-1. */
void spikey_scaled(const int32_t *integers, int64_t n, const spikey_scaling *scaling, spikey_scaled_type type,
                   void *samples);

/* The reverse for any samples: the integer, lowest..highest (within -2**23..2**23-1), whose sample has the same bits,
 * or SPIKEY_NO_INTEGER. Returns how many have none. Of two integers of one sample it finds either. Of the upper bits, that
 * of the sample without its low bits. */
int64_t spikey_unscaled(const void *samples, spikey_scaled_type type, int64_t n, const spikey_scaling *scaling,
                        int32_t lowest, int32_t highest, int32_t *integers);

/* ---- low_bits.c: low bits of floating-point samples, of whose mantissas integers give the upper ones ---- */

typedef struct {
    const uint8_t *at, *end;
    uint64_t window; /* of which the last `held` bits are not taken yet */
    int held;
} spikey_low_bits;

/* Low bits of samples with these integers, of -2**23..2**23-1. */
int64_t spikey_count_low_bits(const int32_t *integers, int64_t n, spikey_scaled_type type);

/* Write low[i], which is what the bits of a sample are more than those of its integer's, into as many bytes as they take. */
void spikey_put_low_bits(const int32_t *integers, int64_t n, spikey_scaled_type type, const uint64_t *low, uint8_t *stream);

/* Take the next `n`. Returns 0 at the end of the stream. */
int spikey_take_low_bits(spikey_low_bits *in, const int32_t *integers, int64_t n, spikey_scaled_type type, uint64_t *low);

/* Whether nothing is left but zero bits of the last byte. */
int spikey_ends_low_bits(const spikey_low_bits *in);

/* ---- packed.c: codes of `width` bits each, most significant bit first ---- */

/* Bits that hold any code of a grid of `size` (1..2**24) codes: 1..24. */
int spikey_code_width(int32_t size);

/* Write `n` codes of `width` (1..32) bits into (n * width + 7) / 8 bytes; the last one is filled up with zeros. */
void spikey_pack(const int32_t *codes, int64_t n, int width, uint8_t *stream);

/* The reverse, for a width of 1..31: 0 if a code is not below `size`. Reads (n * width + 7) / 8 bytes. */
int spikey_unpack(const uint8_t *stream, int64_t n, int width, int32_t size, int32_t *codes);

/* ---- gain.c ---- */

/* The gain, 0..SPIKEY_MAX_GAIN, of differences of this mean square (0..2**60, in (1/64 codes)**2). */
int spikey_gain_of(const spikey_tables *tables, int64_t mean_square);

/* Gains of lanes: lane i holds `length[i]` codes from start[i] on, of channel[i]. Sizes and `profiled` are of each
 * channel; `values` has an entry for each code of a profiled channel. Checks all of these, and the codes. */
int spikey_lane_gains(const spikey_tables *tables, const int32_t *codes, int64_t n_codes, const int64_t *start,
                      const int32_t *length, const int32_t *channel, int64_t n_lanes, const int64_t *size,
                      const uint8_t *profiled, int64_t n_channels, const int32_t *values, int64_t n_values,
                      uint8_t *gains);

/* ---- lane_headers.c: what each lane starts from, at the beginning of its channel's stream ---- */

/* Write the headers of `n` lanes (gains 0..SPIKEY_MAX_GAIN, initial codes 0..size-1) of one channel into `stream`,
 * which holds spikey_lane_headers_room(n) bytes. Returns the bytes written, or SPIKEY_BAD_CODE. */
int64_t spikey_encode_lane_headers(const spikey_tables *tables, const uint8_t *gains, const int32_t *initial_codes,
                                   int64_t n, int32_t size, uint8_t *stream);

/* Bytes that the headers of `n` lanes take at most, with some to spare. */
int64_t spikey_lane_headers_room(int64_t n);

/* Read the headers of `n` lanes from any bytes: gains 0..SPIKEY_MAX_GAIN and initial codes 0..size-1. Returns the bytes
 * that they took; more than n_bytes if they are damaged. */
int64_t spikey_decode_lane_headers(const spikey_tables *tables, const uint8_t *stream, int64_t n_bytes, int64_t n,
                                   int32_t size, uint8_t *gains, int32_t *initial_codes);

/* ---- network.c ---- */

typedef struct spikey_network spikey_network;

/* Layers of a chain: y = clip(floor(weight x + bias), low, high), floor where `floored`. size[2 i] rows (a multiple of
 * 4, at most 4096) and size[2 i + 1] columns (1..4096) of layer i; weights row by row, layer after layer. The caller
 * has proven that float32 holds every partial sum for inputs of -1023..1023; the last layer has at least 3 rows. NULL if
 * there is no memory, or the sizes do not fit. */
spikey_network *spikey_network_new(int n_layers, const int64_t *size, const float *weight, int64_t n_weight,
                                   const float *bias, int64_t n_bias, const uint8_t *floored, const float *low,
                                   const float *high);
void spikey_network_free(spikey_network *network);

/* Rows of the windows that the network sees. */
int64_t spikey_network_window(const spikey_network *network);

/* Whether it runs in integers. */
int spikey_network_is_integer(const spikey_network *network);

/* outputs[3][n] of the network for windows[window][n], integers of -1023..1023 (others are clipped), by the loops that
 * take_steps uses. `simd` as in spikey_group. */
int spikey_network_run(const spikey_network *network, const float *windows, int64_t n, float *outputs,
                       const char *simd);

/* ---- group.c: the channels of a group on their way ---- */

typedef struct spikey_state spikey_state;

/* Of each sample, in the flat order of the group's codes: see residual_log.c. */
typedef struct {
    int32_t *mass;
    uint8_t *raw_bits;
    int32_t *residual;
    int16_t *corrected, *normalised_error;
    int64_t n; /* entries of each; 0: no log is kept */
} spikey_log;

typedef struct {
    int64_t n_channels, n_lanes, n_passes;
    const int64_t *first_lane;   /* [n_channels + 1]: 0, then the first lane of each channel, then n_lanes */
    const int64_t *pass_channel; /* [n_passes + 1]: 0, then the first channel of each pass, then n_channels */
    const int64_t *references;   /* [n_channels][SPIKEY_MAX_REFERENCES]: channels of earlier passes, with
                                  lanes of the same lengths, then -1 */
    const int64_t *later;        /* [n_channels][SPIKEY_MAX_LATER]: the same of this pass and later ones */
    const int64_t *lags;         /* [n_channels]: a long lag, SPIKEY_MIN_LAG..SPIKEY_MAX_LAG steps; 0: none */
    const int64_t *orders;       /* [n_channels]: own differences that predict a channel: 8, 16 or 32 */
    const int64_t *mean_group;   /* [n_channels]: the first channel of those, with lanes of the same lengths, whose mean the
                                  later ones among them see */
    const int64_t *size;         /* [n_channels]: 1..SPIKEY_MAX_SIZE */
    const uint8_t *profiled;     /* [n_channels]: whether the bins are those of the profile, which has `size` codes */
    const int32_t *edges;        /* [n_edges]: the profile's; n_edges is 0 if there is none */
    int64_t n_edges;
    const int32_t *length;       /* [n_lanes]: samples, at least 1 */
    const int64_t *start;        /* [n_lanes]: the lane's first sample among the group's codes, at least 0 */
    const uint8_t *gains;        /* [n_lanes] */
    const int32_t *initial_codes; /* [n_lanes] */
    int64_t window;              /* samples that the network sees, at most 4096; 0 without network */
    const spikey_network *network; /* NULL: the caller evaluates it; must outlive the state */
    spikey_effort effort;        /* how much the adaptation learns */
    int gains_follow;            /* whether gains follow the differences, as in a live stream */
    spikey_log log;              /* filled in; its arrays must outlive the state */
    const char *simd;            /* NULL: the best that the machine has; or a name of spikey_simd_name */
    int plain;                   /* only the plain loops, to compare with */
} spikey_group;

/* A state before step 1 of its lanes; checks the whole description. `error` becomes what is wrong if NULL is returned. */
spikey_state *spikey_state_new(const spikey_tables *tables, const spikey_group *group, int *error);
void spikey_state_free(spikey_state *state);

/* The step to take next, 1..2**30. */
int64_t spikey_state_step(const spikey_state *state);

/* Count steps from another number, 1..2**30, on: for tests of streams that are longer than can be waited for. It must
 * be a multiple of 64, and of the network's window rounded up, away from the step's own. */
int spikey_state_set_step(spikey_state *state, int64_t step);

/* Its lanes; samples that the network sees; whether it runs in vectors, with proven bounds for 32 bits. */
int64_t spikey_state_lanes(const spikey_state *state);
int64_t spikey_state_window(const spikey_state *state);
int spikey_state_is_vector(const spikey_state *state);

/* Gains of all lanes as they are now. */
void spikey_state_gains(const spikey_state *state, uint8_t *gains);

/* What the caller's network sees: windows[window][n_lanes], the normalised differences of the last `window` steps. */
void spikey_state_windows(const spikey_state *state, float *windows);

/* Normalised errors, [n_lanes], of the step that is being taken, known for the passes that have taken it. */
void spikey_state_normalised_errors(const spikey_state *state, int32_t *errors);

/* Name of the i-th instruction set that this machine has, best first; NULL behind the last. */
const char *spikey_simd_name(int i);

/* Whether the core was compiled for exact floating-point arithmetic; if not, it must not be used. */
int spikey_is_exact(void);

/* ---- coder.c, range.c, rice.c, ranks.c: entropy coders ---- */

typedef struct spikey_coder spikey_coder;

typedef enum { SPIKEY_RANGE, SPIKEY_RICE, SPIKEY_RANKS } spikey_coder_kind;

typedef struct {
    spikey_coder_kind kind;
    int decodes;
    int64_t n_streams, n_lanes;
    const int64_t *first_lane; /* [n_streams + 1]: the lanes of each stream, which are of one pass */
    const int64_t *size;       /* [n_streams] */
    const uint8_t *profiled;   /* [n_streams] */
    const int32_t *edges;      /* [n_edges] of the profile */
    int64_t n_edges;
    const int32_t *length;     /* [n_lanes] */
    int64_t n_steps;           /* steps of endless lanes that an encoder has room for; below 0: of the lanes as they are */
} spikey_coding;

spikey_coder *spikey_coder_new(const spikey_tables *tables, const spikey_coding *coding, int *error);
void spikey_coder_free(spikey_coder *coder);

/* Its streams; whether it decodes. */
int64_t spikey_coder_streams(const spikey_coder *coder);
int spikey_coder_decodes(const spikey_coder *coder);

/* Let a range encoder begin new streams with room for `n_steps` steps. */
int spikey_coder_restart(spikey_coder *coder, int64_t n_steps);

/* Give a decoder its streams, any bytes: stream i is bytes[first[i]..first[i + 1]]. Ranks are given by
 * spikey_coder_ranks instead. */
int spikey_coder_open(spikey_coder *coder, const uint8_t *bytes, const int64_t *first);

/* Finish the streams of an encoder (once: later calls change nothing); sizes[i] becomes the bytes of stream i. */
void spikey_coder_close(spikey_coder *coder, int64_t *sizes);

/* Copy the bytes of a closed encoder's stream. */
void spikey_coder_stream(const spikey_coder *coder, int64_t stream, uint8_t *bytes);

/* Whether each stream of a decoder was used up exactly and held only what an encoder writes. */
void spikey_coder_whole(const spikey_coder *coder, uint8_t *whole);

/* The ranks of a stream of a SPIKEY_RANKS coder, in the order of time: written by an encoder, given to a decoder.
 * NULL if there is no such stream, or the coder is of another kind. */
int32_t *spikey_coder_ranks(spikey_coder *coder, int64_t stream, int64_t *n);

/* Note that a stream is damaged. */
void spikey_coder_damage(spikey_coder *coder, int64_t stream);

/* ---- coding_step.c ---- */

/* Take `n_steps` steps of all lanes. Codes that an encoder reads are checked; a decoder fills them in.
 *
 *     by_step = 0   `codes` has n_codes entries; sample s of lane i is codes[start[i] + s]; lanes end where they end
 *     by_step = 1   codes[n_steps][n_lanes]
 *
 * Needs a network that the core evaluates, or none, unless all steps are naive. */
int spikey_take_steps(spikey_state *state, spikey_coder *coder, int32_t *codes, int64_t n_codes, int by_step,
                      int64_t n_steps);

/* Take one step of some passes, for which the caller evaluated the network: outputs[3][n_lanes], of which those of the
 * passes' lanes count. `codes` as above, by_step = 1 being one row. The last pass completes the step.
 * Passes are taken in order, each once, by one coder. */
int spikey_take_passes(spikey_state *state, spikey_coder *coder, const float *outputs, int64_t first_pass,
                       int64_t stop_pass, int32_t *codes, int64_t n_codes, int by_step);

/* Code one step of all lanes under these predictions, each [n_lanes] and of any value but the predicted mean, which lies
 * between the values of the first and the last code; codes[n_lanes]. Nothing is predicted, and nothing learnt: for tests
 * of coders. */
int spikey_code_step(spikey_state *state, spikey_coder *coder, const int32_t *predicted_mean, const int32_t *log2_scale,
                     const int32_t *outlier_weight, int32_t *codes);

/* Set the first code of each lane in the flat codes, as a decoder must. */
int spikey_initial_codes(const spikey_state *state, int32_t *codes, int64_t n_codes);

/* ---- messages.c: MiddleOut ---- */

/* messages[2 rows + 2][n]: latents of receiver and sender, metric, and the sender's normalised error, of each of n
 * messages. latent[rows][n_lanes]; lane indices in 0..n_lanes-1 are checked. */
int spikey_gather_messages(const int64_t *receiver, const int64_t *sender, const float *metric, int64_t n,
                           const float *latent, int64_t rows, int64_t n_lanes, const int32_t *normalised_error,
                           float *messages);

/* joined[rows][n_joined] of the lanes from first_lane on: the average of the regions[rows][n] that each lane receives,
 * rounded down; added to its latent if is_residual; clipped to -1023..1023. share[n_lanes] counts a lane's messages. */
int spikey_join_regions(int64_t first_lane, const int64_t *receiver, const int64_t *share, int64_t n,
                        const float *region, const float *latent, int64_t rows, int64_t n_lanes, int is_residual,
                        float *joined, int64_t n_joined);

#endif
