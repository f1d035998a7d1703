/* The tables of an archive: numbers, columns and bytes, most of them deflated; see docs/format.md. */

#include "encoder.h"

enum { LONG_FIELD = 256 };

/* End a field that began at `first`: behind a long one, other codes are worth their place. */
static void end_field(spikey_table_writer *table, int64_t first) {
    if (table->fields.n - first >= LONG_FIELD && table->n_ends < SPIKEY_ENDS) table->ends[table->n_ends++] = table->fields.n;
}

void spikey_put_data(spikey_table_writer *table, const void *bytes, int64_t n) {
    int64_t first = table->fields.n;
    put_bytes(&table->fields, bytes, n);
    end_field(table, first);
}

/* The first bytes of all numbers as uvarints, then the second ones of those that have one, and so on. */
static void put_planes(spikey_writer *out, const uint64_t *column, int64_t n, int n_low) {
    for (int shift = n_low, more = 1; more; shift += 7) {
        more = 0;
        for (int64_t i = 0; i < n; i++) {
            uint64_t left = shift < 64 ? column[i] >> shift : 0;
            if (!left && shift > n_low) continue;
            put_number(out, (left & 127) | (left > 127 ? 128 : 0), 1);
            more |= left > 127;
        }
    }
}

void spikey_put_column(spikey_table_writer *table, const uint64_t *column, int64_t n) {
    int64_t first = table->fields.n;
    put_planes(&table->fields, column, n, 0);
    end_field(table, first);
}

void spikey_put_wide_column(spikey_table_writer *table, const uint64_t *column, int64_t n) {
    uint64_t sum = 0;
    int size = 0, best = 0;
    int64_t fewest = INT64_MAX;
    for (int64_t i = 0; i < n; i++) sum += column[i];
    for (uint64_t mean = n ? sum / (uint64_t)n : 0; mean; mean >>= 1) size++;
    for (int n_low = 0; n && n_low <= size && n_low <= 32; n_low++) {
        if (n_low && n_low < size - 4) continue;
        spikey_writer high = {0}, packed = {0};
        put_planes(&high, column, n, n_low);
        if (!high.failed) spikey_deflate(high.bytes, 0, high.n, 0, 0, 0, &packed);
        table->fields.failed |= high.failed || packed.failed;
        if (packed.n + (n_low * n + 7) / 8 < fewest) fewest = packed.n + (n_low * n + 7) / 8, best = n_low;
        free(high.bytes), free(packed.bytes);
    }
    put_uvarint(&table->fields, (uint64_t)best);
    int64_t first = table->fields.n;
    put_planes(&table->fields, column, n, best);
    end_field(table, first);
    uint8_t *bits = put_room(&table->tail, (n * best + 7) / 8);
    if (!bits) return;
    memset(bits, 0, (size_t)((n * best + 7) / 8));
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++)
        for (int b = best - 1; b >= 0; b--, at++) bits[at >> 3] = (uint8_t)(bits[at >> 3] | (column[i] >> b & 1) << (7 - (at & 7)));
}

int spikey_end_table(spikey_table_writer *table, spikey_writer *out) {
    spikey_writer whole = {0}, packed[2] = {{0}, {0}};
    put_bytes(&whole, spikey_dictionary, spikey_dictionary_bytes);
    put_bytes(&whole, table->fields.bytes, table->fields.n);
    for (int i = 0; i < 2 && !whole.failed; i++)
        spikey_deflate(whole.bytes, spikey_dictionary_bytes, table->fields.n, table->ends, table->n_ends, i, &packed[i]);
    int failed = table->fields.failed || table->tail.failed || whole.failed || packed[0].failed || packed[1].failed;
    const spikey_writer *shorter = &packed[packed[1].n < packed[0].n];
    put_number(out, 0, 1);
    if (!failed) put_bytes(out, shorter->bytes, shorter->n);
    if (!failed) put_bytes(out, table->tail.bytes, table->tail.n);
    failed |= out->failed;
    free(whole.bytes), free(packed[0].bytes), free(packed[1].bytes), free(table->fields.bytes), free(table->tail.bytes);
    *table = (spikey_table_writer){.n_ends = 0};
    return failed ? SPIKEY_NO_MEMORY : SPIKEY_OK;
}
