/* The floor of a broker: only what a produce request and a fetch cannot do without. See main.c. */
#ifndef FLOOR_H
#define FLOOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define TOPICS_MAX 64
#define PARTITIONS_MAX 64
#define NAME_MAX_BYTES 64

enum { NONE = 0, CORRUPT_MESSAGE = 2, UNKNOWN_TOPIC_OR_PARTITION = 3, COORDINATOR_NOT_AVAILABLE = 15, UNSUPPORTED_VERSION = 35, INVALID_RECORD = 87 };

/* Where a batch begins: its first offset, and its byte in the file. */
struct entry {
    int64_t offset, position;
};

struct partition {
    pthread_mutex_t lock;
    int file;
    int64_t end_offset, end_position;
    struct entry *entries;
    size_t entries_count, entries_room;
};

struct topic {
    char name[NAME_MAX_BYTES];
    int partitions;
    struct partition partition[PARTITIONS_MAX];
};

/* Bytes of a request, read in order; `bad` once it was shorter than it says. */
struct reader {
    const uint8_t *at, *end;
    int bad;
};

/* Bytes of an answer. */
struct writer {
    uint8_t bytes[1 << 16];
    size_t length;
};

int64_t take(struct reader *from, int bytes);
/* A string or bytes with a length of 2 or 4 bytes before it; length -1 is null. */
const uint8_t *take_sized(struct reader *from, int size_bytes, int64_t *length);
void put(struct writer *to, int64_t value, int bytes);
void put_string(struct writer *to, const char *text);

struct topic *find_topic(const uint8_t *name, int64_t length);
struct topic *make_topic(const uint8_t *name, int64_t length, int partitions);

/* The error of a batch, and how many records it has; every record is walked. */
int check_batch(const uint8_t *batch, int64_t length, int *records);
/* Takes one checked batch: offset and epoch are patched, the bytes appended. Answers its first offset. */
int64_t append(struct partition *to, uint8_t *batch, int64_t length, int records);
/* Where reading from an offset begins and how many bytes follow, at most `most`; 0 if there is nothing yet. */
int64_t locate(struct partition *in, int64_t offset, int64_t most, int64_t *position);
/* Waits until something was appended anywhere since `seen`, or for so many milliseconds. */
uint64_t appended(void);
void await_append(uint64_t seen, int64_t milliseconds);

uint32_t crc32c(const uint8_t *bytes, size_t length);

extern int listening_port;
extern const char *directory;

/* Answers one request on a socket; 0 if the connection is to be closed. */
int answer(int socket, uint8_t *request, size_t length);

#endif
