/* Arrays to chunks: the archive around the streams, from its first byte to its last, as docs/format.md has it. */

#include "encoder.h"
#include "chunk.h"
#include "exact_floats.h"

enum { MIN_STEPS = 8192 };

static const int64_t BLOCK_SAMPLES = 1 << 22, WIDE_FRAMES = 1 << 16, WIDE_SAMPLES = 1 << 24, PART_FRAMES = 1 << 18;

/* ---- the directory ---- */

static void put_topology(const spikey_chunk *chunk, uint64_t *column, spikey_table_writer *table) {
    const spikey_channel *channels = chunk->channels;
    const int64_t n = chunk->n_channels;
    for (int64_t i = 0; i < n; i++)
        column[i] = ((uint64_t)(channels[i].n_earlier * (SPIKEY_MAX_LATER + 1) + channels[i].n_later) * 3 +
                     (uint64_t)(channels[i].order / 16)) * 64 + (uint64_t)((channels[i].lag > 0) * 32 + channels[i].coding_pass);
    spikey_put_column(table, column, n);
    int64_t k = 0;
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < channels[i].n_earlier; j++) column[k++] = zigzag(channels[i].earlier[j] - i);
    spikey_put_wide_column(table, column, k);
    k = 0;
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < channels[i].n_later; j++) {
            /* mostly one that references this channel: its place among these; they are of the same dependency group */
            const int64_t other = channels[i].later[j];
            uint64_t near = 0, place = UINT64_MAX;
            for (int64_t c = greatest(0, i - MAX_GROUP); c < least(n, i + MAX_GROUP); c++)
                for (int e = 0; e < channels[c].n_earlier; e++)
                    if (channels[c].earlier[e] == i) place = c == other ? near : place, near++;
            column[k++] = place == UINT64_MAX ? near + zigzag(other - i) : place;
        }
    spikey_put_wide_column(table, column, k);
    k = 0;
    for (int64_t i = 0; i < n; i++)
        if (channels[i].lag) column[k++] = (uint64_t)(channels[i].lag - SPIKEY_MIN_LAG);
    spikey_put_column(table, column, k);
}

static void put_samples(const spikey_encoder *of, spikey_table_writer *table) {
    const spikey_source *source = &of->source;
    spikey_writer out = {0};
    if (source->type > 2) {
        put_number(&out, (uint64_t)source->integer_bytes, 1);
        put_uvarint(&out, 1);
        put_number(&out, SPIKEY_SCALE_INTEGER, 1);
        put_uvarint(&out, zigzag((int64_t)source->base));
        put_uvarint(&out, source->step);
    }
    table->fields.failed |= out.failed;
    spikey_put_data(table, out.bytes, out.n);
    out.n = 0;
    if (of->is_by_channel) put_number(&out, BY_CHANNEL, 1);
    for (int64_t i = 0; i < (of->is_by_channel ? source->channels : 1); i++) spikey_put_quantizer(&out, &of->chunk.channels[i]);
    spikey_put_data(table, out.bytes, out.n);
    table->fields.failed |= out.failed;
    free(out.bytes);
}

static int write_directory(const spikey_encoder *of, spikey_writer *out) {
    static const char *const names[] = {"\1\0\x9ypn.knuhc", "\2\0\6\x9\xAynpons.jknuhc"};
    const spikey_source *source = &of->source;
    const int two = source->json.n > 0;
    const uint64_t types[] = {(uint64_t)source->type, 0}, frames = (uint64_t)source->frames;
    const uint64_t distances[] = {zigzag((int64_t)frames), zigzag(source->json.n - source->frames)};
    spikey_table_writer table = {.n_ends = 0};
    spikey_put_data(&table, names[two], two ? 18 : 12);
    TRY(spikey_end_table(&table, out));
    spikey_put_data(&table, "", 1); /* no model */
    spikey_put_column(&table, types, 1 + two);
    spikey_put_wide_column(&table, distances, 1 + two);
    spikey_put_item(&table, 0); /* no rate */
    spikey_put_item(&table, (uint64_t)source->channels);
    spikey_put_item(&table, (uint64_t)source->npy.n + 1);
    spikey_put_data(&table, source->npy.bytes, source->npy.n);
    spikey_put_item(&table, 0); /* no trailer */
    put_samples(of, &table);
    uint64_t *column = spikey_room(source->channels * SPIKEY_MAX_REFERENCES, sizeof *column);
    if (column) put_topology(&of->chunk, column, &table);
    table.fields.failed |= !column;
    free(column);
    return spikey_end_table(&table, out);
}

/* ---- blocks ---- */

typedef struct {
    spikey_span *parts; /* of all blocks, in order */
    int64_t *counts, *bytes; /* of each block: parts; and what it takes */
    int64_t n_blocks, n_parts;
} plan;

/* Divide the samples into parts and blocks, as spikey_cli/codec/block_plan.py does, but without its preference for blocks of a
 * multiple of eight channels; then comes the block of chunk.json. */
static int make_plan(const spikey_source *source, plan *of) {
    const int64_t frames = source->frames, width = source->channels, total = frames * width;
    const int64_t wide_frames = least(WIDE_FRAMES, WIDE_SAMPLES / width);
    const int64_t most = greatest(1, least(PART_FRAMES, greatest(wide_frames, BLOCK_SAMPLES / width)));
    const int64_t n_parts = (frames + most - 1) / most;
    of->parts = spikey_room(n_parts + 1, sizeof *of->parts);
    of->counts = spikey_room(2 * (n_parts + 1), sizeof *of->counts);
    if (!of->parts || !of->counts) return SPIKEY_NO_MEMORY;
    of->bytes = of->counts + n_parts + 1;
    const int64_t n_shares = greatest(1, (total + BLOCK_SAMPLES - 1) / BLOCK_SAMPLES), share = (total + n_shares - 1) / n_shares;
    int64_t filled = 0;
    for (int64_t i = 0; i < n_parts; i++) {
        const int64_t first = frames * i / n_parts, n = frames * (i + 1) / n_parts - first;
        if (!i || filled + n * width > BLOCK_SAMPLES || filled >= share) of->n_blocks++, filled = 0;
        of->parts[of->n_parts++] = (spikey_span){0, first, n};
        of->counts[of->n_blocks - 1]++;
        filled += n * width;
    }
    if (source->json.n) of->parts[of->n_parts++] = (spikey_span){1, 0, source->json.n}, of->counts[of->n_blocks++] = 1;
    return SPIKEY_OK;
}

/* The parts of some blocks. */
static int put_parts(const spikey_encoder *of, const spikey_span *parts, const int64_t *counts, int64_t n_counts,
                     spikey_table_writer *table) {
    int64_t n = 0, k = 0;
    for (int64_t i = 0; i < n_counts; i++) n += counts[i];
    uint64_t *columns = spikey_room(3 * n, sizeof *columns);
    if (!columns) return SPIKEY_NO_MEMORY;
    for (int64_t block = 0; block < n_counts; block++)
        for (int64_t i = 0; i < counts[block]; i++, k++) { /* the file behind that of the part before is expected */
            const spikey_span *part = &parts[k];
            const int64_t all = part->file ? of->source.json.n : of->source.frames;
            columns[k] = zigzag(part->file - (i > 0));
            columns[n + k] = (uint64_t)part->first;
            columns[2 * n + k] = part->first + part->frames == all ? 0 : (uint64_t)part->frames;
        }
    for (int i = 0; i < 3; i++) spikey_put_column(table, columns + i * n, n);
    free(columns);
    return SPIKEY_OK;
}

/* Length of the longest lane: the preset's number in each channel, but not shorter than is worth it. */
static int64_t steps_for(const spikey_encoder *of, const spikey_span *parts, int64_t n) {
    int64_t longest = 0, steps = 1;
    for (int64_t i = 0; i < n; i++) longest = greatest(longest, parts[i].frames);
    const int64_t target = greatest(MIN_STEPS, (longest + of->preset_lanes - 1) / of->preset_lanes);
    for (int64_t i = 0; i < n; i++) { /* to the nearest number of lanes; of two, to the even one */
        int64_t lanes = parts[i].frames / target, twice = 2 * (parts[i].frames % target);
        lanes = greatest(1, lanes + (twice > target || (twice == target && lanes % 2)));
        steps = greatest(steps, (parts[i].frames + lanes - 1) / lanes);
    }
    return steps;
}

static int write_block(spikey_encoder *of, const spikey_span *parts, int64_t n, int64_t number, spikey_writer *out) {
    const spikey_source *source = &of->source;
    const int is_coded = parts[0].file == 0;
    const int64_t steps = is_coded ? steps_for(of, parts, n) : 0, most = n * (is_coded ? source->channels : 1);
    spikey_coded_stream *listed = spikey_room(most, sizeof *listed);
    int64_t *counts = spikey_room(n, sizeof *counts), n_listed = 0;
    uint64_t *columns = spikey_room(n + 2 * most, sizeof *columns), *methods = columns ? columns + n : 0;
    spikey_writer streams = {0}, packed = {0};
    spikey_table_writer table = {.n_ends = 0};
    int error = listed && counts && columns ? SPIKEY_OK : SPIKEY_NO_MEMORY;
    if (!error && is_coded) {
        error = spikey_encode_block(of, parts, n, steps, counts, listed, &streams);
        for (int64_t i = 0; i < n && !error; n_listed += counts[i++]) columns[i] = listed[n_listed].method == FRAMES;
    } else if (!error) {
        put_bytes(&streams, source->json.bytes, source->json.n);
        listed[n_listed++] = (spikey_coded_stream){STORED, source->json.n};
    }
    if (!error) {
        spikey_put_item(&table, (uint64_t)steps);
        spikey_put_item(&table, (uint64_t)n);
        error = put_parts(of, parts, &n, 1, &table);
    }
    if (!error) {
        uint64_t *sizes = methods + n_listed;
        spikey_put_column(&table, columns, n);
        for (int64_t i = 0; i < n_listed; i++) methods[i] = (uint64_t)listed[i].method, sizes[i] = (uint64_t)listed[i].n;
        spikey_put_column(&table, methods, n_listed);
        spikey_put_wide_column(&table, sizes, n_listed);
        const uint8_t *at = streams.bytes;
        for (int64_t i = 0; i < n_listed && !streams.failed; at += listed[i++].n)
            put_number(&table.tail, spikey_crc(of->chunk.crc, 0, at, listed[i].n), 4);
    }
    int table_error = spikey_end_table(&table, &packed);
    if (!error) error = table_error;
    if (!error) {
        int64_t header = out->n;
        put_bytes(out, "SPKB", 4);
        put_bytes(out, of->chunk.identity, 8);
        put_number(out, (uint64_t)number, 4);
        put_number(out, (uint64_t)packed.n, 4);
        uint32_t crc = spikey_crc(of->chunk.crc, 0, packed.bytes, packed.n);
        if (!out->failed) put_number(out, spikey_crc(of->chunk.crc, crc, out->bytes + header, 20), 4);
        put_bytes(out, packed.bytes, packed.n);
        put_bytes(out, streams.bytes, streams.n);
        if (out->failed || streams.failed) error = SPIKEY_NO_MEMORY;
    }
    free(listed), free(counts), free(columns), free(streams.bytes), free(packed.bytes);
    return error;
}

static int write_index(const spikey_encoder *of, const plan *blocks, spikey_writer *out) {
    spikey_table_writer table = {.n_ends = 0};
    uint64_t *columns = spikey_room(2 * blocks->n_blocks, sizeof *columns);
    int error = columns ? SPIKEY_OK : SPIKEY_NO_MEMORY;
    for (int64_t i = 0; i < blocks->n_blocks && !error; i++) {
        columns[i] = (uint64_t)blocks->bytes[i];
        columns[blocks->n_blocks + i] = (uint64_t)blocks->counts[i];
    }
    if (!error) {
        spikey_put_item(&table, (uint64_t)blocks->n_blocks);
        spikey_put_wide_column(&table, columns, blocks->n_blocks);
        spikey_put_column(&table, columns + blocks->n_blocks, blocks->n_blocks);
        error = put_parts(of, blocks->parts, blocks->counts, blocks->n_blocks, &table);
    }
    for (int i = 0; i < of->chunk.n_files; i++) put_number(&table.tail, of->chunk.files[i].crc, 4);
    int table_error = spikey_end_table(&table, out);
    free(columns);
    return error ? error : table_error;
}

/* ---- the whole ---- */

/* Checksums of both files. */
static int sum_up(spikey_encoder *of) {
    spikey_source *source = &of->source;
    spikey_file *npy = &of->chunk.files[0], *json = &of->chunk.files[1];
    spikey_sha sha;
    const int64_t frame_bytes = source->channels * source->sample_bytes, at_once = greatest(1, (1 << 16) / frame_bytes);
    uint8_t *frames = spikey_room(at_once * frame_bytes, 1);
    if (!frames) return SPIKEY_NO_MEMORY;
    spikey_sha_begin(&sha);
    spikey_sha_add(&sha, source->npy.bytes, source->npy.n);
    npy->crc = spikey_crc(of->chunk.crc, 0, source->npy.bytes, source->npy.n);
    for (int64_t first = 0; first < source->frames; first += at_once) {
        int64_t n = least(at_once, source->frames - first);
        const uint8_t *bytes = source->is_body ? source->memory + first * frame_bytes : frames;
        if (!source->is_body) spikey_read_frames(source, first, n, frames);
        spikey_sha_add(&sha, bytes, n * frame_bytes);
        npy->crc = spikey_crc(of->chunk.crc, npy->crc, bytes, n * frame_bytes);
    }
    spikey_sha_end(&sha, npy->digest);
    free(frames);
    if (of->chunk.n_files == 1) return SPIKEY_OK;
    spikey_sha256(source->json.bytes, source->json.n, 0, 0, json->digest);
    json->crc = spikey_crc(of->chunk.crc, 0, source->json.bytes, source->json.n);
    return SPIKEY_OK;
}

/* Append the header of a directory, and note the chunk's identity. */
static void put_header(spikey_encoder *of, const spikey_writer *directory, const uint8_t contents[32], spikey_writer *out) {
    spikey_chunk *chunk = &of->chunk;
    const int64_t first = out->n;
    uint8_t digest[32];
    put_bytes(out, SPIKEY_MAGIC "\1", 9);
    put_number(out, (uint64_t)chunk->coder, 1);
    put_number(out, (uint64_t)chunk->effort, 2);
    put_bytes(out, chunk->model->digest, 8);
    put_number(out, (uint64_t)directory->n, 4);
    put_number(out, spikey_crc(chunk->crc, 0, directory->bytes, directory->n), 4);
    if (out->failed) return;
    spikey_sha256(out->bytes + first, 28, contents, 32, digest);
    memcpy(chunk->identity, digest, 8);
    put_bytes(out, chunk->identity, 8);
    if (!out->failed) put_number(out, spikey_crc(chunk->crc, 0, out->bytes + first, 36), 4);
}

static int write_archive(spikey_encoder *of, plan *blocks, spikey_writer *directory, spikey_writer *out) {
    spikey_chunk *chunk = &of->chunk;
    uint8_t digests[64], contents[32];
    spikey_writer index = {0};
    TRY(sum_up(of));
    TRY(write_directory(of, directory));
    TRY(make_plan(&of->source, blocks));
    memcpy(digests, chunk->files[0].digest, 32);
    memcpy(digests + 32, chunk->files[1].digest, 32);
    spikey_sha256(digests, 32 * chunk->n_files, 0, 0, contents);
    put_header(of, directory, contents, out);
    put_bytes(out, directory->bytes, directory->n);
    const spikey_span *parts = blocks->parts;
    for (int64_t i = 0; i < blocks->n_blocks; parts += blocks->counts[i++]) {
        const int64_t before = out->n;
        TRY(write_block(of, parts, blocks->counts[i], i, out));
        blocks->bytes[i] = out->n - before;
    }
    int error = write_index(of, blocks, &index);
    put_bytes(out, index.bytes, index.n);
    put_bytes(out, directory->bytes, directory->n);
    put_header(of, directory, contents, out);
    const int64_t trailer = out->n;
    put_bytes(out, contents, 32);
    put_number(out, (uint64_t)trailer + SPIKEY_TRAILER_BYTES, 8);
    put_number(out, (uint64_t)index.n, 4);
    put_number(out, spikey_crc(chunk->crc, 0, index.bytes, index.n), 4);
    if (!out->failed) put_number(out, spikey_crc(chunk->crc, 0, out->bytes + trailer, 48), 4);
    put_bytes(out, "SPKE", 4);
    free(index.bytes);
    return error ? error : out->failed ? SPIKEY_NO_MEMORY : SPIKEY_OK;
}

static int choose(spikey_encoder *of, const spikey_encoding *encoding) {
    static const char *const coders[] = {"rice", "range"}, *const presets[] = {"fast", "default", "best"};
    static const int earlier[] = {2, 4, 8}, lanes[] = {8, 8, 1};
    static const double order_cost[] = {0.0025, 0.0006, 0.0001};
    const char *coder = encoding && encoding->coder ? encoding->coder : "range";
    const char *preset = encoding && encoding->preset ? encoding->preset : "default";
    for (int i = 0; i < 2; i++)
        if (!strcmp(coder, coders[i])) of->chunk.coder = i + 1;
    for (int i = 0; i < 3; i++)
        if (!strcmp(preset, presets[i])) {
            of->chunk.effort = i + 1, of->preset_earlier = earlier[i], of->preset_lanes = lanes[i];
            of->order_cost = order_cost[i];
        }
    if (!of->chunk.coder) return fail(&of->chunk, SPIKEY_UNSUPPORTED, "the coder is none of range and rice");
    return of->chunk.effort ? SPIKEY_OK : fail(&of->chunk, SPIKEY_UNSUPPORTED, "the preset is none of fast, default and best");
}

static int encode(spikey_encoder *of, const void *memory, const spikey_array *array, spikey_writer *out) {
    spikey_chunk *chunk = &of->chunk;
    TRY(spikey_open_source(memory, array, &of->source, &chunk->reason));
    const spikey_source *source = &of->source;
    chunk->model = spikey_model_of(0);
    TRY(spikey_make_network(chunk));
    chunk->n_channels = source->channels;
    chunk->channels = spikey_room(source->channels, sizeof *chunk->channels);
    of->own = spikey_room(source->channels, sizeof *of->own);
    const int64_t piece = greatest(1, PIECE_BYTES / (source->channels * source->sample_bytes));
    of->excerpt_frames = least(source->frames, least(piece, EXCERPT_FRAMES));
    of->excerpt = spikey_room(source->channels * of->excerpt_frames, sizeof *of->excerpt);
    chunk->files = spikey_room(2, sizeof *chunk->files); /* chunk.npy, and perhaps chunk.json */
    if (!chunk->channels || !chunk->files || !of->own || !of->excerpt) return SPIKEY_NO_MEMORY;
    chunk->limits.memory = INT64_MAX / 4; /* a caller's own array */
    chunk->n_files = 1 + (source->json.n > 0);
    chunk->files[0].type = source->type, chunk->files[0].channels = source->channels;
    chunk->files[1].channels = 1;
    spikey_fill_crc(chunk->crc);
    spikey_read_integers(source, 0, of->excerpt_frames, 0, source->channels, of->excerpt_frames, of->excerpt);
    TRY(spikey_find_quantizers(of));
    TRY(spikey_find_topology(of));
    free(of->excerpt);
    of->excerpt = 0;
    plan blocks = {.n_blocks = 0};
    spikey_writer directory = {0};
    int error = write_archive(of, &blocks, &directory, out);
    free(blocks.parts), free(blocks.counts), free(directory.bytes);
    return error;
}

static void close_encoder(spikey_encoder *of) {
    for (int64_t i = 0; of->own && i < of->chunk.n_channels; i++) free(of->own[i].values);
    free(of->whole.values), free(of->own), free(of->excerpt), free(of->chunk.channels), free(of->chunk.files);
    spikey_network_free(of->chunk.network);
    spikey_close_source(&of->source);
}

size_t spikey_bound(const spikey_array *array) {
    const char *reason;
    return (size_t)spikey_bound_of(array, &reason);
}

int spikey_encode_with(const spikey_tables *tables, const void *memory, const spikey_array *array,
                       const spikey_encoding *encoding, uint8_t **chunk, size_t *n, const char **reason) {
    spikey_encoder *of = calloc(1, sizeof *of);
    spikey_writer out = {0};
    int error = of ? SPIKEY_OK : SPIKEY_NO_MEMORY;
    if (of) {
        of->chunk.tables = tables;
        if (!spikey_is_exact()) error = fail(&of->chunk, SPIKEY_UNSUPPORTED, "the library was compiled without -ffp-contract=off");
        if (!error) error = choose(of, encoding);
        spikey_float_mode before = spikey_begin_exact();
        if (!error) error = encode(of, memory, array, &out);
        spikey_end_exact(before);
    }
    spikey_explain(of ? &of->chunk : 0, error, reason);
    if (of) close_encoder(of);
    free(of);
    if (error) free(out.bytes), out.bytes = 0, out.n = 0;
    *chunk = out.bytes;
    *n = (size_t)out.n;
    return error;
}

int spikey_encode(const void *memory, const spikey_array *array, const spikey_encoding *encoding, void *chunk, size_t room,
                  size_t *n, const char **reason) {
    spikey_tables *tables = malloc((size_t)spikey_tables_size());
    uint8_t *bytes = 0;
    int error = SPIKEY_NO_MEMORY;
    *n = 0;
    spikey_explain(0, error, reason);
    if (tables) {
        spikey_fill_tables(tables);
        error = spikey_encode_with(tables, memory, array, encoding, &bytes, n, reason);
    }
    if (bytes && *n > room) error = SPIKEY_ROOM_TOO_SMALL;
    if (bytes) spikey_explain(0, error, reason);
    if (bytes && !error) memcpy(chunk, bytes, *n);
    free(bytes), free(tables);
    return error;
}
