/* Chunks: from the first byte to the array. */

#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "chunk.h"
#include "exact_floats.h"

enum { MAX_NPY_HEADER = 1 << 20, MAX_JSON = 1 << 16 };

/* How to rebuild an array from samples: what chunk.json says. */
typedef struct {
    const char *type, *order;
    int type_length, order_length;
    uint64_t offset, fill; /* modulo 2**64 */
    int has_offset, has_fill, is_transposed, n_dimensions; /* of the shape; -1 if there is none */
    int is_negative[2];
    int64_t shape[SPIKEY_MAX_DIMENSIONS];
} metadata;

/* ---- the archive around the files ---- */

/* Refuse what no chunk holds. */
static int check_files(spikey_chunk *chunk) {
    for (int i = 0; i < chunk->n_files; i++) {
        const spikey_file *file = &chunk->files[i];
        if (file->is_group || (file->type == RECORDS && file->kept_type < 0))
            return fail(chunk, SPIKEY_UNSUPPORTED, "it holds records of several fields, as no chunk does");
        if (file->type && (i == chunk->metadata || file->type == 3))
            return fail(chunk, SPIKEY_UNSUPPORTED, "it holds samples that no chunk holds");
        if (file->trailer_bytes) return fail(chunk, SPIKEY_DAMAGED, "it holds more than an array");
    }
    return SPIKEY_OK;
}

/* Refuse what would restore to more bytes than the limits allow, before there is memory for it. */
static int check_size(spikey_chunk *chunk) {
    const spikey_limits *limits = &chunk->limits;
    int64_t total = 0, overhead = MAX_JSON;
    int64_t allowed = limits->expansion > INT64_MAX / chunk->n ? INT64_MAX : limits->expansion * chunk->n;
    allowed = greatest(greatest(allowed, 16 << 20), 2 * least(limits->expected, INT64_MAX / 4) + overhead);
    for (int i = 0; i < chunk->n_files; i++) {
        const spikey_file *file = &chunk->files[i];
        int64_t bytes = file->frames * file->frame_bytes;
        if (i == chunk->array ? bytes / (1 + (chunk->metadata >= 0)) > limits->array + overhead : bytes > MAX_JSON)
            return fail(chunk, SPIKEY_TOO_LARGE, "its array is larger than is allowed");
        total += bytes;
    }
    return total > allowed ? fail(chunk, SPIKEY_BEYOND_EXPANSION, "it claims to hold many times its bytes") : SPIKEY_OK;
}

/* ---- chunk.npy and chunk.json ---- */

typedef struct {
    const char *at, *end;
} text;

static void skip_spaces(text *in) {
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t')) in->at++;
}

/* Take this word, after spaces, if it is there. */
static int take_word(text *in, const char *word) {
    size_t n = strlen(word);
    skip_spaces(in);
    if ((size_t)(in->end - in->at) < n || memcmp(in->at, word, n)) return 0;
    in->at += n;
    return 1;
}

/* A string of ASCII without escapes in these quotes: its length, or -1. */
static int take_string(text *in, char quote, const char **string) {
    const char mark[2] = {quote, 0};
    if (!take_word(in, mark)) return -1;
    *string = in->at;
    while (in->at < in->end && *in->at != quote && *in->at != '\\' && *in->at >= ' ' && *in->at <= '~') in->at++;
    if (in->at == in->end || *in->at != quote || in->at - *string > 64) return -1;
    return (int)(in->at++ - *string);
}

/* An integer of magnitude below 2**64, modulo that; 0 if there is none. */
static int take_integer(text *in, uint64_t *number, int *is_negative) {
    uint64_t n = 0;
    *is_negative = take_word(in, "-");
    const char *first = in->at;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++) {
        uint64_t digit = (uint64_t)(*in->at - '0');
        if (n > (UINT64_MAX - digit) / 10) return 0;
        n = 10 * n + digit;
    }
    *number = *is_negative ? 0 - n : n;
    return in->at > first && !(in->at - first > 1 && *first == '0') && (n <= (uint64_t)1 << 63 || !*is_negative);
}

static int take_length(text *in, int64_t *length) {
    uint64_t n;
    int is_negative;
    if (!take_integer(in, &n, &is_negative) || is_negative || n > INT64_MAX) return 0;
    *length = (int64_t)n;
    return 1;
}

/* The bytes of an item of a plain type; 0 if there are none, -1 if it is unknown. */
static int64_t item_bytes(const char *type, int64_t length) {
    text in = {type, type + length};
    int64_t bytes = 0;
    if (length < 3 || !memchr("<>|", type[0], 3) || !memchr("biufcSUVMm?", type[1], 11)) return -1;
    in.at += 2;
    if (!take_length(&in, &bytes) || bytes > INT32_MAX) return -1;
    if (in.at < in.end && type[1] != 'M' && type[1] != 'm') return -1; /* behind dates stands their unit */
    return type[1] == 'U' ? 4 * bytes : bytes;
}

/* A list of fields, of which only the end is found. */
static int take_fields(text *in, const char **fields) {
    int depth = 0;
    char quote = 0;
    skip_spaces(in);
    *fields = in->at;
    for (; in->at < in->end; in->at++) {
        char c = *in->at;
        if (quote) {
            if (c == '\\') in->at++;
            else if (c == quote) quote = 0;
        } else if (c == '\'' || c == '"') quote = c;
        else if (c == '[' || c == '(') depth++;
        else if ((c == ']' || c == ')') && --depth == 0) {
            in->at++;
            return in->at - *fields < MAX_NPY_HEADER ? (int)(in->at - *fields) : -1;
        }
    }
    return -1;
}

/* Read the header of an .npy file at the beginning of some bytes: the array, the place of its type, its own length. */
static int read_npy(spikey_chunk *chunk, const uint8_t *bytes, int64_t n, spikey_array *array, const char **type, int64_t *length) {
    static const char malformed[] = "chunk.npy is malformed: it has no header that states an array";
    memset(array, 0, sizeof *array);
    if (n < 12 || memcmp(bytes, "\x93NUMPY", 6) || bytes[6] < 1 || bytes[6] > 3 || bytes[7])
        return fail(chunk, SPIKEY_DAMAGED, malformed);
    if (bytes[6] == 3) return fail(chunk, SPIKEY_UNSUPPORTED, "its fields have names beyond Latin-1");
    int at = bytes[6] == 1 ? 10 : 12;
    int64_t size = (int64_t)get_little(bytes + 8, at - 8), count = 1;
    if (size > n - at || size > MAX_NPY_HEADER) return fail(chunk, SPIKEY_DAMAGED, malformed);
    text in = {(const char *)bytes + at, (const char *)bytes + at + size};
    int is_fields = 0, fits = take_word(&in, "{") && take_word(&in, "'descr'") && take_word(&in, ":");
    if (fits) skip_spaces(&in);
    if (fits) is_fields = in.at < in.end && *in.at == '[';
    array->type_length = !fits ? -1 : is_fields ? take_fields(&in, type) : take_string(&in, '\'', type);
    fits = fits && array->type_length > 0 && take_word(&in, ",") && take_word(&in, "'fortran_order'") && take_word(&in, ":");
    array->is_fortran = fits && take_word(&in, "True");
    fits = fits && (array->is_fortran || take_word(&in, "False")) && take_word(&in, ",") && take_word(&in, "'shape'") &&
           take_word(&in, ":") && take_word(&in, "(");
    while (fits && !take_word(&in, ")")) {
        int64_t *next = &array->shape[array->n_dimensions];
        fits = array->n_dimensions++ < SPIKEY_MAX_DIMENSIONS && take_length(&in, next);
        if (fits && *next && count > INT64_MAX / *next) fits = 0;
        if (fits) count *= *next;
        if (fits && !take_word(&in, ",")) {
            fits = array->n_dimensions > 1 && take_word(&in, ")"); /* (4) is no tuple, (4,) is */
            break;
        }
    }
    if (fits) take_word(&in, ",");
    fits = fits && take_word(&in, "}");
    skip_spaces(&in);
    if (!fits || in.at < in.end) return fail(chunk, SPIKEY_DAMAGED, malformed);
    *length = at + size;
    const spikey_file *file = &chunk->files[chunk->array];
    array->bytes = file->header_bytes + file->frames * file->frame_bytes - *length;
    int64_t item = is_fields ? (count ? array->bytes / count : 0) : item_bytes(*type, array->type_length);
    if (item < 0) return fail(chunk, SPIKEY_DAMAGED, "chunk.npy is malformed: it has a type that no chunk holds");
    if (item && count > INT64_MAX / item) return fail(chunk, SPIKEY_DAMAGED, malformed);
    if (item * count != array->bytes) return fail(chunk, SPIKEY_DAMAGED, "chunk.npy states more values than it holds, or fewer");
    memcpy(array->type, *type, (size_t)least(array->type_length, SPIKEY_TYPE - 1));
    return SPIKEY_OK;
}

static int read_json(spikey_chunk *chunk, const uint8_t *json, int64_t n, metadata *of) {
    static const char malformed[] = "chunk.json is malformed";
    text in = {(const char *)json, (const char *)json + n};
    memset(of, 0, sizeof *of);
    of->n_dimensions = -1;
    int fits = take_word(&in, "{");
    while (fits) {
        const char *key = 0;
        int length = take_string(&in, '"', &key), seen = 0;
        fits = length >= 0 && take_word(&in, ":");
        if (!fits) break;
#define KEY(name) (length == (int)sizeof name - 1 && !memcmp(key, name, sizeof name - 1))
        if (KEY("dtype")) seen = of->type != 0, fits = (of->type_length = take_string(&in, '"', &of->type)) > 0;
        else if (KEY("order")) seen = of->order != 0, fits = (of->order_length = take_string(&in, '"', &of->order)) == 1;
        else if (KEY("offset")) seen = of->has_offset++, fits = take_integer(&in, &of->offset, &of->is_negative[0]);
        else if (KEY("fill")) seen = of->has_fill++, fits = take_integer(&in, &of->fill, &of->is_negative[1]);
        else if (KEY("transposed")) seen = of->is_transposed++, fits = take_word(&in, "true");
        else if (KEY("shape")) {
            seen = of->n_dimensions >= 0, fits = take_word(&in, "[");
            of->n_dimensions = 0;
            do fits = fits && take_length(&in, &of->shape[of->n_dimensions++]);
            while (fits && of->n_dimensions < SPIKEY_MAX_DIMENSIONS && take_word(&in, ","));
            fits = fits && take_word(&in, "]");
        } else fits = 0;
        fits = fits && !seen;
        if (!fits || !take_word(&in, ",")) break;
    }
    fits = fits && take_word(&in, "}");
    skip_spaces(&in);
    if (!fits || in.at < in.end || !of->type || !of->order || !of->has_offset || of->has_fill != (of->n_dimensions >= 0) ||
        (*of->order != 'C' && *of->order != 'F'))
        return fail(chunk, SPIKEY_DAMAGED, malformed);
    return SPIKEY_OK;
}

/* Whether an integer, given modulo 2**64, is one of `size` bytes. */
static int holds(int is_signed, int64_t size, uint64_t number, int is_negative) {
    uint64_t bits = 8 * (uint64_t)size, magnitude = is_negative ? 0 - number : number;
    if (is_negative && magnitude && !is_signed) return 0;
    uint64_t most = is_signed ? (uint64_t)1 << (bits - 1) : bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
    return magnitude <= most - (is_signed && !is_negative);
}

/* The array that the metadata make of samples. */
static int merge(spikey_chunk *chunk, const metadata *of, const spikey_array *samples, spikey_array *array) {
    static const char malformed[] = "chunk.json is malformed: it does not fit the samples";
    const int64_t size = item_bytes(of->type, of->type_length);
    const char kind = of->type[1], from = samples->type[1];
    int is_whole = of->type_length == 3 && samples->type_length == 3 && samples->type[1] == kind && samples->type[2] == of->type[2] && !of->offset &&
                   samples->type[0] != '>';
    int is_narrow = kind != 'f' && (!strcmp(samples->type, "<i2") || !strcmp(samples->type, "|u1"));
    if (of->type_length != 3 || (kind != 'i' && kind != 'u' && kind != 'f') || (size != 1 && size != 2 && size != 4 && size != 8) ||
        (kind == 'f' && size < 4) || (of->type[0] == '|') != (size == 1) || samples->n_dimensions > 2 ||
        samples->n_dimensions < 1 + of->is_transposed || samples->is_fortran || from == 'V' || (!is_whole && !is_narrow) ||
        !holds(kind == 'i', size, of->offset, of->is_negative[0]) || !holds(kind == 'i', size, of->fill, of->is_negative[1]))
        return fail(chunk, SPIKEY_DAMAGED, malformed);
    *array = *samples;
    memset(array->type, 0, sizeof array->type);
    memcpy(array->type, of->type, 3);
    array->type_length = 3;
    array->is_fortran = *of->order == 'F';
    array->bytes = size;
    if (of->n_dimensions > 2) {
        array->n_dimensions = of->n_dimensions;
        for (int i = 0; i < of->n_dimensions; i++) {
            array->shape[i] = of->shape[i];
            if (of->shape[i] < 1) return fail(chunk, SPIKEY_DAMAGED, malformed);
            if (array->bytes > chunk->limits.array / of->shape[i])
                return fail(chunk, SPIKEY_TOO_LARGE, "its array is larger than is allowed");
            array->bytes *= of->shape[i];
        }
        if (samples->n_dimensions != 2 || array->is_fortran || array->bytes / size != samples->shape[0] * samples->shape[1] ||
            (of->is_transposed && of->shape[of->n_dimensions - 2] != samples->shape[1]))
            return fail(chunk, SPIKEY_DAMAGED, malformed);
        return SPIKEY_OK;
    }
    for (int i = 0; i < samples->n_dimensions; i++) {
        const int64_t own = samples->shape[of->is_transposed ? 1 - i : i];
        array->shape[i] = of->n_dimensions > 0 ? of->shape[i] : own;
        if (array->shape[i] < own || (of->n_dimensions > 0 && of->n_dimensions != samples->n_dimensions))
            return fail(chunk, SPIKEY_DAMAGED, malformed);
        if (array->shape[i] && array->bytes > chunk->limits.array / array->shape[i])
            return fail(chunk, SPIKEY_TOO_LARGE, "its array is larger than is allowed");
        array->bytes *= array->shape[i];
    }
    return SPIKEY_OK;
}

/* Put the samples into the corner of the array, and the fill value elsewhere. */
static void rebuild(const metadata *of, const spikey_array *samples, const spikey_array *array, const uint8_t *from, uint8_t *to) {
    const int size = array->type[2] - '0', own = samples->type[2] - '0', is_big = array->type[0] == '>';
    const int is_signed = samples->type[1] == 'i', is_flat = array->n_dimensions < 2;
    const int64_t rows = array->shape[of->is_transposed], columns = is_flat ? 1 : array->shape[!of->is_transposed];
    const int64_t own_rows = samples->shape[0], own_columns = is_flat ? 1 : samples->shape[1];
    const int is_by_column = array->is_fortran != of->is_transposed;
    const int64_t at_once = is_by_column ? 64 : 1;
    for (int64_t tile = 0; tile < rows && array->bytes; tile += at_once)
        for (int64_t k = 0; k < columns; k++)
            for (int64_t i = tile; i < least(tile + at_once, rows); i++) {
                uint64_t item = of->fill;
                if (i < own_rows && k < own_columns) {
                    item = get_little(from + (i * own_columns + k) * own, own);
                    if (is_signed && own < 8 && item >> (8 * own - 1)) item -= (uint64_t)1 << 8 * own;
                    item += of->offset;
                }
                uint8_t *place = to + (is_by_column ? k * rows + i : i * columns + k) * size;
                for (int b = 0; b < size; b++) place[is_big ? size - 1 - b : b] = (uint8_t)(item >> 8 * b);
            }
}

/* The same for an array of any dimensions, which consists of matrices. */
static void rebuild_all(const metadata *of, const spikey_array *samples, const spikey_array *array, const uint8_t *from, uint8_t *to) {
    spikey_array own = *samples, matrix = *array;
    int64_t n = 1, items = 0;
    if (array->n_dimensions > 2) {
        if (of->is_transposed) own.shape[0] = array->shape[array->n_dimensions - 1];
        matrix.n_dimensions = 2;
        matrix.shape[of->is_transposed] = own.shape[0], matrix.shape[!of->is_transposed] = own.shape[1];
        items = own.shape[0] * own.shape[1];
        n = samples->shape[0] / own.shape[0];
    }
    for (int64_t i = 0; i < n; i++)
        rebuild(of, &own, &matrix, from + i * items * (samples->type[2] - '0'), to + i * items * (array->type[2] - '0'));
}

/* ---- the whole ---- */

/* What a call of the library works with. */
typedef struct {
    spikey_chunk chunk;
    spikey_array samples, array; /* of chunk.npy; of the whole chunk */
    const char *type;            /* of samples */
    int64_t npy_header;
    uint8_t *json, *verbatim; /* chunk.json, and chunk.npy if that is a verbatim file */
    metadata metadata;
} work;

static int open_chunk(work *of, const void *bytes, size_t n, const spikey_limits *limits) {
    spikey_chunk *chunk = &of->chunk;
    memset(of, 0, sizeof *of);
    chunk->limits = spikey_limits_of(limits);
    chunk->is_chunk = 1;
    chunk->n = (int64_t)n;
    if ((uint64_t)n > INT64_MAX / 16) return fail(chunk, SPIKEY_NOT_A_CHUNK, "not a Spikey chunk");
    if (chunk->limits.memory < 0 || chunk->limits.expansion < 0 || chunk->limits.array < 0 || chunk->limits.expected < 0 ||
        chunk->limits.array > INT64_MAX / 4)
        return fail(chunk, SPIKEY_BAD_ARGUMENT, "the limits are out of range");
    if (!spikey_is_exact()) return fail(chunk, SPIKEY_UNSUPPORTED, "the library was compiled without -ffp-contract=off");
    spikey_fill_crc(chunk->crc);
    if (n < 8 || memcmp(bytes, SPIKEY_MAGIC, 8)) return fail(chunk, SPIKEY_NOT_A_CHUNK, "not a Spikey chunk");
    if (n < SPIKEY_HEADER_BYTES + SPIKEY_TRAILER_BYTES) return fail(chunk, SPIKEY_DAMAGED, "its end is missing");
    chunk->front = bytes;
    chunk->end = chunk->front + n;
    TRY(spikey_find_ends(chunk, chunk->front, chunk->end - SPIKEY_TRAILER_BYTES));
    chunk->end -= chunk->n_end;
    TRY(spikey_read_archive(chunk));
    TRY(check_files(chunk));
    TRY(check_size(chunk));
    spikey_file *npy = &chunk->files[chunk->array];
    const uint8_t *header = npy->header;
    int64_t header_bytes = npy->header_bytes;
    if (!npy->type) {
        if (!(of->verbatim = spikey_room(npy->frames, 1))) return SPIKEY_NO_MEMORY;
        TRY(spikey_decode_file(chunk, chunk->array, of->verbatim));
        header = of->verbatim, header_bytes = npy->frames;
    }
    TRY(read_npy(chunk, header, header_bytes, &of->samples, &of->type, &of->npy_header));
    if (npy->type && of->npy_header != npy->header_bytes)
        return fail(chunk, SPIKEY_DAMAGED, "chunk.npy has bytes behind its header");
    if (npy->type && npy->type != RECORDS) {
        static const char *const types[] = {"", "|u1", "<i2", "", "<i4", "<f4", "<f8", "<u2", "<u4", "<i8"};
        const spikey_array *samples = &of->samples;
        if (strcmp(samples->type, types[npy->type]) || samples->n_dimensions < 1 || samples->n_dimensions > 2 ||
            samples->is_fortran || samples->shape[0] != npy->frames ||
            (samples->n_dimensions > 1 ? samples->shape[1] : 1) != npy->channels)
            return fail(chunk, SPIKEY_DAMAGED, "chunk.npy states an array that its samples do not match");
    }
    of->array = of->samples;
    if (chunk->metadata >= 0) {
        spikey_file *json = &chunk->files[chunk->metadata];
        if (!(of->json = spikey_room(json->frames, 1))) return SPIKEY_NO_MEMORY;
        TRY(spikey_decode_file(chunk, chunk->metadata, of->json));
        TRY(read_json(chunk, of->json, json->frames, &of->metadata));
        TRY(merge(chunk, &of->metadata, &of->samples, &of->array));
    }
    if (of->array.bytes > chunk->limits.array) return fail(chunk, SPIKEY_TOO_LARGE, "its array is larger than is allowed");
    return SPIKEY_OK;
}

static void close_chunk(work *of) {
    spikey_free_archive(&of->chunk);
    free(of->json), free(of->verbatim);
}

static int decode(work *of, const spikey_tables *tables, void *memory, size_t bytes) {
    spikey_chunk *chunk = &of->chunk;
    if (bytes != (uint64_t)of->array.bytes) return fail(chunk, SPIKEY_BAD_ARGUMENT, "the memory has another size than the array");
    chunk->tables = tables;
    TRY(spikey_make_network(chunk));
    const uint8_t *from = of->verbatim ? of->verbatim + of->npy_header : 0;
    uint8_t *samples = memory;
    if (!from && chunk->metadata >= 0 && !(samples = spikey_room(of->samples.bytes, 1))) return SPIKEY_NO_MEMORY;
    int error = from ? SPIKEY_OK : spikey_decode_file(chunk, chunk->array, samples);
    if (!error && chunk->metadata >= 0)
        rebuild_all(&of->metadata, &of->samples, &of->array, from ? from : samples, memory);
    else if (!error && from && bytes)
        memcpy(memory, from, bytes);
    if (!from && chunk->metadata >= 0) free(samples);
    if (error) return error;
    uint8_t digests[64], digest[32];
    memcpy(digests, chunk->files[0].digest, 32);
    if (chunk->n_files > 1) memcpy(digests + 32, chunk->files[1].digest, 32);
    spikey_sha256(digests, 32 * chunk->n_files, 0, 0, digest);
    if (DIFFER(memcmp(digest, chunk->end + chunk->n_end - SPIKEY_TRAILER_BYTES, 32)))
        return fail(chunk, SPIKEY_DAMAGED, "what was decoded does not match the chunk's SHA-256");
    return SPIKEY_OK;
}

static int finish(work *of, int error, const char **reason) {
    spikey_explain(&of->chunk, error, reason);
    close_chunk(of);
    return error;
}

int spikey_describe(const void *bytes, size_t n, const spikey_limits *limits, spikey_array *array, const char **reason) {
    work of;
    int error = open_chunk(&of, bytes, n, limits);
    if (!error) *array = of.array;
    return finish(&of, error, reason);
}

int spikey_type(const void *bytes, size_t n, const spikey_limits *limits, char *type, size_t room) {
    work of;
    int error = open_chunk(&of, bytes, n, limits);
    if (!error && room) {
        size_t length = (size_t)of.array.type_length < room - 1 ? (size_t)of.array.type_length : room - 1;
        memcpy(type, of.chunk.metadata >= 0 ? of.array.type : of.type, length);
        type[length] = 0;
    }
    return finish(&of, error, 0);
}

int spikey_decode_with(const spikey_tables *tables, const void *bytes, size_t n, const spikey_limits *limits, void *memory,
                       size_t size, const char **reason) {
    work of;
    spikey_float_mode before = spikey_begin_exact();
    int error = open_chunk(&of, bytes, n, limits);
    if (!error) error = decode(&of, tables, memory, size);
    spikey_end_exact(before);
    return finish(&of, error, reason);
}

int spikey_decode(const void *bytes, size_t n, const spikey_limits *limits, void *memory, size_t size, const char **reason) {
    spikey_tables *tables = malloc((size_t)spikey_tables_size());
    if (!tables) return spikey_explain(0, SPIKEY_NO_MEMORY, reason);
    spikey_fill_tables(tables);
    int error = spikey_decode_with(tables, bytes, n, limits, memory, size, reason);
    free(tables);
    return error;
}

const char *spikey_error_text(int error) {
    switch (error) {
    case SPIKEY_OK: return "no error";
    case SPIKEY_NO_MEMORY: return "there is not enough memory";
    case SPIKEY_BAD_ARGUMENT: return "the arguments do not fit the array or the chunk";
    case SPIKEY_NOT_A_CHUNK: return "not a Spikey chunk";
    case SPIKEY_DAMAGED: return "the chunk is damaged";
    case SPIKEY_UNSUPPORTED: return "the chunk or the array needs what this library does not have";
    case SPIKEY_TOO_LARGE: return "the array is larger than is allowed";
    case SPIKEY_BEYOND_MEMORY: return "the chunk asks for more memory than is allowed";
    case SPIKEY_BEYOND_EXPANSION: return "the chunk asks for more bytes or time than is allowed for its size";
    case SPIKEY_ROOM_TOO_SMALL: return "the chunk is longer than the room for it";
    default: return "the codes are damaged";
    }
}
