/* The search for quantizers: of all samples, and of single channels, as spikey_cli/core/quantizer.py and
 * channel_quantizers.py describe them. The first samples show which channels may have one of their own. */

#include "encoder.h"

enum {
    PAGE = 1 << 10,
    PALETTE_SPARSITY = 4,
    PALETTE_FRAMES = 64,   /* that share each value of a channel's palette, at least */
    COMPARED = 1 << 10,    /* frames by which a copy is looked for */
    LEAST_TABLE = 128
};

/* The values of some samples. */
typedef struct {
    uint8_t *seen, *pages; /* of each value from the lowest of the samples' type on; of each PAGE of them */
    int32_t lowest, highest, low, high; /* of the type; of these samples */
} values;

static int make_values(values *of, int32_t lowest, int32_t highest) {
    const int64_t n_pages = ((int64_t)highest - lowest) / PAGE + 1;
    of->lowest = of->high = lowest, of->highest = of->low = highest;
    of->seen = spikey_room(n_pages, PAGE + 1); /* pages that no sample touches take no memory */
    of->pages = of->seen ? of->seen + n_pages * PAGE : 0;
    return of->seen ? SPIKEY_OK : SPIKEY_NO_MEMORY;
}

static void add_values(values *of, const int32_t *integers, int64_t n) {
    int32_t low = of->low, high = of->high;
    for (int64_t i = 0; i < n; i++) {
        const int32_t at = integers[i] - of->lowest;
        low = integers[i] < low ? integers[i] : low;
        high = integers[i] > high ? integers[i] : high;
        of->seen[at] = of->pages[at / PAGE] = 1;
    }
    of->low = low, of->high = high;
}

static int64_t count_values(const values *of) {
    int64_t count = 0;
    for (int64_t page = (of->low - of->lowest) / PAGE; of->low <= of->high && page <= (of->high - of->lowest) / PAGE; page++)
        for (int64_t i = page * PAGE; of->pages[page] && i < (page + 1) * PAGE; i++) count += of->seen[i];
    return count;
}

/* The next value from `value` on; above the highest one if there is none. */
static int32_t next_value(const values *of, int32_t value) {
    while (value <= of->high) {
        const int32_t at = value - of->lowest, stop = (at / PAGE + 1) * PAGE;
        const uint8_t *found = of->pages[at / PAGE] ? memchr(of->seen + at, 1, (size_t)(stop - at)) : 0;
        if (found) return (int32_t)(found - of->seen) + of->lowest;
        value = of->lowest + stop;
    }
    return value;
}

/* Move all values into others. */
static void move_values(values *from, values *to) {
    for (int64_t page = (from->low - from->lowest) / PAGE; from->low <= from->high && page <= (from->high - from->lowest) / PAGE; page++) {
        if (!from->pages[page]) continue;
        for (int64_t i = page * PAGE; i < (page + 1) * PAGE; i++) to->seen[i] |= from->seen[i];
        memset(from->seen + page * PAGE, 0, PAGE);
        to->pages[page] = 1, from->pages[page] = 0;
    }
    to->low = from->low < to->low ? from->low : to->low;
    to->high = from->high > to->high ? from->high : to->high;
    from->low = from->highest, from->high = from->lowest;
}

static spikey_channel identity_of(int integer_bytes) {
    const int32_t lowest = integer_bytes == 1 ? 0 : integer_bytes == 2 ? -0x8000 : -0x800000;
    return (spikey_channel){.kind = IDENTITY, .offset = lowest, .step = 1, .size = 1 << 8 * integer_bytes};
}

static int is_n1(const values *of, int64_t count) {
    for (int32_t i = 0; i < 1024; i++) count -= of->seen[n1_value(i) - of->lowest];
    return count == 0;
}

/* The quantizer of these values: n1, else step, else palette, else identity. */
static int find_quantizer(const values *of, int integer_bytes, int64_t count, spikey_channel *found) {
    const int64_t span = (int64_t)of->high - of->low + 1;
    *found = identity_of(integer_bytes);
    if (count < 2 || 2 * count > span + 1) return SPIKEY_OK;
    if (integer_bytes == 2 && is_n1(of, count)) {
        found->kind = N1, found->size = 1024;
        return SPIKEY_OK;
    }
    int32_t step = 0, least_gap = INT32_MAX;
    for (int32_t last = of->low, next; least_gap > 1 && (next = next_value(of, last + 1)) <= of->high; last = next) {
        least_gap = (int32_t)least(least_gap, next - last);
        step = (int32_t)divisor_of((uint64_t)(next - last), (uint64_t)step);
    }
    if (least_gap > 1 && step > 1) {
        *found = (spikey_channel){.kind = STEP, .offset = of->low, .step = step, .size = (int32_t)(span - 1) / step + 1};
    } else if (count <= MAX_PALETTE && span >= PALETTE_SPARSITY * count) {
        *found = (spikey_channel){.kind = PALETTE, .offset = of->low, .step = 1, .size = (int32_t)count};
        found->values = spikey_room(count, sizeof *found->values);
        if (!found->values) return SPIKEY_NO_MEMORY;
        for (int32_t value = of->low, k = 0; k < count; value = next_value(of, value + 1)) found->values[k++] = value;
    }
    return SPIKEY_OK;
}

/* ---- copies ---- */

/* Whether a channel is a copy of an earlier one, in some frames. */
static int is_copy(const spikey_source *source, int64_t channel, const spikey_channel *copy, int64_t first, int64_t stop) {
    int32_t own[TILE], other[TILE];
    for (; first < stop; first += TILE) {
        const int64_t n = least(TILE, stop - first);
        spikey_read_integers(source, first, n, channel, 1, TILE, own);
        spikey_read_integers(source, first, n, copy->source, 1, TILE, other);
        for (int64_t i = 0; i < n; i++)
            if (own[i] != (copy->is_negated ? -other[i] : other[i]) + copy->offset) return 0;
    }
    return 1;
}

static uint64_t hash_of(const int32_t *integers, int64_t n, int32_t sign) {
    uint64_t hash = 1;
    for (int64_t i = 1; i < n; i++) hash = (hash ^ (uint32_t)(sign * (integers[i] - integers[i - 1]))) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

static int are_parallel(const int32_t *a, const int32_t *b, int64_t n, int32_t sign) {
    for (int64_t i = 1; i < n; i++)
        if (a[i] - a[i - 1] != sign * (b[i] - b[i - 1])) return 0;
    return 1;
}

/* Find the channels that equal an earlier one, or its negative, but for an offset; `own` gets them. */
static int find_copies(spikey_encoder *of, int64_t piece) {
    const int64_t channels = of->source.channels, n = least(piece, COMPARED), stride = of->excerpt_frames;
    int64_t size = 4;
    while (size < 2 * channels) size *= 2;
    int32_t *first = spikey_room(size, sizeof *first); /* 1 + the first channel of each hash */
    if (!first) return SPIKEY_NO_MEMORY;
    for (int64_t i = 0; i < channels; i++) {
        const int32_t *own = of->excerpt + i * stride;
        int is_constant = 1, is_found = 0;
        for (int64_t t = 1; t < n && is_constant; t++) is_constant = own[t] == own[0];
        for (int32_t sign = 1; !is_constant && !is_found && sign >= -1; sign -= 2) {
            int64_t at = (int64_t)(hash_of(own, n, sign) & (uint64_t)(size - 1));
            while (first[at] && !are_parallel(own, of->excerpt + (first[at] - 1) * stride, n, sign)) at = (at + 1) & (size - 1);
            if (!first[at]) continue;
            const int32_t source = first[at] - 1;
            spikey_channel copy = {.kind = COPY, .size = 1, .source = source, .is_negated = sign < 0};
            copy.offset = own[0] - sign * of->excerpt[source * stride];
            if (!is_copy(&of->source, i, &copy, 0, piece)) continue;
            of->own[i] = copy;
            is_found = 1;
        }
        if (is_constant || is_found) continue;
        int64_t at = (int64_t)(hash_of(own, n, 1) & (uint64_t)(size - 1));
        while (first[at] && !are_parallel(own, of->excerpt + (first[at] - 1) * stride, n, 1)) at = (at + 1) & (size - 1);
        if (!first[at]) first[at] = (int32_t)i + 1;
    }
    free(first);
    return SPIKEY_OK;
}

/* ---- the survey ---- */

/* What may be said of a channel beside its quantizer. */
typedef enum { OF_ALL, CONSTANT, OF_ITS_VALUES, ON_LATTICE, COPIED } candidate;

static void add_channel(const spikey_encoder *of, values *own, int64_t channel, int64_t first, int64_t stop) {
    int32_t integers[TILE];
    for (; first < stop; first += TILE) {
        const int64_t n = least(TILE, stop - first);
        spikey_read_integers(&of->source, first, n, channel, 1, TILE, integers);
        add_values(own, integers, n);
    }
}

/* What the values of a channel's first samples, and then of all, make of it. */
static int survey_piece(spikey_encoder *of, spikey_fourier *fourier, const values *seen, int64_t channel, int64_t piece, candidate *what) {
    const int bytes = of->source.integer_bytes;
    spikey_channel *own = &of->own[channel];
    const int64_t count = count_values(seen);
    *what = CONSTANT;
    if (count < 2) return SPIKEY_OK;
    TRY(find_quantizer(seen, bytes, count, own));
    *what = own->kind == IDENTITY ? OF_ALL : OF_ITS_VALUES;
    if (own->kind == IDENTITY || own->kind == PALETTE) {
        spikey_channel lattice;
        const int has_palette = own->kind == PALETTE && piece >= PALETTE_FRAMES * count;
        int found = spikey_find_lattice(fourier, of->excerpt + channel * of->excerpt_frames, of->excerpt_frames, has_palette, &lattice);
        if (found < 0) return found;
        if (found) *what = ON_LATTICE;
        if (found) free(own->values), *own = lattice;
    }
    return SPIKEY_OK;
}

static int survey_all(spikey_encoder *of, const values *seen, int64_t channel, candidate *what) {
    spikey_channel *own = &of->own[channel];
    if (*what == ON_LATTICE) *what = spikey_fit_lattice(own, seen->low, seen->high, seen->lowest) ? ON_LATTICE : OF_ALL;
    if (*what != OF_ITS_VALUES && *what != CONSTANT) return SPIKEY_OK;
    const int64_t count = count_values(seen), n_frames = of->source.frames;
    free(own->values);
    *own = (spikey_channel){.kind = STEP, .offset = seen->low, .step = 1, .size = 1};
    *what = count == 1 ? CONSTANT : OF_ITS_VALUES;
    if (count == 1) return SPIKEY_OK;
    TRY(find_quantizer(seen, of->source.integer_bytes, count, own));
    if (own->kind != STEP && (own->kind != PALETTE || n_frames < PALETTE_FRAMES * count)) *what = OF_ALL;
    return SPIKEY_OK;
}

/* Find candidates for quantizers of channels, and the values of all samples. */
static int survey(spikey_encoder *of, candidate *what, values *all) {
    const spikey_source *source = &of->source;
    const int64_t piece = least(source->frames, greatest(1, PIECE_BYTES / (source->channels * source->sample_bytes)));
    values own;
    if (source->channels > 1) TRY(find_copies(of, piece));
    spikey_fourier fourier = {0};
    int error = make_values(&own, all->lowest, all->highest);
    for (int64_t i = 0; i < source->channels && !error; i++) {
        add_channel(of, &own, i, 0, piece);
        if (of->own[i].kind == COPY) what[i] = is_copy(source, i, &of->own[i], piece, source->frames) ? COPIED : OF_ALL;
        else error = survey_piece(of, &fourier, &own, i, piece, &what[i]);
        add_channel(of, &own, i, piece, source->frames);
        if (!error) error = survey_all(of, &own, i, &what[i]);
        move_values(&own, all);
    }
    spikey_fourier_free(&fourier);
    free(own.seen);
    return error;
}

/* ---- the choice ---- */

void spikey_put_quantizer(spikey_writer *out, const spikey_channel *channel) {
    put_number(out, channel->kind, 1);
    if (channel->kind == STEP) {
        put_uvarint(out, zigzag(channel->offset));
        put_uvarint(out, (uint64_t)channel->step);
        put_uvarint(out, (uint64_t)channel->size);
    } else if (channel->kind == PALETTE) {
        put_uvarint(out, (uint64_t)channel->size);
        put_uvarint(out, zigzag(channel->values[0]));
        for (int32_t i = 1; i < channel->size; i++) put_uvarint(out, (uint64_t)(channel->values[i] - channel->values[i - 1] - 1));
    } else if (channel->kind == LATTICE) {
        put_uvarint(out, (uint64_t)channel->numerator);
        put_uvarint(out, (uint64_t)channel->denominator);
        put_uvarint(out, zigzag(channel->shift));
        put_uvarint(out, (uint64_t)channel->size);
    } else if (channel->kind == COPY) {
        put_uvarint(out, (uint64_t)channel->source);
        put_uvarint(out, zigzag(channel->offset));
        put_uvarint(out, (uint64_t)channel->is_negated);
    }
}

/* Whether the values of all channels are a palette that has more of them in the range of a lattice than there are points. */
static int is_crowded(const spikey_channel *whole, const spikey_channel *lattice) {
    const int64_t low = point_of(lattice, 0), high = point_of(lattice, lattice->size - 1);
    int64_t count = 0;
    for (int32_t i = 0; whole->kind == PALETTE && i < whole->size; i++) count += whole->values[i] >= low && whole->values[i] <= high;
    return count > lattice->size;
}

/* Drop a palette of all samples if most channels are on lattices that have fewer points. */
static void drop_palette(spikey_encoder *of, const candidate *what, const spikey_channel *identity) {
    int64_t n = 0;
    for (int64_t i = 0; i < of->source.channels; i++) n += what[i] == ON_LATTICE && is_crowded(&of->whole, &of->own[i]);
    if (2 * n > of->source.channels) free(of->whole.values), of->whole = *identity;
}

/* Give each channel its own quantizer, if it has one that is of use, or that of all samples. Returns whether any has. */
static int give_quantizers(spikey_encoder *of, const candidate *what, const spikey_channel *whole) {
    const int64_t channels = of->source.channels;
    int is_by_channel = 0, is_silent = 1;
    for (int64_t i = 0; i < channels; i++) {
        const spikey_channel *own = &of->own[i];
        int is_taken = what[i] == CONSTANT || what[i] == COPIED;
        if (what[i] == ON_LATTICE) is_taken = whole->kind == IDENTITY;
        if (what[i] == OF_ITS_VALUES)
            is_taken = own->kind == PALETTE ? whole->kind == IDENTITY
                                            : (whole->kind == IDENTITY || whole->kind == STEP) && own->step > whole->step;
        of->chunk.channels[i] = is_taken ? *own : *whole;
        is_by_channel |= is_taken;
        is_silent &= of->chunk.channels[i].size == 1 && of->chunk.channels[i].kind != LATTICE;
    }
    for (int64_t i = 0; (!is_by_channel || is_silent) && i < channels; i++) of->chunk.channels[i] = *whole;
    return is_by_channel && !is_silent; /* a silent file would take next to nothing, and be refused as a bomb */
}

static int64_t packed_bytes(const spikey_encoder *of, int *failed) {
    spikey_writer out = {0};
    for (int64_t i = 0; i < (of->is_by_channel ? of->source.channels : 1); i++) spikey_put_quantizer(&out, &of->chunk.channels[i]);
    *failed |= out.failed;
    free(out.bytes);
    return out.n + of->is_by_channel;
}

int spikey_find_quantizers(spikey_encoder *of) {
    const spikey_source *source = &of->source;
    const spikey_channel identity = identity_of(source->integer_bytes);
    const int64_t room = greatest(LEAST_TABLE, source->frames * source->channels * source->sample_bytes / 16) / 2;
    values all;
    candidate *what = spikey_room(source->channels, sizeof *what);
    int error = make_values(&all, identity.offset, identity.offset + identity.size - 1), failed = 0;
    if (!what) error = SPIKEY_NO_MEMORY;
    if (!error) error = survey(of, what, &all);
    if (!error) error = find_quantizer(&all, source->integer_bytes, count_values(&all), &of->whole);
    if (!error) drop_palette(of, what, &identity);
    /* those that the directory has room for: it stands twice in a chunk */
    for (int way = 0, fits = 0; !error && !fits && way < 4; way++) {
        const spikey_channel *whole = way < 2 ? &of->whole : &identity;
        of->is_by_channel = way % 2 == 0 && give_quantizers(of, what, whole);
        for (int64_t i = 0; way % 2 && i < source->channels; i++) of->chunk.channels[i] = *whole;
        fits = packed_bytes(of, &failed) <= room;
    }
    free(what), free(all.seen);
    return error ? error : failed ? SPIKEY_NO_MEMORY : SPIKEY_OK;
}
