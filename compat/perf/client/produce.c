/* Producers at full speed, each a client of its own; the latency of a record runs from its hand-over to its acknowledgement. */
#include "client.h"
#include <pthread.h>
#include <stdlib.h>

#define PATIENCE_US (900 * 1000000LL)

struct producer {
    const struct arguments *given;
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    long records, delivered;
    struct latencies latencies;
};

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client;
    struct producer *of = opaque;
    if (message->err) fail("delivery", rd_kafka_err2str(message->err));
    of->delivered++;
    record(&of->latencies, rd_kafka_message_latency(message));
}

static void open_producer(struct producer *one, const struct arguments *given) {
    one->given = given;
    rd_kafka_conf_t *conf = configure(given);
    set(conf, "partitioner", "random");
    set(conf, "sticky.partitioning.linger.ms", "0");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, one);
    one->client = open_client(RD_KAFKA_PRODUCER, conf);
    one->topic = rd_kafka_topic_new(one->client, given->topic, NULL);
    await_topic(one->client, one->topic);
}

static void *run(void *opaque) {
    struct producer *one = opaque;
    long size = one->given->size, in_hand = one->given->in_hand;
    char *value = noise(size);
    int64_t patience = now_us() + PATIENCE_US;
    for (long sent = 0; sent < one->records;) {
        if (in_hand && sent - one->delivered >= in_hand) {
            rd_kafka_poll(one->client, 1000);
        } else if (rd_kafka_produce(one->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, (size_t)size, NULL, 0, NULL) == 0) {
            if (++sent % 1000 == 0) rd_kafka_poll(one->client, 0);
        } else if (rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_poll(one->client, 10);
        } else {
            fail("produce", rd_kafka_err2str(rd_kafka_last_error()));
        }
    }
    while (one->delivered < one->records && now_us() < patience) rd_kafka_poll(one->client, 10);
    if (one->delivered < one->records) fail("delivery", "not every record was acknowledged");
    return NULL;
}

void produce(const struct arguments *given) {
    size_t count = (size_t)given->producers;
    struct producer *all = calloc(count, sizeof *all);
    pthread_t *threads = calloc(count, sizeof *threads);
    if (!all || !threads) fail("producers", "no memory");
    for (size_t i = 0; i < count; i++) {
        open_producer(&all[i], given);
        all[i].records = given->records / given->producers;
    }
    begin();
    int64_t begun = now_us();
    for (size_t i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, run, &all[i])) fail("producers", "no thread");
    }
    for (size_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
    double seconds = (double)(now_us() - begun) / 1e6;
    for (size_t i = 1; i < count; i++) add(&all[0].latencies, &all[i].latencies);
    finish((double)all[0].latencies.count, seconds, &all[0].latencies);
}
