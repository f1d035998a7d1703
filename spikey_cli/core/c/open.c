/* Opening of archives and chunks: header, directory, index and trailer, all but the blocks. */

#include <stdlib.h>
#include <string.h>

#include "archive.h"

static int take_index(spikey_chunk *chunk, spikey_fields *table, int64_t index_at, uint64_t *column, int64_t *covered) {
    static const char malformed[] = "the index is malformed, or does not match the files";
    spikey_reader *in = &table->in;
    uint64_t *counts = column + chunk->n_blocks;
    int64_t at = chunk->first_block;
    chunk->block_parts = chunk->block_bytes + chunk->n_blocks;
    spikey_take_wide_column(table, chunk->n_blocks, (uint64_t)(index_at - at), column);
    /* a part has a stream with a checksum */
    spikey_take_column(in, chunk->n_blocks, (uint64_t)(chunk->n / 4), counts);
    for (int64_t i = 0; i < chunk->n_blocks; i++) {
        at += chunk->block_bytes[i] = (int64_t)column[i];
        chunk->n_parts += chunk->block_parts[i] = (int64_t)counts[i];
        in->failed |= column[i] < SPIKEY_BLOCK_HEADER || at > index_at || chunk->n_parts > left_in(in);
        if (in->failed) break;
    }
    if (in->failed || at != index_at) return fail(chunk, SPIKEY_DAMAGED, malformed);
    if (!(chunk->parts = spikey_room(chunk->n_parts, sizeof *chunk->parts))) return SPIKEY_NO_MEMORY;
    TRY(spikey_take_parts(chunk, in, chunk->block_parts, chunk->n_blocks, chunk->parts));
    for (int64_t i = 0; i < chunk->n_parts; i++) {
        const spikey_span *part = &chunk->parts[i];
        if (part->first != covered[part->file]) return fail(chunk, SPIKEY_DAMAGED, malformed);
        covered[part->file] += part->frames;
    }
    for (int64_t i = 0; i < chunk->n_files; i++) {
        if (!chunk->files[i].is_group) chunk->files[i].crc = (uint32_t)take_number(&table->tail, 4);
        if (covered[i] != chunk->files[i].frames) return fail(chunk, SPIKEY_DAMAGED, malformed);
    }
    if (in->failed || left_in(in) || table->tail.failed || left_in(&table->tail)) return fail(chunk, SPIKEY_DAMAGED, malformed);
    return SPIKEY_OK;
}

static int read_index(spikey_chunk *chunk, const uint8_t *from, int64_t n, int64_t index_at) {
    spikey_fields table;
    TRY(spikey_open_table(chunk, from, n, least(64 + 8 * index_at, greatest(chunk->limits.memory, 1 << 20)), &table));
    chunk->n_blocks = (int64_t)take_uvarint(&table.in, (uint64_t)least(left_in(&table.in), chunk->n / SPIKEY_BLOCK_HEADER));
    uint64_t *column = spikey_room(2 * chunk->n_blocks, sizeof *column);
    int64_t *covered = spikey_room(chunk->n_files, sizeof *covered);
    chunk->block_bytes = spikey_room(2 * chunk->n_blocks, sizeof *chunk->block_bytes);
    int error = column && covered && chunk->block_bytes ? SPIKEY_OK : SPIKEY_NO_MEMORY;
    if (!error) error = take_index(chunk, &table, index_at, column, covered);
    free(column), free(covered);
    spikey_close_table(&table);
    return error;
}

spikey_limits spikey_limits_of(const spikey_limits *limits) {
    static const spikey_limits usual = {64 << 20, 8192, INT32_MAX, 0};
    return limits ? *limits : usual;
}

int spikey_explain(const spikey_chunk *chunk, int error, const char **reason) {
    if (reason) *reason = error ? (chunk && chunk->reason ? chunk->reason : spikey_error_text(error)) : 0;
    return error;
}

int spikey_find_ends(spikey_chunk *chunk, const uint8_t *header, const uint8_t *trailer) {
    if (DIFFER(spikey_crc(chunk->crc, 0, header, 36) != get_little(header + 36, 4)))
        return fail(chunk, SPIKEY_DAMAGED, "the header does not match its checksum");
    if (header[8] != 1 || header[11]) return fail(chunk, SPIKEY_UNSUPPORTED, "its format is of another version");
    const int64_t directory = (int64_t)get_little(header + 20, 4), index = (int64_t)get_little(trailer + 40, 4);
    if (memcmp(trailer + 52, "SPKE", 4) || DIFFER(spikey_crc(chunk->crc, 0, trailer, 48) != get_little(trailer + 48, 4)))
        return fail(chunk, SPIKEY_DAMAGED, "its end is missing or does not match its checksum");
    if (DIFFER(get_little(trailer + 32, 8) != (uint64_t)chunk->n))
        return fail(chunk, SPIKEY_DAMAGED, "it has another size than it was written with");
    uint8_t digest[32];
    spikey_sha256(header, 28, trailer, 32, digest);
    memcpy(chunk->identity, header + 28, 8);
    if (DIFFER(memcmp(digest, chunk->identity, 8)))
        return fail(chunk, SPIKEY_DAMAGED, "its beginning and its end are not of the same archive");
    chunk->n_front = SPIKEY_HEADER_BYTES + directory;
    chunk->n_end = SPIKEY_TRAILER_BYTES + SPIKEY_HEADER_BYTES + directory + index;
    if (chunk->n_end > chunk->n - chunk->n_front) return fail(chunk, SPIKEY_DAMAGED, "directory and index run into each other");
    return SPIKEY_OK;
}

int spikey_read_archive(spikey_chunk *chunk) {
    const uint8_t *header = chunk->front, *directory = header + SPIKEY_HEADER_BYTES, *index = chunk->end;
    const uint8_t *trailer = index + chunk->n_end - SPIKEY_TRAILER_BYTES;
    const int64_t n = chunk->n_front - SPIKEY_HEADER_BYTES, n_index = chunk->n_end - chunk->n_front - SPIKEY_TRAILER_BYTES;
    chunk->coder = header[9], chunk->effort = header[10];
    chunk->first_block = chunk->n_front;
    if (DIFFER(memcmp(index + n_index, directory, (size_t)n) || memcmp(index + n_index + n, header, SPIKEY_HEADER_BYTES)))
        return fail(chunk, SPIKEY_DAMAGED, "the second header or directory differs from the first");
    if (DIFFER(spikey_crc(chunk->crc, 0, directory, n) != get_little(header + 24, 4) ||
               spikey_crc(chunk->crc, 0, index, n_index) != get_little(trailer + 44, 4)))
        return fail(chunk, SPIKEY_DAMAGED, "the directory or the index does not match its checksum");
    TRY(spikey_read_directory(chunk, directory, n));
    static const uint8_t none[8];
    chunk->has_model = memcmp(header + 12, none, 8) != 0;
    chunk->model = chunk->has_model ? spikey_model_of(header + 12) : 0;
    if (chunk->coder < 1 || chunk->coder > 3 || chunk->effort < 1 || chunk->effort > 3)
        return fail(chunk, SPIKEY_UNSUPPORTED, "its coder or its effort is newer than this library");
    if (chunk->has_model && !chunk->model) return fail(chunk, SPIKEY_UNSUPPORTED, "its model is none of this library");
    return read_index(chunk, index, n_index, chunk->n - chunk->n_end);
}

int spikey_make_network(spikey_chunk *chunk) {
    const spikey_model *model = chunk->model;
    if (!model) return SPIKEY_OK;
    chunk->network = spikey_network_new(model->n_layers, model->size, model->weight, model->n_weight, model->bias,
                                        model->n_bias, model->floored, model->low, model->high);
    return chunk->network ? SPIKEY_OK : SPIKEY_NO_MEMORY;
}

void spikey_free_archive(spikey_chunk *chunk) {
    spikey_network_free(chunk->network);
    spikey_close_table(&chunk->directory);
    free(chunk->channels), free(chunk->block_bytes), free(chunk->parts), free(chunk->files), free(chunk->names);
    free(chunk->first_linked), free(chunk->linked);
}
