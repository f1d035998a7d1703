/* What the core's files share; see core.h for what they offer. */

#ifndef SPIKEY_INTERNAL_H
#define SPIKEY_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "exact_floats.h"
#include "ranks.h"
#include "core.h"

enum { LANES = 8 }; /* of a vector */

enum {
    SPIKEY_WHOLE = 1 << 24,       /* parts of the range coder are of so much */
    SPIKEY_MARGIN = 4,            /* that every symbol has at least */
    SPIKEY_MIXTURE_ZERO = 32 * 32, /* the entry of the mixture's middle */
    SPIKEY_QUANTILE_BITS = 10,
    SPIKEY_QUANTILES = 1 << SPIKEY_QUANTILE_BITS,
    SPIKEY_OUTLIER_WEIGHTS = 32,
    SPIKEY_MIN_LOG2_SCALE = -64,
    SPIKEY_MAX_LOG2_SCALE = 255,
    SPIKEY_SCALES = SPIKEY_MAX_LOG2_SCALE - SPIKEY_MIN_LOG2_SCALE + 1,
    SPIKEY_TILE = 64,             /* steps that are copied together */

    /* adaptation */
    SPIKEY_MAX_TERMS = 80,        /* with the target, and rounded up to vectors */
    SPIKEY_BATCH = 32,            /* steps of a batch: a multiple of those between two that teach */
    SPIKEY_TRACKS = 5,            /* of the scale */
    SPIKEY_ERROR_LAGS = 3,
    SPIKEY_LOWEST_SCALE = -6,     /* log2 of the deviation */
    SPIKEY_HIGHEST_SCALE = 26,
    SPIKEY_EVERY_STEP = 512,      /* up to which every step teaches */
    SPIKEY_CALM = 8,              /* steps from a jump to the next one that teaches */
    SPIKEY_MANY_LANES = 4,        /* of a channel, of which fewer steps teach */
    SPIKEY_RECENT = 48,           /* entries of a history */
    SPIKEY_HISTORIES = 8,
    SPIKEY_RECORD = SPIKEY_HISTORIES * SPIKEY_RECENT,
    SPIKEY_UNIT = 256,            /* one spread */
    SPIKEY_LIMIT = 4 * SPIKEY_UNIT - 1,
    SPIKEY_INPUT_LIMIT = 1023,
    SPIKEY_NAIVE_OUTLIER_WEIGHT = 12,
    SPIKEY_SPARE_HALVES = 4,      /* words of 32 bits that a stream has beyond those its symbols take */
    SPIKEY_LOST = 1 << 30,        /* the next word of a damaged stream: it cannot be used up exactly */
    SPIKEY_FAR = 1 << 30,         /* steps after which they are counted anew from the middle */

    /* network */
    SPIKEY_OUTPUT_LIMIT = 1 << 25, /* of the magnitude of outputs */
    SPIKEY_MAX_WINDOW = 4096,
    SPIKEY_LANES_AT_ONCE = 512     /* that pass through all layers together: they stay in the cache */
};

extern const int32_t spikey_root_16[16];

struct spikey_tables {
    int64_t input_factor[SPIKEY_MAX_GAIN + 1];  /* at most 2**32 */
    int64_t output_factor[SPIKEY_MAX_GAIN + 1]; /* at most 2**37 */
    int64_t gain_step[SPIKEY_MAX_GAIN];         /* mean square, in 1/256 code**2, from which on the gain is i + 1 */
    int64_t mean_square[SPIKEY_MAX_GAIN + 1];   /* that a gain stands for, in (1/64 codes)**2 */
    int32_t log2_rms[SPIKEY_MAX_GAIN + 1];      /* in 1/16 octaves */
    int32_t inverse_scale[SPIKEY_SCALES];      /* by log2 scale - SPIKEY_MIN_LOG2_SCALE: at most 2**27 */
    int64_t scale[SPIKEY_SCALES];              /* below 2**32 */
    /* [t][i]: 2**24 F at (i - 1024) / 32 deviations for outlier weight t, and how much the next entry is above it */
    int32_t mixture[SPIKEY_OUTLIER_WEIGHTS][2 * SPIKEY_MIXTURE_ZERO + 1][2];
    /* about where F is u / 1024, in 1/4096 deviations, and how far the next one is, at most 32767 */
    int32_t place[SPIKEY_OUTLIER_WEIGHTS][SPIKEY_QUANTILES][2];
};

/* Layers of a network that are one after another; exact in float32 as its maker proved. */
struct spikey_network {
    int n_layers, window, n_outputs, widest; /* widest: rows of the widest layer */
    const int64_t *size;                     /* [n_layers][2]: rows (a multiple of 4), columns */
    const float *weight, *bias, *low, *high;
    const uint8_t *floored;
    /* The same in int16 multiply-adds over int32 sums; NULL if it cannot be. Of each layer: for each row and pair of
     * columns the pair of weights, [rows / 4][pairs][4]; for each row bias and shift; then what it clips to. */
    int32_t *pairs;
    int32_t *integer_bias, *shift, *integer_low, *integer_high;
    int64_t bound[3]; /* of the outputs' magnitude; 2**25 if nothing is proven */
};

/* Kinds of alphabets: with those that are large there may be small ones of equal bins. */
enum spikey_kind { SPIKEY_EQUAL, SPIKEY_PROFILED, SPIKEY_LARGE, SPIKEY_MIXED };

typedef struct spikey_kernels spikey_kernels;

/* Lanes that stand in vectors of eight, in `rows` rows: lane k of row r is lane (8 * r + k) / at_once of channel
 * k % at_once. Padding has length 0. */
typedef struct {
    int64_t position; /* of the first vector */
    int32_t rows, at_once; /* at_once: 1, 2, 4 or 8 channels */
    int32_t first_channel, n_channels;
    int32_t kind;                         /* of its channels' alphabets; see spikey_kind */
    int32_t has_means;
    float *mix_limit;         /* [8]: how fast the mix of each channel's scale may change */
    float *share;             /* [8]: 1 over the channels of its joint group in earlier passes; 0 for no mean */
    int32_t *sums;            /* [8]: where the sums of its joint group stand, for row 0 */
    /* Terms, as many as any of its channels has: [0, n_past) are known before the step, [first_present, n_terms) in its
     * channel's pass; first_present is a multiple of 8, so that the parts of a sum are those of each channel alone. */
    int32_t n_past, first_present, n_terms;
    int32_t *places, *masks;  /* [n_terms][8]: where they stand for row 0, from recent + recent_at on; -1, or 0 for none */
    int32_t *place;           /* [n_terms]: that of the first, if they are a vector; else -1 */
    float *weights;           /* [n_terms][8] */
    int64_t every, due;       /* the least of its channels' */
    int64_t turn;             /* what is added to a step to tell whether it teaches */
} vector_group;

/* What is kept of the last steps of a lane. */
typedef enum {
    SPIKEY_DIFFERENCE, /* between values */
    SPIKEY_ERROR,      /* the difference less that of the network */
    SPIKEY_NETWORK,    /* the network's difference */
    SPIKEY_LEVEL,      /* the value before, less the slow mean */
    SPIKEY_MEAN_DIFFERENCE, /* of the channels of earlier passes */
    SPIKEY_MEAN_LEVEL,
    SPIKEY_LAGGED_DIFFERENCE, /* a long lag before */
    SPIKEY_LAGGED_LEVEL
} spikey_history;

/* Least squares of one channel. */
typedef struct {
    int32_t n_terms, blocks;        /* blocks of eight that hold the terms and, behind them, the target */
    int32_t past_blocks;            /* those of terms that are known before the step */
    int32_t order, n_earlier, n_later, n_before, n_lanes;
    int64_t joint;                  /* where the sums of its joint group stand: the position of its leader */
    int32_t in_group;               /* whether it counts among the group's channels */
    int64_t lag, past, past_length; /* long lag; where its lanes' past lies; a power of two above the lag */
    int64_t every, longest_gap;     /* steps between those that teach; the most between solutions */
    int64_t due, number;            /* samples of a lane after which it is solved next; its rank */
    int64_t n_rows, capacity;
    int64_t full, first_full;       /* rows that are added together; the first ones are fewer, for channels take turns */
    double forgetting;              /* part of the sums that is lost a step */
    float *ridge, *rows, *row_weight, *batch_sums; /* sums of the last rows, in blocks of 8 x 8 */
    double *sums;
} spikey_solver;

/* How much an effort learns. */
typedef struct {
    int every, every_of_many;    /* steps between those that teach; of a channel with SPIKEY_MANY_LANES */
    int longest_gap;             /* the most steps between solutions */
} spikey_rule;

extern const spikey_rule spikey_rules[]; /* by spikey_effort */

/* One of the equations that a solver solves: entry (i, j), j <= i, of their matrix is row[i] of number j, and then factor[i] what
 * pivot j takes of row i. What else they hold is never used. */
typedef struct {
    double row[SPIKEY_MAX_TERMS], factor[SPIKEY_MAX_TERMS];
} spikey_equation;

/* Channels of a group on their way. A lane has a position: that of lane r of channel c is
 * position[c] + r * stride[c]. Positions that no lane has are padding, of length 0. */
struct spikey_state {
    const spikey_tables *tables;
    const spikey_network *network; /* NULL: none, or one that the caller evaluates */
    int64_t step;                  /* the next one, counted anew when it exceeds SPIKEY_FAR */
    int64_t next_pass;             /* of that step, which passes may take one after another */
    int64_t window;                /* 0: no network; all steps are naive */
    int64_t n_channels, n_lanes, n_positions, n_passes, n_edges;
    int gains_follow;
    int vectors; /* whether positions are in vectors of eight, with proven bounds for 32 bits */

    /* of each channel */
    int64_t *first_lane, *position, *stride; /* the first has one more entry */
    int64_t *pass_channel;         /* n_passes + 1 entries: where each pass begins */
    int32_t *size;
    uint8_t *profiled;
    spikey_solver *solvers;
    int32_t *edges, *values;

    /* of each lane */
    int32_t *position_of, *channel_of;
    int64_t *start; /* in the flat codes */
    int32_t *initial_codes;

    /* of each position */
    int32_t *length, *lowest, *highest, *last;
    uint8_t *gain;
    int64_t *power;                 /* if gains follow */
    int32_t *moved, *origin;        /* difference of the step, and first value of the lane, in 1/64 codes */
    /* the rest is in codes or octaves */
    float *input_factor, *output_factor, *gain_scale; /* of each gain: the network's units, and log2 of the deviation */
    float *net_term, *net_scale;    /* what the network adds to the last value, and its log2 scale */
    float *error, *square, *teaching_variance;
    float *usual;                   /* slow mean of squared differences, far beyond which they are jumps */
    int32_t *since;                 /* steps since the last jump, up to SPIKEY_CALM */
    float *slow_mean, *above_mean;  /* of the value less the origin */
    float *recent;                  /* [n_positions / 8][SPIKEY_HISTORIES][SPIKEY_RECENT][8]: see history_of */
    int64_t recent_at, n_recent;    /* where the present entries of histories are; those before that terms see */
    int has_lags;
    float *past;                    /* differences and values above the slow mean, of lanes with a long lag */
    float *sum_differences, *sum_levels; /* of a group's channels: differences of this step, and levels */
    float *variance, *track;        /* [SPIKEY_TRACKS][n_positions] */
    float *share;                   /* [SPIKEY_TRACKS + 1][n_positions]: weights of the tracks, and a bias */
    float *partial;                 /* [n_positions / 8][8][8]: parts of the predictions' sums */
    float *gradient;                /* [SPIKEY_TRACKS + 1][n_positions] */
    float *scale;
    int32_t *predicted_mean, *log2_scale, *outlier_weight; /* for the coder */
    int32_t *outputs;               /* [3][n_positions] of the network */
    int16_t *history;               /* [n_history][n_positions]: normalised differences; step s in row s % n_history */
    int64_t n_history;              /* a power of two, at least window + 1 */
    /* in vectors */
    spikey_equation *equations;     /* of the channel with the most terms */
    const spikey_kernels *kernels;
    vector_group *groups;
    int32_t *group_of;              /* of each channel */
    int64_t n_groups, at_once;
    int64_t most_rows;              /* of a group: lanes without a step may reach so far behind the last position */
    int32_t *profile_mask;          /* of each position: -1 on the profile, else 0 */
    int32_t *symbols, *widths;      /* of each position's alphabet: symbols, at most 4096; bits of a code */
    int64_t shortest;               /* lane, in samples */
    float *scratch;                 /* of the network */
    spikey_log log;                 /* without entries: none */
    int32_t *tile;                  /* [SPIKEY_TILE][n_positions]: codes */
    void *memory;
};

/* How ranks are ordered around some predicted means with some scales; all 0 before it is known. A line of the cache. */
typedef struct {
    _Alignas(64) uint8_t place[SPIKEY_ORDERED]; /* encoding, of each rank; decoding, the rank of each place */
} rank_row;

/* An encoder or a decoder. A stream has lanes [first_lane[s], first_lane[s + 1]) of the group. */
struct spikey_coder {
    const spikey_tables *tables;
    spikey_coder_kind kind;
    int decodes;
    int64_t n_streams, n_lanes;
    int32_t *stream_kind; /* see spikey_kind */
    int64_t steps_left;  /* steps that an encoder has room for */
    int is_endless;      /* whether it may begin at any step; else `next_step` must be the state's */
    int64_t next_step;
    int is_open;         /* whether a decoder has its streams */
    int is_closed;       /* whether an encoder's streams are finished */
    int64_t next_stream; /* the first one of the next pass */
    int32_t *length;     /* of each lane, in samples */
    int64_t longest;     /* lane, in samples */
    int64_t *first_lane; /* n_streams + 1 */
    int64_t *samples;    /* of each stream */
    int32_t *size, *width;
    uint8_t *profiled;
    int64_t n_edges;
    int32_t *edges;
    /* range */
    uint64_t *low, *range_width; /* of each stream's interval; in a decoder, `low` is the offset of its number */
    int32_t *at, *end;           /* the next word; the one behind the last, which is 0 */
    uint32_t *words;
    int64_t n_words;
    int64_t *first_word; /* of each stream, where an encoder writes */
    int32_t *below, *part, *rest, *rest_bits; /* of each position of a step */
    int64_t *stream_position, *stream_stride;  /* of a stream's lanes; stride 0: they have none */
    int64_t n_positions;   /* that there is room for */
    int16_t *near;         /* by value >> 3, the code whose bin holds it; of the profile */
    int32_t *near_edges;   /* and the edges of its bin */
    int32_t n_near;
    /* rice */
    int32_t *rank, *parameter, *cell, *row_at; /* of each position of a step */
    uint64_t *bit_words;
    int64_t *cursor, *end_bit;
    rank_row *rows; /* the table of ranks */
    rank_origin *origins; /* of each cell that has a row which is known */
    int64_t n_cells;
    /* ranks */
    int32_t *ranks;
    int64_t n_ranks;
    int64_t *first_rank; /* of each lane */
    uint8_t *damaged;    /* of each stream */
    void *memory, *room, *parts; /* room: the words; parts: of each position */
};

/* What is compiled once for each instruction set: see the files vector_*.c. */
struct spikey_kernels {
    const char *name;
    void (*evaluate)(spikey_state *state);
    /* The adaptation of a step: scales of all lanes, and what is known of their predicted means; means over channels, for
     * those of a pass; predicted means of some passes; what a pass's values are to later ones; what all lanes learn. */
    void (*begin)(spikey_state *state, int naive);
    void (*take_means)(spikey_state *state, int64_t pass);
    void (*predict_means)(spikey_state *state, int64_t first_pass, int64_t stop_pass);
    void (*advance)(spikey_state *state, int64_t pass, const int32_t *codes);
    void (*update)(spikey_state *state);
    /* for the streams of some passes, or of one */
    void (*rice_encode)(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, const int32_t *codes);
    void (*rice_decode)(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes);
    void (*range_parts)(spikey_coder *coder, const spikey_state *state, const int32_t *codes);
    /* returns for how many streams, from the first on, it did */
    int64_t (*range_decode)(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes);
};

/* Those of this name, or the best ones; NULL if this machine has none of that name. */
const spikey_kernels *spikey_kernels_of(const char *name);

/* Set what depends on the gain of a position. */
void spikey_set_gain(spikey_state *state, int64_t position, int gain);

/* Let gains follow the differences that the step has just taken in. */
void spikey_follow_gains(spikey_state *state);

/* outputs[3][n_positions] of positions first..stop-1 for the windows that end before `step`. */
void spikey_network_evaluate(const spikey_network *network, const int16_t *history, int64_t n_history, int64_t step,
                             int64_t first, int64_t stop, int64_t n_positions, float *scratch, int32_t *outputs);

/* Entries of the network's scratch. */
int64_t spikey_network_scratch(const spikey_network *network);

/* Whether the edges of a profile, if there are any, are those of one. */
int spikey_check_profile(const int32_t *edges, int64_t n_edges);

/* Make room for what a coder keeps of each position. */
int spikey_coder_fit(spikey_coder *coder, const spikey_state *state);

/* Rows of the rank table of a profile of `size` codes. */
int64_t spikey_rank_rows(int64_t size);

/* Parts of one piece of memory. Without a base they are only counted. */
typedef struct {
    char *base;
    size_t used;
} spikey_arena;

/* Room for `n` things of `size` bytes, 64-byte aligned; NULL for none. */
static inline void *spikey_take(spikey_arena *arena, int64_t n, size_t size) {
    size_t at = arena->used;
    arena->used += ((size_t)n * size + 63) & ~(size_t)63;
    return arena->base && n > 0 ? arena->base + at : 0;
}

/* What is counted of each channel before there is room for its state. */
typedef struct {
    int64_t total, known, before; /* channels of the joint group that it leads: all, those counted, those of earlier passes */
    int32_t n_past, n_present, past_blocks; /* its terms */
} spikey_sketch;

/* adaptation.c: what channels know before their first step; and what is done between steps. Both passes of a carving. */
void spikey_carve_solvers(spikey_state *state, const spikey_group *group, spikey_arena *arena, spikey_sketch *sketch);
void spikey_fill_adaptation(spikey_state *state, const spikey_group *group);
void spikey_begin_step(spikey_state *state);
void spikey_end_step(spikey_state *state);
void spikey_shift_steps(spikey_state *state, int64_t by); /* count steps from another number on */

/* rice.c: fill in a row of the table of ranks */
void spikey_fill_rank_row(const spikey_coder *coder, int64_t at);

/* range.c, ranks.c: for the streams of one pass; residual_log.c: for all its lanes */
void spikey_range_encode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop,
                         const int32_t *codes);
void spikey_range_parts(spikey_coder *coder, const spikey_state *state, const vector_group *group,
                        const int32_t *codes); /* for lanes of several kinds of alphabets */
void spikey_range_decode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes);
void spikey_ranks_encode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop,
                         const int32_t *codes);
void spikey_ranks_decode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes);
void spikey_record(const spikey_state *state, int64_t pass, const int32_t *codes, int naive);

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t greatest(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t clip(int64_t x, int64_t limit) { return x < -limit ? -limit : x > limit ? limit : x; }

/* A product that may wrap around, as two's complement numbers do. */
static inline int64_t multiply(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

static inline int spikey_kind_of(int32_t size, int profiled) {
    return size > SPIKEY_MAX_SMALL ? SPIKEY_LARGE : profiled ? SPIKEY_PROFILED : SPIKEY_EQUAL;
}

/* Where a history of a position stands: of this step, or of `lag` steps before; from recent + recent_at on. */
static inline int64_t place_of(int64_t position, spikey_history history, int64_t lag) {
    return ((position / LANES) * SPIKEY_RECORD + history * SPIKEY_RECENT + lag - 1) * LANES + position % LANES;
}

static inline float *history_of(const spikey_state *state, int64_t position, spikey_history history, int64_t lag) {
    return state->recent + state->recent_at * LANES + place_of(position, history, lag);
}

/* Which of a vector's channels a lane belongs to, and where it stands behind that channel's first one. */
static inline int64_t beside_of(const vector_group *group, int lane) { return lane & (group->at_once - 1); }
static inline int32_t behind_of(const vector_group *group, int lane) { return lane & -group->at_once; }

/* Where a term of a channel is among those of its vector. */
static inline int64_t term_in_group(const vector_group *group, const spikey_solver *solver, int64_t k) {
    int64_t n_past = LANES * (int64_t)solver->past_blocks;
    return k < n_past ? k : k - n_past + group->first_present;
}

/* The entry of a scale in the tables. */
static inline int32_t scale_index_of(int64_t log2_scale) {
    return (int32_t)(least(greatest(log2_scale, SPIKEY_MIN_LOG2_SCALE), SPIKEY_MAX_LOG2_SCALE) -
                     SPIKEY_MIN_LOG2_SCALE);
}

static inline int32_t outlier_row(int64_t outlier_weight) {
    return (int32_t)least(greatest(outlier_weight, 0), SPIKEY_OUTLIER_WEIGHTS - 1);
}

/* Value of a code, in 1/64 codes. */
static inline int32_t value_of(int32_t code, const int32_t *values) { return values ? values[code] : code * 64; }

#endif
