/* Frames of interleaved samples become channels, and the other way round, tile by tile: each line of memory is read once
 * and written once, even where rows lie a power of two apart and share their places in the cache. */

#include <string.h>

#include "core.h"

enum { TILE = 32 };

#define TRANSPOSE(T)                                                                                            \
    for (int64_t row = 0; row < rows; row += TILE)                                                              \
        for (int64_t column = 0; column < columns; column += TILE) {                                            \
            const T *source = (const T *)from + row * columns + column;                                         \
            T *target = (T *)to + column * rows + row, tile[TILE][TILE];                                        \
            const int64_t n_rows = row + TILE < rows ? TILE : rows - row;                                       \
            const int64_t n_columns = column + TILE < columns ? TILE : columns - column;                        \
            for (int64_t r = 0; r < n_rows; r++)                                                                \
                for (int64_t c = 0; c < n_columns; c++) tile[c][r] = source[r * columns + c];                   \
            for (int64_t c = 0; c < n_columns; c++) memcpy(target + c * rows, tile[c], (size_t)n_rows * sizeof(T)); \
        }

void spikey_transpose(const void *from, int64_t rows, int64_t columns, int64_t size, void *to) {
    switch (size) {
    case 1: TRANSPOSE(uint8_t) break;
    case 2: TRANSPOSE(uint16_t) break;
    case 4: TRANSPOSE(uint32_t) break;
    case 8: TRANSPOSE(uint64_t) break;
    }
}
