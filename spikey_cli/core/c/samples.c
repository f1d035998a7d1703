/* Samples of a part: from streams to codes, from codes to the values of quantizers, and from these to samples. */

#include <stdlib.h>
#include <string.h>

#include "archive.h"

static const char DAMAGED[] = "a stream is damaged";

/* Take a packed stream, or note a coded one. */
static int open_stream(spikey_coded *coded, int method, const uint8_t *bytes, int64_t n) {
    if (method == CODED) {
        coded->bytes = bytes;
        coded->n = n;
        coded->is_coded = 1;
        return n > 0 && coded->size > 1;
    }
    if (method != PACKED) return 0;
    int width = spikey_code_width(coded->size);
    if (n != (coded->size > 1 ? (coded->frames * width + 7) / 8 : 0)) return 0;
    return coded->size == 1 || spikey_unpack(bytes, coded->frames, width, coded->size, coded->codes);
}

int spikey_open_stream(spikey_coded *coded, int64_t position, int is_scaled, const spikey_stream *stream,
                       spikey_stream *escapes) {
    spikey_coded *own = &coded[position];
    int method = stream->method;
    spikey_reader in = reader_of(stream->bytes, stream->n);
    if (method == ESCAPED_PACKED || method == ESCAPED_CODED || method == ESCAPED_SPLIT) {
        if (!is_scaled) return 0;
        escapes->n = (int64_t)take_uvarint(&in, INT64_MAX);
        escapes->bytes = take(&in, (uint64_t)escapes->n);
        method = method == ESCAPED_SPLIT ? SPLIT : method - ESCAPED_PACKED;
        if (in.failed) return 0;
    }
    if (is_scaled && own->channel->scaling.kind == SPIKEY_SCALE_UPPER_BITS) {
        uint64_t n = take_uvarint(&in, INT64_MAX);
        const uint8_t *bytes = take(&in, n);
        if (in.failed) return 0;
        own->low = (spikey_low_bits){.at = bytes, .end = bytes + n};
    }
    if (own->channel->kind != LATTICE) return open_stream(own, method, in.at, left_in(&in));
    if (method != SPLIT) return 0;
    int of_points = (int)take_number(&in, 1);
    uint64_t n = take_uvarint(&in, INT64_MAX);
    const uint8_t *bytes = take(&in, n);
    int of_residues = (int)take_number(&in, 1);
    return !in.failed && open_stream(own, of_points, bytes, (int64_t)n) &&
           open_stream(&coded[own->residues], of_residues, in.at, left_in(&in));
}

/* Values that stand in a table: those of n1 and of palettes. */
static void fill_values(const spikey_chunk *chunk, const spikey_channel *channel, int32_t *values) {
    if (channel->kind == N1)
        for (int32_t i = 0; i < 1024; i++) values[i] = n1_value(i);
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
        for (int64_t i = 0; i < n; i++) values[i] = (int32_t)point_of(channel, codes[i]) + residues[i];
    } else {
        spikey_uniform_samples(codes, n, channel->offset, channel->step, channel->size, SPIKEY_INT32, values);
    }
}

/* Write samples of `size` bytes, little-endian, each in `stride` bytes: the values, or what was scaled of them. */
#define SCATTER(T, bytes) \
    for (int64_t i = 0; i < n; i++) put_little(out + i * stride, (uint64_t)((const T *)from)[i], bytes);

static void scatter(const void *from, int is_scaled, int64_t n, int size, int64_t stride, uint8_t *out) {
    switch (size + 8 * is_scaled) {
    case 1: SCATTER(int32_t, 1) break;
    case 2: SCATTER(int32_t, 2) break;
    case 3: SCATTER(int32_t, 3) break;
    case 10: SCATTER(uint16_t, 2) break;
    case 12: SCATTER(uint32_t, 4) break;
    default: SCATTER(uint64_t, 8) break;
    }
}

/* Add low bits to some samples. Returns whether there are as many as there should. */
static int add_low_bits(spikey_low_bits *in, const int32_t *values, int64_t n, spikey_scaled_type type, void *samples) {
    uint64_t low[TILE];
    if (!spikey_take_low_bits(in, values, n, type, low)) return 0;
    for (int64_t i = 0; i < n && type == SPIKEY_SAMPLE_FLOAT32; i++) ((uint32_t *)samples)[i] += (uint32_t)low[i];
    for (int64_t i = 0; i < n && type == SPIKEY_SAMPLE_FLOAT64; i++) ((uint64_t *)samples)[i] += low[i];
    return 1;
}

/* Samples of all wanted channels, from their codes. Returns whether no stream is damaged. */
static int write_values(const spikey_chunk *chunk, const spikey_file *file, spikey_coded *coded, int64_t begin) {
    const int size = (int)(file->frame_bytes / file->channels), is_scaled = file->type >= SPIKEY_SAMPLE_INT32;
    const spikey_channel *table_of = 0; /* whose values are in the table */
    const int64_t frames = coded[begin].frames;
    int64_t samples[TILE];
    int32_t values[TILE], table[MAX_PALETTE];
    for (int64_t first = 0; first < frames; first += TILE) {
        int64_t n = least(TILE, frames - first);
        for (int64_t i = begin; i < begin + file->channels; i++) {
            const spikey_channel *channel = coded[i].channel;
            const spikey_coded *source = &coded[channel->kind == COPY ? begin + channel->source : i];
            const spikey_channel *own = source->channel;
            if (!coded[i].to) continue;
            if (!table_of || own->kind != table_of->kind || own->gaps != table_of->gaps) {
                fill_values(chunk, own, table);
                table_of = own;
            }
            values_of(own, table, source->codes + first, coded[source->residues].codes + first, n, values);
            for (int64_t k = 0; channel->kind == COPY && k < n; k++) {
                uint32_t value = (uint32_t)values[k];
                values[k] = (int32_t)((channel->is_negated ? 0 - value : value) + (uint32_t)channel->offset);
            }
            uint8_t *to = coded[i].to + first * coded[i].stride;
            if (is_scaled) {
                spikey_scaled(values, n, &channel->scaling, (spikey_scaled_type)file->type, samples);
                if (channel->scaling.kind == SPIKEY_SCALE_UPPER_BITS &&
                    !add_low_bits(&coded[i].low, values, n, (spikey_scaled_type)file->type, samples))
                    return 0;
                scatter(samples, 1, n, size, coded[i].stride, to);
            } else {
                scatter(values, 0, n, size, coded[i].stride, to);
            }
        }
    }
    for (int64_t i = begin; is_scaled && i < begin + file->channels; i++)
        if (coded[i].to && coded[i].channel->scaling.kind == SPIKEY_SCALE_UPPER_BITS && !spikey_ends_low_bits(&coded[i].low)) return 0;
    return 1;
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

int spikey_write_samples(spikey_chunk *chunk, const spikey_file *file, spikey_coded *coded, int64_t first,
                         const spikey_stream *escapes) {
    const int size = (int)(file->frame_bytes / file->channels);
    if (!write_values(chunk, file, coded, first)) return fail(chunk, SPIKEY_DAMAGED, DAMAGED);
    for (int64_t i = 0; i < file->channels; i++) {
        const spikey_coded *own = &coded[first + i];
        if (own->to && escapes[i].bytes) TRY(write_escapes(chunk, &escapes[i], own->frames, own->stride, size, own->to));
    }
    return SPIKEY_OK;
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
        const int64_t number = number_of(channel, value);
        return number >= 0 && number < channel->size;
    }
    value -= channel->offset;
    return value >= 0 && value % channel->step == 0 && value / channel->step < channel->size;
}

/* The value of an unscaled sample of type 1 to 3. */
static int32_t value_of_bits(uint64_t bits, int type) {
    return type == 1 ? (int32_t)bits : type == 2 ? (int16_t)bits : (int32_t)((bits ^ 0x800000) & 0xFFFFFF) - 0x800000;
}

int spikey_copy_frames(spikey_chunk *chunk, const spikey_file *file, const spikey_coded *coded, int64_t first,
                       const uint8_t *from) {
    const int size = (int)(file->frame_bytes / file->channels), type = file->type, is_scaled = type >= SPIKEY_SAMPLE_INT32;
    const int32_t lowest = file->integer_bytes == 2 ? -0x8000 : -0x800000;
    const int64_t frames = coded[first].frames;
    int32_t table[MAX_PALETTE];
    const spikey_channel *table_of = 0;
    for (int64_t i = 0; i < file->channels; i++) {
        const spikey_channel *channel = coded[first + i].channel;
        if (!table_of || channel->kind != table_of->kind || channel->gaps != table_of->gaps) fill_values(chunk, channel, table);
        table_of = channel;
        for (int64_t k = 0; k < frames; k++) {
            const uint8_t *sample = from + k * file->frame_bytes;
            if (coded[first + i].to) memcpy(coded[first + i].to + k * coded[first + i].stride, sample + i * size, (size_t)size);
            uint64_t bits = get_little(sample + i * size, size);
            int32_t value = is_scaled ? 0 : value_of_bits(bits, type);
            if (is_scaled) {
                uint32_t narrow = (uint32_t)bits;
                uint16_t narrower = (uint16_t)bits;
                const void *native = size == 2 ? (const void *)&narrower : size == 4 ? (const void *)&narrow : &bits;
                spikey_unscaled(native, (spikey_scaled_type)type, 1, &channel->scaling, lowest, -1 - lowest, &value);
                if (value == SPIKEY_NO_INTEGER || channel->kind == COPY) continue; /* escaped, or a copy of what may be */
            }
            if (channel->kind == COPY) {
                int32_t source = value_of_bits(get_little(sample + channel->source * size, size), type);
                if (value == (channel->is_negated ? -source : source) + channel->offset) continue;
            } else if (has_value(channel, table, value)) continue;
            return fail(chunk, SPIKEY_DAMAGED, "a part in frames has a sample that its quantizer has not");
        }
    }
    return SPIKEY_OK;
}
