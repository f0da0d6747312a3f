/* One consumer of a whole topic, from its beginning, at full speed. */
#include "client.h"

#define BATCH 10000
#define SILENCE_US (60 * 1000000LL)
/* A batch that does not become full is handed out after this time, and so is the last one. */
#define BATCH_MS 5

void consume(const struct arguments *given) {
    rd_kafka_conf_t *conf = configure(given);
    set(conf, "group.id", "rdperf");
    set(conf, "enable.auto.commit", "false");
    set(conf, "queued.max.messages.kbytes", "262144");
    rd_kafka_t *client = open_client(RD_KAFKA_CONSUMER, conf);
    begin();
    int64_t begun = now_us(), heard = begun;
    assign(client, given, RD_KAFKA_OFFSET_BEGINNING);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
    static rd_kafka_message_t *batch[BATCH];
    for (long seen = 0; seen < given->records;) {
        ssize_t got = rd_kafka_consume_batch_queue(queue, BATCH_MS, batch, BATCH);
        for (ssize_t i = 0; i < got; i++) {
            if (!batch[i]->err) seen++;
            else if (batch[i]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) fail("consume", rd_kafka_err2str(batch[i]->err));
            rd_kafka_message_destroy(batch[i]);
        }
        if (got > 0) heard = now_us();
        else if (now_us() - heard > SILENCE_US) fail("consume", "nothing arrived for 60 s");
    }
    finish((double)given->records, (double)(now_us() - begun) / 1e6, NULL);
}
