/* Blocks: their tables, the parts that they hold, and the streams of these. */

#include <stdlib.h>
#include <string.h>

#include "archive.h"

/* The file that is expected next in a block: see docs/format.md, Block. */
typedef struct {
    int64_t *seen, *pending; /* of each file: the block that last had it, from 1; the next of those linked with it */
    int64_t block, lowest, next;
} expectation;

static void begin_block(expectation *of, int64_t block) {
    of->block = block + 1;
    of->lowest = -1;
    of->next = 0;
}

static void expect_after(expectation *of, const spikey_chunk *chunk, int64_t file) {
    if (of->seen[file] != of->block) {
        of->seen[file] = of->block;
        of->pending[file] = 0;
    }
    if (of->lowest < 0) of->lowest = file;
    if (chunk->first_linked) {
        const int64_t *linked = chunk->linked + chunk->first_linked[file];
        const int64_t n = chunk->first_linked[file + 1] - chunk->first_linked[file];
        int64_t i = of->pending[file];
        while (i < n && of->seen[linked[i]] == of->block) i++;
        of->pending[file] = i;
        if (i < n) {
            of->next = linked[i];
            return;
        }
    }
    while (of->seen[of->lowest] == of->block) of->lowest++;
    of->next = of->lowest;
}

int spikey_take_parts(spikey_chunk *chunk, spikey_reader *in, const int64_t *counts, int64_t n_counts, spikey_span *parts) {
    int64_t n = 0, k = 0;
    for (int64_t i = 0; i < n_counts; i++) n += counts[i];
    if (3 * n > left_in(in)) return fail(chunk, SPIKEY_DAMAGED, "the list of parts is cut off");
    uint64_t *columns = spikey_room(3 * n, sizeof *columns);
    expectation of = {.seen = spikey_room(2 * (chunk->n_files + 1), sizeof *of.seen)};
    int error = columns && of.seen ? SPIKEY_OK : SPIKEY_NO_MEMORY, fits = !error;
    if (!error) {
        of.pending = of.seen + chunk->n_files + 1;
        spikey_take_column(in, n, (uint64_t)1 << 33, columns);
        spikey_take_column(in, n, INT64_MAX, columns + n);
        spikey_take_column(in, n, INT64_MAX, columns + 2 * n);
        fits = !in->failed;
    }
    for (int64_t block = 0; block < n_counts && fits; block++) {
        begin_block(&of, block);
        for (int64_t i = 0; i < counts[block] && fits; i++, k++) {
            int64_t file = of.next + unzigzag(columns[k]), first = (int64_t)columns[n + k], frames = (int64_t)columns[2 * n + k];
            if (file < 0 || file >= chunk->n_files || first >= chunk->files[file].frames) {
                fits = 0;
                break;
            }
            int64_t left = chunk->files[file].frames - first;
            fits = frames <= left;
            parts[k] = (spikey_span){(int)file, first, frames ? frames : left};
            expect_after(&of, chunk, file);
        }
    }
    free(columns), free(of.seen);
    if (error) return error;
    return fits ? SPIKEY_OK : fail(chunk, SPIKEY_DAMAGED, "a part is out of range, or empty");
}

/* What the table of a block says. */
typedef struct {
    spikey_fields table;
    int64_t steps, n_parts, n_streams;
    spikey_span *parts;
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
        const int is_coded = is_sampled(file);
        if ((is_coded != (of->steps > 0) && file->type != RECORDS) || of->parts[i].first % file->unit || frames % file->unit)
            return fail(chunk, SPIKEY_DAMAGED, "a block holds both channels and bytes, or a piece of a record");
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
    if (file->type == RECORDS && file->kept_type < 0)
        return fail(chunk, SPIKEY_UNSUPPORTED, "it holds numbers of several fields, which are not decoded here");
    if (stream->method == NUMBERS && file->type == RECORDS)
        return spikey_unpack_numbers(chunk, file, stream->bytes, stream->n, frames / file->unit, to);
    if (stream->method == XZ && file->type != RECORDS)
        return fail(chunk, SPIKEY_UNSUPPORTED, "it has streams of xz, which are not decoded here");
    if (stream->method != STORED || stream->n != frames) return fail(chunk, SPIKEY_DAMAGED, "a stream is damaged");
    memcpy(to, stream->bytes, (size_t)frames);
    return SPIKEY_OK;
}

/* What is decoded of a block: its channels, and where they go. */
typedef struct {
    spikey_coded *coded;
    int64_t n_coded;
    int32_t *codes;
    spikey_stream *escapes; /* of each position */
} decoding;

/* Positions that wanted ones depend on are needed, too. */
static void find_needed(const spikey_chunk *chunk, const block_table *of, spikey_coded *coded) {
    int64_t first = 0;
    for (int64_t i = 0; i < of->n_parts; i++) {
        const int64_t n = chunk->files[of->parts[i].file].channels;
        for (int64_t k = first; k < first + n; k++) {
            const int is_copy = coded[k].channel && coded[k].channel->kind == COPY;
            if (!coded[k].to) continue;
            coded[coded[k].leader].is_needed = 1;
            if (is_copy) coded[coded[first + coded[k].channel->source].leader].is_needed = 1;
        }
        first += n;
    }
    for (int64_t i = 0; i < first; i++) {
        coded[i].is_needed = coded[coded[i].leader].is_needed;
        coded[coded[i].residues].is_needed = coded[i].is_needed;
    }
}

/* The streams of a part whose channels begin at position `first`. */
static int open_part(spikey_chunk *chunk, decoding *of, int64_t part, const block_table *table, int64_t first,
                     const spikey_stream *streams) {
    const spikey_file *file = &chunk->files[table->parts[part].file];
    const int is_frames = (int)table->is_frames[part];
    if (is_frames && (!is_sampled(file) || streams->n != table->parts[part].frames * file->frame_bytes))
        return fail(chunk, SPIKEY_DAMAGED, "a part in frames has a stream of another size");
    for (int64_t k = 0; k < (is_frames ? 1 : file->channels); k++) {
        if ((streams[k].method == FRAMES) != is_frames)
            return fail(chunk, SPIKEY_DAMAGED, "a part in frames has another stream, or another part one of frames");
        if (!is_frames && is_sampled(file) && of->coded[first + k].is_needed &&
            !spikey_open_stream(of->coded, first + k, file->type >= SPIKEY_SAMPLE_INT32, &streams[k], &of->escapes[first + k]))
            return fail(chunk, SPIKEY_DAMAGED, "a stream is damaged");
    }
    return SPIKEY_OK;
}

static int write_part(spikey_chunk *chunk, decoding *of, int64_t part, const block_table *table, int64_t first,
                      const spikey_stream *streams) {
    const spikey_file *file = &chunk->files[table->parts[part].file];
    int is_wanted = 0;
    for (int64_t k = 0; k < file->channels; k++) is_wanted |= of->coded[first + k].to != 0;
    if (!is_wanted) return SPIKEY_OK;
    if (table->is_frames[part]) return spikey_copy_frames(chunk, file, of->coded, first, streams->bytes);
    if (is_sampled(file)) return spikey_write_samples(chunk, file, of->coded, first, of->escapes + first);
    return copy_bytes(chunk, file, table->parts[part].frames, streams, of->coded[first].to);
}

/* The streams at `in` that are needed; the others become empty. */
static int take_streams(spikey_chunk *chunk, block_table *of, const decoding *decoded, spikey_reader *in, spikey_stream *streams) {
    int64_t position = 0, k = 0;
    for (int64_t i = 0; i < of->n_parts; i++) {
        const int64_t channels = chunk->files[of->parts[i].file].channels, n = of->is_frames[i] ? 1 : channels;
        int is_needed = 0;
        for (int64_t c = 0; c < channels; c++) is_needed |= decoded->coded[position + c].is_needed;
        for (int64_t c = 0; c < n; c++, k++) {
            const uint8_t *bytes = take(in, of->sizes[k]);
            const uint64_t crc = take_number(&of->table.tail, 4);
            streams[k] = (spikey_stream){(int)of->methods[k], bytes, (int64_t)of->sizes[k]};
            if (in->failed) return fail(chunk, SPIKEY_DAMAGED, "a stream is cut off");
            if (!(n < channels ? is_needed : decoded->coded[position + c].is_needed)) continue;
            if (DIFFER(spikey_crc(chunk->crc, 0, bytes, streams[k].n) != crc))
                return fail(chunk, SPIKEY_DAMAGED, "a stream does not match its checksum");
        }
        position += channels;
    }
    return left_in(in) ? fail(chunk, SPIKEY_DAMAGED, "a block has another size than its streams") : SPIKEY_OK;
}

/* Decode the positions that have a place to go to. */
static int decode_wanted(spikey_chunk *chunk, block_table *table, decoding *of, spikey_reader *in) {
    int64_t n_codes = 0, at = 0;
    find_needed(chunk, table, of->coded);
    for (int64_t i = 0; i < of->n_coded; i++)
        if (of->coded[i].is_needed && of->coded[i].size) n_codes += of->coded[i].frames;
    spikey_stream *streams = spikey_room(table->n_streams, sizeof *streams);
    of->escapes = spikey_room(of->n_coded, sizeof *of->escapes);
    of->codes = spikey_room(n_codes, sizeof *of->codes);
    int error = streams && of->escapes && of->codes ? SPIKEY_OK : SPIKEY_NO_MEMORY, is_coded = 0;
    for (int64_t i = 0; i < of->n_coded && !error; i++) {
        if (!of->coded[i].is_needed || !of->coded[i].size) continue;
        of->coded[i].codes = of->codes + at;
        at += of->coded[i].frames;
    }
    if (!error) error = take_streams(chunk, table, of, in, streams);
    for (int pass = 0; pass < 2; pass++) {
        int64_t first = 0;
        const spikey_stream *own = streams;
        for (int64_t i = 0; i < table->n_parts && !error; i++) {
            const int64_t channels = chunk->files[table->parts[i].file].channels;
            error = (pass ? write_part : open_part)(chunk, of, i, table, first, own);
            first += channels;
            own += table->is_frames[i] ? 1 : channels;
        }
        for (int64_t i = 0; i < of->n_coded && !pass; i++) is_coded |= of->coded[i].is_coded;
        if (!pass && !error && is_coded)
            error = spikey_decode_channels(chunk, table->steps, of->coded, of->n_coded, of->codes, n_codes);
    }
    free(streams), free(of->escapes), free(of->codes);
    return error;
}

/* Where the samples of each position go: for a file of a chunk, into its body; else each into a memory of its own. */
static void set_places(const spikey_chunk *chunk, const block_table *table, spikey_coded *coded, int wanted, uint8_t *body,
                       void *const *memory) {
    int64_t position = 0;
    for (int64_t i = 0; i < table->n_parts; i++) {
        const spikey_file *file = &chunk->files[table->parts[i].file];
        const int64_t size = file->frame_bytes / file->channels;
        for (int64_t k = 0; k < file->channels; k++, position++) {
            coded[position].stride = memory ? size : file->frame_bytes;
            if (memory) coded[position].to = memory[position];
            else if (table->parts[i].file == wanted) coded[position].to = body + table->parts[i].first * file->frame_bytes + k * size;
        }
    }
}

static int decode_block(spikey_chunk *chunk, int64_t block, const spikey_span *parts, spikey_reader in, int wanted, uint8_t *body,
                        void *const *memory) {
    static const char wrong[] = "a block does not begin as it should, or does not match its checksum";
    const uint8_t *header = take(&in, SPIKEY_BLOCK_HEADER);
    uint64_t n = header ? get_little(header + 16, 4) : 0;
    const uint8_t *packed = take(&in, n);
    if (!header || !packed || memcmp(header, "SPKB", 4) || DIFFER(memcmp(header + 4, chunk->identity, 8)) ||
        get_little(header + 12, 4) != (uint64_t)block ||
        DIFFER(spikey_crc(chunk->crc, spikey_crc(chunk->crc, 0, packed, (int64_t)n), header, 20) != get_little(header + 20, 4)))
        return fail(chunk, SPIKEY_DAMAGED, wrong);
    block_table table = {.n_streams = 0};
    decoding of = {.n_coded = 0};
    int error = read_table(chunk, block, packed, (int64_t)n, &table);
    for (int64_t i = 0; i < table.n_parts && !error; i++)
        if (table.parts[i].file != parts[i].file || table.parts[i].first != parts[i].first || table.parts[i].frames != parts[i].frames)
            error = fail(chunk, SPIKEY_DAMAGED, "the parts of a block do not match the index");
    if (!error) error = spikey_join(chunk, table.parts, table.n_parts, &of.coded, &of.n_coded);
    if (!error) set_places(chunk, &table, of.coded, wanted, body, memory);
    if (!error) error = decode_wanted(chunk, &table, &of, &in);
    spikey_close_table(&table.table);
    free(table.parts), free(table.is_frames), free(table.methods), free(table.sizes), free(of.coded);
    return error;
}

int spikey_decode_positions(spikey_chunk *chunk, int64_t block, const uint8_t *bytes, int64_t n, void *const *memory) {
    const spikey_span *parts = chunk->parts;
    for (int64_t i = 0; i < block; i++) parts += chunk->block_parts[i];
    return decode_block(chunk, block, parts, reader_of(bytes, n), -1, 0, memory);
}

int spikey_decode_file(spikey_chunk *chunk, int file, uint8_t *body) {
    const spikey_span *parts = chunk->parts;
    int64_t at = chunk->first_block;
    for (int64_t block = 0; block < chunk->n_blocks; block++) {
        int is_wanted = 0;
        for (int64_t i = 0; i < chunk->block_parts[block]; i++) is_wanted |= parts[i].file == file;
        if (is_wanted)
            TRY(decode_block(chunk, block, parts, reader_of(chunk->front + at, chunk->block_bytes[block]), file, body, 0));
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
