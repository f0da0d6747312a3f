// Transactional producers and readers of committed records. Every number below COUNT is to be read exactly once.
// Transactions BOOTSTRAP produce TOPIC ID COUNT       numbers in transactions, each preceded by an aborted one
// Transactions BOOTSTRAP move FROM TO ID COUNT        consume, produce and commit the offsets, until COUNT were moved
// Transactions BOOTSTRAP check TOPIC COUNT            prints how many were read
// Transactions BOOTSTRAP fence TOPIC                  a second producer takes the id of the first
import java.time.Duration;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
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

public final class Transactions {
    private static final String ABORTED = "aborted";
    private static final int BATCH = 20;
    private static final long PATIENCE_MS = 120_000;

    public static void main(String[] args) throws Exception {
        switch (args[1]) {
            case "produce" -> produce(args[0], args[2], args[3], Integer.parseInt(args[4]));
            case "move" -> move(args[0], args[2], args[3], args[4], Integer.parseInt(args[5]));
            case "check" -> check(args[0], args[2], Integer.parseInt(args[3]));
            case "fence" -> fence(args[0], args[2]);
            default -> throw new IllegalArgumentException(args[1]);
        }
    }

    private static void produce(String bootstrap, String topic, String id, int count) {
        try (var producer = producer(bootstrap, id)) {
            producer.initTransactions();
            for (int next = 0; next < count; ) {
                int end = Math.min(next + BATCH, count);
                try {
                    producer.beginTransaction();
                    for (int n = next; n < end; n++) producer.send(new ProducerRecord<>(topic, Integer.toString(n), ABORTED));
                    producer.flush();
                    producer.abortTransaction();
                    producer.beginTransaction();
                    for (int n = next; n < end; n++) producer.send(new ProducerRecord<>(topic, Integer.toString(n), Integer.toString(n)));
                    producer.commitTransaction();
                    next = end;
                } catch (ProducerFencedException fenced) {
                    throw fenced;
                } catch (KafkaException refused) {
                    producer.abortTransaction();
                }
            }
        }
    }

    private static void move(String bootstrap, String from, String to, String id, int count) {
        int moved = 0, aborted = 0;
        try (var consumer = consumer(bootstrap, "moving-" + id); var producer = producer(bootstrap, id)) {
            producer.initTransactions();
            consumer.subscribe(List.of(from));
            long deadline = System.currentTimeMillis() + PATIENCE_MS;
            for (int round = 1; moved < count; round++) {
                if (System.currentTimeMillis() > deadline) throw new IllegalStateException("moved only " + moved);
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(500));
                if (records.isEmpty()) continue;
                try {
                    producer.beginTransaction();
                    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                    for (ConsumerRecord<String, String> record : records) {
                        producer.send(new ProducerRecord<>(to, record.key(), record.value()));
                        offsets.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
                    }
                    producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                    if (round % 5 == 0) throw new KafkaException("on purpose");
                    producer.commitTransaction();
                    moved += records.count();
                } catch (ProducerFencedException fenced) {
                    throw fenced;
                } catch (KafkaException refused) {
                    producer.abortTransaction();
                    aborted++;
                    var committed = consumer.committed(consumer.assignment());
                    for (TopicPartition partition : consumer.assignment()) {
                        OffsetAndMetadata offset = committed.get(partition);
                        consumer.seek(partition, offset == null ? 0 : offset.offset());
                    }
                }
            }
        }
        System.out.println(moved + " moved, " + aborted + " aborted");
    }

    private static void check(String bootstrap, String topic, int count) {
        BitSet seen = new BitSet(count);
        try (var consumer = consumer(bootstrap, null)) {
            var partitions = consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = consumer.endOffsets(partitions);
            long deadline = System.currentTimeMillis() + PATIENCE_MS;
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                if (System.currentTimeMillis() > deadline) throw new IllegalStateException("no end in sight");
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    if (record.value().equals(ABORTED)) throw new IllegalStateException("an aborted record at " + record.offset());
                    int number = Integer.parseInt(record.value());
                    if (seen.get(number)) throw new IllegalStateException(number + " twice");
                    seen.set(number);
                }
            }
        }
        if (seen.cardinality() != count) throw new IllegalStateException(seen.cardinality() + " of " + count + ", " + seen.nextClearBit(0) + " is missing");
        System.out.println(count + " read once");
    }

    private static void fence(String bootstrap, String topic) {
        try (var first = producer(bootstrap, "fenced"); var second = producer(bootstrap, "fenced")) {
            first.initTransactions();
            first.beginTransaction();
            first.send(new ProducerRecord<>(topic, "0", ABORTED));
            first.flush();
            second.initTransactions();
            try {
                first.commitTransaction();
                throw new IllegalStateException("the first was not fenced");
            } catch (ProducerFencedException expected) {
                System.out.println("fenced");
            }
            second.beginTransaction();
            second.send(new ProducerRecord<>(topic, "0", "0"));
            second.commitTransaction();
        }
    }

    private static KafkaProducer<String, String> producer(String bootstrap, String id) {
        Properties settings = common(bootstrap);
        settings.put("transactional.id", id);
        settings.put("max.block.ms", "120000");
        settings.put("request.timeout.ms", "5000");
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    private static KafkaConsumer<String, String> consumer(String bootstrap, String group) {
        Properties settings = common(bootstrap);
        if (group != null) settings.put("group.id", group);
        settings.put("isolation.level", "read_committed");
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("max.poll.records", "50");
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    private static Properties common(String bootstrap) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        // There is one broker: what is known of it stays true while it is away.
        settings.put("metadata.recovery.strategy", "none");
        settings.put("reconnect.backoff.ms", "50");
        settings.put("reconnect.backoff.max.ms", "500");
        return settings;
    }
}
