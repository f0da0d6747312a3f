/* The requests that librdkafka needs for the cases, each at versions without tagged fields. */
#define _GNU_SOURCE
#include "floor.h"
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PRODUCE = 0, FETCH = 1, LIST_OFFSETS = 2, METADATA = 3, FIND_COORDINATOR = 10, API_VERSIONS = 18, CREATE_TOPICS = 19, INIT_PRODUCER_ID = 22 };
#define RANGES_MAX 256
#define NODE 1

/* Produce is listed from 0, or librdkafka would not compress; it sends 7. */
static const struct { int16_t key, lowest, highest; } SERVED[] = {
    {PRODUCE, 0, 7}, {FETCH, 4, 4}, {LIST_OFFSETS, 1, 1}, {METADATA, 1, 4}, {FIND_COORDINATOR, 0, 0}, {API_VERSIONS, 0, 0},
    {CREATE_TOPICS, 4, 4}, {INIT_PRODUCER_ID, 0, 0},
};
#define SERVED_COUNT (sizeof SERVED / sizeof *SERVED)

static struct partition *partition_of(struct topic *of, int64_t index) {
    return of && index >= 0 && index < of->partitions ? &of->partition[index] : NULL;
}

static void api_versions(struct writer *to, int version) {
    put(to, version ? UNSUPPORTED_VERSION : NONE, 2);
    put(to, SERVED_COUNT, 4);
    for (size_t i = 0; i < SERVED_COUNT; i++) put(to, SERVED[i].key, 2), put(to, SERVED[i].lowest, 2), put(to, SERVED[i].highest, 2);
}

static void put_topic(struct writer *to, const char *name, const struct topic *of) {
    put(to, of ? NONE : UNKNOWN_TOPIC_OR_PARTITION, 2);
    put_string(to, name);
    put(to, 0, 1);
    put(to, of ? of->partitions : 0, 4);
    for (int i = 0; of && i < of->partitions; i++) {
        put(to, NONE, 2), put(to, i, 4), put(to, NODE, 4);
        for (int list = 0; list < 2; list++) put(to, 1, 4), put(to, NODE, 4);
    }
}

static void metadata(struct reader *from, struct writer *to, int version) {
    int64_t count = take(from, 4);
    if (version >= 3) put(to, 0, 4);
    put(to, 1, 4), put(to, NODE, 4), put_string(to, "127.0.0.1"), put(to, listening_port, 4), put(to, -1, 2);
    if (version >= 2) put_string(to, "floor");
    put(to, NODE, 4);
    put(to, count < 0 ? 0 : count, 4);
    for (; count > 0 && !from->bad; count--) {
        char name[NAME_MAX_BYTES] = "";
        int64_t length;
        const uint8_t *text = take_sized(from, 2, &length);
        if (length > 0 && length < NAME_MAX_BYTES) memcpy(name, text, (size_t)length);
        put_topic(to, name, find_topic(text, length));
    }
}

static void create_topics(struct reader *from, struct writer *to) {
    int64_t count = take(from, 4);
    put(to, 0, 4), put(to, count, 4);
    for (; count > 0 && !from->bad; count--) {
        char name[NAME_MAX_BYTES] = "";
        int64_t length;
        const uint8_t *text = take_sized(from, 2, &length);
        int partitions = (int)take(from, 4);
        take(from, 2), take(from, 4), take(from, 4); /* one replica, no assignment, no configs */
        struct topic *made = make_topic(text, length, partitions);
        if (made) strcpy(name, made->name);
        put_string(to, name), put(to, made ? NONE : UNKNOWN_TOPIC_OR_PARTITION, 2), put(to, -1, 2);
    }
}

static void list_offsets(struct reader *from, struct writer *to) {
    take(from, 4);
    int64_t topics = take(from, 4);
    put(to, topics, 4);
    for (; topics > 0 && !from->bad; topics--) {
        int64_t length, count;
        const uint8_t *name = take_sized(from, 2, &length);
        struct topic *of = find_topic(name, length);
        put_string(to, of ? of->name : ""), put(to, count = take(from, 4), 4);
        for (; count > 0 && !from->bad; count--) {
            int64_t index = take(from, 4), at = take(from, 8);
            struct partition *one = partition_of(of, index);
            put(to, index, 4), put(to, one ? NONE : UNKNOWN_TOPIC_OR_PARTITION, 2), put(to, -1, 8), put(to, one && at == -1 ? one->end_offset : 0, 8);
        }
    }
}

static void produce_partition(struct reader *from, struct writer *to, struct topic *of) {
    int64_t index = take(from, 4), length, offset = -1;
    int error = UNKNOWN_TOPIC_OR_PARTITION, records;
    const uint8_t *batch = take_sized(from, 4, &length);
    struct partition *one = partition_of(of, index);
    if (one && batch && !(error = check_batch(batch, length, &records))) offset = append(one, (uint8_t *)batch, length, records);
    put(to, index, 4), put(to, error, 2), put(to, offset, 8), put(to, -1, 8);
}

static void produce(struct reader *from, struct writer *to, int version) {
    int64_t length;
    take_sized(from, 2, &length); /* transactional id */
    take(from, 2), take(from, 4);
    int64_t topics = take(from, 4);
    put(to, topics, 4);
    for (; topics > 0 && !from->bad; topics--) {
        const uint8_t *name = take_sized(from, 2, &length);
        struct topic *of = find_topic(name, length);
        int64_t count = take(from, 4);
        put_string(to, of ? of->name : ""), put(to, count, 4);
        for (; count > 0 && !from->bad; count--) {
            produce_partition(from, to, of);
            if (version >= 5) put(to, 0, 8);
        }
    }
    put(to, 0, 4);
}

/* A piece of the answer to a fetch: so many bytes of the head, then a range of a file. */
struct range {
    size_t head;
    int file;
    int64_t position, bytes;
};

static int64_t plan_fetch(struct reader from, struct writer *to, int64_t most, struct range *ranges, int *count) {
    int64_t total = 0, topics = take(&from, 4), length;
    *count = 0;
    put(to, 0, 4), put(to, topics, 4);
    for (; topics > 0 && !from.bad; topics--) {
        const uint8_t *name = take_sized(&from, 2, &length);
        struct topic *of = find_topic(name, length);
        int64_t partitions = take(&from, 4);
        put_string(to, of ? of->name : ""), put(to, partitions, 4);
        for (; partitions > 0 && !from.bad && *count < RANGES_MAX; partitions--) {
            int64_t index = take(&from, 4), offset = take(&from, 8), limit = take(&from, 4), position = 0;
            struct partition *one = partition_of(of, index);
            int64_t left = most - total, bytes = one ? locate(one, offset, left < limit ? left : limit, &position) : 0;
            put(to, index, 4), put(to, one ? NONE : UNKNOWN_TOPIC_OR_PARTITION, 2), put(to, one ? one->end_offset : -1, 8);
            put(to, one ? one->end_offset : -1, 8), put(to, -1, 4), put(to, bytes, 4);
            ranges[(*count)++] = (struct range){to->length, one ? one->file : -1, position, bytes};
            total += bytes;
        }
    }
    return total;
}

static int send_all(int socket, const uint8_t *bytes, size_t length, int more) {
    while (length) {
        ssize_t sent = send(socket, bytes, length, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        if (sent <= 0) return 0;
        bytes += sent;
        length -= (size_t)sent;
    }
    return 1;
}

static void frame(struct writer *of, int64_t behind) {
    struct writer size = {.length = 0};
    put(&size, (int64_t)of->length - 4 + behind, 4);
    memcpy(of->bytes, size.bytes, 4);
}

static int fetch(int socket, struct reader *from, struct writer *to) {
    take(from, 4);
    int64_t wait = take(from, 4), least = take(from, 4), most = take(from, 4);
    take(from, 1);
    struct range ranges[RANGES_MAX];
    int count;
    size_t head = to->length;
    uint64_t seen = appended();
    int64_t total = plan_fetch(*from, to, most, ranges, &count);
    if (total < least && wait > 0) {
        await_append(seen, wait);
        to->length = head;
        total = plan_fetch(*from, to, most, ranges, &count);
    }
    frame(to, total);
    size_t sent = 0;
    for (int i = 0; i < count; i++) {
        if (!ranges[i].bytes) continue;
        if (!send_all(socket, to->bytes + sent, ranges[i].head - sent, 1)) return 0;
        sent = ranges[i].head;
        while (ranges[i].bytes) {
            off_t position = ranges[i].position;
            ssize_t moved = sendfile(socket, ranges[i].file, &position, (size_t)ranges[i].bytes);
            if (moved <= 0) return 0;
            ranges[i].position += moved;
            ranges[i].bytes -= moved;
        }
    }
    return send_all(socket, to->bytes + sent, to->length - sent, 0);
}

int answer(int socket, uint8_t *request, size_t length) {
    static _Thread_local struct writer to;
    static atomic_long producers;
    struct reader from = {request, request + length, 0};
    int key = (int)take(&from, 2), version = (int)take(&from, 2);
    int64_t correlation = take(&from, 4), client;
    take_sized(&from, 2, &client);
    to.length = 0;
    put(&to, 0, 4), put(&to, correlation, 4);
    switch (key) {
    case PRODUCE: produce(&from, &to, version); break;
    case FETCH: return fetch(socket, &from, &to);
    case LIST_OFFSETS: list_offsets(&from, &to); break;
    case METADATA: metadata(&from, &to, version); break;
    case FIND_COORDINATOR: put(&to, COORDINATOR_NOT_AVAILABLE, 2), put(&to, -1, 4), put_string(&to, ""), put(&to, -1, 4); break;
    case API_VERSIONS: api_versions(&to, version); break;
    case CREATE_TOPICS: create_topics(&from, &to); break;
    case INIT_PRODUCER_ID: put(&to, 0, 4), put(&to, NONE, 2), put(&to, atomic_fetch_add(&producers, 1), 8), put(&to, 0, 2); break;
    default: return 0;
    }
    if (from.bad) return 0;
    frame(&to, 0);
    return send_all(socket, to.bytes, to.length, 0);
}
