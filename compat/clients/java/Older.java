// What a release from 3.3 on can hold, written to its broker: every codec, transactions, a group, configs, quotas, users where it has them.
// Older BOOTSTRAP
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Older {
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    private static final int PARTITIONS = 2, RECORDS = 100;

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0];
        var lacking = new ArrayList<String>();
        try (var admin = Admin.create(Shown.common(bootstrap))) {
            topics(admin);
            for (String codec : CODECS) codec(bootstrap, codec);
            transactions(bootstrap);
            for (String protocol : List.of("classic", "consumer")) group(bootstrap, protocol, lacking);
            admin.deleteRecords(Map.of(new TopicPartition("plain-none", 0), RecordsToDelete.beforeOffset(7))).all().get();
            admin.createPartitions(Map.of("grown", NewPartitions.increaseTo(3))).all().get();
            set(admin, new ConfigResource(ConfigResource.Type.TOPIC, "grown"), "retention.ms", "86400000");
            set(admin, new ConfigResource(ConfigResource.Type.BROKER, ""), "log.retention.ms", "700000000");
            set(admin, new ConfigResource(ConfigResource.Type.BROKER, "1"), "log.cleaner.backoff.ms", "14000");
            var entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, "limited"));
            admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e9))))).all().get();
            try {
                admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("user", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"))).all().get();
            } catch (ExecutionException refused) {
                lacking.add("SCRAM");
            }
        }
        System.out.println("without " + String.join(", ", lacking));
        Runtime.getRuntime().halt(0);
    }

    private static void topics(Admin admin) throws Exception {
        var topics = new ArrayList<NewTopic>();
        for (String codec : CODECS) topics.add(new NewTopic("plain-" + codec, PARTITIONS, (short) 1).configs(Map.of("segment.bytes", "1048576")));
        topics.add(new NewTopic("compacted", PARTITIONS, (short) 1).configs(Map.of("cleanup.policy", "compact")));
        for (String name : List.of("transactional", "grown", "gone")) topics.add(new NewTopic(name, PARTITIONS, (short) 1));
        admin.createTopics(topics).all().get();
        admin.deleteTopics(List.of("gone")).all().get();
    }

    private static void codec(String bootstrap, String codec) {
        try (var producer = producer(bootstrap, Map.of("compression.type", codec))) {
            for (int n = 0; n < RECORDS; n++) {
                producer.send(new ProducerRecord<>("plain-" + codec, n % PARTITIONS, n % 7 == 0 ? null : "k" + n, n % 11 == 0 ? null : "value " + n));
                producer.send(new ProducerRecord<>("compacted", "k" + n % 10, n == RECORDS - 1 ? null : codec + n));
                if (n % 10 == 9) producer.flush();
            }
        }
    }

    private static void transactions(String bootstrap) {
        try (var producer = producer(bootstrap, Map.of("transactional.id", "done"))) {
            producer.initTransactions();
            for (boolean commits : new boolean[] {true, false, true}) {
                write(producer, "done " + commits);
                if (commits) producer.commitTransaction(); else producer.abortTransaction();
            }
        }
        var left = producer(bootstrap, Map.of("transactional.id", "left", "transaction.timeout.ms", "900000"));
        left.initTransactions();
        write(left, "left");
        left.close(Duration.ZERO);
    }

    private static void write(KafkaProducer<String, String> producer, String value) {
        producer.beginTransaction();
        for (int n = 0; n < 3 * PARTITIONS; n++) producer.send(new ProducerRecord<>("transactional", n % PARTITIONS, "k", value));
        producer.flush();
    }

    private static void group(String bootstrap, String protocol, List<String> lacking) {
        Properties settings = Shown.common(bootstrap);
        settings.put("group.id", protocol + "-readers");
        settings.put("group.protocol", protocol);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of("plain-gzip"));
            for (int read = 0; read < RECORDS; ) read += consumer.poll(Duration.ofMillis(200)).count();
            consumer.commitSync();
        } catch (UnsupportedVersionException refused) {
            lacking.add(protocol + " groups");
        }
    }

    private static void set(Admin admin, ConfigResource resource, String key, String value) throws Exception {
        admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET)))).all().get();
    }

    private static KafkaProducer<String, String> producer(String bootstrap, Map<String, String> more) {
        Properties settings = Shown.common(bootstrap);
        settings.putAll(more);
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }
}
