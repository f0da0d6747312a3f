/* CRC-32C by the processor's instruction, three streams at once as it takes three cycles; they are joined by tables that advance a
 * checksum over a stream's length of zeros. */
#include "floor.h"
#include <nmmintrin.h>
#include <string.h>

#define STREAM 4096

static uint32_t advance[4][256];

/* Appends `STREAM` zeros to a message of which the bits are given. */
static uint32_t over_zeros(uint32_t crc) {
    uint64_t wide = crc;
    for (int i = 0; i < STREAM / 8; i++) wide = _mm_crc32_u64(wide, 0);
    return (uint32_t)wide;
}

__attribute__((constructor)) static void fill(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int place = 0; place < 4; place++) advance[place][byte] = over_zeros(byte << (8 * place));
    }
}

static uint32_t advanced(uint32_t crc) {
    return advance[0][crc & 255] ^ advance[1][crc >> 8 & 255] ^ advance[2][crc >> 16 & 255] ^ advance[3][crc >> 24];
}

static uint64_t word(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

uint32_t crc32c(const uint8_t *at, size_t length) {
    uint64_t a = 0xffffffff;
    for (; length >= 3 * STREAM; at += 3 * STREAM, length -= 3 * STREAM) {
        uint64_t b = 0, c = 0;
        for (size_t i = 0; i < STREAM; i += 8) {
            a = _mm_crc32_u64(a, word(at + i));
            b = _mm_crc32_u64(b, word(at + STREAM + i));
            c = _mm_crc32_u64(c, word(at + 2 * STREAM + i));
        }
        a = advanced(advanced((uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
    }
    for (; length >= 8; at += 8, length -= 8) a = _mm_crc32_u64(a, word(at));
    for (; length; at++, length--) a = _mm_crc32_u8((uint32_t)a, *at);
    return (uint32_t)a ^ 0xffffffff;
}
