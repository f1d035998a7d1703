/* The topology of a chunk's channels, and what it means in a part, whose channels are all of one file: which channels are
 * in a dependency group, which in a joint group, and which references are left. */

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

static int32_t leader_of(const spikey_channel *channels, int32_t i) {
    while (channels[i].leader != i) i = channels[i].leader;
    return i;
}

/* Keep the references to channels first..stop-1, and join the groups of those that are left. */
static int32_t keep(spikey_channel *channels, int32_t own, int32_t *others, int32_t n, int64_t first, int64_t stop) {
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++) {
        if (others[i] < first || others[i] >= stop) continue;
        others[kept++] = others[i];
        int32_t a = leader_of(channels, own), b = leader_of(channels, others[i]);
        channels[a > b ? a : b].leader = a > b ? b : a;
    }
    return kept;
}

int spikey_form_groups(spikey_chunk *chunk) {
    spikey_channel *channels = chunk->channels;
    const int64_t n = chunk->n_channels;
    int64_t *reach = spikey_room(n, sizeof *reach); /* the last channel that each is linked with */
    if (!reach) return SPIKEY_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) reach[i] = i;
    for (int64_t i = 0; i < n; i++)
        for (int32_t k = 0; k < channels[i].n_earlier + channels[i].n_later; k++) {
            int32_t other = k < channels[i].n_earlier ? channels[i].earlier[k] : channels[i].later[k - channels[i].n_earlier];
            reach[i] = greatest(reach[i], other);
            reach[other] = greatest(reach[other], i);
        }
    for (int64_t i = 0; i < n; i++) channels[i].leader = (int32_t)i, channels[i].next = -1;
    for (int64_t first = 0, stop = 0, far = 0; first < n; first = stop) {
        for (; stop < n && (stop == first || (stop <= far && stop - first < MAX_GROUP)); stop++)
            far = greatest(far, reach[stop]);
        for (int64_t i = first; i < stop; i++) {
            spikey_channel *channel = &channels[i];
            channel->n_earlier = keep(channels, (int32_t)i, channel->earlier, channel->n_earlier, first, stop);
            channel->n_later = keep(channels, (int32_t)i, channel->later, channel->n_later, first, stop);
        }
    }
    for (int64_t i = 0; i < n; i++) channels[i].leader = leader_of(channels, (int32_t)i);
    for (int64_t i = n - 1; i >= 0; i--) { /* the members of a group follow its leader in order */
        spikey_channel *leader = &channels[channels[i].leader];
        if (leader == &channels[i]) continue;
        channels[i].next = leader->next;
        leader->next = (int32_t)i;
    }
    free(reach);
    return SPIKEY_OK;
}

static int read_columns(spikey_chunk *chunk, spikey_fields *table, columns *of) {
    static const char malformed[] = "the topology is malformed";
    spikey_channel *channels = chunk->channels;
    const int64_t n = chunk->n_channels;
    uint64_t n_earlier = 0, n_later = 0, n_lags = 0;
    spikey_take_column(&table->in, n, 16 * 4 * (3 * SPIKEY_MAX_REFERENCES + SPIKEY_MAX_LATER) + 63, of->heads);
    for (int64_t i = 0; i < n; i++) {
        channels[i].coding_pass = (int32_t)(of->heads[i] & 15);
        n_earlier += (of->heads[i] >> 6) / 3, n_later += (of->heads[i] >> 6) % 3, n_lags += of->heads[i] >> 5 & 1;
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
        for (uint64_t k = (of->heads[i] >> 6) / 3; k > 0; k--) {
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
        for (uint64_t k = (of->heads[i] >> 6) % 3; k > 0; k--) {
            uint64_t place = *distance++, n_near = (uint64_t)(of->first[i + 1] - of->first[i]);
            int64_t other = place < n_near ? of->referrer[of->first[i] + (int64_t)place] : i + unzigzag(place - n_near);
            if (!add_reference(chunk, i, other, 0)) return fail(chunk, SPIKEY_DAMAGED, malformed);
        }
    spikey_take_column(&table->in, (int64_t)n_lags, SPIKEY_MAX_LAG - SPIKEY_MIN_LAG, of->lags);
    const uint64_t *lag = of->lags;
    for (int64_t i = 0; i < n; i++)
        if (of->heads[i] >> 5 & 1) channels[i].lag = (int32_t)*lag++ + SPIKEY_MIN_LAG;
    if (table->in.failed) return fail(chunk, SPIKEY_DAMAGED, malformed);
    return spikey_form_groups(chunk);
}

int spikey_read_topology(spikey_chunk *chunk, spikey_fields *table) {
    columns of = {0};
    if (left_in(&table->in) < chunk->n_channels) return fail(chunk, SPIKEY_DAMAGED, "the topology is malformed");
    of.heads = spikey_room(chunk->n_channels, sizeof *of.heads);
    int error = of.heads ? read_columns(chunk, table, &of) : SPIKEY_NO_MEMORY;
    free(of.heads), free(of.earlier), free(of.later), free(of.lags), free(of.first), free(of.referrer);
    return error;
}
