/* Topics: one file a partition, the beginnings of its batches in memory. */
#define _GNU_SOURCE
#include "floor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct topic topics[TOPICS_MAX];
static atomic_int topics_count;
static pthread_mutex_t topics_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t moved_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved;
static uint64_t moves;
static int waiting;

__attribute__((constructor)) static void prepare(void) {
    pthread_condattr_t of;
    pthread_condattr_init(&of);
    pthread_condattr_setclock(&of, CLOCK_MONOTONIC);
    pthread_cond_init(&moved, &of);
}

struct topic *find_topic(const uint8_t *name, int64_t length) {
    if (length < 1 || length >= NAME_MAX_BYTES) return NULL;
    for (int i = 0; i < atomic_load(&topics_count); i++) {
        if (strlen(topics[i].name) == (size_t)length && !memcmp(topics[i].name, name, (size_t)length)) return &topics[i];
    }
    return NULL;
}

static void open_partition(struct topic *of, int index) {
    char path[4096];
    struct partition *one = &of->partition[index];
    snprintf(path, sizeof path, "%s/%s-%d", directory, of->name, index);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s-%d/00000000000000000000.log", directory, of->name, index);
    pthread_mutex_init(&one->lock, NULL);
    one->file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
    if (one->file < 0) perror(path), exit(1);
}

struct topic *make_topic(const uint8_t *name, int64_t length, int partitions) {
    struct topic *made = NULL;
    pthread_mutex_lock(&topics_lock);
    int count = atomic_load(&topics_count);
    if (length > 0 && length < NAME_MAX_BYTES && partitions > 0 && partitions <= PARTITIONS_MAX && count < TOPICS_MAX && !find_topic(name, length)) {
        made = &topics[count];
        memcpy(made->name, name, (size_t)length);
        made->partitions = partitions;
        for (int i = 0; i < partitions; i++) open_partition(made, i);
        atomic_store(&topics_count, count + 1);
    }
    pthread_mutex_unlock(&topics_lock);
    return made;
}

static void tell(void) {
    pthread_mutex_lock(&moved_lock);
    moves++;
    if (waiting) pthread_cond_broadcast(&moved);
    pthread_mutex_unlock(&moved_lock);
}

static void remember(struct partition *of, struct entry one) {
    if (of->entries_count == of->entries_room) {
        of->entries_room = of->entries_room ? of->entries_room * 2 : 1024;
        of->entries = realloc(of->entries, of->entries_room * sizeof *of->entries);
        if (!of->entries) perror("entries"), exit(1);
    }
    of->entries[of->entries_count++] = one;
}

int64_t append(struct partition *to, uint8_t *batch, int64_t length, int records) {
    pthread_mutex_lock(&to->lock);
    int64_t offset = to->end_offset;
    for (int i = 0; i < 8; i++) batch[i] = (uint8_t)((uint64_t)offset >> (56 - 8 * i));
    memset(batch + 12, 0, 4);
    if (pwrite(to->file, batch, (size_t)length, to->end_position) != length) perror("write"), exit(1);
    remember(to, (struct entry){offset, to->end_position});
    to->end_offset += records;
    to->end_position += length;
    pthread_mutex_unlock(&to->lock);
    tell();
    return offset;
}

int64_t locate(struct partition *in, int64_t offset, int64_t most, int64_t *position) {
    int64_t bytes = 0;
    pthread_mutex_lock(&in->lock);
    if (offset < in->end_offset) {
        size_t low = 0, high = in->entries_count;
        while (high - low > 1) {
            size_t middle = (low + high) / 2;
            if (in->entries[middle].offset <= offset) low = middle;
            else high = middle;
        }
        *position = in->entries[low].position;
        bytes = in->end_position - *position;
    }
    pthread_mutex_unlock(&in->lock);
    return bytes < most ? bytes : most;
}

uint64_t appended(void) {
    pthread_mutex_lock(&moved_lock);
    uint64_t now = moves;
    pthread_mutex_unlock(&moved_lock);
    return now;
}

void await_append(uint64_t seen, int64_t milliseconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += milliseconds % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, until.tv_sec++;
    pthread_mutex_lock(&moved_lock);
    waiting++;
    while (moves == seen && pthread_cond_timedwait(&moved, &moved_lock, &until) != ETIMEDOUT) {}
    waiting--;
    pthread_mutex_unlock(&moved_lock);
}
