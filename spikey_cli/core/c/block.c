/* Blocks: their tables, the parts that they hold, and the streams of these. */

#include <stdlib.h>
#include <string.h>

#include "archive.h"

enum { HEADER = 24, STORED = 2, NUMBERS = 8, FRAMES = 9 };

int spikey_take_parts(spikey_chunk *chunk, spikey_reader *in, const int64_t *counts, int64_t n_counts, spikey_part *parts) {
    int64_t n = 0, k = 0;
    for (int64_t i = 0; i < n_counts; i++) n += counts[i];
    uint64_t *columns = spikey_room(3 * n, sizeof *columns);
    if (!columns) return SPIKEY_NO_MEMORY;
    spikey_take_column(in, n, (uint64_t)1 << 33, columns);
    spikey_take_column(in, n, INT64_MAX, columns + n);
    spikey_take_column(in, n, INT64_MAX, columns + 2 * n);
    int fits = !in->failed;
    for (int64_t block = 0; block < n_counts && fits; block++) {
        int seen[3] = {0};
        int64_t expected = 0, lowest = -1;
        for (int64_t i = 0; i < counts[block] && fits; i++, k++) {
            int64_t file = expected + unzigzag(columns[k]), first = (int64_t)columns[n + k], frames = (int64_t)columns[2 * n + k];
            if (file < 0 || file >= chunk->n_files || first >= chunk->files[file].frames) {
                fits = 0;
                break;
            }
            int64_t left = chunk->files[file].frames - first;
            fits = frames <= left;
            parts[k] = (spikey_part){(int)file, first, frames ? frames : left};
            seen[file] = 1;
            lowest = lowest < 0 ? file : lowest; /* no files are linked: only one has channels */
            while (seen[lowest]) lowest++;
            expected = lowest;
        }
    }
    free(columns);
    return fits ? SPIKEY_OK : fail(chunk, SPIKEY_DAMAGED, "a part is out of range, or empty");
}

/* What the table of a block says. */
typedef struct {
    spikey_fields table;
    int64_t steps, n_parts, n_streams;
    spikey_part *parts;
    uint64_t *is_frames, *methods, *sizes;
} block_table;

static int read_table(spikey_chunk *chunk, int64_t block, const uint8_t *from, int64_t n, block_table *of) {
    static const char malformed[] = "the table of a block is malformed";
    TRY(spikey_open_table(chunk, from, n, 64 + 8 * n, &of->table));
    spikey_reader *in = &of->table.in;
    of->steps = (int64_t)take_uvarint(in, MAX_STEPS);
    of->n_parts = (int64_t)take_uvarint(in, (uint64_t)left_in(in));
    if (in->failed || of->n_parts != chunk->block_parts[block]) return fail(chunk, SPIKEY_DAMAGED, malformed);
    of->parts = spikey_room(of->n_parts, sizeof *of->parts);
    of->is_frames = spikey_room(of->n_parts, sizeof *of->is_frames);
    if (!of->parts || !of->is_frames) return SPIKEY_NO_MEMORY;
    TRY(spikey_take_parts(chunk, in, &of->n_parts, 1, of->parts));
    spikey_take_column(in, of->n_parts, 1, of->is_frames);
    int64_t samples = 0, lanes = 0, widest = 0, allowed = greatest(chunk->limits.memory / 16, greatest(8 * chunk->n, chunk->limits.expected));
    for (int64_t i = 0; i < of->n_parts; i++) {
        const spikey_file *file = &chunk->files[of->parts[i].file];
        const int64_t frames = of->parts[i].frames;
        const int is_coded = file->type && file->type != RECORDS;
        if ((is_coded != (of->steps > 0) && file->type != RECORDS) || of->parts[i].first % file->unit || frames % file->unit)
            return fail(chunk, SPIKEY_DAMAGED, "a block holds both channels and bytes, or a piece of a number");
        widest = greatest(widest, file->channels);
        if (frames > MAX_STEPS) return fail(chunk, SPIKEY_DAMAGED, "a block is larger than the format allows");
        of->n_streams += of->is_frames[i] ? 1 : file->channels;
        samples += frames * file->channels;
        lanes += is_coded ? (frames + of->steps - 1) / of->steps * file->channels : 0;
        if (lanes > MAX_LANES || samples > greatest(MAX_STEPS, widest))
            return fail(chunk, SPIKEY_DAMAGED, "a block is larger than the format allows");
        if (samples > greatest(allowed, widest))
            return fail(chunk, SPIKEY_BEYOND_MEMORY, "the samples of a block exceed the memory limit");
    }
    if (4 * of->n_streams > left_in(&of->table.tail)) return fail(chunk, SPIKEY_DAMAGED, malformed);
    of->methods = spikey_room(of->n_streams, sizeof *of->methods);
    of->sizes = spikey_room(of->n_streams, sizeof *of->sizes);
    if (!of->methods || !of->sizes) return SPIKEY_NO_MEMORY;
    spikey_take_column(in, of->n_streams, 255, of->methods);
    spikey_take_wide_column(&of->table, of->n_streams, UINT32_MAX, of->sizes);
    if (in->failed || left_in(in) || left_in(&of->table.tail) != 4 * of->n_streams) return fail(chunk, SPIKEY_DAMAGED, malformed);
    return SPIKEY_OK;
}

/* A stream of a verbatim file, or of kept numbers. */
static int copy_bytes(spikey_chunk *chunk, const spikey_file *file, int64_t frames, const spikey_stream *stream, uint8_t *to) {
    if (stream->method == NUMBERS && file->type == RECORDS)
        return spikey_unpack_numbers(chunk, file, stream->bytes, stream->n, frames / file->unit, to);
    if (stream->method == 3 && file->type != RECORDS)
        return fail(chunk, SPIKEY_UNSUPPORTED, "it has streams of xz, so it is an archive but no chunk");
    if (stream->method != STORED || stream->n != frames) return fail(chunk, SPIKEY_DAMAGED, "a stream is damaged");
    memcpy(to, stream->bytes, (size_t)frames);
    return SPIKEY_OK;
}

/* Decode the parts of one file from the streams at `in`. */
static int decode_parts(spikey_chunk *chunk, int wanted, block_table *of, spikey_reader *in, uint8_t *body) {
    spikey_stream *streams = spikey_room(of->n_streams, sizeof *streams);
    int error = streams ? SPIKEY_OK : SPIKEY_NO_MEMORY;
    for (int64_t i = 0; i < of->n_streams && !error; i++) {
        streams[i] = (spikey_stream){(int)of->methods[i], take(in, of->sizes[i]), (int64_t)of->sizes[i]};
        if (in->failed) error = SPIKEY_DAMAGED;
        else if (DIFFER(spikey_crc(chunk->crc, 0, streams[i].bytes, streams[i].n) != take_number(&of->table.tail, 4)))
            error = SPIKEY_DAMAGED;
    }
    if (!error && left_in(in)) error = SPIKEY_DAMAGED;
    if (error == SPIKEY_DAMAGED) fail(chunk, error, "a stream does not match its checksum");
    const spikey_stream *stream = streams;
    for (int64_t i = 0; i < of->n_parts && !error; i++) {
        const spikey_part *part = &of->parts[i];
        const spikey_file *file = &chunk->files[part->file];
        const int64_t n = of->is_frames[i] ? 1 : file->channels;
        const int64_t bytes = part->frames * file->frame_bytes;
        uint8_t *to = body + (part->file == wanted ? part->first * file->frame_bytes : 0);
        for (int64_t k = 0; k < n && !error; k++)
            if ((stream[k].method == FRAMES) != (int)of->is_frames[i]) error = SPIKEY_DAMAGED;
        const int is_coded = file->type && file->type != RECORDS;
        if (of->is_frames[i] && (!is_coded || stream->n != bytes)) error = SPIKEY_DAMAGED;
        if (error) fail(chunk, error, "a part in frames has another stream, or another part one of frames");
        else if (part->file != wanted) ;
        else if (of->is_frames[i]) error = spikey_copy_frames(chunk, part->frames, stream->bytes, to);
        else if (is_coded) error = spikey_decode_samples(chunk, part->frames, of->steps, stream, to);
        else error = copy_bytes(chunk, file, part->frames, stream, to);
        stream += n;
    }
    free(streams);
    return error;
}

static int decode_block(spikey_chunk *chunk, int wanted, int64_t block, const spikey_part *parts, spikey_reader in, uint8_t *body) {
    static const char wrong[] = "a block does not begin as it should, or does not match its checksum";
    const uint8_t *header = take(&in, HEADER);
    uint64_t n = header ? get_little(header + 16, 4) : 0;
    const uint8_t *table = take(&in, n);
    if (!header || !table || memcmp(header, "SPKB", 4) || DIFFER(memcmp(header + 4, chunk->identity, 8)) ||
        get_little(header + 12, 4) != (uint64_t)block ||
        DIFFER(spikey_crc(chunk->crc, spikey_crc(chunk->crc, 0, table, (int64_t)n), header, 20) != get_little(header + 20, 4)))
        return fail(chunk, SPIKEY_DAMAGED, wrong);
    block_table of = {.n_streams = 0};
    int error = read_table(chunk, block, table, (int64_t)n, &of);
    for (int64_t i = 0; i < of.n_parts && !error; i++)
        if (of.parts[i].file != parts[i].file || of.parts[i].first != parts[i].first || of.parts[i].frames != parts[i].frames)
            error = fail(chunk, SPIKEY_DAMAGED, "the parts of a block do not match the index");
    if (!error) error = decode_parts(chunk, wanted, &of, &in, body);
    spikey_close_table(&of.table);
    free(of.parts), free(of.is_frames), free(of.methods), free(of.sizes);
    return error;
}

int spikey_decode_file(spikey_chunk *chunk, int file, uint8_t *body) {
    const spikey_part *parts = chunk->parts;
    int64_t at = chunk->first_block;
    for (int64_t block = 0; block < chunk->n_blocks; block++) {
        int is_wanted = 0;
        for (int64_t i = 0; i < chunk->block_parts[block]; i++) is_wanted |= parts[i].file == file;
        if (is_wanted)
            TRY(decode_block(chunk, file, block, parts, reader_of(chunk->bytes + at, chunk->block_bytes[block]), body));
        at += chunk->block_bytes[block];
        parts += chunk->block_parts[block];
    }
    spikey_file *own = &chunk->files[file];
    spikey_sha256(own->header, own->header_bytes, body, own->frames * own->frame_bytes, own->digest);
    uint32_t crc = spikey_crc(chunk->crc, 0, own->header, own->header_bytes);
    if (DIFFER(spikey_crc(chunk->crc, crc, body, own->frames * own->frame_bytes) != own->crc))
        return fail(chunk, SPIKEY_DAMAGED, "what was decoded does not match its checksum");
    return SPIKEY_OK;
}
