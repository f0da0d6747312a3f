/* Records at a fixed rate, whatever the broker does: each carries the moment at which it was meant to be sent, and its latency runs
 * from there to its consumer. A sender that is held up sends what it owes at once, and the wait counts. */
#include "client.h"
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

/* How long records may still arrive after the last one was due. */
#define PATIENCE_US (30 * 1000000LL)
/* How long the consumer has to find the end of each partition. */
#define AT_END_US 1000000LL

static const struct arguments *given;
static int64_t first_due_us;
static long failed;

static long total(void) { return (long)((given->warm_up + given->seconds) * (double)given->rate); }
static int64_t due_us(long number) { return first_due_us + number * 1000000LL / given->rate; }

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client, (void)opaque;
    if (message->err) __atomic_fetch_add(&failed, 1, __ATOMIC_RELAXED);
}

static void wait_until(int64_t moment_us) {
    struct timespec at = {.tv_sec = moment_us / 1000000, .tv_nsec = moment_us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL)) {}
}

static void *send_all(void *opaque) {
    (void)opaque;
    prctl(PR_SET_TIMERSLACK, 1);
    rd_kafka_conf_t *conf = configure(given);
    set(conf, "partitioner", "random");
    set(conf, "sticky.partitioning.linger.ms", "0");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *client = open_client(RD_KAFKA_PRODUCER, conf);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, given->topic, NULL);
    await_topic(client, topic);
    char *value = noise(given->size);
    __atomic_store_n(&first_due_us, now_us() + 100000, __ATOMIC_RELEASE);
    for (long number = 0; number < total();) {
        int64_t due = due_us(number);
        if (now_us() < due) wait_until(due);
        memcpy(value, &due, sizeof due);
        if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, (size_t)given->size, NULL, 0, NULL) == 0) number++;
        else if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail("produce", rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(client, 0);
    }
    for (;;) rd_kafka_poll(client, 100);
    return NULL;
}

static rd_kafka_t *open_consumer(void) {
    struct arguments without = *given;
    without.settings = 0; /* they are the producer's */
    rd_kafka_conf_t *conf = configure(&without);
    set(conf, "group.id", "rdperf");
    set(conf, "enable.auto.commit", "false");
    rd_kafka_t *client = open_client(RD_KAFKA_CONSUMER, conf);
    assign(client, given, RD_KAFKA_OFFSET_END);
    /* It has to know where the end was before there is more. */
    int64_t until = now_us() + AT_END_US;
    while (now_us() < until) {
        rd_kafka_message_t *early = rd_kafka_consumer_poll(client, 100);
        if (early) rd_kafka_message_destroy(early);
    }
    return client;
}

void open_loop(const struct arguments *arguments) {
    given = arguments;
    if (given->rate <= 0) fail("rate", "records a second are needed");
    rd_kafka_t *client = open_consumer();
    pthread_t sender;
    if (pthread_create(&sender, NULL, send_all, NULL)) fail("sender", "no thread");
    static struct latencies latencies;
    long warm = (long)(given->warm_up * (double)given->rate), seen = 0, measured = total() - warm;
    int64_t begun = 0;
    while (latencies.count < (uint64_t)measured) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client, 100);
        int64_t at = now_us(), start = __atomic_load_n(&first_due_us, __ATOMIC_ACQUIRE);
        if (start && at > due_us(total()) + PATIENCE_US) fail("open loop", "not every record arrived");
        if (!begun && start && at >= due_us(warm)) begun = at, begin();
        if (!message) continue;
        if (message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) fail("consume", rd_kafka_err2str(message->err));
        if (!message->err) {
            int64_t due;
            memcpy(&due, message->payload, sizeof due);
            seen++;
            if (due >= due_us(warm)) record(&latencies, at - due);
        }
        rd_kafka_message_destroy(message);
    }
    if (seen != total() || __atomic_load_n(&failed, __ATOMIC_RELAXED)) fail("open loop", "a record was lost, came twice or was refused");
    finish((double)measured, (double)(now_us() - begun) / 1e6, &latencies);
}
