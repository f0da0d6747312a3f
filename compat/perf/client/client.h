/* What the load programs of one librdkafka client share: arguments, settings, clocks, latencies, counted requests. */
#ifndef CLIENT_H
#define CLIENT_H

#include <librdkafka/rdkafka.h>
#include <stdint.h>

#define SETTINGS_MAX 32

/* NAME=VALUE on the command line; a name with a dot in it is one of librdkafka's. */
struct arguments {
    const char *broker, *topic;
    long records;    /* to produce or to consume */
    long size;       /* bytes of a record's value */
    long producers;  /* clients, a thread each */
    long in_hand;    /* records that each of them has handed over and that are not acknowledged; 0: as many as its queue takes */
    long partitions; /* of the topic */
    long rate;       /* records a second */
    double seconds;  /* how long to measure */
    double warm_up;  /* seconds before that which do not count */
    const char *names[SETTINGS_MAX], *values[SETTINGS_MAX];
    int settings;
};

/* Latencies in microseconds, exact below 2,048 and to one part in 1,024 above. */
#define BUCKETS (2048 + 1024 * 40)
struct latencies {
    uint64_t count, most;
    uint64_t buckets[BUCKETS];
};

void fail(const char *what, const char *why);
struct arguments parse(int argc, char **argv);
int64_t now_us(void);
void set(rd_kafka_conf_t *conf, const char *name, const char *value);

/* A configuration with the broker and the settings of the command line, whose client counts the requests it sends. */
rd_kafka_conf_t *configure(const struct arguments *given);
rd_kafka_t *open_client(rd_kafka_type_t type, rd_kafka_conf_t *conf);
void await_topic(rd_kafka_t *client, rd_kafka_topic_t *topic);
char *noise(long size);

/* Every partition of the topic, each from `offset` on. */
void assign(rd_kafka_t *client, const struct arguments *given, int64_t offset);

void record(struct latencies *of, int64_t microseconds);
void add(struct latencies *to, const struct latencies *from);

/* The line "begin", at which the one who started this program begins to measure. */
void begin(void);
/* The line with what was reached since then, as JSON, and the end of the program; closing clients would wait for the broker. */
void finish(double records, double seconds, const struct latencies *of);

void produce(const struct arguments *given);
void consume(const struct arguments *given);
void open_loop(const struct arguments *given);

#endif
