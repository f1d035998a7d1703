/* The directory of a chunk: its one or two files, and the scalings and quantizers of channels. */

#include <stdlib.h>
#include <string.h>

#include "archive.h"

enum { MAX_HEADER = 1 << 16, MAX_RECORD = 1 << 23, MAX_RECORD_HEADER = 1 << 20 };

static const uint64_t MAX_FRAMES = (uint64_t)1 << 56, MAX_NUMBER = INT64_MAX;

/* Beginnings of files and ends of names from back to front, see docs/format.md. */
const char spikey_dictionary[] =
    "nosj.knuhc\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (), }"
    "{'descr': '<i2', 'fortran_order': False, 'shape': (                                         \n"
    "ypn.knuhcvaw.RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0KL\0\0\x96\x98\0\0\x02\0\x10\0data\0\0\0";
const int64_t spikey_dictionary_bytes = sizeof spikey_dictionary;

void *spikey_room(int64_t n, size_t size) {
    uint64_t count = n > 0 ? (uint64_t)n : 1;
    return count > SIZE_MAX / size ? 0 : calloc((size_t)count, size);
}

void spikey_close_table(spikey_fields *table) {
    free(table->inflated.memory);
    table->inflated.memory = 0;
}

int spikey_open_table(spikey_chunk *chunk, const uint8_t *from, int64_t n, int64_t most, spikey_fields *table) {
    memset(table, 0, sizeof *table);
    if (n < 1 || from[0] > 1) return fail(chunk, SPIKEY_DAMAGED, "a table is compressed by an unknown method");
    if (from[0]) return fail(chunk, SPIKEY_UNSUPPORTED, "it has tables of LZMA, so it is an archive but no chunk");
    int error = spikey_inflate(from + 1, n - 1, (const uint8_t *)spikey_dictionary, spikey_dictionary_bytes, most, &table->inflated);
    if (error) return fail(chunk, error, error == SPIKEY_DAMAGED ? "a table cannot be inflated" : "a table is too large");
    table->in = reader_of(table->inflated.memory + table->inflated.dictionary, table->inflated.n);
    table->tail = reader_of(from + 1 + table->inflated.used, n - 1 - table->inflated.used);
    return SPIKEY_OK;
}

void spikey_take_column(spikey_reader *in, int64_t n, uint64_t most, uint64_t *column) {
    const uint64_t unfinished = (uint64_t)1 << 63;
    int64_t left = n;
    for (int64_t i = 0; i < n; i++) column[i] = unfinished;
    for (int shift = 0; left && !in->failed; shift += 7) {
        const uint8_t *plane = take(in, shift < 63 ? (uint64_t)left : UINT64_MAX);
        left = 0;
        for (int64_t i = 0; plane && i < n; i++) {
            if (!(column[i] & unfinished)) continue;
            in->failed |= shift && !*plane;
            column[i] = (column[i] & ~unfinished) | (uint64_t)(*plane & 127) << shift;
            if (*plane++ > 127) column[i] |= unfinished, left++;
        }
    }
    for (int64_t i = 0; i < n; i++) in->failed |= column[i] > most;
    if (in->failed) memset(column, 0, (size_t)n * sizeof *column);
}

void spikey_take_wide_column(spikey_fields *table, int64_t n, uint64_t most, uint64_t *column) {
    int low = (int)take_uvarint(&table->in, 32);
    spikey_take_column(&table->in, n, most >> low, column);
    const uint8_t *bits = take(&table->tail, ((uint64_t)n * (uint64_t)low + 7) / 8);
    int64_t at = 0;
    for (int64_t i = 0; bits && i < n; i++) {
        for (int b = 0; b < low; b++, at++) column[i] = column[i] << 1 | (bits[at >> 3] >> (7 - (at & 7)) & 1);
        table->in.failed |= column[i] > most;
    }
    if (bits && at & 7) table->in.failed |= (bits[at >> 3] & (255 >> (at & 7))) != 0;
    table->in.failed |= table->tail.failed;
}

/* The names: chunk.npy, and perhaps chunk.json. */
static int read_names(spikey_chunk *chunk, spikey_fields *table) {
    static const char *const names[] = {"chunk.npy", "chunk.json"};
    static const char other[] = "is an archive of other files, not of an array; decompress it instead";
    uint64_t shared[2], sizes[2];
    char name[2][16] = {{0}};
    uint64_t n = take_uvarint(&table->in, (uint64_t)left_in(&table->in));
    if (n < 1 || n > 2) return fail(chunk, table->in.failed ? SPIKEY_DAMAGED : SPIKEY_NOT_A_CHUNK, other);
    spikey_take_column(&table->in, (int64_t)n, 4096, shared);
    spikey_take_column(&table->in, (int64_t)n, 4096, sizes);
    for (uint64_t i = 0; i < n; i++)
        if (sizes[i] >= sizeof name[0] || shared[i] > sizes[i] || shared[i] > (i ? sizes[0] : 0))
            return fail(chunk, table->in.failed ? SPIKEY_DAMAGED : SPIKEY_NOT_A_CHUNK, other);
    for (uint64_t place = 1; place < sizeof name[0]; place++)
        for (uint64_t i = 0; i < n; i++)
            if (place + shared[i] <= sizes[i]) name[i][sizes[i] - place] = (char)take_number(&table->in, 1);
    if (n > 1) memcpy(name[1], name[0], (size_t)shared[1]);
    if (table->in.failed || left_in(&table->in)) return fail(chunk, SPIKEY_DAMAGED, "the table of names is malformed");
    chunk->n_files = (int)n;
    chunk->array = chunk->metadata = -1;
    for (int i = 0; i < (int)n; i++) {
        if (!strcmp(name[i], names[0]) && chunk->array < 0) chunk->array = i;
        else if (!strcmp(name[i], names[1]) && chunk->metadata < 0) chunk->metadata = i;
        else return fail(chunk, SPIKEY_NOT_A_CHUNK, other);
    }
    return chunk->array < 0 ? fail(chunk, SPIKEY_NOT_A_CHUNK, other) : SPIKEY_OK;
}

static double take_float64(spikey_reader *in) {
    uint64_t bits = take_number(in, 8);
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static int is_moderate(double number, int kind) {
    double size = number < 0 ? -number : number;
    return size >= 0x1p-60 && size <= 0x1p60 && (kind < SPIKEY_SCALE_MULTIPLY32 || (double)(float)number == number);
}

static int take_scaling(spikey_reader *in, int type, spikey_scaling *scaling) {
    uint64_t kind = take_number(in, 1);
    int is_float = type == SPIKEY_SAMPLE_FLOAT32 || type == SPIKEY_SAMPLE_FLOAT64;
    if (kind > SPIKEY_SCALE_SHIFT32 || is_float != (kind != SPIKEY_SCALE_INTEGER)) return 0;
    scaling->kind = (spikey_scaling_kind)kind;
    if (!is_float) {
        const int64_t most = (int64_t)1 << 62;
        scaling->base = take_zigzag(in, MAX_NUMBER);
        scaling->step = (int64_t)take_uvarint(in, MAX_NUMBER);
        return !in->failed && scaling->step >= 1 && scaling->step < most && scaling->base > -most && scaling->base < most;
    }
    scaling->gain = take_float64(in);
    scaling->offset = take_float64(in);
    return !in->failed && is_moderate(scaling->gain, (int)kind) &&
           (scaling->offset == 0 || is_moderate(scaling->offset, (int)kind));
}

/* floor(x / y) for y above 0 */
static int64_t floor_of(int64_t x, int64_t y) { return x >= 0 ? x / y : -((y - 1 - x) / y); }

static int take_quantizer(spikey_reader *in, int bytes, spikey_channel *channels, int64_t own, spikey_quantizer_kind kind) {
    const int32_t lowest = bytes == 1 ? 0 : bytes == 2 ? -0x8000 : -0x800000;
    const int32_t highest = bytes == 1 ? 0xFF : bytes == 2 ? 0x7FFF : 0x7FFFFF;
    spikey_channel *channel = &channels[own];
    channel->kind = kind;
    if (kind == IDENTITY || (kind == N1 && bytes == 2)) {
        channel->offset = lowest;
        channel->step = 1;
        channel->size = kind == N1 ? 1024 : highest - lowest + 1;
        return 1;
    }
    if (kind == STEP) {
        int64_t offset = take_zigzag(in, 1 << 26), step = (int64_t)take_uvarint(in, MAX_CODES);
        int64_t size = (int64_t)take_uvarint(in, MAX_CODES);
        channel->offset = (int32_t)offset, channel->step = (int32_t)step, channel->size = (int32_t)size;
        return !in->failed && step >= 1 && step <= highest - lowest && size >= 1 && offset >= lowest &&
               offset + (size - 1) * step <= highest;
    }
    if (kind == PALETTE) {
        int64_t size = (int64_t)take_uvarint(in, MAX_PALETTE), last = take_zigzag(in, 1 << 26);
        channel->offset = (int32_t)last, channel->size = (int32_t)size;
        channel->gaps = in->at;
        if (in->failed || size < 1 || last < lowest) return 0;
        for (int64_t i = 1; i < size; i++) last += 1 + (int64_t)take_uvarint(in, 1 << 25);
        return !in->failed && last <= highest;
    }
    if (kind == LATTICE) {
        int64_t a = (int64_t)take_uvarint(in, 64 << 12), b = (int64_t)take_uvarint(in, 1 << 12);
        int64_t shift = take_zigzag(in, (uint64_t)1 << 39), points = (int64_t)take_uvarint(in, MAX_CODES);
        if (in->failed || b < 1 || a <= b || a >= 64 * b || points < 1) return 0;
        int64_t residues = (a + b - 1) / b;
        channel->numerator = a, channel->denominator = b, channel->shift = shift;
        channel->size = (int32_t)points, channel->residues = (int32_t)residues;
        return points * residues <= MAX_CODES && floor_of(2 * shift + b, 2 * b) >= lowest &&
               floor_of(2 * (a * (points - 1) + shift) + b, 2 * b) <= highest;
    }
    if (kind == COPY) {
        uint64_t source = take_uvarint(in, 65535);
        channel->offset = (int32_t)take_zigzag(in, 1 << 26);
        channel->is_negated = (int32_t)take_uvarint(in, 1);
        channel->source = (int32_t)source;
        channel->size = 1;
        return !in->failed && (int64_t)source < own && channels[source].kind != COPY;
    }
    return 0;
}

static int read_samples(spikey_chunk *chunk, spikey_reader *in, const spikey_file *file) {
    int type = file->type;
    spikey_channel *channels = chunk->channels;
    chunk->integer_bytes = type;
    if (type >= SPIKEY_SAMPLE_INT32) {
        chunk->integer_bytes = (int)take_number(in, 1);
        int64_t n = (int64_t)take_uvarint(in, (uint64_t)file->channels);
        if (in->failed || chunk->integer_bytes < 2 || chunk->integer_bytes > 3 || (n != 1 && n != file->channels))
            return fail(chunk, SPIKEY_DAMAGED, "the scalings of the samples are malformed");
        for (int64_t i = 0; i < n; i++)
            if (!take_scaling(in, type, &channels[i].scaling))
                return fail(chunk, SPIKEY_DAMAGED, "a scaling is out of range");
        for (int64_t i = n; i < file->channels; i++) channels[i].scaling = channels[0].scaling;
    }
    static const char malformed[] = "a quantizer is malformed, or has values beyond its samples";
    uint64_t kind = take_number(in, 1);
    if (kind == BY_CHANNEL) {
        for (int64_t i = 0; i < file->channels; i++) {
            uint64_t own = take_number(in, 1);
            if (in->failed || own > COPY || !take_quantizer(in, chunk->integer_bytes, channels, i, (spikey_quantizer_kind)own))
                return fail(chunk, SPIKEY_DAMAGED, malformed);
        }
        return SPIKEY_OK;
    }
    if (in->failed || kind > PALETTE || !take_quantizer(in, chunk->integer_bytes, channels, 0, (spikey_quantizer_kind)kind))
        return fail(chunk, SPIKEY_DAMAGED, malformed);
    for (int64_t i = 1; i < file->channels; i++) {
        channels[i].kind = channels[0].kind, channels[i].size = channels[0].size, channels[i].gaps = channels[0].gaps;
        channels[i].offset = channels[0].offset, channels[i].step = channels[0].step;
    }
    return SPIKEY_OK;
}

/* Records of one field of numbers, as arrays that are not predicted are kept. */
static int read_records(spikey_chunk *chunk, spikey_reader *in, spikey_file *file) {
    uint64_t header = take_uvarint(in, MAX_RECORD_HEADER);
    file->header = take(in, header);
    file->header_bytes = (int64_t)header;
    uint64_t trailer = take_uvarint(in, MAX_RECORD_HEADER);
    file->n_records = (int64_t)take_uvarint(in, MAX_FRAMES);
    int is_single = !trailer && !take_uvarint(in, 1024) && !take_uvarint(in, 1024) && take_uvarint(in, 65536) == 1 &&
                    !take_uvarint(in, 1024);
    if (in->failed) return fail(chunk, SPIKEY_DAMAGED, "the layout of the numbers is malformed");
    if (!is_single) return fail(chunk, SPIKEY_UNSUPPORTED, "it holds records of several fields, as no chunk does");
    file->kept_type = (int)take_uvarint(in, FLOAT64_NUMBERS);
    file->per_record = (int64_t)take_uvarint(in, MAX_RECORD);
    int size = file->kept_type == FLOAT64_NUMBERS ? 8 : file->kept_type;
    file->unit = size * file->per_record;
    if (in->failed || (size != 1 && size != 2 && size != 4 && size != 8) || file->unit < 1 || file->unit > MAX_RECORD ||
        file->n_records < 1 || file->n_records > (int64_t)MAX_FRAMES / file->unit)
        return fail(chunk, SPIKEY_DAMAGED, "the layout of the numbers is malformed");
    file->frames = file->n_records * file->unit;
    return SPIKEY_OK;
}

static int read_files(spikey_chunk *chunk, spikey_fields *table) {
    spikey_reader *in = &table->in;
    uint64_t types[2], distances[2], sizes[2], more;
    int64_t frames = 0, n_plain = 0;
    take(in, take_uvarint(in, 1 << 20)); /* an embedded model */
    spikey_take_column(in, chunk->n_files, RECORDS, types);
    for (int i = 0; i < chunk->n_files; i++) n_plain += types[i] != RECORDS;
    spikey_take_wide_column(table, n_plain, 2 * MAX_FRAMES, distances);
    spikey_file *samples = 0;
    for (int i = 0, k = 0; i < chunk->n_files; i++) {
        spikey_file *file = &chunk->files[i];
        file->type = (int)types[i];
        file->channels = file->frame_bytes = file->unit = 1;
        if (file->type && (i == chunk->metadata || file->type == 3))
            return fail(chunk, SPIKEY_UNSUPPORTED, "it holds samples that no chunk holds");
        if (file->type == RECORDS) continue;
        frames += unzigzag(distances[k++]);
        if (frames < 0 || frames > (int64_t)MAX_FRAMES) return fail(chunk, SPIKEY_DAMAGED, "a file has too many frames");
        file->frames = frames;
        if (file->type) samples = file;
    }
    if (in->failed) return fail(chunk, SPIKEY_DAMAGED, "the directory is malformed");
    if (samples) {
        static const int bytes[] = {0, 1, 2, 3, 4, 4, 8, 2, 4, 8};
        spikey_take_column(in, 1, UINT32_MAX, &more); /* the rate */
        spikey_take_column(in, 1, 65535, &more);
        samples->channels = (int64_t)more;
        samples->frame_bytes = bytes[samples->type] * samples->channels;
        if (in->failed || samples->channels < 1) return fail(chunk, SPIKEY_DAMAGED, "the directory is malformed");
        if (samples->channels > chunk->limits.memory / 1024)
            return fail(chunk, SPIKEY_BEYOND_MEMORY, "the number of its channels exceeds the memory limit");
        if (samples->frames > INT64_MAX / 4 / samples->frame_bytes)
            return fail(chunk, SPIKEY_TOO_LARGE, "its array is larger than any memory");
        for (int i = 0; i < 2; i++) { /* header and trailer */
            spikey_take_column(in, 1, MAX_HEADER + 1, &sizes[i]);
            const uint8_t *bytes_of = take(in, sizes[i] ? sizes[i] - 1 : 0);
            if (i == 0) samples->header = bytes_of, samples->header_bytes = sizes[i] ? (int64_t)sizes[i] - 1 : 0;
        }
        if (!in->failed && sizes[1] > 1) return fail(chunk, SPIKEY_DAMAGED, "it holds more than an array");
        chunk->n_channels = samples->channels;
    }
    chunk->channels = spikey_room(chunk->n_channels, sizeof *chunk->channels);
    if (!chunk->channels) return SPIKEY_NO_MEMORY;
    for (int i = 0; i < chunk->n_files; i++) {
        if (chunk->files[i].type == RECORDS) TRY(read_records(chunk, in, &chunk->files[i]));
        else if (chunk->files[i].type) TRY(read_samples(chunk, in, &chunk->files[i]));
    }
    return SPIKEY_OK;
}

int spikey_read_directory(spikey_chunk *chunk, const uint8_t *from, int64_t n) {
    int64_t most = least(chunk->limits.memory / 8, 64 << 20);
    spikey_fields names;
    TRY(spikey_open_table(chunk, from, n, most, &names));
    int error = read_names(chunk, &names);
    spikey_close_table(&names);
    TRY(error);
    TRY(spikey_open_table(chunk, names.tail.at, left_in(&names.tail), most, &chunk->directory));
    TRY(read_files(chunk, &chunk->directory));
    TRY(spikey_read_topology(chunk, &chunk->directory));
    if (chunk->directory.in.failed || left_in(&chunk->directory.in) || left_in(&chunk->directory.tail))
        return fail(chunk, SPIKEY_DAMAGED, "the directory has another size than its contents");
    return SPIKEY_OK;
}
