// Kafka Streams: words counted with exactly_once_v2 in a store, one update a record, in the protocol of classic or of streams groups.
// Streams BOOTSTRAP run APP PROTOCOL DIRECTORY [KEY=VALUE...]   an instance, told by standard input:
//     tasks       "ok ACTIVE | STANDBY": the tasks it has, while it runs
//     store       "ok KEYS SUM": what its part of the store holds, as keys and the sum of their counts; a wrong count is an error
//     close       leaves the group and ends
// Streams BOOTSTRAP lines FROM COUNT        writes lines FROM … FROM + COUNT - 1, six words each
// Streams BOOTSTRAP check COUNT             reads what was committed until each word was counted 1, 2, … as often as COUNT lines have it
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.QueryableStoreTypes;

public final class Streams {
    private static final String INPUT = "lines", OUTPUT = "words", STORE = "counts";
    private static final int[] PERIODS = {3, 7, 19, 61, 211, 997};
    private static final long PATIENCE_MS = 150_000;

    public static void main(String[] args) throws Exception {
        switch (args[1]) {
            case "run" -> run(args);
            case "lines" -> lines(args[0], Integer.parseInt(args[2]), Integer.parseInt(args[3]));
            case "check" -> check(args[0], Integer.parseInt(args[2]));
            default -> throw new IllegalArgumentException(args[1]);
        }
    }

    private static void run(String[] args) throws Exception {
        Properties settings = common(args[0]);
        settings.put("application.id", args[2]);
        settings.put("group.protocol", args[3]);
        settings.put("state.dir", args[4]);
        settings.put("processing.guarantee", "exactly_once_v2");
        settings.put("replication.factor", "1");
        settings.put("num.stream.threads", "1");
        settings.put("commit.interval.ms", "100");
        settings.put("statestore.cache.max.bytes", "0");
        settings.put("consumer.auto.offset.reset", "earliest");
        settings.put("producer.transaction.timeout.ms", "10000");
        for (int i = 5; i < args.length; i++) {
            String[] pair = args[i].split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        KafkaStreams streams = new KafkaStreams(topology(), settings);
        streams.setUncaughtExceptionHandler(problem -> {
            problem.printStackTrace();
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.start();
        var commands = new BufferedReader(new InputStreamReader(System.in));
        for (String command; (command = commands.readLine()) != null; ) {
            if (command.equals("close")) break;
            try {
                System.out.println("ok " + (command.equals("store") ? store(streams) : tasks(streams)));
            } catch (RuntimeException problem) {
                System.out.println("error " + String.valueOf(problem.getMessage()).replace('\n', ' '));
            }
        }
        streams.close(new org.apache.kafka.streams.KafkaStreams.CloseOptions().leaveGroup(true).timeout(Duration.ofSeconds(60)));
        System.out.println("ok closed");
    }

    private static Topology topology() {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(INPUT, Consumed.with(Serdes.String(), Serdes.String()))
            .flatMapValues(line -> List.of(line.split(" ")))
            .groupBy((key, word) -> word, Grouped.<String, String>as("by-word").withKeySerde(Serdes.String()).withValueSerde(Serdes.String()))
            .count(Materialized.<String, Long, org.apache.kafka.streams.state.KeyValueStore<org.apache.kafka.common.utils.Bytes, byte[]>>as(STORE)
                .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
            .toStream()
            .to(OUTPUT, Produced.with(Serdes.String(), Serdes.Long()));
        return builder.build();
    }

    private static String tasks(KafkaStreams streams) {
        if (streams.state() != KafkaStreams.State.RUNNING) throw new IllegalStateException(streams.state().name());
        var active = new TreeSet<String>();
        var standby = new TreeSet<String>();
        for (var thread : streams.metadataForLocalThreads()) {
            thread.activeTasks().forEach(task -> active.add(task.taskId().toString()));
            thread.standbyTasks().forEach(task -> standby.add(task.taskId().toString()));
        }
        return String.join(",", active) + " | " + String.join(",", standby);
    }

    private static String store(KafkaStreams streams) {
        if (streams.state() != KafkaStreams.State.RUNNING) throw new IllegalStateException(streams.state().name());
        var store = streams.store(StoreQueryParameters.fromNameAndType(STORE, QueryableStoreTypes.<String, Long>keyValueStore()));
        long keys = 0, sum = 0;
        try (var all = store.all()) {
            while (all.hasNext()) {
                var entry = all.next();
                keys++;
                sum += entry.value;
            }
        }
        return keys + " " + sum;
    }

    private static String line(int number) {
        var words = new StringBuilder();
        for (int period : PERIODS) words.append(words.isEmpty() ? "" : " ").append(word(period, number));
        return words.toString();
    }

    private static String word(int period, int number) {
        return "w" + period + "-" + number % period;
    }

    private static void lines(String bootstrap, int from, int count) {
        Properties settings = common(bootstrap);
        settings.put("delivery.timeout.ms", "120000");
        try (var producer = new KafkaProducer<String, String>(settings, new StringSerializer(), new StringSerializer())) {
            for (int number = from; number < from + count; number++) {
                producer.send(new ProducerRecord<>(INPUT, Integer.toString(number), line(number)), (written, problem) -> {
                    if (problem != null) {
                        problem.printStackTrace();
                        System.exit(1);
                    }
                });
            }
        }
        System.out.println(count + " lines");
    }

    private static void check(String bootstrap, int count) {
        Map<String, Long> expected = new HashMap<>(), seen = new HashMap<>();
        for (int number = 0; number < count; number++) for (int period : PERIODS) expected.merge(word(period, number), 1L, Long::sum);
        Properties settings = common(bootstrap);
        settings.put("isolation.level", "read_committed");
        settings.put("auto.offset.reset", "earliest");
        long read = 0, wanted = (long) count * PERIODS.length;
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new LongDeserializer())) {
            var partitions = consumer.partitionsFor(OUTPUT).stream().map(p -> new TopicPartition(OUTPUT, p.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long deadline = System.currentTimeMillis() + PATIENCE_MS;
            while (read < wanted) {
                if (System.currentTimeMillis() > deadline) throw new IllegalStateException(read + " of " + wanted + " updates");
                for (ConsumerRecord<String, Long> record : consumer.poll(Duration.ofMillis(200))) {
                    long next = seen.merge(record.key(), 1L, Long::sum);
                    if (record.value() != next) {
                        throw new IllegalStateException(record.key() + " was counted " + record.value() + " where " + next + " was next");
                    }
                    read++;
                }
            }
        }
        if (!seen.equals(expected)) throw new IllegalStateException("the counts are not those of the lines");
        System.out.println(expected.size() + " " + read);
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
