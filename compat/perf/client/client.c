#include "client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long requests_sent, requests_before;

void fail(const char *what, const char *why) {
    fprintf(stderr, "rdperf: %s: %s\n", what, why);
    _exit(1);
}

int64_t now_us(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000LL + at.tv_nsec / 1000;
}

static int own(struct arguments *into, const char *name, const char *value) {
    struct { const char *name; long *at; } numbers[] = {
        {"records", &into->records}, {"size", &into->size}, {"producers", &into->producers}, {"in-hand", &into->in_hand},
        {"partitions", &into->partitions}, {"rate", &into->rate},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!strcmp(name, numbers[i].name)) return *numbers[i].at = atol(value), 1;
    }
    if (!strcmp(name, "broker")) return into->broker = value, 1;
    if (!strcmp(name, "topic")) return into->topic = value, 1;
    if (!strcmp(name, "seconds")) return into->seconds = atof(value), 1;
    if (!strcmp(name, "warm-up")) return into->warm_up = atof(value), 1;
    return 0;
}

struct arguments parse(int argc, char **argv) {
    struct arguments given = {.producers = 1, .size = 1024, .partitions = 1};
    for (int i = 0; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (!equals) fail(argv[i], "NAME=VALUE was expected");
        *equals = 0;
        if (strchr(argv[i], '.')) {
            if (given.settings == SETTINGS_MAX) fail(argv[i], "too many settings");
            given.names[given.settings] = argv[i];
            given.values[given.settings++] = equals + 1;
        } else if (!own(&given, argv[i], equals + 1)) {
            fail(argv[i], "no such argument");
        }
    }
    if (!given.broker || !given.topic) fail("usage", "broker= and topic= are needed");
    if (given.size < (long)sizeof(int64_t)) fail("size", "at least 8 bytes");
    return given;
}

void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char error[256];
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) fail(name, error);
}

static rd_kafka_resp_err_t on_request_sent(rd_kafka_t *client, int socket, const char *name, int32_t id, int16_t key, int16_t version,
                                           int32_t correlation, size_t size, void *opaque) {
    (void)client, (void)socket, (void)name, (void)id, (void)key, (void)version, (void)correlation, (void)size, (void)opaque;
    __atomic_fetch_add(&requests_sent, 1, __ATOMIC_RELAXED);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *client, const rd_kafka_conf_t *conf, void *opaque, char *error, size_t error_size) {
    (void)conf, (void)opaque, (void)error, (void)error_size;
    return rd_kafka_interceptor_add_on_request_sent(client, "requests", on_request_sent, NULL);
}

rd_kafka_conf_t *configure(const struct arguments *given) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", given->broker);
    for (int i = 0; i < given->settings; i++) set(conf, given->names[i], given->values[i]);
    rd_kafka_conf_interceptor_add_on_new(conf, "requests", on_new, NULL);
    return conf;
}

rd_kafka_t *open_client(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
    char error[256];
    rd_kafka_t *client = rd_kafka_new(type, conf, error, sizeof error);
    if (!client) fail("client", error);
    return client;
}

void await_topic(rd_kafka_t *client, rd_kafka_topic_t *topic) {
    const struct rd_kafka_metadata *layout;
    if (rd_kafka_metadata(client, 0, topic, &layout, 10000)) fail("metadata", "no answer");
    rd_kafka_metadata_destroy(layout);
}

char *noise(long size) {
    char *value = malloc((size_t)size);
    if (!value) fail("size", "no memory");
    for (long i = 0; i < size; i++) value[i] = (char)(rand() % 94 + 33);
    return value;
}

void assign(rd_kafka_t *client, const struct arguments *given, int64_t offset) {
    rd_kafka_poll_set_consumer(client);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new((int)given->partitions);
    for (int i = 0; i < given->partitions; i++) rd_kafka_topic_partition_list_add(all, given->topic, i)->offset = offset;
    rd_kafka_resp_err_t refusal = rd_kafka_assign(client, all);
    if (refusal) fail("assign", rd_kafka_err2str(refusal));
    rd_kafka_topic_partition_list_destroy(all);
}

static size_t bucket_of(uint64_t value) {
    if (value < 2048) return value;
    int above = 63 - __builtin_clzll(value) - 10;
    size_t at = 2048 + (size_t)(above - 1) * 1024 + ((value >> above) - 1024);
    return at < BUCKETS ? at : BUCKETS - 1;
}

static double value_of(size_t bucket) {
    if (bucket < 2048) return (double)bucket;
    size_t above = (bucket - 2048) / 1024 + 1;
    return (double)((1024 + (bucket - 2048) % 1024) << above);
}

void record(struct latencies *of, int64_t microseconds) {
    uint64_t value = microseconds < 0 ? 0 : (uint64_t)microseconds;
    of->count++;
    if (value > of->most) of->most = value;
    of->buckets[bucket_of(value)]++;
}

void add(struct latencies *to, const struct latencies *from) {
    to->count += from->count;
    if (from->most > to->most) to->most = from->most;
    for (size_t i = 0; i < BUCKETS; i++) to->buckets[i] += from->buckets[i];
}

static double quantile_ms(const struct latencies *of, double share) {
    uint64_t rank = (uint64_t)(share * (double)of->count), seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += of->buckets[i];
        if (seen > rank) return value_of(i) / 1000;
    }
    return (double)of->most / 1000;
}

void begin(void) {
    requests_before = __atomic_load_n(&requests_sent, __ATOMIC_RELAXED);
    puts("begin");
    fflush(stdout);
}

void finish(double records, double seconds, const struct latencies *of) {
    long requests = __atomic_load_n(&requests_sent, __ATOMIC_RELAXED);
    printf("{\"records\": %.0f, \"seconds\": %.6f, \"requests\": %ld, \"all requests\": %ld", records, seconds, requests - requests_before, requests);
    if (of) {
        printf(", \"p50 ms\": %.3f, \"p99 ms\": %.3f, \"p99.9 ms\": %.3f, \"max ms\": %.3f", quantile_ms(of, 0.5), quantile_ms(of, 0.99),
               quantile_ms(of, 0.999), (double)of->most / 1000);
    }
    puts("}");
    fflush(stdout);
    _exit(0);
}
