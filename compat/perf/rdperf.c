/* librdkafka as a load generator.
 *
 *   rdperf produce BOOTSTRAP TOPIC COUNT SIZE LINGER_MS MESSAGES_PER_BATCH
 *   rdperf consume BOOTSTRAP TOPIC COUNT PARTITIONS
 *
 * Prints records a second, from the first call to the last acknowledgement or record.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long delivered, refused;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "rdperf: %s: %s\n", what, why);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value) {
    char error[256];
    if (rd_kafka_conf_set(conf, key, value, error, sizeof error) != RD_KAFKA_CONF_OK) fail(key, error);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client;
    (void)opaque;
    if (message->err) refused++;
    delivered++;
}

static rd_kafka_t *open_client(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
    char error[256];
    rd_kafka_t *client = rd_kafka_new(type, conf, error, sizeof error);
    if (!client) fail("client", error);
    return client;
}

static void produce(char **args) {
    long count = atol(args[2]);
    size_t size = (size_t)atol(args[3]);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", args[0]);
    set(conf, "acks", "all");
    set(conf, "linger.ms", args[4]);
    set(conf, "batch.size", "1000000");
    set(conf, "batch.num.messages", args[5]);
    set(conf, "queue.buffering.max.messages", "500000");
    set(conf, "queue.buffering.max.kbytes", "2000000");
    set(conf, "partitioner", "random");
    set(conf, "sticky.partitioning.linger.ms", "0");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *client = open_client(RD_KAFKA_PRODUCER, conf);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, args[1], NULL);
    char *value = malloc(size);
    for (size_t i = 0; i < size; i++) value[i] = (char)(rand() % 94 + 33);
    const struct rd_kafka_metadata *layout;
    if (rd_kafka_metadata(client, 0, topic, &layout, 10000)) fail("metadata", "no answer");
    rd_kafka_metadata_destroy(layout);

    double begun = now();
    for (long sent = 0; sent < count;) {
        if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, size, NULL, 0, NULL) == 0) {
            sent++;
            if (sent % 1000 == 0) rd_kafka_poll(client, 0);
        } else if (rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_poll(client, 10);
        } else {
            fail("produce", rd_kafka_err2str(rd_kafka_last_error()));
        }
    }
    while (delivered < count && now() - begun < 900) rd_kafka_poll(client, 10);
    double seconds = now() - begun;
    if (delivered < count || refused) fail("delivery", "not every record was acknowledged");
    printf("%.0f\n", count / seconds);
}

static void consume(char **args) {
    long count = atol(args[2]), seen = 0;
    int partitions = atoi(args[3]);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", args[0]);
    set(conf, "group.id", "rdperf");
    set(conf, "enable.auto.commit", "false");
    set(conf, "queued.max.messages.kbytes", "262144");
    rd_kafka_t *client = open_client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(client);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; i++) {
        rd_kafka_topic_partition_list_add(all, args[1], i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    double begun = now();
    rd_kafka_resp_err_t refusal = rd_kafka_assign(client, all);
    if (refusal) fail("assign", rd_kafka_err2str(refusal));
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
    static rd_kafka_message_t *batch[10000];
    double heard = begun;
    while (seen < count) {
        ssize_t got = rd_kafka_consume_batch_queue(queue, 100, batch, 10000);
        for (ssize_t i = 0; i < got; i++) {
            if (!batch[i]->err) seen++;
            else if (batch[i]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) fail("consume", rd_kafka_err2str(batch[i]->err));
            rd_kafka_message_destroy(batch[i]);
        }
        if (got > 0) heard = now();
        else if (now() - heard > 60) fail("consume", "nothing arrived for 60 s");
    }
    printf("%.0f\n", count / (now() - begun));
}

int main(int argc, char **argv) {
    if (argc == 8 && !strcmp(argv[1], "produce")) produce(argv + 2);
    else if (argc == 6 && !strcmp(argv[1], "consume")) consume(argv + 2);
    else fail("usage", "produce BOOTSTRAP TOPIC COUNT SIZE LINGER BATCH | consume BOOTSTRAP TOPIC COUNT PARTITIONS");
    fflush(stdout);
    /* Closing would wait for the broker; the numbers are out. */
    _exit(0);
}
