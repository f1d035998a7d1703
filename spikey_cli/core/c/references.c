/* The topology of the channels, and what it means in a block: which channels are in a dependency group, which in a joint
 * group, and which references are left. */

#include <stdlib.h>
#include <string.h>

#include "archive.h"

/* Wide columns of so many numbers as there are references. */
typedef struct {
    uint64_t *heads, *earlier, *later, *lags;
    int64_t *first, *referrer; /* by channel: where its referrers begin, and they */
} columns;

static int is_listed(const int32_t *others, int32_t n, int64_t other) {
    for (int32_t i = 0; i < n; i++)
        if (others[i] == other) return 1;
    return 0;
}

/* Add a reference to those of a channel; 0 if there cannot be one. */
static int add_reference(const spikey_chunk *chunk, int64_t own, int64_t other, int is_earlier) {
    spikey_channel *channel = &chunk->channels[own];
    if (other < 0 || other >= chunk->n_channels || other == own ||
        is_listed(channel->earlier, channel->n_earlier, other) || is_listed(channel->later, channel->n_later, other) ||
        (chunk->channels[other].coding_pass < channel->coding_pass) != is_earlier)
        return 0;
    if (is_earlier) channel->earlier[channel->n_earlier++] = (int32_t)other;
    else channel->later[channel->n_later++] = (int32_t)other;
    return 1;
}

static int read_columns(spikey_chunk *chunk, spikey_fields *table, columns *of) {
    static const char malformed[] = "the topology is malformed";
    spikey_channel *channels = chunk->channels;
    const int64_t n = chunk->n_channels;
    uint64_t n_earlier = 0, n_later = 0, n_lags = 0;
    spikey_take_column(&table->in, n, 64 * (3 * (3 * SPIKEY_MAX_REFERENCES + SPIKEY_MAX_LATER) + 2) + 63, of->heads);
    for (int64_t i = 0; i < n; i++) {
        channels[i].coding_pass = (int32_t)(of->heads[i] & 15);
        channels[i].order = SPIKEY_MIN_ORDER << (of->heads[i] >> 6) % 3;
        n_earlier += (of->heads[i] >> 6) / 9, n_later += (of->heads[i] >> 6) / 3 % 3, n_lags += of->heads[i] >> 5 & 1;
    }
    /* each takes a byte of the directory, of which there are no more than the limits allow */
    if (table->in.failed || n_earlier + n_later + n_lags > (uint64_t)left_in(&table->in))
        return fail(chunk, SPIKEY_DAMAGED, malformed);
    of->earlier = spikey_room((int64_t)n_earlier, sizeof *of->earlier);
    of->later = spikey_room((int64_t)n_later, sizeof *of->later);
    of->lags = spikey_room((int64_t)n_lags, sizeof *of->lags);
    of->referrer = spikey_room((int64_t)n_earlier, sizeof *of->referrer);
    of->first = spikey_room(n + 2, sizeof *of->first);
    if (!of->earlier || !of->later || !of->lags || !of->referrer || !of->first) return SPIKEY_NO_MEMORY;
    const uint64_t far = (uint64_t)1 << 32;
    spikey_take_wide_column(table, (int64_t)n_earlier, far, of->earlier);
    const uint64_t *distance = of->earlier;
    for (int64_t i = 0; i < n; i++)
        for (uint64_t k = (of->heads[i] >> 6) / 9; k > 0; k--) {
            int64_t other = i + unzigzag(*distance++);
            if (!add_reference(chunk, i, other, 1)) return fail(chunk, SPIKEY_DAMAGED, malformed);
            of->first[other + 2]++;
        }
    for (int64_t i = 0; i < n; i++) { /* metrics, which only models that pass messages take */
        if (!(of->heads[i] >> 4 & 1)) continue;
        uint64_t any = 0;
        for (int32_t k = 0; k < channels[i].n_earlier; k++) any |= take_number(&table->in, 1);
        if (!any) return fail(chunk, SPIKEY_DAMAGED, malformed);
    }
    for (int64_t i = 2; i < n + 2; i++) of->first[i] += of->first[i - 1];
    for (int64_t i = 0; i < n; i++)
        for (int32_t k = 0; k < channels[i].n_earlier; k++) of->referrer[of->first[channels[i].earlier[k] + 1]++] = i;
    spikey_take_wide_column(table, (int64_t)n_later, far, of->later);
    distance = of->later;
    for (int64_t i = 0; i < n; i++)
        for (uint64_t k = (of->heads[i] >> 6) / 3 % 3; k > 0; k--) {
            uint64_t place = *distance++, n_near = (uint64_t)(of->first[i + 1] - of->first[i]);
            int64_t other = place < n_near ? of->referrer[of->first[i] + (int64_t)place] : i + unzigzag(place - n_near);
            if (!add_reference(chunk, i, other, 0)) return fail(chunk, SPIKEY_DAMAGED, malformed);
        }
    spikey_take_column(&table->in, (int64_t)n_lags, SPIKEY_MAX_LAG - SPIKEY_MIN_LAG, of->lags);
    const uint64_t *lag = of->lags;
    for (int64_t i = 0; i < n; i++)
        if (of->heads[i] >> 5 & 1) channels[i].lag = (int32_t)*lag++ + SPIKEY_MIN_LAG;
    return table->in.failed ? fail(chunk, SPIKEY_DAMAGED, malformed) : SPIKEY_OK;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Which files are linked: one has a channel that references one of the other. */
static int link_files(spikey_chunk *chunk) {
    int64_t n = 0, kept = 0;
    for (int64_t i = 0; i < chunk->n_channels; i++) n += chunk->channels[i].n_earlier + chunk->channels[i].n_later;
    if (chunk->n_files < 2 || !n) return SPIKEY_OK;
    uint64_t *pairs = spikey_room(2 * n, sizeof *pairs);
    if (!pairs) return SPIKEY_NO_MEMORY;
    n = 0;
    for (int64_t i = 0; i < chunk->n_channels; i++) {
        const spikey_channel *own = &chunk->channels[i];
        for (int32_t k = 0; k < own->n_earlier + own->n_later; k++) {
            const int32_t other = k < own->n_earlier ? own->earlier[k] : own->later[k - own->n_earlier];
            const uint64_t a = (uint64_t)own->file, b = (uint64_t)chunk->channels[other].file;
            if (a != b) pairs[n++] = a << 32 | b, pairs[n++] = b << 32 | a;
        }
    }
    qsort(pairs, (size_t)n, sizeof *pairs, compare);
    for (int64_t i = 0; i < n; i++)
        if (!i || pairs[i] != pairs[i - 1]) pairs[kept++] = pairs[i];
    if (kept) {
        chunk->first_linked = spikey_room(chunk->n_files + 1, sizeof *chunk->first_linked);
        chunk->linked = spikey_room(kept, sizeof *chunk->linked);
    }
    int error = kept && (!chunk->first_linked || !chunk->linked) ? SPIKEY_NO_MEMORY : SPIKEY_OK;
    for (int64_t i = 0, file = 0; kept && !error && file <= chunk->n_files; file++) {
        chunk->first_linked[file] = i;
        for (; i < kept && (int64_t)(pairs[i] >> 32) == file; i++) chunk->linked[i] = (int64_t)(pairs[i] & UINT32_MAX);
    }
    free(pairs);
    return error;
}

int spikey_read_topology(spikey_chunk *chunk, spikey_fields *table) {
    columns of = {0};
    if (left_in(&table->in) < chunk->n_channels) return fail(chunk, SPIKEY_DAMAGED, "the topology is malformed");
    of.heads = spikey_room(chunk->n_channels, sizeof *of.heads);
    int error = of.heads ? read_columns(chunk, table, &of) : SPIKEY_NO_MEMORY;
    if (!error) error = link_files(chunk);
    free(of.heads), free(of.earlier), free(of.later), free(of.lags), free(of.first), free(of.referrer);
    return error;
}

/* ---- blocks ---- */

static int32_t leader_of(const spikey_coded *coded, int32_t i) {
    while (coded[i].leader != i) i = coded[i].leader;
    return i;
}

/* Keep the references to positions first..stop-1, and join the groups of those that are left. */
static int32_t keep(spikey_coded *coded, int32_t own, int32_t *others, int32_t n, int64_t first, int64_t stop) {
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++) {
        if (others[i] < first || others[i] >= stop) continue;
        others[kept++] = others[i];
        int32_t a = leader_of(coded, own), b = leader_of(coded, others[i]);
        coded[a > b ? a : b].leader = a > b ? b : a;
    }
    return kept;
}

static void form_groups(spikey_coded *coded, int64_t n, int64_t *reach) {
    for (int64_t i = 0; i < n; i++) reach[i] = i;
    for (int64_t i = 0; i < n; i++)
        for (int32_t k = 0; k < coded[i].n_earlier + coded[i].n_later; k++) {
            int32_t other = k < coded[i].n_earlier ? coded[i].earlier[k] : coded[i].later[k - coded[i].n_earlier];
            reach[i] = greatest(reach[i], other);
            reach[other] = greatest(reach[other], i);
        }
    for (int64_t first = 0, stop = 0, far = 0; first < n; first = stop) {
        for (; stop < n && (stop == first || (stop <= far && stop - first < MAX_GROUP)); stop++)
            far = greatest(far, reach[stop]);
        for (int64_t i = first; i < stop; i++) {
            coded[i].n_earlier = keep(coded, (int32_t)i, coded[i].earlier, coded[i].n_earlier, first, stop);
            coded[i].n_later = keep(coded, (int32_t)i, coded[i].later, coded[i].n_later, first, stop);
        }
    }
    for (int64_t i = 0; i < n; i++) coded[i].leader = leader_of(coded, (int32_t)i);
    for (int64_t i = n - 1; i >= 0; i--) { /* the members of a group follow its leader in order */
        spikey_coded *leader = &coded[coded[i].leader];
        if (leader == &coded[i]) continue;
        coded[i].next = leader->next;
        leader->next = (int32_t)i;
    }
}

/* Where the parts of each file stand in a block, and the first position of each part. */
typedef struct {
    int64_t *first, *own, *position;
} places;

/* The position of a channel whose part has the frames of `like`; -1 if there is none. */
static int32_t find(const spikey_chunk *chunk, const places *of, const spikey_span *parts, int32_t channel,
                    const spikey_span *like) {
    const int32_t file = chunk->channels[channel].file;
    int64_t low = of->first[file], high = of->first[file + 1]; /* in order of time */
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (parts[of->own[middle]].first < like->first) low = middle + 1;
        else high = middle;
    }
    if (low == of->first[file + 1]) return -1;
    const spikey_span *part = &parts[of->own[low]];
    if (part->first != like->first || part->frames != like->frames) return -1;
    return (int32_t)(of->position[of->own[low]] + channel - chunk->files[file].first_channel);
}

static int32_t find_all(const spikey_chunk *chunk, const places *of, const spikey_span *parts, const spikey_span *like,
                        const int32_t *channels, int32_t n, int32_t *positions) {
    int32_t found = 0;
    for (int32_t i = 0; i < n; i++)
        if ((positions[found] = find(chunk, of, parts, channels[i], like)) >= 0) found++;
    return found;
}

int spikey_join(spikey_chunk *chunk, const spikey_span *parts, int64_t n_parts, spikey_coded **joined, int64_t *n_joined) {
    int64_t n = 0, n_channels = 0, n_lattices = 0;
    for (int64_t i = 0; i < n_parts; i++) {
        const spikey_file *file = &chunk->files[parts[i].file];
        if (is_sampled(file) && n_channels < n)
            return fail(chunk, SPIKEY_DAMAGED, "kept numbers stand before channels in a block");
        n += file->channels;
        n_channels += is_sampled(file) ? file->channels : 0;
        if (n * (int64_t)sizeof(spikey_coded) > greatest(chunk->limits.memory, 2 * file->channels * (int64_t)sizeof(spikey_coded)))
            return fail(chunk, SPIKEY_BEYOND_MEMORY, "the channels of a block exceed the memory limit");
        for (int64_t k = 0; is_sampled(file) && k < file->channels; k++)
            n_lattices += chunk->channels[file->first_channel + k].kind == LATTICE;
    }
    spikey_coded *coded = *joined = spikey_room(n + n_lattices, sizeof *coded);
    places of = {spikey_room(chunk->n_files + 2, sizeof *of.first), spikey_room(n_parts, sizeof *of.own),
                 spikey_room(n_parts, sizeof *of.position)};
    int64_t *reach = spikey_room(n_channels, sizeof *reach);
    int error = coded && of.first && of.own && of.position && reach ? SPIKEY_OK : SPIKEY_NO_MEMORY;
    int64_t position = 0, residues = n;
    for (int64_t i = 0; !error && i < n_parts; i++) of.first[parts[i].file + 2]++;
    for (int64_t i = 2; !error && i < chunk->n_files + 2; i++) of.first[i] += of.first[i - 1];
    for (int64_t i = 0; !error && i < n_parts; i++) {
        const spikey_file *file = &chunk->files[parts[i].file];
        of.own[of.first[parts[i].file + 1]++] = i;
        of.position[i] = position;
        for (int64_t k = 0; k < file->channels; k++, position++) {
            const spikey_channel *channel = is_sampled(file) ? &chunk->channels[file->first_channel + k] : 0;
            spikey_coded *own = &coded[position];
            *own = (spikey_coded){.channel = channel, .frames = parts[i].frames, .leader = (int32_t)position, .next = -1};
            own->residues = (int32_t)position;
            if (!channel) continue;
            own->coding_pass = channel->coding_pass, own->lag = channel->lag, own->order = channel->order;
            own->size = channel->size;
            if (channel->kind != LATTICE) continue;
            own->residues = (int32_t)residues;
            coded[residues] = (spikey_coded){.frames = parts[i].frames, .leader = (int32_t)residues, .next = -1,
                                             .residues = (int32_t)residues, .order = SPIKEY_MIN_ORDER,
                                             .size = channel->residues};
            residues++;
        }
    }
    for (int64_t i = 0; !error && i < n_parts; i++)
        for (int64_t k = of.position[i]; k < of.position[i] + chunk->files[parts[i].file].channels; k++) {
            spikey_coded *own = &coded[k];
            if (!own->channel) continue;
            own->n_earlier = find_all(chunk, &of, parts, &parts[i], own->channel->earlier, own->channel->n_earlier, own->earlier);
            own->n_later = find_all(chunk, &of, parts, &parts[i], own->channel->later, own->channel->n_later, own->later);
        }
    if (!error) form_groups(coded, n_channels, reach); /* kept numbers stand behind */
    free(of.first), free(of.own), free(of.position), free(reach);
    *n_joined = n + n_lattices;
    return error;
}
