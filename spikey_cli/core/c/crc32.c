/* CRC-32 as in zlib. */

#include "archive.h"

void spikey_fill_crc(uint32_t table[8][256]) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        table[0][i] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++) table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
}

uint32_t spikey_crc(uint32_t table[8][256], uint32_t crc, const uint8_t *bytes, int64_t n) {
    crc = ~crc;
    for (; n >= 8; n -= 8, bytes += 8) {
        uint64_t x = get_little(bytes, 8) ^ crc;
        crc = 0;
        for (int k = 0; k < 8; k++) crc ^= table[7 - k][x >> 8 * k & 255];
    }
    for (; n > 0; n--) crc = crc >> 8 ^ table[0][(crc ^ *bytes++) & 255];
    return ~crc;
}
