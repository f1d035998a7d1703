/* Beside spikey.h, for callers that keep the constant tables. */

#ifndef SPIKEY_CHUNK_H
#define SPIKEY_CHUNK_H

#include "core.h"

/* spikey_decode with the tables that spikey_fill_tables filled in. */
int spikey_decode_with(const spikey_tables *tables, const void *chunk, size_t n, const spikey_limits *limits, void *memory,
                       size_t bytes, const char **reason);

#endif
