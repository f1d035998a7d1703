/* Samples of a part: to codes, from codes to streams, or as they are. */

#include "encoder.h"

enum { PACKED, CODED, SPLIT = 6, FRAMES = 9, ENTRY_BYTES = 5 };

/* The number of the last point of a lattice up to x, and that point. */
static int64_t floor_of(int64_t x, int64_t y) { return x / y - (x % y < 0); }

int64_t spikey_number_of(const spikey_channel *lattice, int64_t x) {
    return floor_of((2 * x + 1) * lattice->denominator - 2 * lattice->shift - 1, 2 * lattice->numerator);
}

int64_t spikey_point_of(const spikey_channel *lattice, int64_t k) {
    return floor_of(2 * (lattice->numerator * k + lattice->shift) + lattice->denominator, 2 * lattice->denominator);
}

/* Codes of values in a table. */
static int table_codes(const spikey_channel *channel, int64_t n, int32_t *codes) {
    const int32_t low = channel->kind == N1 ? -0x8000 : channel->values[0];
    const int64_t span = channel->kind == N1 ? 1 << 16 : (int64_t)channel->values[channel->size - 1] - low + 1;
    int16_t *code_of = spikey_room(span, sizeof *code_of);
    if (!code_of) return SPIKEY_NO_MEMORY;
    for (int32_t i = 0; i < channel->size; i++)
        code_of[(channel->kind == N1 ? (65535 * i - 1023 * 32768) / 1023 : channel->values[i]) - low] = (int16_t)(i + 1);
    int are_found = spikey_table_codes(codes, SPIKEY_INT32, n, low, code_of, span, codes);
    free(code_of);
    return are_found ? SPIKEY_OK : SPIKEY_BAD_CODE;
}

/* Make codes of a channel's integers, and residues of those on a lattice. */
static int make_codes(const spikey_channel *channel, int64_t n, int32_t *codes, int32_t *residues) {
    switch (channel->kind) {
    case N1:
    case PALETTE: return table_codes(channel, n, codes);
    case COPY: memset(codes, 0, (size_t)n * sizeof *codes); return SPIKEY_OK;
    case LATTICE:
        for (int64_t i = 0; i < n; i++) {
            int64_t k = spikey_number_of(channel, codes[i]);
            residues[i] = (int32_t)(codes[i] - spikey_point_of(channel, k));
            codes[i] = (int32_t)k;
            if (k < 0 || k >= channel->size) return SPIKEY_BAD_CODE;
        }
        return SPIKEY_OK;
    default:
        return spikey_uniform_codes(codes, SPIKEY_INT32, n, channel->offset, channel->step, channel->size, codes) ? SPIKEY_OK
                                                                                                                 : SPIKEY_BAD_CODE;
    }
}

/* Append a stream of codes, packed if they are not coded. Returns the method. */
static int put_stream(const spikey_coded *coded, int64_t frames, spikey_writer *out) {
    if (coded->is_coded) {
        put_bytes(out, coded->bytes, coded->n);
        return CODED;
    }
    const int width = spikey_code_width(coded->size);
    const int64_t n = coded->size > 1 ? (frames * width + 7) / 8 : 0;
    uint8_t *to = put_room(out, n);
    if (to && n) spikey_pack(coded->codes, frames, width, to);
    return PACKED;
}

/* Append the streams of a lattice's points and residues as one. */
static int put_split(const spikey_coded *points, const spikey_coded *residues, int64_t frames, spikey_writer *out) {
    spikey_writer own = {0};
    put_number(out, (uint64_t)put_stream(points, frames, &own), 1);
    put_uvarint(out, (uint64_t)own.n);
    put_bytes(out, own.bytes, own.n);
    out->failed |= own.failed;
    own.n = 0;
    put_number(out, (uint64_t)put_stream(residues, frames, &own), 1);
    put_bytes(out, own.bytes, own.n);
    out->failed |= own.failed;
    free(own.bytes);
    return SPLIT;
}

static void put_streams(const spikey_encoder *of, const spikey_coded *coded, int64_t first, int64_t frames,
                        spikey_coded_stream *listed, int64_t *n_listed, spikey_writer *out) {
    const spikey_source *source = &of->source;
    const int64_t channels = source->channels, begin = out->n, bytes = frames * channels * source->sample_bytes;
    for (int64_t i = 0, n = channels; i < channels; i++) {
        int64_t at = out->n;
        int is_split = of->chunk.channels[i].kind == LATTICE;
        listed[i].method = is_split ? put_split(&coded[i], &coded[n++], frames, out) : put_stream(&coded[i], frames, out);
        listed[i].n = out->n - at;
    }
    *n_listed = channels;
    if (out->failed || out->n - begin + ENTRY_BYTES * channels <= ENTRY_BYTES + bytes) return;
    out->n = begin;
    uint8_t *to = put_room(out, bytes);
    if (to) spikey_read_frames(source, first, frames, to);
    listed[0] = (spikey_coded_stream){FRAMES, bytes};
    *n_listed = 1;
}

int spikey_encode_samples(spikey_encoder *of, int64_t first, int64_t frames, int64_t steps, spikey_coded_stream *listed,
                          int64_t *n_listed, spikey_writer *streams) {
    const int64_t channels = of->source.channels;
    const spikey_span part = {0, first, frames};
    spikey_coded *coded = 0;
    int64_t n_coded = 0;
    int error = spikey_join(&of->chunk, &part, 1, &coded, &n_coded);
    int32_t *codes = error ? 0 : spikey_room(n_coded * frames, sizeof *codes);
    if (!error && !codes) error = SPIKEY_NO_MEMORY;
    for (int64_t i = 0; i < n_coded && !error; i++) coded[i].codes = codes + i * frames;
    if (!error) spikey_read_integers(&of->source, first, frames, 0, channels, frames, codes);
    for (int64_t i = 0; i < channels && !error; i++) {
        spikey_coded *residues = &coded[coded[i].residues];
        residues->is_coded = residues->size > 1;
        coded[i].is_coded = coded[i].size > 1;
        error = make_codes(coded[i].channel, frames, coded[i].codes, residues->codes);
    }
    if (!error) error = spikey_encode_channels(&of->chunk, steps, coded, n_coded, codes, n_coded * frames);
    if (!error) put_streams(of, coded, first, frames, listed, n_listed, streams);
    for (int64_t i = 0; coded && i < n_coded; i++) free((void *)coded[i].bytes);
    free(coded), free(codes);
    return error == SPIKEY_BAD_CODE ? fail(&of->chunk, SPIKEY_BAD_ARGUMENT, "the array changed while it was encoded")
           : streams->failed        ? SPIKEY_NO_MEMORY
                                    : error;
}
