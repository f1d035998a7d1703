/* Archives of any recordings: what they hold, and the traces of one block. */

#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "exact_floats.h"

struct spikey_archive {
    spikey_chunk chunk;
    spikey_tables *tables;
    uint8_t *bytes;         /* of the front and of the end */
    int64_t *block_at, *first_part, *n_positions; /* of each block */
    int64_t *block_of;      /* of each part */
    int64_t *position;      /* of each part */
};

static int begin(spikey_chunk *chunk, int64_t bytes, const spikey_limits *limits) {
    chunk->limits = spikey_limits_of(limits);
    chunk->limits.expected = 0;
    chunk->n = bytes;
    if (chunk->limits.memory < 0 || chunk->limits.expansion < 0 || chunk->limits.memory > (int64_t)(SIZE_MAX / 4))
        return fail(chunk, SPIKEY_BAD_ARGUMENT, "the limits are out of range");
    if (bytes < SPIKEY_HEADER_BYTES + SPIKEY_TRAILER_BYTES || bytes > INT64_MAX / 16)
        return fail(chunk, SPIKEY_NOT_A_CHUNK, "not a Spikey archive");
    spikey_fill_crc(chunk->crc);
    return SPIKEY_OK;
}

static int find_ends(spikey_chunk *chunk, const uint8_t *header, const uint8_t *trailer, int64_t bytes,
                     const spikey_limits *limits) {
    TRY(begin(chunk, bytes, limits));
    if (memcmp(header, SPIKEY_MAGIC, 8)) return fail(chunk, SPIKEY_NOT_A_CHUNK, "not a Spikey archive");
    return spikey_find_ends(chunk, header, trailer);
}

int spikey_ends(const void *header, const void *trailer, int64_t bytes, int64_t *front, int64_t *end, const char **reason) {
    spikey_chunk *chunk = spikey_room(1, sizeof *chunk);
    *front = *end = 0;
    if (!chunk) return spikey_explain(0, SPIKEY_NO_MEMORY, reason);
    int error = find_ends(chunk, header, trailer, bytes, 0);
    *front = chunk->n_front, *end = chunk->n_end;
    spikey_explain(chunk, error, reason);
    free(chunk);
    return error;
}

/* Where blocks and parts are. */
static int find_places(spikey_archive *of) {
    const spikey_chunk *chunk = &of->chunk;
    of->block_at = spikey_room(3 * chunk->n_blocks, sizeof *of->block_at);
    of->block_of = spikey_room(2 * chunk->n_parts, sizeof *of->block_of);
    if (!of->block_at || !of->block_of) return SPIKEY_NO_MEMORY;
    of->first_part = of->block_at + chunk->n_blocks;
    of->n_positions = of->first_part + chunk->n_blocks;
    of->position = of->block_of + chunk->n_parts;
    int64_t at = chunk->first_block, part = 0;
    for (int64_t i = 0; i < chunk->n_blocks; i++) {
        int64_t position = 0;
        of->block_at[i] = at;
        of->first_part[i] = part;
        for (int64_t k = 0; k < chunk->block_parts[i]; k++, part++) {
            of->block_of[part] = i;
            of->position[part] = position;
            position += chunk->files[chunk->parts[part].file].channels;
        }
        of->n_positions[i] = position;
        at += chunk->block_bytes[i];
    }
    return SPIKEY_OK;
}

/* Refuse what would restore to more bytes than the limits allow. */
static int check_size(spikey_chunk *chunk) {
    const int64_t expansion = chunk->limits.expansion;
    int64_t left = greatest(expansion > INT64_MAX / chunk->n ? INT64_MAX : expansion * chunk->n, 16 << 20);
    for (int64_t i = 0; i < chunk->n_files; i++) {
        left -= chunk->files[i].frames * chunk->files[i].frame_bytes;
        if (left < 0) return fail(chunk, SPIKEY_BEYOND_EXPANSION, "it claims to hold many times its bytes");
    }
    return SPIKEY_OK;
}

static int open_archive(spikey_archive *of, const uint8_t *front, size_t n_front, const uint8_t *end, size_t n_end,
                        int64_t bytes, const spikey_limits *limits) {
    spikey_chunk *chunk = &of->chunk;
    TRY(begin(chunk, bytes, limits));
    if (n_front < 8 || memcmp(front, SPIKEY_MAGIC, 8)) return fail(chunk, SPIKEY_NOT_A_CHUNK, "not a Spikey archive");
    if (n_front < SPIKEY_HEADER_BYTES || n_end < SPIKEY_TRAILER_BYTES)
        return fail(chunk, SPIKEY_BAD_ARGUMENT, "spikey_open was given other bytes than spikey_ends asks for");
    if (!spikey_is_exact()) return fail(chunk, SPIKEY_UNSUPPORTED, "the library was compiled without -ffp-contract=off");
    TRY(spikey_find_ends(chunk, front, end + n_end - SPIKEY_TRAILER_BYTES));
    if ((int64_t)n_front != chunk->n_front || (int64_t)n_end != chunk->n_end)
        return fail(chunk, SPIKEY_BAD_ARGUMENT, "spikey_open was given other bytes than spikey_ends asks for");
    of->bytes = malloc(n_front + n_end);
    of->tables = malloc((size_t)spikey_tables_size());
    if (!of->bytes || !of->tables) return SPIKEY_NO_MEMORY;
    memcpy(of->bytes, front, n_front);
    memcpy(of->bytes + n_front, end, n_end);
    chunk->front = of->bytes;
    chunk->end = of->bytes + n_front;
    spikey_fill_tables(of->tables);
    chunk->tables = of->tables;
    TRY(spikey_read_archive(chunk));
    TRY(check_size(chunk));
    TRY(find_places(of));
    return spikey_make_network(chunk);
}

int spikey_open(const void *front, size_t n_front, const void *end, size_t n_end, int64_t bytes, const spikey_limits *limits,
                spikey_archive **archive, const char **reason) {
    spikey_archive *of = *archive = spikey_room(1, sizeof *of);
    if (!of) return spikey_explain(0, SPIKEY_NO_MEMORY, reason);
    spikey_float_mode before = spikey_begin_exact();
    int error = open_archive(of, front, n_front, end, n_end, bytes, limits);
    spikey_end_exact(before);
    spikey_explain(&of->chunk, error, reason);
    if (!error) return error;
    spikey_close(of);
    *archive = 0;
    return error;
}

void spikey_close(spikey_archive *archive) {
    if (!archive) return;
    spikey_free_archive(&archive->chunk);
    free(archive->tables), free(archive->bytes), free(archive->block_at), free(archive->block_of), free(archive);
}

int64_t spikey_recordings(const spikey_archive *archive) { return archive->chunk.n_files; }

int64_t spikey_parts(const spikey_archive *archive) { return archive->chunk.n_parts; }

int spikey_recording(const spikey_archive *archive, int64_t i, spikey_recording_info *recording) {
    if (i < 0 || i >= archive->chunk.n_files) return SPIKEY_BAD_ARGUMENT;
    const spikey_file *file = &archive->chunk.files[i];
    *recording = (spikey_recording_info){file->name, file->name_bytes, is_sampled(file) ? file->type : 0,
                                         file->frame_bytes / file->channels, file->is_group, file->channels, file->frames,
                                         file->rate};
    return SPIKEY_OK;
}

int spikey_part(const spikey_archive *archive, int64_t i, spikey_part_info *info) {
    if (i < 0 || i >= archive->chunk.n_parts) return SPIKEY_BAD_ARGUMENT;
    const spikey_span *part = &archive->chunk.parts[i];
    const int64_t block = archive->block_of[i];
    *info = (spikey_part_info){part->file, part->first, part->frames, block, archive->block_at[block],
                               archive->chunk.block_bytes[block], archive->position[i]};
    return SPIKEY_OK;
}

int64_t spikey_positions(const spikey_archive *archive, int64_t block) {
    return block < 0 || block >= archive->chunk.n_blocks ? -1 : archive->n_positions[block];
}

static const char no_such_block[] = "the archive has no such block";

int spikey_groups(const spikey_archive *archive, int64_t block, int32_t *groups, const char **reason) {
    spikey_chunk chunk = archive->chunk;
    if (spikey_positions(archive, block) < 0)
        return spikey_explain(&chunk, fail(&chunk, SPIKEY_BAD_ARGUMENT, no_such_block), reason);
    spikey_coded *coded = 0;
    int64_t n_coded = 0, first = 0;
    const spikey_span *parts = chunk.parts + archive->first_part[block];
    int error = spikey_join(&chunk, parts, chunk.block_parts[block], &coded, &n_coded);
    for (int64_t i = 0; !error && i < chunk.block_parts[block]; i++) {
        const int64_t n = chunk.files[parts[i].file].channels;
        for (int64_t k = first; k < first + n; k++) {
            const spikey_channel *channel = coded[k].channel;
            groups[k] = coded[channel && channel->kind == COPY ? first + channel->source : k].leader;
        }
        first += n;
    }
    free(coded);
    return spikey_explain(&chunk, error, reason);
}

int spikey_decode_block(const spikey_archive *archive, int64_t block, const void *bytes, size_t n, void *const *memory,
                        const char **reason) {
    spikey_chunk chunk = archive->chunk;
    if (spikey_positions(archive, block) < 0)
        return spikey_explain(&chunk, fail(&chunk, SPIKEY_BAD_ARGUMENT, no_such_block), reason);
    if ((int64_t)n != chunk.block_bytes[block])
        return spikey_explain(&chunk, fail(&chunk, SPIKEY_BAD_ARGUMENT, "a block was given with another number of bytes"), reason);
    spikey_float_mode before = spikey_begin_exact();
    int error = spikey_decode_positions(&chunk, block, bytes, (int64_t)n, memory);
    spikey_end_exact(before);
    return spikey_explain(&chunk, error, reason);
}
