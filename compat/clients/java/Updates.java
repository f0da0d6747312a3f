// Updates of keys by idempotent producers (acks=all), the same ones at each run; scenarios/compaction.py knows them too.
// Updates BOOTSTRAP TOPIC COUNT KEYS PER-SECOND CODEC BYTES
//
// Update n is of a key that a generator of random numbers chooses, or deletes it; its value is "n ", then BYTES of padding.
// Updates come in blocks of 500: of each four blocks the second is a transaction that is committed, the last one that is
// aborted, and the others are no transactions.
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Updates {
    private static final int BLOCK = 500;
    private static final char[] DIGITS = "0123456789abcdef".toCharArray();

    private final AtomicReference<Exception> failure = new AtomicReference<>();
    private final String topic;
    private final long count, keys;
    private final int bytes;

    private Updates(String[] args) {
        topic = args[1];
        count = Long.parseLong(args[2]);
        keys = Long.parseLong(args[3]);
        bytes = Integer.parseInt(args[6]);
    }

    public static void main(String[] args) throws Exception {
        Updates updates = new Updates(args);
        long perSecond = Long.parseLong(args[4]), begun = System.nanoTime();
        Properties transactional = settings(args[0], args[5]);
        transactional.put("transactional.id", "updates");
        try (var plain = producer(settings(args[0], args[5])); var inTransactions = producer(transactional)) {
            inTransactions.initTransactions();
            for (long first = 0; first < updates.count; first += BLOCK) {
                switch ((int) (first / BLOCK % 4)) {
                    case 1 -> updates.inTransaction(inTransactions, first, true);
                    case 3 -> updates.inTransaction(inTransactions, first, false);
                    default -> updates.send(plain, first);
                }
                long ahead = first * 1000 / perSecond - (System.nanoTime() - begun) / 1_000_000;
                if (ahead > 5) Thread.sleep(ahead);
            }
        }
        System.out.println("ok");
    }

    private void inTransaction(KafkaProducer<byte[], byte[]> producer, long first, boolean commits) throws Exception {
        while (true) {
            try {
                producer.beginTransaction();
                send(producer, first);
                if (commits) producer.commitTransaction();
                else producer.abortTransaction();
                return;
            } catch (ProducerFencedException fenced) {
                throw fenced;
            } catch (KafkaException again) {
                producer.abortTransaction();
                failure.set(null);
            }
        }
    }

    /** All of a block are acknowledged before the next one comes, from another producer. */
    private void send(KafkaProducer<byte[], byte[]> producer, long first) throws Exception {
        for (long n = first; n < Math.min(first + BLOCK, count); n++) {
            long random = (n * 1103515245L + 12345L) % 2147483648L * 69069L % 2147483648L;
            byte[] key = ("key-" + random / 64 % keys).getBytes(StandardCharsets.UTF_8);
            boolean deletes = random / 64 / keys % 11 == 0;
            byte[] value = deletes ? null : (n + " " + padding(random)).getBytes(StandardCharsets.UTF_8);
            producer.send(new ProducerRecord<>(topic, key, value), (metadata, error) -> {
                if (error != null) failure.set(error);
            });
        }
        producer.flush();
        if (failure.get() != null) throw failure.get();
    }

    /** Text that a codec makes about half as long. */
    private String padding(long seed) {
        char[] text = new char[bytes];
        for (int i = 0; i < bytes; i++) {
            seed = (seed * 1103515245L + 12345L) % 2147483648L;
            text[i] = DIGITS[(int) (seed >> 16) & 15];
        }
        return new String(text);
    }

    private static KafkaProducer<byte[], byte[]> producer(Properties settings) {
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static Properties settings(String bootstrap, String codec) {
        Properties settings = Acked.settings(bootstrap);
        settings.put("compression.type", codec);
        return settings;
    }
}
