/* Arrays: the samples that are coded of one, and how to rebuild it from them (chunk.npy and chunk.json). */

#include <math.h>
#include <stdio.h>

#include "encoder.h"

enum { HALF = 1 << 15, PADDED_FRAMES = 64, MOST_CHANNELS = 65535, TILE_CHANNELS = 16 };

/* which axis is time, as in spikey_cli/io/axes.py */
enum { LONGER = 32, ROWS_COMPARED = 64, COLUMNS_COMPARED = 1024 };

static const int64_t FAR = (int64_t)1 << 62;

/* ---- what an array may be ---- */

static int refuse(const char **reason, int error, const char *text) {
    *reason = text;
    return error;
}

static int check(const spikey_array *array, const char **reason) {
    const char *type = array->type;
    const int size = type[0] && type[1] && type[2] && !type[3] ? type[2] - '0' : 0;
    if ((type[1] != 'i' && type[1] != 'u') || (size != 1 && size != 2 && size != 4 && size != 8) ||
        !memchr("<>|", type[0], 3) || (type[0] == '|') != (size == 1))
        return refuse(reason, SPIKEY_UNSUPPORTED, "the array holds other values than integers of 1, 2, 4 or 8 bytes");
    if (array->n_dimensions < 1 || array->n_dimensions > SPIKEY_MAX_DIMENSIONS || (array->n_dimensions > 2 && array->is_fortran))
        return refuse(reason, SPIKEY_UNSUPPORTED, "the array has no dimensions, or more than two in Fortran order");
    int64_t bytes = size;
    for (int i = 0; i < array->n_dimensions; i++) {
        if (array->shape[i] < 0 || array->bytes < 0) return refuse(reason, SPIKEY_BAD_ARGUMENT, "the array has a negative shape");
        if (array->shape[i] && bytes > INT32_MAX / array->shape[i])
            return refuse(reason, SPIKEY_TOO_LARGE, "the array has 2**31 bytes or more");
        bytes *= array->shape[i];
    }
    if (array->n_dimensions > 2 && !bytes) return refuse(reason, SPIKEY_UNSUPPORTED, "the array is empty");
    if (array->n_dimensions == 2 && (array->shape[1] < 1 || (array->shape[1] > MOST_CHANNELS && !array->shape[0])))
        return refuse(reason, SPIKEY_UNSUPPORTED, "the array has no channel, or more than 65,535");
    if (bytes != array->bytes) return refuse(reason, SPIKEY_BAD_ARGUMENT, "the array's bytes are not those of its type and shape");
    return SPIKEY_OK;
}

/* Whether rows are so long that they are channels, whatever they hold. */
static int has_long_rows(int64_t rows, int64_t columns) {
    return rows && columns > rows && (columns > MOST_CHANNELS || columns >= LONGER * rows);
}

/* The matrices that an array consists of, as in spikey_cli/io/axes.py. */
static int64_t matrices_of(const spikey_array *array, int64_t *rows, int64_t *columns) {
    const int n = array->n_dimensions;
    int64_t rest = 1, depth = 1;
    for (int i = 1; i < n; i++) rest *= array->shape[i];
    *rows = array->shape[0], *columns = rest;
    if (n < 3 || *rows >= rest) return 1;
    *rows = array->shape[n - 2], *columns = array->shape[n - 1];
    for (int i = 0; i < n - 2; i++) depth *= array->shape[i];
    return depth;
}

int64_t spikey_bound_of(const spikey_array *array, const char **reason) {
    if (check(array, reason)) return 0;
    int64_t rows, columns;
    matrices_of(array, &rows, &columns);
    const int64_t channels = has_long_rows(rows, columns) ? rows : columns;
    /* a part takes no more than its frames, whose samples have two bytes or those of an item; a block has about as many as
     * 2**18 frames of one channel; tables have some bytes for each channel, and may have a part of the samples' bytes */
    const int64_t samples = array->type[2] == '1' && array->type[1] == 'i' ? 2 * array->bytes : array->bytes;
    const int64_t blocks = 2 + samples / (1 << 16);
    return samples + samples / 8 + 4096 + channels * 96 + blocks * (64 + least(channels, samples) * 16);
}

/* ---- items ---- */

/* An item, extended to 64 bits. */
static inline uint64_t item_at(const spikey_source *source, int64_t row, int64_t column) {
    const uint8_t *at = source->memory + row * source->row_bytes + column * source->column_bytes;
    const int size = source->size;
    uint64_t item = 0;
    for (int i = 0; i < size; i++) item |= (uint64_t)at[source->is_big ? size - 1 - i : i] << 8 * i;
    if (source->is_signed && size < 8 && item >> (8 * size - 1)) item -= (uint64_t)1 << 8 * size;
    return item;
}

static inline double value_at(const spikey_source *source, int64_t row, int64_t column) {
    const uint64_t item = item_at(source, row, column);
    return source->is_signed ? (double)(int64_t)item : (double)item;
}

static inline int is_below(const spikey_source *source, uint64_t a, uint64_t b) {
    return source->is_signed ? (int64_t)a < (int64_t)b : a < b;
}

static inline int32_t integer_of(const spikey_source *source, uint64_t item) {
    uint64_t away = item - source->base;
    if (source->step > 1 || source->integer_bytes == 3) {
        const int64_t integer = (int64_t)away / (int64_t)source->step, half = (int64_t)1 << (8 * source->integer_bytes - 1);
        return (int32_t)least(greatest(integer, -half), half - 1); /* beyond it if another thread changes the array */
    }
    return source->integer_bytes == 1 ? (int32_t)away : (int32_t)(int16_t)(uint16_t)away;
}

void spikey_read_integers(const spikey_source *source, int64_t first, int64_t n, int64_t first_channel, int64_t n_channels,
                          int64_t stride, int32_t *integers) {
    const int is_usual = source->size == 2 && !source->is_big && source->integer_bytes == 2 && source->step == 1;
    const uint8_t *memory = source->memory + first * source->row_bytes + first_channel * source->column_bytes;
    const uint32_t base = (uint32_t)source->base;
    for (int64_t channel = 0; channel < n_channels; channel += TILE_CHANNELS) {
        const int64_t stop = least(channel + TILE_CHANNELS, n_channels);
        for (int64_t tile = 0; tile < n; tile += TILE)
            for (int64_t k = channel; k < stop; k++) {
                const int64_t end = least(tile + TILE, n);
                int32_t *to = integers + k * stride;
                const uint8_t *from = memory + k * source->column_bytes;
                if (is_usual)
                    for (int64_t t = tile; t < end; t++)
                        to[t] = (int16_t)(uint16_t)(get_little(from + t * source->row_bytes, 2) - base);
                else
                    for (int64_t t = tile; t < end; t++)
                        to[t] = integer_of(source, item_at(source, first + t, first_channel + k));
            }
    }
}

void spikey_read_frames(const spikey_source *source, int64_t first, int64_t n, uint8_t *bytes) {
    const int size = source->sample_bytes, is_narrow = source->type <= 2;
    if (source->is_body) {
        memcpy(bytes, source->memory + first * source->row_bytes, (size_t)(n * source->channels * size));
        return;
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < source->channels; k++, bytes += size)
            put_little(bytes, item_at(source, first + i, k) - (is_narrow ? source->base : 0), size);
}

/* ---- which axis is time ---- */

/* Whether the shape is likelier (channels, time) than (time, channels). */
static int is_transposed(const spikey_source *source) {
    const int64_t rows = source->rows, columns = source->columns;
    if (has_long_rows(rows, columns)) return 1;
    if (!rows || columns <= rows) return 0;
    const int64_t n = least(rows, ROWS_COMPARED), m = least(columns, COLUMNS_COMPARED), row = (rows - n) / 2, column = (columns - m) / 2;
    double along_rows = 0, along_columns = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < m; k++) {
            const double item = value_at(source, row + i, column + k);
            if (k) along_rows += fabs(item - value_at(source, row + i, column + k - 1));
            if (i) along_columns += fabs(item - value_at(source, row + i - 1, column + k));
        }
    /* means, as parts of the lengths of their axes */
    return along_rows * (double)(rows * (n - 1) * m) < along_columns * (double)(columns * n * (m - 1));
}

static void exchange(int64_t *a, int64_t *b) {
    const int64_t first = *a;
    *a = *b, *b = first;
}

/* ---- padding, and which integers are coded ---- */

/* Leave out the last frames and channels if these are all of one value. */
static void find_padding(spikey_source *source, int is_flat) {
    const int64_t rows = source->rows, columns = source->columns;
    const uint64_t fill = item_at(source, rows - 1, columns - 1);
    int is_padded = rows > PADDED_FRAMES, is_silent = !is_flat;
    for (int64_t i = rows - PADDED_FRAMES; is_padded && i < rows; i++)
        for (int64_t k = 0; is_padded && k < columns; k++) is_padded = item_at(source, i, k) == fill;
    for (int64_t i = 0; is_silent && i < rows; i++) is_silent = item_at(source, i, columns - 1) == fill;
    if (!is_padded && !is_silent) return;
    int64_t frames = rows, channels = 1;
    if (is_padded) {
        for (int differs = 0; frames > 1; frames--) {
            for (int64_t k = 0; !differs && k < columns; k++) differs = item_at(source, frames - 1, k) != fill;
            if (differs) break;
        }
    }
    for (int64_t i = 0; i < rows && channels < columns; i++)
        for (int64_t k = columns - 1; k >= channels; k--)
            if (item_at(source, i, k) != fill) channels = k + 1;
    source->frames = frames, source->channels = channels;
}

/* Choose base and step of integers that span more than 16 bits; 0 if there are none. */
static int find_scaling(spikey_source *source, int64_t low, int64_t high) {
    uint64_t step = 0;
    if (low <= -FAR || high >= FAR || high - low >= FAR) return 0;
    for (int64_t i = 0; i < source->frames && step != 1; i++)
        for (int64_t k = 0; k < source->channels && step != 1; k++)
            step = divisor_of(item_at(source, i, k) - (uint64_t)low, step);
    const int64_t s = (int64_t)step, base = low - floor_of(low, s) * s;
    source->step = step;
    for (source->integer_bytes = 2; source->integer_bytes < 4; source->integer_bytes++) {
        const int64_t half = (int64_t)1 << (8 * source->integer_bytes - 1);
        source->base = (uint64_t)base;
        if (-half <= floor_of(low - base, s) && floor_of(high - base, s) < half) return 1;
        const int64_t middle = floor_of(floor_of(low - base, s) + floor_of(high - base, s), 2);
        source->base = (uint64_t)(base + middle * s);
        if ((high - low) / s < 2 * half) return 1;
    }
    return 0;
}

/* Choose what is coded of the items. */
static int find_integers(spikey_source *source) {
    const int size = source->size;
    source->step = 1;
    source->integer_bytes = source->type = source->sample_bytes = size == 1 && !source->is_signed ? 1 : 2;
    uint64_t low = 0, high = 255;
    if (size == 1) return 1;
    if (size == 2) {
        source->base = source->is_signed ? 0 : HALF;
        return 1;
    }
    low = high = item_at(source, 0, 0);
    for (int64_t i = 0; i < source->frames; i++)
        for (int64_t k = 0; k < source->channels; k++) {
            uint64_t item = item_at(source, i, k);
            if (is_below(source, item, low)) low = item;
            if (is_below(source, high, item)) high = item;
        }
    if (high - low < 2 * HALF) {
        const uint64_t middle = low + (high - low + 1) / 2;
        const int is_positive = !source->is_signed || (int64_t)low >= 0;
        source->base = is_positive && high < 2 * HALF ? HALF : middle;
        if (source->is_signed ? (int64_t)low >= -HALF && (int64_t)high < HALF : high < HALF) source->base = 0;
        return 1;
    }
    source->type = size == 4 ? source->is_signed ? SPIKEY_SAMPLE_INT32 : SPIKEY_SAMPLE_UINT32 : SPIKEY_SAMPLE_INT64;
    source->sample_bytes = size;
    return (size < 8 || source->is_signed) && find_scaling(source, (int64_t)low, (int64_t)high);
}

/* ---- chunk.npy and chunk.json ---- */

/* As NumPy writes it, with room for a longer first dimension. */
static void write_npy(spikey_source *source, int is_flat) {
    static const char *const types[] = {"", "|u1", "<i2", "", "<i4", "", "", "", "<u4", "<i8"};
    char text[256], first[24];
    int digits = snprintf(first, sizeof first, "%lld", (long long)source->frames);
    int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%s,", types[source->type], first);
    if (!is_flat) n += snprintf(text + n, sizeof text - (size_t)n, " %lld", (long long)source->channels);
    n += snprintf(text + n, sizeof text - (size_t)n, "), }%*s", 21 - digits, "");
    n += snprintf(text + n, sizeof text - (size_t)n, "%*s\n", 64 - (10 + n + 1) % 64, "");
    put_bytes(&source->npy, "\x93NUMPY\x01", 8);
    put_number(&source->npy, (uint64_t)n, 2);
    put_bytes(&source->npy, text, n);
}

static int write_integer(char *text, size_t room, const spikey_source *source, uint64_t number) {
    return source->is_signed ? snprintf(text, room, "%lld", (long long)number)
                             : snprintf(text, room, "%llu", (unsigned long long)number);
}

static void write_json(spikey_source *source, const spikey_array *array, int is_fortran) {
    char text[2048];
    const int is_padded = source->frames < source->rows || source->channels < source->columns;
    int n = snprintf(text, sizeof text, "{\"dtype\": \"%s\", \"order\": \"%c\", \"offset\": ", array->type, is_fortran ? 'F' : 'C');
    n += write_integer(text + n, sizeof text - (size_t)n, source, source->type <= 2 ? source->base : 0);
    if (source->is_transposed) n += snprintf(text + n, sizeof text - (size_t)n, ", \"transposed\": true");
    if (is_padded || array->n_dimensions > 2) {
        n += snprintf(text + n, sizeof text - (size_t)n, ", \"shape\": [%lld", (long long)array->shape[0]);
        for (int i = 1; i < array->n_dimensions; i++)
            n += snprintf(text + n, sizeof text - (size_t)n, ", %lld", (long long)array->shape[i]);
        n += snprintf(text + n, sizeof text - (size_t)n, "], \"fill\": ");
        const uint64_t fill = is_padded ? item_at(source, source->rows - 1, source->columns - 1) : 0;
        n += write_integer(text + n, sizeof text - (size_t)n, source, fill);
    }
    n += snprintf(text + n, sizeof text - (size_t)n, "}");
    put_bytes(&source->json, text, n);
}

/* Let the source be the frames of matrices of shape (time, channels), or (channels, time), one after another. */
static int join_matrices(spikey_source *source, int64_t depth) {
    const int64_t size = source->size, rows = source->rows, columns = source->columns, bytes = rows * columns * size;
    source->memory += depth / 2 * bytes;
    source->is_transposed = is_transposed(source);
    source->memory -= depth / 2 * bytes;
    if (source->is_transposed) {
        exchange(&source->rows, &source->columns), exchange(&source->row_bytes, &source->column_bytes);
        if (depth > 1) {
            if (!(source->copy = spikey_room(depth * bytes, 1))) return SPIKEY_NO_MEMORY;
            for (int64_t i = 0; i < depth; i++)
                spikey_transpose(source->memory + i * bytes, rows, columns, size, source->copy + i * bytes);
            source->memory = source->copy, source->row_bytes = rows * size, source->column_bytes = size;
        }
    }
    source->frames = source->rows *= depth;
    source->channels = source->columns;
    return SPIKEY_OK;
}

int spikey_open_source(const void *memory, const spikey_array *array, spikey_source *source, const char **reason) {
    memset(source, 0, sizeof *source);
    int error = check(array, reason);
    if (error) return error;
    const int is_flat = array->n_dimensions == 1, size = array->type[2] - '0';
    source->memory = memory;
    const int64_t depth = matrices_of(array, &source->rows, &source->columns);
    const int is_fortran = array->is_fortran && source->rows > 1 && source->columns > 1;
    source->row_bytes = is_fortran ? size : source->columns * size;
    source->column_bytes = is_fortran ? source->rows * size : size;
    source->size = size;
    source->is_signed = array->type[1] == 'i';
    source->is_big = array->type[0] == '>';
    if ((error = join_matrices(source, depth))) return error;
    if (source->rows && array->n_dimensions < 3) find_padding(source, is_flat);
    if (source->rows && !find_integers(source))
        return refuse(reason, SPIKEY_UNSUPPORTED, "the array's integers span more than 24 bits of equal steps");
    if (!source->rows) source->type = source->sample_bytes = source->integer_bytes = size == 1 && !source->is_signed ? 1 : 2;
    const int is_padded = source->frames < source->rows || source->channels < source->columns;
    const int is_same = source->sample_bytes == size && source->type != 7 && !source->is_big &&
                        (source->type > 2 || source->is_signed == (source->type == 2));
    source->step = source->step ? source->step : 1;
    source->is_body = is_same && source->row_bytes == source->channels * size && (source->columns == 1 || source->column_bytes == size);
    write_npy(source, is_flat);
    if (is_padded || !is_same || is_fortran || source->is_transposed || array->n_dimensions > 2) write_json(source, array, is_fortran);
    return source->npy.failed || source->json.failed ? SPIKEY_NO_MEMORY : SPIKEY_OK;
}

void spikey_close_source(spikey_source *source) { free(source->npy.bytes), free(source->json.bytes), free(source->copy); }
