/* A batch of records, checked as a broker has to: magic, checksum, and every record in it, of lz4 behind its decompression. */
#include "floor.h"
#include <lz4frame.h>
#include <stdlib.h>

#define HEADER 61
#define LARGEST (128 << 20)
enum { MAGIC_AT = 16, CRC_AT = 17, ATTRIBUTES_AT = 21, LAST_DELTA_AT = 23, COUNT_AT = 57, LZ4 = 3 };

static int64_t number(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
    return (int64_t)value;
}

static inline int64_t varint(const uint8_t **at, const uint8_t *end) {
    uint64_t value = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
    }
    *at = NULL;
    return -1;
}

/* Skips a field with its length before it; null where it goes beyond the end. */
static inline const uint8_t *skip(const uint8_t *at, const uint8_t *end) {
    int64_t length = varint(&at, end);
    if (!at || length > end - at) return NULL;
    return length > 0 ? at + length : at;
}

static const uint8_t *walk_record(const uint8_t *at, const uint8_t *limit, int64_t number_in_batch) {
    int64_t length = varint(&at, limit);
    if (!at || length < 1 || length > limit - at) return NULL;
    const uint8_t *end = at + length;
    at++; /* attributes */
    varint(&at, end);
    if (!at || varint(&at, end) != number_in_batch || !at) return NULL;
    if (!(at = skip(at, end)) || !(at = skip(at, end))) return NULL;
    int64_t headers = varint(&at, end);
    for (; at && headers > 0; headers--) {
        if ((at = skip(at, end))) at = skip(at, end);
    }
    return at == end ? end : NULL;
}

static int walk(const uint8_t *at, const uint8_t *end, int count) {
    for (int i = 0; i < count; i++) {
        if (!(at = walk_record(at, end, i))) return INVALID_RECORD;
    }
    return at == end ? NONE : INVALID_RECORD;
}

/* Decompresses into a buffer that the thread keeps; of its pages only those that were needed once take memory. */
static int walk_lz4(const uint8_t *at, const uint8_t *end, int count) {
    static _Thread_local uint8_t *room;
    static _Thread_local LZ4F_dctx *context;
    if (!room && !(room = malloc(LARGEST))) return INVALID_RECORD;
    if (!context && LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) return INVALID_RECORD;
    LZ4F_resetDecompressionContext(context);
    const LZ4F_decompressOptions_t stays = {.stableDst = 1};
    size_t filled = 0, left = 1;
    while (left && at < end && filled < LARGEST) {
        size_t out = LARGEST - filled, in = (size_t)(end - at);
        left = LZ4F_decompress(context, room + filled, &out, at, &in, &stays);
        if (LZ4F_isError(left)) return CORRUPT_MESSAGE;
        filled += out;
        at += in;
    }
    return left ? CORRUPT_MESSAGE : walk(room, room + filled, count);
}

int check_batch(const uint8_t *batch, int64_t length, int *records) {
    if (length < HEADER || number(batch + 8, 4) != length - 12 || batch[MAGIC_AT] != 2) return CORRUPT_MESSAGE;
    if (crc32c(batch + ATTRIBUTES_AT, (size_t)(length - ATTRIBUTES_AT)) != (uint32_t)number(batch + CRC_AT, 4)) return CORRUPT_MESSAGE;
    int64_t count = number(batch + COUNT_AT, 4);
    if (count < 1 || count > length * 1000 || number(batch + LAST_DELTA_AT, 4) != count - 1) return INVALID_RECORD;
    *records = (int)count;
    int codec = batch[ATTRIBUTES_AT + 1] & 7;
    if (codec == 0) return walk(batch + HEADER, batch + length, *records);
    return codec == LZ4 ? walk_lz4(batch + HEADER, batch + length, *records) : INVALID_RECORD;
}
