// Moves records from one topic to another exactly once, as one of several workers of a group, and aborts one transaction
// in five on purpose. Twin of confluent/worker.py and go/franz-go-worker.
// Worker BOOTSTRAP FROM TO GROUP TRANSACTIONAL-ID PROTOCOL RECORDS PAUSE-MS
//
// What is read as N is written as "done N", or as "aborted" where the transaction is not to be committed; a transaction has
// at most RECORDS of them. Lines: "commit COUNT", "abort COUNT", "refused REASON". SIGTERM ends it after its transaction.
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Worker {
    private static final CountDownLatch STOP = new CountDownLatch(1);

    public static void main(String[] args) throws Exception {
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            STOP.countDown();
            try {
                main.join(10_000);
            } catch (InterruptedException ignored) {
                // The process is ending.
            }
        }));
        try (var consumer = consumer(args[0], args[3], args[5], args[6]); var producer = producer(args[0], args[4])) {
            producer.initTransactions();
            consumer.subscribe(List.of(args[1]));
            move(consumer, producer, args[2], Integer.parseInt(args[7]));
        }
    }

    private static void move(KafkaConsumer<String, String> consumer, KafkaProducer<String, String> producer, String to, int pause) throws Exception {
        Random random = new Random();
        while (STOP.getCount() > 0) {
            ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
            if (records.isEmpty()) continue;
            boolean aborts = random.nextInt(5) == 0;
            try {
                producer.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                for (ConsumerRecord<String, String> record : records) {
                    producer.send(new ProducerRecord<>(to, record.key(), aborts ? "aborted" : "done " + record.value()));
                    offsets.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
                }
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                Thread.sleep(pause);
                if (aborts) producer.abortTransaction();
                else producer.commitTransaction();
                System.out.println((aborts ? "abort " : "commit ") + records.count());
            } catch (ProducerFencedException fenced) {
                throw fenced;
            } catch (KafkaException refused) {
                System.out.println("refused " + refused);
                producer.abortTransaction();
                aborts = true;
            }
            if (aborts) rewind(consumer);
        }
    }

    private static void rewind(KafkaConsumer<String, String> consumer) {
        var committed = consumer.committed(consumer.assignment());
        for (TopicPartition partition : consumer.assignment()) {
            OffsetAndMetadata offset = committed.get(partition);
            consumer.seek(partition, offset == null ? 0 : offset.offset());
        }
    }

    private static KafkaProducer<String, String> producer(String bootstrap, String id) {
        Properties settings = common(bootstrap);
        settings.put("transactional.id", id);
        settings.put("max.block.ms", "120000");
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    private static KafkaConsumer<String, String> consumer(String bootstrap, String group, String protocol, String records) {
        Properties settings = common(bootstrap);
        settings.put("group.id", group);
        settings.put("group.protocol", protocol);
        if (protocol.equals("classic")) {
            // A killed worker is to be missed before the broker is killed again.
            settings.put("session.timeout.ms", "2500");
            settings.put("heartbeat.interval.ms", "500");
        }
        settings.put("isolation.level", "read_committed");
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("max.poll.records", records);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    private static Properties common(String bootstrap) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("request.timeout.ms", "5000");
        // There is one broker: what is known of it stays true while it is away.
        settings.put("metadata.recovery.strategy", "none");
        settings.put("reconnect.backoff.ms", "50");
        settings.put("reconnect.backoff.max.ms", "500");
        return settings;
    }
}
