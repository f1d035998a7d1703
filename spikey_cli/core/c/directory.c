/* The directory: files, groups of records, and the scalings and quantizers of channels. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"

enum { MAX_HEADER = 1 << 16, MAX_RECORD = 1 << 23, MAX_RECORD_HEADER = 1 << 20, MAX_NAME = 4096, ENTRY = 1024 };

static const int SAMPLE_BYTES[] = {0, 1, 2, 3, 4, 4, 8, 2, 4, 8};

static const uint64_t MAX_FRAMES = (uint64_t)1 << 56, MAX_NUMBER = INT64_MAX;

/* Beginnings of files and ends of names from back to front, see docs/format.md. */
const char spikey_dictionary[] =
    "nosj.knuhc\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (), }"
    "{'descr': '<i2', 'fortran_order': False, 'shape': (                                         \n"
    "ypn.knuhcvaw.RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0KL\0\0\x96\x98\0\0\x02\0\x10\0data\0\0\0";
const int64_t spikey_dictionary_bytes = sizeof spikey_dictionary;

void *spikey_room(int64_t n, size_t size) {
    const uint64_t count = n > 0 ? (uint64_t)n : 1;
    return count > SIZE_MAX / size ? 0 : calloc((size_t)count, size);
}

void spikey_close_table(spikey_fields *table) {
    free(table->inflated.memory);
    table->inflated.memory = 0;
}

int spikey_open_table(spikey_chunk *chunk, const uint8_t *from, int64_t n, int64_t most, spikey_fields *table) {
    memset(table, 0, sizeof *table);
    if (n < 1 || from[0] > 1) return fail(chunk, SPIKEY_DAMAGED, "a table is compressed by an unknown method");
    if (from[0] && chunk->is_chunk) return fail(chunk, SPIKEY_UNSUPPORTED, "it has tables of LZMA, so it is an archive but no chunk");
    int error = from[0] ? spikey_unpack_lzma(from + 1, n - 1, most, &table->inflated)
                        : spikey_inflate(from + 1, n - 1, (const uint8_t *)spikey_dictionary, spikey_dictionary_bytes, most,
                                         &table->inflated);
    if (error) return fail(chunk, error, error == SPIKEY_DAMAGED ? "a table cannot be unpacked" : "a table is too large");
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

/* Whether the names are those of a chunk. */
static int check_names(spikey_chunk *chunk) {
    chunk->array = chunk->metadata = -1;
    for (int i = 0; i < (int)chunk->n_names; i++) {
        const spikey_file *file = &chunk->files[i];
        if ((int64_t)strlen(file->name) < file->name_bytes) return 0;
        if (!strcmp(file->name, "chunk.npy") && chunk->array < 0) chunk->array = i;
        else if (!strcmp(file->name, "chunk.json") && chunk->metadata < 0) chunk->metadata = i;
        else return 0;
    }
    return chunk->array >= 0;
}

/* Whether bytes are UTF-8 (RFC 3629): nothing overlong, no surrogates, nothing beyond U+10FFFF. */
static int is_utf8(const char *text, int64_t n) {
    static const uint32_t lowest[] = {0, 0x80, 0x800, 0x10000};
    const uint8_t *at = (const uint8_t *)text, *end = at + n;
    while (at < end) {
        const int more = *at < 0x80 ? 0 : *at < 0xC0 ? 4 : *at < 0xE0 ? 1 : *at < 0xF0 ? 2 : *at < 0xF8 ? 3 : 4;
        if (more > 3 || more >= end - at) return 0;
        uint32_t point = *at++ & (more ? 63u >> more : 127u);
        for (int i = 0; i < more; i++, at++) {
            if ((*at & 0xC0) != 0x80) return 0;
            point = point << 6 | (*at & 63);
        }
        if (point < lowest[more] || point > 0x10FFFF || (point >> 11) == 0x1B) return 0;
    }
    return 1;
}

/* The endings of names stand from back to front: the last byte of each name, then the byte before, and so on. */
static int take_names(spikey_chunk *chunk, spikey_reader *in, const uint64_t *shared, uint64_t *left) {
    int64_t n = 0;
    for (int64_t i = 0; i < chunk->n_names; i++) {
        const uint64_t size = (uint64_t)chunk->files[i].name_bytes;
        if (shared[i] > size || shared[i] > (i ? (uint64_t)chunk->files[i - 1].name_bytes : 0)) return 0;
        if (shared[i] < size) left[n++] = (uint64_t)i;
    }
    for (int64_t place = 1; n; place++) {
        const uint8_t *bytes = take(in, (uint64_t)n);
        int64_t kept = 0;
        if (!bytes) return 0;
        for (int64_t k = 0; k < n; k++) {
            spikey_file *file = &chunk->files[left[k]];
            chunk->names[file->name - chunk->names + file->name_bytes - place] = (char)bytes[k];
            if (file->name_bytes - place > (int64_t)shared[left[k]]) left[kept++] = left[k];
        }
        n = kept;
    }
    for (int64_t i = 1; i < chunk->n_names; i++)
        memcpy(chunk->names + (chunk->files[i].name - chunk->names), chunk->files[i - 1].name, (size_t)shared[i]);
    return 1;
}

static int read_names(spikey_chunk *chunk, spikey_fields *table) {
    static const char other[] = "is an archive of other files, not of an array; decompress it instead";
    spikey_reader *in = &table->in;
    uint64_t n = take_uvarint(in, (uint64_t)left_in(in));
    if (chunk->is_chunk && (n < 1 || n > 2)) return fail(chunk, in->failed ? SPIKEY_DAMAGED : SPIKEY_NOT_A_CHUNK, other);
    if (n > (uint64_t)chunk->limits.memory / ENTRY)
        return fail(chunk, SPIKEY_BEYOND_MEMORY, "the number of its files exceeds the memory limit");
    chunk->n_files = chunk->n_names = (int64_t)n;
    chunk->files = spikey_room(chunk->n_files, sizeof *chunk->files);
    uint64_t *shared = spikey_room(3 * chunk->n_names, sizeof *shared), *sizes = shared ? shared + n : 0;
    int64_t bytes = 0;
    int error = shared && chunk->files ? SPIKEY_OK : SPIKEY_NO_MEMORY;
    if (!error) {
        spikey_take_column(in, chunk->n_names, MAX_NAME, shared);
        spikey_take_column(in, chunk->n_names, MAX_NAME, sizes);
        for (uint64_t i = 0; i < n; i++) bytes += (int64_t)sizes[i] + 1;
        if (bytes > chunk->limits.memory / 8) error = fail(chunk, SPIKEY_BEYOND_MEMORY, "its names exceed the memory limit");
        else if (!(chunk->names = spikey_room(bytes, 1))) error = SPIKEY_NO_MEMORY;
    }
    if (!error) {
        char *at = chunk->names;
        for (uint64_t i = 0; i < n; i++) {
            chunk->files[i].name = at;
            chunk->files[i].name_bytes = (int64_t)sizes[i];
            at += sizes[i] + 1;
        }
        int fits = take_names(chunk, in, shared, sizes + n) && !in->failed && !left_in(in);
        for (uint64_t i = 0; i < n && fits; i++) fits = is_utf8(chunk->files[i].name, chunk->files[i].name_bytes);
        if (!fits) error = fail(chunk, SPIKEY_DAMAGED, "the table of names is malformed");
        else if (chunk->is_chunk && !check_names(chunk)) error = fail(chunk, SPIKEY_NOT_A_CHUNK, other);
    }
    free(shared);
    return error;
}

static double take_float64(spikey_reader *in) {
    uint64_t bits = take_number(in, 8);
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static int is_moderate(double number, int kind) {
    double size = number < 0 ? -number : number;
    const int is_float32 = kind >= SPIKEY_SCALE_MULTIPLY32 && kind <= SPIKEY_SCALE_RATIO32;
    return size >= 0x1p-60 && size <= 0x1p60 && (!is_float32 || (double)(float)number == number);
}

static int take_scaling(spikey_reader *in, int type, spikey_scaling *scaling) {
    uint64_t kind = take_number(in, 1);
    int is_float = type == SPIKEY_SAMPLE_FLOAT32 || type == SPIKEY_SAMPLE_FLOAT64;
    if (kind > SPIKEY_SCALE_UPPER_BITS || is_float != (kind != SPIKEY_SCALE_INTEGER)) return 0;
    scaling->kind = (spikey_scaling_kind)kind;
    if (!is_float) {
        const int64_t most = (int64_t)1 << 62;
        scaling->base = take_zigzag(in, MAX_NUMBER);
        scaling->step = (int64_t)take_uvarint(in, MAX_NUMBER);
        return !in->failed && scaling->step >= 1 && scaling->step < most && scaling->base > -most && scaling->base < most;
    }
    scaling->gain = take_float64(in);
    scaling->offset = take_float64(in);
    const int is_twice = kind == SPIKEY_SCALE_TWICE || kind == SPIKEY_SCALE_TWICE32;
    const int is_ratio = kind == SPIKEY_SCALE_RATIO || kind == SPIKEY_SCALE_RATIO32;
    if (kind == SPIKEY_SCALE_UPPER_BITS) {
        int exponent;
        const double mantissa = frexp(scaling->gain, &exponent);
        return !in->failed && mantissa == 0.5 && exponent > -100 && exponent <= 101 && scaling->offset == 0;
    }
    if (in->failed || !is_moderate(scaling->gain, (int)kind)) return 0;
    if (scaling->offset == 0) return !is_twice && !is_ratio;
    return is_moderate(scaling->offset, (int)kind) && (!is_twice || is_moderate(scaling->gain * scaling->offset, 0)) &&
           (!is_ratio || is_moderate(scaling->gain / scaling->offset, 0));
}

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
        int64_t offset = take_zigzag(in, 1 << 26), step = (int64_t)take_uvarint(in, SPIKEY_MAX_SIZE);
        int64_t size = (int64_t)take_uvarint(in, SPIKEY_MAX_SIZE);
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
        int64_t a = (int64_t)take_uvarint(in, (uint64_t)MAX_RESIDUES * MAX_DENOMINATOR), b = (int64_t)take_uvarint(in, MAX_DENOMINATOR);
        int64_t shift = take_zigzag(in, (uint64_t)1 << 47), points = (int64_t)take_uvarint(in, SPIKEY_MAX_SIZE);
        if (in->failed || b < 1 || a <= b || a >= MAX_RESIDUES * b || points < 1) return 0;
        int64_t residues = (a + b - 1) / b;
        channel->numerator = a, channel->denominator = b, channel->shift = shift;
        channel->size = (int32_t)points, channel->residues = (int32_t)residues;
        return points * residues <= SPIKEY_MAX_SIZE && point_of(channel, 0) >= lowest &&
               point_of(channel, points - 1) <= highest;
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

/* Room for more things of `size` bytes than there are, of zeros; NULL if there is no memory, and `old` is as it was. */
static void *grown(void *old, int64_t n, int64_t room, size_t size) {
    void *memory = spikey_room(room, size);
    if (!memory) return 0;
    if (n) memcpy(memory, old, (size_t)n * size);
    free(old);
    return memory;
}

/* Room for the channels of one more file. */
static int add_channels(spikey_chunk *chunk, int64_t index) {
    spikey_file *file = &chunk->files[index];
    const int64_t n = chunk->n_channels + file->channels;
    if (n > chunk->limits.memory / ENTRY)
        return fail(chunk, SPIKEY_BEYOND_MEMORY, "the number of its channels exceeds the memory limit");
    if (file->frames > INT64_MAX / 4 / file->frame_bytes)
        return fail(chunk, SPIKEY_TOO_LARGE, "its array is larger than any memory");
    if (n > chunk->channels_room) {
        const int64_t room = greatest(n, 2 * chunk->channels_room);
        spikey_channel *channels = grown(chunk->channels, chunk->n_channels, room, sizeof *channels);
        if (!channels) return SPIKEY_NO_MEMORY;
        chunk->channels = channels;
        chunk->channels_room = room;
    }
    file->first_channel = chunk->n_channels;
    for (int64_t i = chunk->n_channels; i < n; i++) chunk->channels[i].file = (int32_t)index;
    chunk->n_channels = n;
    return SPIKEY_OK;
}

/* The scalings and quantizers of a file or a group. */
static int read_samples(spikey_chunk *chunk, spikey_reader *in, int64_t index) {
    TRY(add_channels(chunk, index));
    spikey_file *file = &chunk->files[index];
    int type = file->type;
    spikey_channel *channels = chunk->channels + file->first_channel;
    file->integer_bytes = type;
    if (type >= SPIKEY_SAMPLE_INT32) {
        file->integer_bytes = (int)take_number(in, 1);
        int64_t n = (int64_t)take_uvarint(in, (uint64_t)file->channels);
        if (in->failed || file->integer_bytes < 2 || file->integer_bytes > 3 || (n != 1 && n != file->channels))
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
            if (in->failed || own > COPY || !take_quantizer(in, file->integer_bytes, channels, i, (spikey_quantizer_kind)own))
                return fail(chunk, SPIKEY_DAMAGED, malformed);
        }
        return SPIKEY_OK;
    }
    if (in->failed || kind > PALETTE || !take_quantizer(in, file->integer_bytes, channels, 0, (spikey_quantizer_kind)kind))
        return fail(chunk, SPIKEY_DAMAGED, malformed);
    for (int64_t i = 1; i < file->channels; i++) {
        channels[i].kind = channels[0].kind, channels[i].size = channels[0].size, channels[i].gaps = channels[0].gaps;
        channels[i].offset = channels[0].offset, channels[i].step = channels[0].step;
    }
    return SPIKEY_OK;
}

/* One more file or group, of zeros. */
static int add_file(spikey_chunk *chunk) {
    if (chunk->n_files >= chunk->limits.memory / ENTRY)
        return fail(chunk, SPIKEY_BEYOND_MEMORY, "the number of its files exceeds the memory limit");
    if (chunk->n_files == chunk->files_room) {
        const int64_t room = 2 * chunk->files_room + 2;
        spikey_file *files = grown(chunk->files, chunk->n_files, room, sizeof *files);
        if (!files) return SPIKEY_NO_MEMORY;
        chunk->files = files;
        chunk->files_room = room;
    }
    chunk->n_files++;
    return SPIKEY_OK;
}

/* The layout of a file of records, the last one, whose groups become the entries behind it. */
static int read_records(spikey_chunk *chunk, spikey_reader *in, int64_t *most_items) {
    static const char malformed[] = "the layout of the records is malformed";
    const int64_t index = chunk->n_files - 1;
    spikey_file *file = &chunk->files[index];
    file->header_bytes = (int64_t)take_uvarint(in, MAX_RECORD_HEADER);
    file->header = take(in, (uint64_t)file->header_bytes);
    file->trailer_bytes = (int64_t)take_uvarint(in, MAX_RECORD_HEADER);
    take(in, (uint64_t)file->trailer_bytes);
    const int64_t n_records = file->n_records = (int64_t)take_uvarint(in, MAX_FRAMES);
    const int64_t n_gaps = (int64_t)take_uvarint(in, 1024);
    int64_t record = 0;
    for (int64_t i = 0; i < n_gaps && !in->failed; i++) {
        const int64_t further = (int64_t)take_uvarint(in, MAX_FRAMES);
        const uint64_t size = take_uvarint(in, 1024);
        record += further;
        if (!take(in, size) || !size || !further || record >= n_records) return fail(chunk, SPIKEY_DAMAGED, malformed);
    }
    const int64_t n_groups = (int64_t)take_uvarint(in, 1024), first = index + 1;
    if (in->failed || n_records < 1) return fail(chunk, SPIKEY_DAMAGED, malformed);
    for (int64_t i = 0; i < n_groups; i++) TRY(add_file(chunk));
    spikey_file *groups = chunk->files + first;
    file = &chunk->files[index];
    for (int64_t i = 0; i < n_groups; i++) {
        spikey_file *group = &groups[i];
        group->name = file->name, group->name_bytes = file->name_bytes;
        group->is_group = 1;
        group->n_records = n_records;
        group->type = (int)take_uvarint(in, 9);
        group->rate = (int64_t)take_uvarint(in, UINT32_MAX);
        group->unit = (int64_t)take_uvarint(in, MAX_RECORD);
        if (take_number(in, 1) > 3 || in->failed || !group->type || !group->unit) return fail(chunk, SPIKEY_DAMAGED, malformed);
    }
    const int64_t n_fields = (int64_t)take_uvarint(in, 65536);
    int64_t record_bytes = 0, n_kept = 0;
    if (*most_items < n_gaps + n_groups + n_fields)
        return fail(chunk, SPIKEY_BEYOND_MEMORY, "the number of its fields exceeds the memory limit");
    *most_items -= n_gaps + n_groups + n_fields;
    file->unit = 0;
    for (int64_t i = 0; i < n_fields && !in->failed; i++) {
        spikey_file *group = groups + take_uvarint(in, (uint64_t)n_groups) - 1;
        if (group < groups) {
            file->kept_type = (int)take_uvarint(in, FLOAT64_NUMBERS);
            file->per_record = (int64_t)take_uvarint(in, MAX_RECORD);
            const int size = file->kept_type == FLOAT64_NUMBERS ? 8 : file->kept_type;
            n_kept++;
            file->unit += size * file->per_record;
            record_bytes += size * file->per_record;
            if ((size != 1 && size != 2 && size != 4 && size != 8) || !file->per_record) return fail(chunk, SPIKEY_DAMAGED, malformed);
        } else {
            const int64_t channels = (int64_t)take_uvarint(in, 65535);
            take_uvarint(in, 1);
            group->channels += channels;
            record_bytes += channels * group->unit * SAMPLE_BYTES[group->type];
            if (!channels || group->channels > 65535) return fail(chunk, SPIKEY_DAMAGED, malformed);
        }
        if (record_bytes > MAX_RECORD) return fail(chunk, SPIKEY_DAMAGED, malformed);
    }
    if (in->failed || record_bytes < 1 || n_records > (int64_t)MAX_FRAMES / record_bytes) return fail(chunk, SPIKEY_DAMAGED, malformed);
    if (n_kept != 1 || n_fields > 1) file->kept_type = -1;
    file->frames = n_records * file->unit;
    for (int64_t i = 0; i < n_groups; i++) {
        if (!groups[i].channels) return fail(chunk, SPIKEY_DAMAGED, malformed);
        groups[i].frames = n_records * groups[i].unit;
        groups[i].frame_bytes = groups[i].channels * SAMPLE_BYTES[groups[i].type];
        TRY(read_samples(chunk, in, first + i));
    }
    return SPIKEY_OK;
}

/* Headers or trailers; those of length 0 are as the ones before. */
static void take_repeated(spikey_chunk *chunk, spikey_reader *in, int64_t n_layouts, uint64_t *sizes, int is_header) {
    const uint8_t *last = 0;
    int64_t size = 0, k = 0;
    spikey_take_column(in, n_layouts, MAX_HEADER + 1, sizes);
    for (int64_t i = 0; i < chunk->n_names; i++) {
        spikey_file *file = &chunk->files[i];
        if (!is_sampled(file)) continue;
        if (sizes[k]) {
            size = (int64_t)sizes[k] - 1;
            last = take(in, (uint64_t)size);
        }
        k++;
        if (is_header) file->header = last, file->header_bytes = size;
        else file->trailer_bytes = size;
    }
}

static int read_layouts(spikey_chunk *chunk, spikey_fields *table, uint64_t *column) {
    static const char malformed[] = "the directory is malformed";
    spikey_reader *in = &table->in;
    int64_t n_plain = 0, n_layouts = 0, frames = 0, k = 0;
    spikey_take_column(in, chunk->n_names, RECORDS, column);
    for (int64_t i = 0; i < chunk->n_names; i++) {
        spikey_file *file = &chunk->files[i];
        file->type = (int)column[i];
        file->channels = file->frame_bytes = file->unit = 1;
        n_plain += file->type != RECORDS;
        n_layouts += is_sampled(file);
    }
    spikey_take_wide_column(table, n_plain, 2 * MAX_FRAMES, column);
    for (int64_t i = 0; i < chunk->n_names; i++) {
        if (chunk->files[i].type == RECORDS) continue;
        frames += unzigzag(column[k++]);
        if (frames < 0 || frames > (int64_t)MAX_FRAMES) return fail(chunk, SPIKEY_DAMAGED, "a file has too many frames");
        chunk->files[i].frames = frames;
    }
    for (int is_rate = 1; is_rate >= 0; is_rate--) {
        spikey_take_column(in, n_layouts, is_rate ? UINT32_MAX : 65535, column);
        k = 0;
        for (int64_t i = 0; i < chunk->n_names; i++) {
            spikey_file *file = &chunk->files[i];
            if (!is_sampled(file)) continue;
            if (is_rate) file->rate = (int64_t)column[k++];
            else file->channels = (int64_t)column[k++];
            file->frame_bytes = SAMPLE_BYTES[file->type] * file->channels;
            if (file->channels < 1) in->failed = 1;
        }
    }
    take_repeated(chunk, in, n_layouts, column, 1);
    take_repeated(chunk, in, n_layouts, column, 0);
    return in->failed ? fail(chunk, SPIKEY_DAMAGED, malformed) : SPIKEY_OK;
}

static int read_files(spikey_chunk *chunk, spikey_fields *table) {
    spikey_reader *in = &table->in;
    take(in, take_uvarint(in, 1 << 20)); /* an embedded model */
    uint64_t *column = spikey_room(chunk->n_names, sizeof *column);
    int error = column ? read_layouts(chunk, table, column) : SPIKEY_NO_MEMORY;
    free(column);
    int64_t most_items = chunk->limits.memory / ENTRY;
    spikey_file *named = chunk->files;
    chunk->files = 0;
    chunk->n_files = 0;
    for (int64_t i = 0; i < chunk->n_names && !error; i++) {
        if ((error = add_file(chunk))) break;
        chunk->files[chunk->n_files - 1] = named[i];
        if (named[i].type == RECORDS) error = read_records(chunk, in, &most_items);
        else if (named[i].type) error = read_samples(chunk, in, chunk->n_files - 1);
    }
    free(named);
    return error;
}

int spikey_read_directory(spikey_chunk *chunk, const uint8_t *from, int64_t n) {
    int64_t most = least(chunk->limits.memory / 8, 64 << 20);
    spikey_fields names;
    TRY(spikey_open_table(chunk, from, n, most, &names));
    int error = read_names(chunk, &names);
    if (!error && !chunk->is_chunk && left_in(&names.tail) < 1) error = fail(chunk, SPIKEY_DAMAGED, "the directory is cut off");
    spikey_reader rest = names.tail;
    spikey_close_table(&names);
    TRY(error);
    TRY(spikey_open_table(chunk, rest.at, left_in(&rest), most, &chunk->directory));
    TRY(read_files(chunk, &chunk->directory));
    TRY(spikey_read_topology(chunk, &chunk->directory));
    if (chunk->directory.in.failed || left_in(&chunk->directory.in) || left_in(&chunk->directory.tail))
        return fail(chunk, SPIKEY_DAMAGED, "the directory has another size than its contents");
    return SPIKEY_OK;
}
