/* Samples of a part: from streams to codes, from codes to the values of quantizers, and from these to samples. */

#include <stdlib.h>
#include <string.h>

#include "archive.h"

enum { PACKED, CODED, STORED, XZ, ESCAPED_PACKED, ESCAPED_CODED, SPLIT, ESCAPED_SPLIT, NUMBERS, FRAMES };

static const char DAMAGED[] = "a stream is damaged";

/* Take a packed stream, or note a coded one. */
static int open_stream(spikey_coded *coded, int method, const uint8_t *bytes, int64_t n, int64_t frames) {
    if (method == CODED) {
        coded->bytes = bytes;
        coded->n = n;
        coded->is_coded = 1;
        return n > 0 && coded->size > 1;
    }
    if (method != PACKED) return 0;
    int width = spikey_code_width(coded->size);
    if (n != (coded->size > 1 ? (frames * width + 7) / 8 : 0)) return 0;
    return coded->size == 1 || spikey_unpack(bytes, frames, width, coded->size, coded->codes);
}

/* The stream of a channel without its escaped samples, which are left in `escapes`. */
static int open_channel(const spikey_channel *channel, int is_scaled, const spikey_stream *stream, int64_t frames,
                        spikey_coded *points, spikey_coded *residues, spikey_stream *escapes) {
    int method = stream->method;
    spikey_reader in = reader_of(stream->bytes, stream->n);
    if (method == ESCAPED_PACKED || method == ESCAPED_CODED || method == ESCAPED_SPLIT) {
        if (!is_scaled) return 0;
        escapes->n = (int64_t)take_uvarint(&in, INT64_MAX);
        escapes->bytes = take(&in, (uint64_t)escapes->n);
        method = method == ESCAPED_SPLIT ? SPLIT : method - ESCAPED_PACKED;
        if (in.failed) return 0;
    }
    if (channel->kind != LATTICE) return open_stream(points, method, in.at, left_in(&in), frames);
    if (method != SPLIT) return 0;
    int of_points = (int)take_number(&in, 1);
    uint64_t n = take_uvarint(&in, INT64_MAX);
    const uint8_t *bytes = take(&in, n);
    int of_residues = (int)take_number(&in, 1);
    return !in.failed && open_stream(points, of_points, bytes, (int64_t)n, frames) &&
           open_stream(residues, of_residues, in.at, left_in(&in), frames);
}

/* Values that stand in a table: those of n1 and of palettes. */
static void fill_values(const spikey_chunk *chunk, const spikey_channel *channel, int32_t *values) {
    if (channel->kind == N1)
        for (int32_t i = 0; i < 1024; i++) values[i] = (65535 * i - 1023 * 32768) / 1023;
    if (channel->kind != PALETTE) return;
    spikey_reader in = {channel->gaps, chunk->directory.in.end, 0};
    values[0] = channel->offset;
    for (int32_t i = 1; i < channel->size; i++) values[i] = values[i - 1] + 1 + (int32_t)take_uvarint(&in, INT32_MAX);
}

/* Values of the quantizer of a channel that is no copy. */
static void values_of(const spikey_channel *channel, const int32_t *table, const int32_t *codes, const int32_t *residues,
                      int64_t n, int32_t *values) {
    if (channel->kind == N1 || channel->kind == PALETTE) {
        spikey_table_samples(codes, n, table, channel->size, SPIKEY_INT32, values);
    } else if (channel->kind == LATTICE) {
        const int64_t a = channel->numerator, b = channel->denominator;
        for (int64_t i = 0; i < n; i++) {
            int64_t doubled = 2 * (a * codes[i] + channel->shift) + b, point = doubled / (2 * b);
            values[i] = (int32_t)(point - (point * 2 * b > doubled)) + residues[i];
        }
    } else {
        spikey_uniform_samples(codes, n, channel->offset, channel->step, channel->size, SPIKEY_INT32, values);
    }
}

/* Write samples of `size` bytes, little-endian, each in `stride` bytes: the values, or what was scaled of them. */
#define SCATTER(T, bytes) \
    for (int64_t i = 0; i < n; i++) put_little(out + i * stride, (uint64_t)((const T *)from)[i], bytes);

static void scatter(const void *from, int is_scaled, int64_t n, int size, int64_t stride, uint8_t *out) {
    switch (size + is_scaled) {
    case 1: SCATTER(int32_t, 1) break;
    case 2: SCATTER(int32_t, 2) break;
    case 3: SCATTER(uint16_t, 2) break;
    case 5: SCATTER(uint32_t, 4) break;
    default: SCATTER(uint64_t, 8) break;
    }
}

/* Samples of all channels, from their codes. */
static int write_samples(spikey_chunk *chunk, const spikey_file *file, int64_t frames, const spikey_coded *coded, uint8_t *out) {
    const int size = (int)(file->frame_bytes / file->channels), is_scaled = file->type >= SPIKEY_SAMPLE_INT32;
    const spikey_channel *table_of = 0; /* whose values are in the table */
    int64_t samples[TILE];
    int32_t values[TILE], table[MAX_PALETTE];
    int32_t *residues = spikey_room(file->channels, sizeof *residues); /* their positions in `coded` */
    if (!residues) return SPIKEY_NO_MEMORY;
    for (int64_t i = 0, n = file->channels; i < file->channels; i++)
        if (chunk->channels[i].kind == LATTICE) residues[i] = (int32_t)n++;
    for (int64_t first = 0; first < frames; first += TILE) {
        int64_t n = least(TILE, frames - first);
        for (int64_t i = 0; i < file->channels; i++) {
            const spikey_channel *channel = &chunk->channels[i];
            int64_t source = channel->kind == COPY ? channel->source : i;
            const spikey_channel *own = &chunk->channels[source];
            if (!table_of || own->kind != table_of->kind || own->gaps != table_of->gaps) {
                fill_values(chunk, own, table);
                table_of = own;
            }
            values_of(own, table, coded[source].codes + first, coded[residues[source]].codes + first, n, values);
            for (int64_t k = 0; channel->kind == COPY && k < n; k++) {
                uint32_t value = (uint32_t)values[k];
                values[k] = (int32_t)((channel->is_negated ? 0 - value : value) + (uint32_t)channel->offset);
            }
            uint8_t *to = out + first * file->frame_bytes + i * size;
            if (is_scaled) {
                spikey_scaled(values, n, &channel->scaling, (spikey_scaled_type)file->type, samples);
                scatter(samples, 1, n, size, file->frame_bytes, to);
            } else {
                scatter(values, 0, n, size, file->frame_bytes, to);
            }
        }
    }
    free(residues);
    return SPIKEY_OK;
}

/* Overwrite the escaped samples of a channel. */
static int write_escapes(spikey_chunk *chunk, const spikey_stream *escapes, int64_t frames, int64_t stride, int size, uint8_t *out) {
    spikey_inflated listed;
    const int64_t run_bytes = 8 + size;
    int error = spikey_inflate(escapes->bytes, escapes->n, 0, 0, frames * run_bytes, &listed);
    if (error) return fail(chunk, error == SPIKEY_NO_MEMORY ? error : SPIKEY_DAMAGED, DAMAGED);
    int64_t runs = listed.n / run_bytes, at = 0;
    int is_whole = listed.n % run_bytes == 0 && runs > 0 && listed.used == escapes->n;
    for (int64_t i = 0; is_whole && i < runs; i++) {
        const uint8_t *sample = listed.memory + 8 * runs + i * size;
        int64_t length = (int64_t)get_little(listed.memory + 4 * (runs + i), 4);
        at += (int64_t)get_little(listed.memory + 4 * i, 4);
        is_whole = length > 0 && length <= frames - at;
        for (int64_t k = 0; is_whole && k < length; k++) memcpy(out + (at + k) * stride, sample, (size_t)size);
        at += length;
    }
    free(listed.memory);
    return is_whole ? SPIKEY_OK : fail(chunk, SPIKEY_DAMAGED, DAMAGED);
}

int spikey_decode_samples(spikey_chunk *chunk, int64_t frames, int64_t steps, const spikey_stream *streams, uint8_t *out) {
    const spikey_file *file = &chunk->files[chunk->array];
    const int size = (int)(file->frame_bytes / file->channels), is_scaled = file->type >= SPIKEY_SAMPLE_INT32;
    int64_t n_coded = file->channels;
    for (int64_t i = 0; i < file->channels; i++) n_coded += chunk->channels[i].kind == LATTICE;
    spikey_coded *coded = spikey_room(n_coded, sizeof *coded);
    spikey_stream *escapes = spikey_room(file->channels, sizeof *escapes);
    int32_t *codes = spikey_room(n_coded * frames, sizeof *codes);
    int error = coded && escapes && codes ? SPIKEY_OK : SPIKEY_NO_MEMORY, is_coded = 0;
    for (int64_t i = 0; i < n_coded && !error; i++) coded[i].codes = codes + i * frames;
    for (int64_t i = 0, n = file->channels; i < file->channels && !error; i++) {
        const spikey_channel *channel = &chunk->channels[i];
        spikey_coded *residues = &coded[channel->kind == LATTICE ? n++ : i];
        residues->size = channel->residues;
        coded[i].size = channel->size;
        if (!open_channel(channel, is_scaled, &streams[i], frames, &coded[i], residues, &escapes[i]))
            error = fail(chunk, SPIKEY_DAMAGED, DAMAGED);
        is_coded |= coded[i].is_coded || residues->is_coded;
    }
    if (!error && is_coded) error = spikey_decode_channels(chunk, frames, steps, coded, n_coded);
    if (!error) error = write_samples(chunk, file, frames, coded, out);
    for (int64_t i = 0; i < file->channels && !error; i++)
        if (escapes[i].bytes) error = write_escapes(chunk, &escapes[i], frames, file->frame_bytes, size, out + i * size);
    free(coded), free(escapes), free(codes);
    return error;
}

/* Whether a quantizer, which is none of a copy, has a value. */
static int has_value(const spikey_channel *channel, const int32_t *table, int64_t value) {
    if (channel->kind == N1 || channel->kind == PALETTE) {
        int32_t low = 0, high = channel->size - 1;
        while (low < high) {
            int32_t middle = (low + high) / 2;
            if (table[middle] < value) low = middle + 1;
            else high = middle;
        }
        return table[low] == value;
    }
    if (channel->kind == LATTICE) {
        int64_t doubled = (2 * value + 1) * channel->denominator - 2 * channel->shift - 1;
        return doubled >= 0 && doubled / (2 * channel->numerator) < channel->size;
    }
    value -= channel->offset;
    return value >= 0 && value % channel->step == 0 && value / channel->step < channel->size;
}

int spikey_copy_frames(spikey_chunk *chunk, int64_t frames, const uint8_t *from, uint8_t *out) {
    const spikey_file *file = &chunk->files[chunk->array];
    const int size = (int)(file->frame_bytes / file->channels), type = file->type, is_scaled = type >= SPIKEY_SAMPLE_INT32;
    const int32_t lowest = chunk->integer_bytes == 2 ? -0x8000 : -0x800000;
    int32_t table[MAX_PALETTE];
    const spikey_channel *table_of = 0;
    memcpy(out, from, (size_t)(frames * file->frame_bytes));
    for (int64_t i = 0; i < file->channels; i++) {
        const spikey_channel *channel = &chunk->channels[i];
        if (!table_of || channel->kind != table_of->kind || channel->gaps != table_of->gaps) fill_values(chunk, channel, table);
        table_of = channel;
        for (int64_t k = 0; k < frames; k++) {
            const uint8_t *sample = from + k * file->frame_bytes;
            uint64_t bits = get_little(sample + i * size, size);
            int32_t value = type == 1 ? (int32_t)bits : (int16_t)bits;
            if (is_scaled) {
                uint32_t narrow = (uint32_t)bits;
                uint16_t narrower = (uint16_t)bits;
                const void *native = size == 2 ? (const void *)&narrower : size == 4 ? (const void *)&narrow : &bits;
                spikey_unscaled(native, (spikey_scaled_type)type, 1, &channel->scaling, lowest, -1 - lowest, &value);
                if (value == SPIKEY_NO_INTEGER || channel->kind == COPY) continue; /* escaped, or a copy of what may be */
            }
            if (channel->kind == COPY) {
                bits = get_little(sample + channel->source * size, size);
                int32_t source = type == 1 ? (int32_t)bits : (int16_t)bits;
                if (value == (channel->is_negated ? -source : source) + channel->offset) continue;
            } else if (has_value(channel, table, value)) continue;
            return fail(chunk, SPIKEY_DAMAGED, "a part in frames has a sample that its quantizer has not");
        }
    }
    return SPIKEY_OK;
}
