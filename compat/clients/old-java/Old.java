// What an application does with an old kafka-clients library: admin calls, every codec, a group of two with both isolation levels.
// Old BOOTSTRAP NAME; the API used here is the same from 2.1 to 3.9.
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Old {
    private static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    private static final int EACH = 2000;
    private static final int PARTITIONS = 6;
    private static String bootstrap;
    private static String topic;

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        topic = args[1];
        try (AdminClient admin = AdminClient.create(settings())) {
            create(admin);
            for (String codec : CODECS) send(codec);
            for (String isolation : new String[] {"read_uncommitted", "read_committed"}) {
                String group = topic + "-" + isolation;
                readAsGroup(group, isolation);
                long committed = 0;
                for (OffsetAndMetadata offset : admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().values()) {
                    committed += offset.offset();
                }
                expect("committed by " + group, (long) CODECS.length * EACH, committed);
            }
            offsets(admin);
            admin.deleteTopics(Collections.singletonList(topic)).all().get();
            soon("the topic is listed", false, () -> admin.listTopics().names().get().contains(topic));
        }
        System.out.println(CODECS.length * EACH);
    }

    private static Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        return settings;
    }

    private static void create(AdminClient admin) throws Exception {
        admin.createTopics(Collections.singletonList(new NewTopic(topic, 4, (short) 1))).all().get();
        admin.createPartitions(Collections.singletonMap(topic, NewPartitions.increaseTo(PARTITIONS))).all().get();
        List<String> own = Collections.singletonList(topic);
        soon("partitions", PARTITIONS, () -> admin.describeTopics(own).values().get(topic).get().partitions().size());
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Config wanted = new Config(Collections.singletonList(new ConfigEntry("retention.ms", "12345678")));
        admin.alterConfigs(Collections.singletonMap(resource, wanted)).all().get();
        List<ConfigResource> resources = Collections.singletonList(resource);
        soon("retention.ms", "12345678", () -> admin.describeConfigs(resources).all().get().get(resource).get("retention.ms").value());
    }

    private static void send(String codec) throws Exception {
        Properties settings = settings();
        settings.put("acks", "all");
        settings.put("enable.idempotence", "true");
        settings.put("compression.type", codec);
        settings.put("linger.ms", "5");
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < EACH; i++) sent.add(producer.send(new ProducerRecord<>(topic, i % PARTITIONS, "k" + i, codec + "-" + i)));
            for (Future<RecordMetadata> one : sent) one.get();
        }
    }

    /** Two members read everything once; a rebalance may hand a few records over twice, none may be missing. */
    private static void readAsGroup(String group, String isolation) throws Exception {
        Map<String, Integer> seen = new ConcurrentHashMap<>();
        List<Thread> members = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Thread member = new Thread(() -> read(group, isolation, seen));
            member.start();
            members.add(member);
        }
        for (Thread member : members) member.join();
        expect("records read by " + group, CODECS.length * EACH, seen.size());
    }

    private static void read(String group, String isolation, Map<String, Integer> seen) {
        Properties settings = settings();
        settings.put("group.id", group);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("isolation.level", isolation);
        settings.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer.StickyAssignor");
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(Collections.singletonList(topic));
            long end = System.currentTimeMillis() + 60_000;
            long quiet = 0;
            while (System.currentTimeMillis() < end && quiet < 5) {
                try {
                    for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) seen.merge(record.value(), 1, Integer::sum);
                    consumer.commitSync();
                } catch (CommitFailedException moved) {
                    continue;
                } catch (KafkaException problem) {
                    if (!problem.getClass().getSimpleName().startsWith("Rebalance")) throw problem;
                }
                quiet = seen.size() == CODECS.length * EACH ? quiet + 1 : 0;
            }
        }
    }

    private static void offsets(AdminClient admin) throws Exception {
        List<TopicPartition> all = new ArrayList<>();
        Map<TopicPartition, Long> first = new HashMap<>();
        for (int i = 0; i < PARTITIONS; i++) {
            all.add(new TopicPartition(topic, i));
            first.put(all.get(i), 0L);
        }
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings(), new StringDeserializer(), new StringDeserializer())) {
            long end = 0;
            for (long offset : consumer.endOffsets(all).values()) end += offset;
            expect("end offsets", (long) CODECS.length * EACH, end);
            expect("offset by time", 0L, consumer.offsetsForTimes(first).get(all.get(0)).offset());
            Map<TopicPartition, RecordsToDelete> before = Collections.singletonMap(all.get(0), RecordsToDelete.beforeOffset(10));
            expect("low watermark", 10L, admin.deleteRecords(before).lowWatermarks().get(all.get(0)).get().lowWatermark());
            expect("start after deletion", 10L, consumer.beginningOffsets(all).get(all.get(0)));
        }
    }

    /** Kafka answers a change before it shows it. */
    private static void soon(String what, Object wanted, Callable<Object> look) throws Exception {
        long end = System.currentTimeMillis() + 20_000;
        while (!wanted.equals(look.call()) && System.currentTimeMillis() < end) Thread.sleep(100);
        expect(what, wanted, look.call());
    }

    private static void expect(String what, Object wanted, Object found) {
        if (!wanted.equals(found)) throw new IllegalStateException(what + ": " + found + " instead of " + wanted);
    }
}
