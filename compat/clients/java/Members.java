// A member of a group of each kind, in one process: they live through whatever becomes of the broker, and keep what they are.
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

final class Members {
    static final String CLASSIC = "classic-readers", CONSUMER = "consumer-readers", SHARE = "share-readers", STREAMS = "streams-readers";
    private static final long PATIENCE_MS = 90_000;
    private static final Map<String, String> TOPICS = Map.of(CLASSIC, "plain-none", CONSUMER, "plain-snappy", SHARE, "plain-lz4", STREAMS, "plain-gzip");
    private final String bootstrap;
    private final Admin admin;

    Members(String bootstrap, Admin admin) {
        this.bootstrap = bootstrap;
        this.admin = admin;
    }

    void begin(String directory) {
        for (String group : List.of(CLASSIC, CONSUMER)) {
            Properties settings = settings(group);
            settings.put("group.protocol", group.equals(CONSUMER) ? "consumer" : "classic");
            settings.put("auto.offset.reset", "earliest");
            settings.put("enable.auto.commit", "false");
            var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
            consumer.subscribe(List.of(TOPICS.get(group)));
            run(group, () -> {
                if (!consumer.poll(Duration.ofMillis(200)).isEmpty()) consumer.commitSync();
            });
        }
        var share = new KafkaShareConsumer<>(settings(SHARE), new StringDeserializer(), new StringDeserializer());
        share.subscribe(List.of(TOPICS.get(SHARE)));
        run(SHARE, () -> {
            if (!share.poll(Duration.ofMillis(200)).isEmpty()) share.commitSync();
        });
        Properties settings = Shown.common(bootstrap);
        settings.put("application.id", STREAMS);
        settings.put("group.protocol", "streams");
        settings.put("state.dir", directory);
        settings.put("commit.interval.ms", "200");
        // Records stay where they are looked for.
        settings.put("repartition.purge.interval.ms", "86400000");
        settings.put("consumer.auto.offset.reset", "earliest");
        settings.put("replication.factor", "1");
        var builder = new StreamsBuilder();
        builder.stream(TOPICS.get(STREAMS), Consumed.with(Serdes.String(), Serdes.String()))
            .filter((key, value) -> key != null).repartition(org.apache.kafka.streams.kstream.Repartitioned.with(Serdes.String(), Serdes.String()).withName("by-key"))
            .to("streamed", Produced.with(Serdes.String(), Serdes.String()));
        new KafkaStreams(builder.build(), settings).start();
    }

    private interface Step {
        void run() throws Exception;
    }

    private static void run(String name, Step step) {
        Thread thread = new Thread(() -> {
            while (true) {
                try {
                    step.run();
                } catch (Exception problem) {
                    System.err.println(name + ": " + problem);
                }
            }
        }, name);
        thread.setDaemon(true);
        thread.start();
    }

    /** Waits until every group has read all of its topic. */
    void follow() throws Exception {
        for (String group : TOPICS.keySet()) {
            for (long deadline = System.currentTimeMillis() + PATIENCE_MS; behind(group) != 0; Thread.sleep(200)) {
                if (System.currentTimeMillis() > deadline) throw new IllegalStateException(group + " is " + behind(group) + " records behind");
            }
        }
    }

    private long behind(String group) throws Exception {
        String topic = TOPICS.get(group);
        var partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().stream().map(p -> new TopicPartition(topic, p.partition())).toList();
        var ends = admin.listOffsets(partitions.stream().collect(Collectors.toMap(p -> p, p -> OffsetSpec.latest()))).all().get();
        long behind = 0;
        if (group.equals(SHARE)) {
            var told = admin.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(group).get();
            // A start offset may stay behind what is done.
            for (var partition : partitions) {
                var info = told.get(partition);
                behind += info == null ? ends.get(partition).offset() : info.lag().orElse(1L);
            }
        } else {
            var told = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            for (var partition : partitions) behind += ends.get(partition).offset() - (told.get(partition) == null ? 0 : told.get(partition).offset());
        }
        return behind;
    }

    private Properties settings(String group) {
        Properties settings = Shown.common(bootstrap);
        settings.put("group.id", group);
        settings.put("client.id", group + "-client");
        return settings;
    }
}
