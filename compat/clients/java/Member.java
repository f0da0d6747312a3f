// One member of a consumer group that tells what it owns and reads. Twin of confluent/member.py.
// Member BOOTSTRAP GROUP TOPIC|^PATTERN ASSIGNOR INSTANCE-ID|-
// With server-ASSIGNOR the coordinator assigns (group.protocol=consumer). With a pattern PARTITION is TOPIC:PARTITION below.
// Lines: "MILLIS + PARTITION", "MILLIS - PARTITION", "MILLIS r PARTITION FIRST-OFFSET LAST-OFFSET", "MILLIS x REASON" of a
// refused commit.
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public final class Member {
    private static final Map<String, String> ASSIGNORS = Map.of(
        "range", "org.apache.kafka.clients.consumer.RangeAssignor",
        "roundrobin", "org.apache.kafka.clients.consumer.RoundRobinAssignor",
        "sticky", "org.apache.kafka.clients.consumer.StickyAssignor",
        "cooperative-sticky", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");

    private static boolean byPattern;

    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("group.id", args[1]);
        if (args[3].startsWith("server-")) {
            settings.put("group.protocol", "consumer");
            settings.put("group.remote.assignor", args[3].substring("server-".length()));
        } else {
            settings.put("partition.assignment.strategy", ASSIGNORS.get(args[3].toLowerCase(Locale.ROOT)));
            settings.put("session.timeout.ms", "12000");
            settings.put("heartbeat.interval.ms", "1000");
        }
        if (!args[4].equals("-")) settings.put("group.instance.id", args[4]);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        // New topics are looked for as often.
        settings.put("metadata.max.age.ms", "2000");
        // There is one broker: what is known of it stays true while it is away.
        settings.put("metadata.recovery.strategy", "none");
        var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try {
                main.join(10_000);
            } catch (InterruptedException ignored) {
                // The process is ending.
            }
        }));
        byPattern = args[2].startsWith("^");
        try (consumer) {
            if (!byPattern) consumer.subscribe(List.of(args[2]), new Owned());
            else if (args[3].startsWith("server-")) consumer.subscribe(new SubscriptionPattern(args[2]), new Owned());
            else consumer.subscribe(Pattern.compile(args[2]), new Owned());
            while (true) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
                for (TopicPartition partition : records.partitions()) {
                    List<ConsumerRecord<byte[], byte[]>> own = records.records(partition);
                    tell("r " + place(partition) + " " + own.get(0).offset() + " " + own.get(own.size() - 1).offset());
                }
                if (records.isEmpty()) continue;
                try {
                    consumer.commitSync();
                } catch (RebalanceInProgressException later) {
                    // Cooperative members keep reading while they rebalance; the next commit covers these records.
                } catch (CommitFailedException refused) {
                    // It was out of the group, and whoever owns the partitions next reads these again.
                    tell("x " + refused.getMessage());
                }
            }
        } catch (WakeupException ending) {
            // SIGTERM: the consumer has been closed on the way here.
        }
    }

    private static String place(TopicPartition partition) {
        return byPattern ? partition.topic() + ":" + partition.partition() : Integer.toString(partition.partition());
    }

    private static synchronized void tell(String what) {
        System.out.println(System.currentTimeMillis() + " " + what);
        System.out.flush();
    }

    private static final class Owned implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            for (TopicPartition partition : partitions) tell("+ " + place(partition));
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            for (TopicPartition partition : partitions) tell("- " + place(partition));
        }
    }
}
