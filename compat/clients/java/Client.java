// The Java client behind the common command line.
import java.io.BufferedWriter;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import java.util.zip.CRC32;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Client {
    private static final int PART = 1011;

    public static void main(String[] args) throws Exception {
        if (args[0].equals("produce")) {
            produce(args[1], args[2], args[3], Integer.parseInt(args[4]), Integer.parseInt(args[5]), Path.of(args[6]));
        } else {
            consume(args[1], args[2], Integer.parseInt(args[3]));
        }
    }

    private static void produce(String bootstrap, String topic, String codec, int count, int partitions, Path poolFile)
        throws Exception {
        byte[] pool = Files.readAllBytes(poolFile);
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("compression.type", codec);
        settings.put("acks", "all");
        settings.put("linger.ms", "20");
        AtomicReference<Exception> failure = new AtomicReference<>();
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < count; i++) {
                byte[] key = i % 7 == 3 && i % 97 != 5 ? null : ("k" + i).getBytes(StandardCharsets.UTF_8);
                byte[] value = null;
                if (i % 97 != 5) {
                    value = new byte[PART + 13];
                    byte[] head = String.format("%012d:", i).getBytes(StandardCharsets.UTF_8);
                    System.arraycopy(head, 0, value, 0, head.length);
                    int start = (int) ((i * 1031L) % (pool.length - PART));
                    System.arraycopy(pool, start, value, head.length, PART);
                }
                List<Header> headers = List.of(
                    new RecordHeader("h", Integer.toString(i).getBytes(StandardCharsets.UTF_8)),
                    new RecordHeader("h", "again".getBytes(StandardCharsets.UTF_8)), new RecordHeader("e", new byte[0]));
                producer.send(new ProducerRecord<>(topic, i % partitions, null, key, value, headers), (metadata, error) -> {
                    if (error != null) failure.set(error);
                });
            }
            producer.flush();
        }
        if (failure.get() != null) throw failure.get();
    }

    private static void consume(String bootstrap, String topic, int count) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", "java-" + topic);
        settings.put("auto.offset.reset", "earliest");
        settings.put("max.partition.fetch.bytes", "32768");
        settings.put("fetch.max.bytes", "65536");
        try (var out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
            var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            for (int seen = 0; seen < count;) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    seen++;
                    out.write(line(record));
                }
            }
        }
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
}
