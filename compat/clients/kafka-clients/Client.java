// The Java client behind the scenario language (../README.md), compiled once against 2.8 and run with every version from 1.1 on.
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.zip.CRC32;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

public final class Client implements ConsumerRebalanceListener {
    private static final int PART = 1011;
    private final String bootstrap;
    private final byte[] pool;
    private final ArrayDeque<ConsumerRecord<byte[], byte[]>> waiting = new ArrayDeque<>();
    private final Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
    private KafkaConsumer<byte[], byte[]> consumer;
    private KafkaConsumer<byte[], byte[]> lookup;
    private AdminClient admin;

    /** The library has no such call or option. */
    private static final class Cannot extends RuntimeException {
        Cannot(String reason) {
            super(reason);
        }
    }

    private Client(String bootstrap, byte[] pool) {
        this.bootstrap = bootstrap;
        this.pool = pool;
    }

    public static void main(String[] args) throws IOException {
        Client client = new Client(args[0], Files.readAllBytes(Paths.get(args[1])));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            out.println(client.answer(line.split(" ")).replaceAll("\\s+", " ").trim());
        }
        client.leave();
        System.exit(0);
    }

    private String answer(String[] words) {
        List<String> arguments = new ArrayList<>();
        Map<String, String> options = new LinkedHashMap<>();
        for (String word : Arrays.asList(words).subList(1, words.length)) {
            int at = word.indexOf('=');
            if (at < 0) arguments.add(word);
            else options.put(word.substring(0, at), word.substring(at + 1));
        }
        try {
            return "ok " + obey(words[0], arguments, options);
        } catch (Cannot cannot) {
            return "cannot " + cannot.getMessage();
        } catch (NoSuchMethodError | NoClassDefFoundError missing) {
            return "cannot kafka-clients " + AppInfoParser.getVersion() + " has no call for " + words[0];
        } catch (Throwable problem) {
            Throwable cause = problem instanceof ExecutionException ? problem.getCause() : problem;
            short code = Errors.forException(cause).code();
            return "error " + (code > 0 ? Short.toString(code) : "client") + " " + cause;
        }
    }

    private String obey(String verb, List<String> a, Map<String, String> options) throws Exception {
        switch (verb) {
            case "version": return "kafka-clients " + AppInfoParser.getVersion();
            case "create": return create(a.get(0), Integer.parseInt(a.get(1)), options);
            case "grow": return done(admin().createPartitions(Collections.singletonMap(a.get(0), NewPartitions.increaseTo(Integer.parseInt(a.get(1))))).all().get());
            case "configure": return configure(a.get(0), options);
            case "configured": return configured(a.get(0), a.get(1));
            case "trim": return trim(new TopicPartition(a.get(0), Integer.parseInt(a.get(1))), Long.parseLong(a.get(2)));
            case "delete": return done(admin().deleteTopics(Collections.singletonList(a.get(0))).all().get());
            case "topics": return String.join(" ", new TreeSet<>(admin().listTopics().names().get()));
            case "offsets": return pairs(offsets(all(a.get(0), a.get(1)), a.get(2)));
            case "produce": return produce(a.get(0), Integer.parseInt(a.get(1)), Integer.parseInt(a.get(2)), options);
            case "assign": return assign(all(a.get(0), a.get(1)), a.get(2), options);
            case "join": return join(a.get(0), a.get(1), a.get(2), options);
            case "owned": return owned();
            case "read": return Integer.toString(read(Integer.parseInt(a.get(0)), Double.parseDouble(a.get(1)), Paths.get(a.get(2))));
            case "commit": consumer.commitSync(next); return "";
            case "committed": return committed(a.get(0), all(a.get(1), a.get(2)));
            case "pause": consumer.pause(consumer.assignment()); return "";
            case "resume": consumer.resume(consumer.assignment()); return "";
            case "leave": leave(); return "";
            default: throw new Cannot("no call for " + verb);
        }
    }

    private static String done(Object nothing) {
        return "";
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        return settings;
    }

    private static List<TopicPartition> all(String topic, String partitions) {
        List<TopicPartition> all = new ArrayList<>();
        for (int i = 0; i < Integer.parseInt(partitions); i++) all.add(new TopicPartition(topic, i));
        return all;
    }

    private static String pairs(Map<TopicPartition, Long> offsets) {
        Map<Integer, Long> sorted = new TreeMap<>();
        offsets.forEach((partition, offset) -> sorted.put(partition.partition(), offset));
        return sorted.toString().replaceAll("[{},]", "");
    }

    // Administration.

    private AdminClient admin() {
        if (admin == null) admin = AdminClient.create(settings());
        return admin;
    }

    private String create(String topic, int partitions, Map<String, String> configs) throws Exception {
        admin().createTopics(Collections.singletonList(new NewTopic(topic, partitions, (short) 1).configs(configs))).all().get();
        return "";
    }

    private String configure(String topic, Map<String, String> configs) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        List<ConfigEntry> entries = new ArrayList<>();
        configs.forEach((name, value) -> entries.add(new ConfigEntry(name, value)));
        try {
            List<AlterConfigOp> changes = new ArrayList<>();
            for (ConfigEntry entry : entries) changes.add(new AlterConfigOp(entry, AlterConfigOp.OpType.SET));
            admin().incrementalAlterConfigs(Collections.singletonMap(resource, changes)).all().get();
        } catch (NoClassDefFoundError older) {
            admin().alterConfigs(Collections.singletonMap(resource, new Config(entries))).all().get();
        }
        return "";
    }

    private String configured(String topic, String config) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return admin().describeConfigs(Collections.singletonList(resource)).all().get().get(resource).get(config).value();
    }

    private String trim(TopicPartition partition, long offset) throws Exception {
        Map<TopicPartition, RecordsToDelete> before = Collections.singletonMap(partition, RecordsToDelete.beforeOffset(offset));
        return Long.toString(admin().deleteRecords(before).lowWatermarks().get(partition).get().lowWatermark());
    }

    private Map<TopicPartition, Long> offsets(List<TopicPartition> partitions, String at) {
        if (lookup == null) lookup = consumer(settings());
        if (lookup.partitionsFor(partitions.get(0).topic()).isEmpty()) throw Errors.UNKNOWN_TOPIC_OR_PARTITION.exception();
        if (at.equals("earliest")) return lookup.beginningOffsets(partitions);
        if (at.equals("latest")) return lookup.endOffsets(partitions);
        Map<TopicPartition, Long> times = new HashMap<>();
        for (TopicPartition partition : partitions) times.put(partition, Long.parseLong(at));
        Map<TopicPartition, Long> found = new HashMap<>();
        for (Map.Entry<TopicPartition, OffsetAndTimestamp> one : lookup.offsetsForTimes(times).entrySet()) {
            found.put(one.getKey(), one.getValue() == null ? -1L : one.getValue().offset());
        }
        return found;
    }

    private String committed(String group, List<TopicPartition> partitions) {
        Properties settings = settings();
        settings.put("group.id", group);
        Map<TopicPartition, Long> found = new HashMap<>();
        try (KafkaConsumer<byte[], byte[]> asking = consumer(settings)) {
            Map<TopicPartition, OffsetAndMetadata> known = new HashMap<>();
            try {
                known = asking.committed(new HashSet<>(partitions));
            } catch (NoSuchMethodError older) {
                for (TopicPartition partition : partitions) known.put(partition, asking.committed(partition));
            }
            for (TopicPartition partition : partitions) {
                OffsetAndMetadata offset = known.get(partition);
                found.put(partition, offset == null ? -1L : offset.offset());
            }
        }
        return pairs(found);
    }

    // Records.

    private String produce(String topic, int count, int partitions, Map<String, String> options) throws Exception {
        Properties settings = settings();
        boolean idempotent = "yes".equals(options.get("idempotent"));
        settings.put("compression.type", options.getOrDefault("codec", "none"));
        settings.put("acks", "all");
        settings.put("enable.idempotence", Boolean.toString(idempotent));
        settings.put("max.in.flight.requests.per.connection", idempotent ? "5" : "1");
        settings.put("linger.ms", "20");
        settings.put("max.request.size", "16777216");
        settings.put("max.block.ms", "5000");
        int first = Integer.parseInt(options.getOrDefault("from", "0"));
        int size = Integer.parseInt(options.getOrDefault("size", "0"));
        AtomicReference<Exception> failure = new AtomicReference<>();
        AtomicInteger acknowledged = new AtomicInteger();
        try (KafkaProducer<byte[], byte[]> producer = producer(settings)) {
            for (int i = first; i < first + count; i++) {
                producer.send(record(topic, i, partitions, size), (metadata, error) -> {
                    if (error != null) failure.set(error);
                    else acknowledged.incrementAndGet();
                });
            }
            producer.flush();
        }
        if (failure.get() != null) throw failure.get();
        return acknowledged.toString();
    }

    private static KafkaProducer<byte[], byte[]> producer(Properties settings) {
        try {
            return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        } catch (RuntimeException refused) {
            for (Throwable cause = refused; cause != null; cause = cause.getCause()) {
                if (String.valueOf(cause.getMessage()).contains("Unknown compression name")) throw new Cannot(cause.getMessage());
            }
            throw refused;
        }
    }

    private ProducerRecord<byte[], byte[]> record(String topic, int i, int partitions, int size) {
        byte[] key = i % 7 == 3 && i % 97 != 5 ? null : bytes("k" + i);
        byte[] value = null;
        if (size > 0) {
            value = Arrays.copyOf(pool, size);
        } else if (i % 97 != 5) {
            value = Arrays.copyOf(bytes(String.format("%012d:", i)), PART + 13);
            System.arraycopy(pool, (int) ((i * 1031L) % (pool.length - PART)), value, 13, PART);
        }
        List<Header> headers = Arrays.asList(
            new RecordHeader("h", bytes(Integer.toString(i))), new RecordHeader("h", bytes("again")), new RecordHeader("e", new byte[0]));
        return new ProducerRecord<>(topic, i % partitions, null, key, value, headers);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    // Reading.

    private static KafkaConsumer<byte[], byte[]> consumer(Properties settings) {
        settings.putIfAbsent("default.api.timeout.ms", "15000");
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private Properties reading(Map<String, String> options) {
        leave();
        Properties settings = settings();
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("session.timeout.ms", "10000");
        settings.put("heartbeat.interval.ms", "500");
        settings.put("fetch.max.wait.ms", "100");
        settings.put("max.partition.fetch.bytes", "32768");
        settings.put("fetch.max.bytes", "65536");
        settings.put("isolation.level", options.getOrDefault("isolation", "read_uncommitted"));
        return settings;
    }

    private String assign(List<TopicPartition> partitions, String at, Map<String, String> options) {
        Map<TopicPartition, Long> starts = offsets(partitions, at);
        Map<TopicPartition, Long> ends = offsets(partitions, "latest");
        consumer = consumer(reading(options));
        consumer.assign(partitions);
        starts.forEach((partition, offset) -> consumer.seek(partition, offset >= 0 ? offset : ends.get(partition)));
        return "";
    }

    private String join(String group, String topic, String assignor, Map<String, String> options) {
        Properties settings = reading(options);
        settings.put("group.id", group);
        if (!assignor.equals("any")) {
            StringBuilder name = new StringBuilder("org.apache.kafka.clients.consumer.");
            if (assignor.equals("roundrobin")) name.append("RoundRobin");
            else for (String word : assignor.split("-")) name.append(Character.toUpperCase(word.charAt(0))).append(word.substring(1));
            settings.put("partition.assignment.strategy", name.append("Assignor").toString());
        }
        try {
            consumer = consumer(settings);
        } catch (RuntimeException refused) {
            for (Throwable cause = refused; cause != null; cause = cause.getCause()) {
                if (cause instanceof ConfigException || cause instanceof ClassNotFoundException) {
                    throw new Cannot("kafka-clients " + AppInfoParser.getVersion() + " has no " + assignor + " assignor");
                }
            }
            throw refused;
        }
        consumer.subscribe(Collections.singletonList(topic), this);
        return "";
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        // What is owned is asked from the consumer.
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        waiting.removeIf(record -> partitions.contains(new TopicPartition(record.topic(), record.partition())));
        next.keySet().removeAll(partitions);
    }

    private void poll(long millis) {
        ConsumerRecords<byte[], byte[]> polled;
        try {
            polled = consumer.poll(Duration.ofMillis(millis));
        } catch (NoSuchMethodError older) {
            polled = consumer.poll(millis);
        }
        for (ConsumerRecord<byte[], byte[]> record : polled) waiting.add(record);
    }

    private String owned() {
        poll(100);
        TreeSet<Integer> own = new TreeSet<>();
        for (TopicPartition partition : consumer.assignment()) own.add(partition.partition());
        return own.toString().replaceAll("[\\[\\],]", "");
    }

    private int read(int count, double seconds, Path file) throws IOException {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        int seen = 0;
        try (BufferedWriter out = Files.newBufferedWriter(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
            while (seen < count) {
                boolean paused = !consumer.paused().isEmpty();
                if (waiting.isEmpty() || paused) {
                    long left = (end - System.nanoTime()) / 1_000_000;
                    if (left <= 0) break;
                    poll(Math.min(left, 200));
                    if (paused) continue;
                }
                for (; seen < count && !waiting.isEmpty(); seen++) {
                    ConsumerRecord<byte[], byte[]> record = waiting.remove();
                    next.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
                    out.write(line(record));
                }
            }
        }
        return seen;
    }

    private static String line(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder line = new StringBuilder();
        line.append(record.partition()).append('\t').append(record.offset()).append('\t');
        line.append(record.key() == null ? "-" : "=" + new String(record.key(), StandardCharsets.UTF_8)).append('\t');
        if (record.value() == null) {
            line.append('-');
        } else {
            CRC32 crc = new CRC32();
            crc.update(record.value());
            line.append(String.format("=%d:%08x", record.value().length, crc.getValue()));
        }
        line.append('\t');
        String separator = "";
        for (Header header : record.headers()) {
            line.append(separator).append(header.key()).append('=').append(new String(header.value(), StandardCharsets.UTF_8));
            separator = ",";
        }
        return line.append('\n').toString();
    }

    private void leave() {
        if (consumer != null) consumer.close();
        consumer = null;
        waiting.clear();
        next.clear();
    }
}
