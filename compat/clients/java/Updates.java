// Updates of keys by an idempotent producer (acks=all), the same ones at each run; scenarios/compaction.py knows them too.
// Updates BOOTSTRAP TOPIC FIRST COUNT KEYS PER-SECOND CODEC
//
// Update n is of a key that a generator of random numbers chooses, or deletes it; its value begins with "n ".
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Updates {
    public static void main(String[] args) throws Exception {
        long first = Long.parseLong(args[2]), count = Long.parseLong(args[3]), keys = Long.parseLong(args[4]);
        long perSecond = Long.parseLong(args[5]), begun = System.nanoTime();
        AtomicReference<Exception> failure = new AtomicReference<>();
        try (var producer = new KafkaProducer<>(settings(args[0], args[6]), new ByteArraySerializer(), new ByteArraySerializer())) {
            for (long n = 0; n < first + count; n++) {
                long random = (n * 1103515245L + 12345L) % 2147483648L * 69069L % 2147483648L;
                if (n < first) continue;
                byte[] key = ("key-" + random / 64 % keys).getBytes(StandardCharsets.UTF_8);
                boolean deletes = random / 64 / keys % 11 == 0;
                byte[] value = deletes ? null : (n + " " + padding(random)).getBytes(StandardCharsets.UTF_8);
                producer.send(new ProducerRecord<>(args[1], key, value), (metadata, error) -> {
                    if (error != null) failure.set(error);
                });
                long ahead = (n - first) * 1000 / perSecond - (System.nanoTime() - begun) / 1_000_000;
                if (ahead > 5) Thread.sleep(ahead);
            }
            producer.flush();
        }
        if (failure.get() != null) throw failure.get();
        System.out.println("ok");
    }

    /** Text that a codec makes about half as long. */
    private static String padding(long seed) {
        StringBuilder text = new StringBuilder(200);
        for (int i = 0; i < 25; i++) {
            seed = (seed * 1103515245L + 12345L) % 2147483648L;
            text.append(String.format("%08x", seed));
        }
        return text.toString();
    }

    private static Properties settings(String bootstrap, String codec) {
        Properties settings = Acked.settings(bootstrap);
        settings.put("compression.type", codec);
        return settings;
    }
}
