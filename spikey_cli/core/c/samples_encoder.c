/* Samples of a block: to codes, from codes to streams, or as they are. */

#include "encoder.h"

enum { ENTRY_BYTES = 5 };

/* Codes of values in a table. */
static int table_codes(const spikey_channel *channel, int64_t n, int32_t *codes) {
    const int32_t low = channel->kind == N1 ? -0x8000 : channel->values[0];
    const int64_t span = channel->kind == N1 ? 1 << 16 : (int64_t)channel->values[channel->size - 1] - low + 1;
    int16_t *code_of = spikey_room(span, sizeof *code_of);
    if (!code_of) return SPIKEY_NO_MEMORY;
    for (int32_t i = 0; i < channel->size; i++)
        code_of[(channel->kind == N1 ? n1_value(i) : channel->values[i]) - low] = (int16_t)(i + 1);
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
            int64_t k = number_of(channel, codes[i]);
            residues[i] = (int32_t)(codes[i] - point_of(channel, k));
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
static int put_stream(const spikey_coded *coded, spikey_writer *out) {
    if (coded->is_coded) {
        put_bytes(out, coded->bytes, coded->n);
        return CODED;
    }
    const int width = spikey_code_width(coded->size);
    const int64_t n = coded->size > 1 ? (coded->frames * width + 7) / 8 : 0;
    uint8_t *to = put_room(out, n);
    if (to && n) spikey_pack(coded->codes, coded->frames, width, to);
    return PACKED;
}

/* Append the streams of a lattice's points and residues as one. */
static int put_split(const spikey_coded *points, const spikey_coded *residues, spikey_writer *out) {
    spikey_writer own = {0};
    put_number(out, (uint64_t)put_stream(points, &own), 1);
    put_uvarint(out, (uint64_t)own.n);
    put_bytes(out, own.bytes, own.n);
    out->failed |= own.failed;
    own.n = 0;
    put_number(out, (uint64_t)put_stream(residues, &own), 1);
    put_bytes(out, own.bytes, own.n);
    out->failed |= own.failed;
    free(own.bytes);
    return SPLIT;
}

/* Append the streams of a part whose channels begin at coded[position], or its frames if these are shorter. Returns how many
 * streams there are. */
static int64_t put_part(const spikey_encoder *of, const spikey_span *part, const spikey_coded *coded, int64_t position,
                        spikey_coded_stream *listed, spikey_writer *out) {
    const spikey_source *source = &of->source;
    const int64_t channels = source->channels, begin = out->n, bytes = part->frames * channels * source->sample_bytes;
    for (int64_t i = 0; i < channels; i++) {
        const spikey_coded *own = &coded[position + i];
        int64_t at = out->n;
        listed[i].method = own->channel->kind == LATTICE ? put_split(own, &coded[own->residues], out) : put_stream(own, out);
        listed[i].n = out->n - at;
    }
    if (out->failed || out->n - begin + ENTRY_BYTES * channels <= ENTRY_BYTES + bytes) return channels;
    out->n = begin;
    uint8_t *to = put_room(out, bytes);
    if (to) spikey_read_frames(source, part->first, part->frames, to);
    listed[0] = (spikey_coded_stream){FRAMES, bytes};
    return 1;
}

int spikey_encode_block(spikey_encoder *of, const spikey_span *parts, int64_t n_parts, int64_t steps, int64_t *counts,
                        spikey_coded_stream *listed, spikey_writer *streams) {
    const int64_t channels = of->source.channels;
    spikey_coded *coded = 0;
    int64_t n_coded = 0, n_codes = 0, n = 0;
    int error = spikey_join(&of->chunk, parts, n_parts, &coded, &n_coded);
    for (int64_t i = 0; !error && i < n_coded; i++) n_codes += coded[i].frames;
    int32_t *codes = error ? 0 : spikey_room(n_codes, sizeof *codes);
    if (!error && !codes) error = SPIKEY_NO_MEMORY;
    for (int64_t i = 0, at = 0; !error && i < n_coded; at += coded[i++].frames) coded[i].codes = codes + at;
    for (int64_t i = 0; !error && i < n_parts; i++)
        spikey_read_integers(&of->source, parts[i].first, parts[i].frames, 0, channels, parts[i].frames, coded[i * channels].codes);
    for (int64_t i = 0; !error && i < n_parts * channels; i++) {
        spikey_coded *residues = &coded[coded[i].residues];
        residues->is_coded = residues->size > 1;
        coded[i].is_coded = coded[i].size > 1;
        error = make_codes(coded[i].channel, coded[i].frames, coded[i].codes, residues->codes);
    }
    if (!error) error = spikey_encode_channels(&of->chunk, steps, coded, n_coded, codes, n_codes);
    for (int64_t i = 0; !error && i < n_parts; n += counts[i++])
        counts[i] = put_part(of, &parts[i], coded, i * channels, listed + n, streams);
    for (int64_t i = 0; coded && i < n_coded; i++) free((void *)coded[i].bytes);
    free(coded), free(codes);
    if (error == SPIKEY_BAD_CODE) return fail(&of->chunk, SPIKEY_BAD_ARGUMENT, "the array changed while it was encoded");
    return !error && streams->failed ? SPIKEY_NO_MEMORY : error;
}
