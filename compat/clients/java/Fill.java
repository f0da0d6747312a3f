// Writes records with chosen timestamps, one batch a line, so that two brokers can be given the same input.
// Fill BOOTSTRAP TOPIC PARTITION:TIMESTAMP[,TIMESTAMP...] ...
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Fill {
    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("acks", "all");
        settings.put("linger.ms", "60000");
        settings.put("batch.size", "1000000");
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 2; i < args.length; i++) {
                int colon = args[i].indexOf(':');
                int partition = Integer.parseInt(args[i].substring(0, colon));
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (String timestamp : args[i].substring(colon + 1).split(",")) {
                    byte[] value = ("at " + timestamp).getBytes(StandardCharsets.UTF_8);
                    sent.add(producer.send(new ProducerRecord<>(args[1], partition, Long.parseLong(timestamp), null, value)));
                }
                producer.flush();
                for (Future<RecordMetadata> one : sent) one.get();
            }
        }
    }
}
