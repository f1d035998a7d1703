/* Beside spikey.h, for callers that keep the constant tables. */

#ifndef SPIKEY_CHUNK_H
#define SPIKEY_CHUNK_H

#include "core.h"

/* spikey_decode with the tables that spikey_fill_tables filled in. */
int spikey_decode_with(const spikey_tables *tables, const void *chunk, size_t n, const spikey_limits *limits, void *memory,
                       size_t bytes, const char **reason);

/* spikey_encode with these tables: a chunk of `n` bytes, which the caller frees. */
int spikey_encode_with(const spikey_tables *tables, const void *memory, const spikey_array *array,
                       const spikey_encoding *encoding, uint8_t **chunk, size_t *n, const char **reason);

#endif
