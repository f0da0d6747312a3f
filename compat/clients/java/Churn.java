// Transactions that commit offsets, of several producers and groups at once, to fill the coordinators' own topics.
// Churn BOOTSTRAP TOPIC GROUPS FROM TO
//
// Producer and group g commit the offsets FROM … TO - 1 of partition 0, each with its transaction, of which every fourth is
// aborted. Ids and metadata are long. Prints "g OFFSET", the last offset committed for each.
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Churn {
    public static void main(String[] args) throws Exception {
        int groups = Integer.parseInt(args[2]);
        long from = Long.parseLong(args[3]), to = Long.parseLong(args[4]);
        ExecutorService threads = Executors.newFixedThreadPool(groups);
        List<Future<Long>> last = new ArrayList<>();
        for (int g = 0; g < groups; g++) {
            String group = "churn-" + g;
            last.add(threads.submit(() -> commit(args[0], args[1], group, from, to)));
        }
        for (int g = 0; g < groups; g++) System.out.println(g + " " + last.get(g).get());
        threads.shutdown();
    }

    private static long commit(String bootstrap, String topic, String group, long from, long to) {
        long last = -1;
        Properties settings = Acked.settings(bootstrap);
        settings.put("transactional.id", group + "-" + "x".repeat(900));
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            producer.initTransactions();
            for (long offset = from; offset < to; ) {
                boolean aborts = offset % 4 == 3;
                try {
                    producer.beginTransaction();
                    producer.send(new ProducerRecord<>(topic, 0, group, Long.toString(offset)));
                    var committed = new OffsetAndMetadata(offset, "m".repeat(3000));
                    producer.sendOffsetsToTransaction(Map.of(new TopicPartition(topic, 0), committed), new ConsumerGroupMetadata(group));
                    if (aborts) producer.abortTransaction();
                    else producer.commitTransaction();
                    if (!aborts) last = offset;
                    offset++;
                } catch (ProducerFencedException fenced) {
                    throw fenced;
                } catch (KafkaException again) {
                    producer.abortTransaction();
                }
            }
        }
        return last;
    }
}
