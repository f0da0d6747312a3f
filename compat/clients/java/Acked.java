// An endless idempotent producer (acks=all) that writes down what was acknowledged; the twin of confluent/acked.py.
// Acked BOOTSTRAP TOPIC PARTITIONS JOURNAL [BYTES]     values are numbers, followed by blanks up to BYTES
import java.io.BufferedWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Acked {
    public static void main(String[] args) throws Exception {
        int partitions = Integer.parseInt(args[2]);
        int bytes = args.length > 4 ? Integer.parseInt(args[4]) : 1;
        CountDownLatch stop = new CountDownLatch(1);
        CountDownLatch finished = new CountDownLatch(1);
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stop.countDown();
            try {
                finished.await();
                main.join(1000);
            } catch (InterruptedException ignored) {
                // The process is ending.
            }
        }));
        AtomicReference<Exception> failure = new AtomicReference<>();
        try (BufferedWriter journal = Files.newBufferedWriter(Path.of(args[3]), StandardCharsets.UTF_8)) {
            try (var producer = new KafkaProducer<>(settings(args[0]), new ByteArraySerializer(), new ByteArraySerializer())) {
                for (long n = 0; stop.getCount() > 0; n++) {
                    long number = n;
                    byte[] value = String.format("%-" + bytes + "d", n).getBytes(StandardCharsets.UTF_8);
                    producer.send(new ProducerRecord<>(args[1], (int) (n % partitions), null, value), (metadata, error) -> {
                        try {
                            if (error != null) failure.set(error);
                            else journal.write(number + " " + metadata.partition() + " " + metadata.offset() + "\n");
                        } catch (java.io.IOException broken) {
                            failure.set(broken);
                        }
                    });
                    if (n % 50 == 0) stop.await(5, TimeUnit.MILLISECONDS);
                }
                producer.flush();
            }
            journal.write(failure.get() == null ? "end\n" : "failed " + failure.get() + "\n");
        } finally {
            finished.countDown();
        }
    }

    /** Of a producer that waits for a broker that was killed, however often. */
    static Properties settings(String bootstrap) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("acks", "all");
        settings.put("enable.idempotence", "true");
        settings.put("linger.ms", "5");
        settings.put("buffer.memory", "4000000");
        settings.put("max.block.ms", "600000");
        settings.put("delivery.timeout.ms", "600000");
        settings.put("request.timeout.ms", "5000");
        // There is one broker: what is known of it stays true while it is away.
        settings.put("metadata.recovery.strategy", "none");
        settings.put("reconnect.backoff.ms", "50");
        settings.put("reconnect.backoff.max.ms", "500");
        return settings;
    }
}
