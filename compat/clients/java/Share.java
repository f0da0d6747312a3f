// Share consumers (KIP-932) that acknowledge by plan, and tell of every delivery.
// Share BOOTSTRAP fill TOPIC COUNT            numbers below COUNT
// Share BOOTSTRAP consume GROUP TOPIC,…       until its standard input ends; tells on every line
//     <ms> d NUMBER COUNT                     a record was delivered for the COUNTth time; the value is told if it is no number
//     <ms> ok accept|release|reject|renew NUMBER      the acknowledgement was confirmed (the time is that of the answer)
//     <ms> lost accept|release|reject|renew NUMBER    it was not: nobody knows what became of it
// The plan goes by the last two digits of a number: 13 is released at first, 25 rejected, 37 renewed at first and accepted once
// the first lock would be over, 49 released always; every other is accepted.
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Share {
    private static final long RENEWED_FOR_MS = 3_000;
    private static volatile boolean ended;

    public static void main(String[] args) throws Exception {
        switch (args[1]) {
            case "fill" -> fill(args[0], args[2], Integer.parseInt(args[3]));
            case "consume" -> consume(args[0], args[2], List.of(args[3].split(",")));
            default -> throw new IllegalArgumentException(args[1]);
        }
    }

    private static void fill(String bootstrap, String topic, int count) {
        try (var producer = new KafkaProducer<>(common(bootstrap), new StringSerializer(), new StringSerializer())) {
            for (int n = 0; n < count; n++) producer.send(new ProducerRecord<>(topic, Integer.toString(n), Integer.toString(n)));
        }
    }

    /** A record that waits, renewed, to be accepted. */
    private record Renewed(ConsumerRecord<String, String> record, long due) {}

    private static void consume(String bootstrap, String group, List<String> topics) throws InterruptedException {
        Thread reader = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
            } catch (java.io.IOException closed) {
                // As good as its end.
            }
            ended = true;
        });
        reader.setDaemon(true);
        reader.start();
        List<Renewed> renewed = new ArrayList<>();
        try (var consumer = consumer(bootstrap, group)) {
            consumer.subscribe(topics);
            while (!ended) {
                round(consumer, renewed);
                // Polls do not wait while records are renewed.
                if (!renewed.isEmpty()) Thread.sleep(100);
            }
        }
    }

    private static void round(KafkaShareConsumer<String, String> consumer, List<Renewed> renewed) {
        Map<String, List<String>> byPlace = new HashMap<>();
        List<Renewed> due = renewed.stream().filter(one -> one.due <= System.currentTimeMillis()).toList();
        renewed.removeAll(due);
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(300))) {
            if (isRenewed(renewed, record)) {
                // It comes with every poll until it is acknowledged for good.
                acknowledge(consumer, byPlace, record, AcknowledgeType.RENEW);
                continue;
            }
            boolean wasDue = due.stream().anyMatch(one -> same(one.record, record));
            if (!wasDue) tell("d " + record.value() + " " + record.deliveryCount().map(Short::intValue).orElse(-1));
            AcknowledgeType plan = wasDue ? AcknowledgeType.ACCEPT : plan(record);
            if (plan == AcknowledgeType.RENEW) renewed.add(new Renewed(record, System.currentTimeMillis() + RENEWED_FOR_MS));
            acknowledge(consumer, byPlace, record, plan);
        }
        if (byPlace.isEmpty()) return;
        Map<String, String> lost = new HashMap<>();
        try {
            consumer.commitSync(Duration.ofSeconds(10)).forEach((partition, error) ->
                error.ifPresent(why -> lost.put(place(partition.topic(), partition.partition()), why.getClass().getSimpleName())));
        } catch (KafkaException refused) {
            byPlace.keySet().forEach(place -> lost.put(place, refused.getClass().getSimpleName()));
        }
        byPlace.forEach((place, lines) -> {
            for (String line : lines) tell(lost.containsKey(place) ? "lost " + line + " " + lost.get(place) : "ok " + line);
            if (lost.containsKey(place)) renewed.removeIf(one -> place(one.record.topic(), one.record.partition()).equals(place));
        });
    }

    private static void acknowledge(
        KafkaShareConsumer<String, String> consumer, Map<String, List<String>> byPlace, ConsumerRecord<String, String> record, AcknowledgeType type) {
        String line = type.toString() + " " + record.value();
        try {
            consumer.acknowledge(record, type);
            byPlace.computeIfAbsent(place(record.topic(), record.partition()), place -> new ArrayList<>()).add(line);
        } catch (IllegalStateException late) {
            tell("lost " + line + " IllegalStateException");
        }
    }

    private static boolean isRenewed(List<Renewed> renewed, ConsumerRecord<String, String> record) {
        return renewed.stream().anyMatch(one -> same(one.record, record));
    }

    private static boolean same(ConsumerRecord<String, String> one, ConsumerRecord<String, String> other) {
        return one.topic().equals(other.topic()) && one.partition() == other.partition() && one.offset() == other.offset();
    }

    private static AcknowledgeType plan(ConsumerRecord<String, String> record) {
        boolean first = record.deliveryCount().orElse((short) 1) == 1;
        int digits;
        try {
            digits = Integer.parseInt(record.value()) % 100;
        } catch (NumberFormatException other) {
            return AcknowledgeType.ACCEPT;
        }
        return switch (digits) {
            case 13 -> first ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT;
            case 25 -> AcknowledgeType.REJECT;
            case 37 -> first ? AcknowledgeType.RENEW : AcknowledgeType.ACCEPT;
            case 49 -> AcknowledgeType.RELEASE;
            default -> AcknowledgeType.ACCEPT;
        };
    }

    private static String place(String topic, int partition) {
        return topic + "-" + partition;
    }

    private static void tell(String line) {
        System.out.println(System.currentTimeMillis() + " " + line);
    }

    private static KafkaShareConsumer<String, String> consumer(String bootstrap, String group) {
        Properties settings = common(bootstrap);
        settings.put("group.id", group);
        settings.put("share.acknowledgement.mode", "explicit");
        settings.put("max.poll.records", "40");
        return new KafkaShareConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
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
