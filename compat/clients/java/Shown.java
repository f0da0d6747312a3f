// Everything a client can see of a broker, one fact a line, sorted: two brokers that show the same lines hold the same.
// What a restart changes by itself (epochs of leaders and of finalised features, sizes of files) is left out.
// Of the topic `orphaned` and of transactions called `orphan…` is left out what comes to pass when their time is up.
// Shown BOOTSTRAP     prints the lines
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeShareGroupsOptions;
import org.apache.kafka.clients.admin.DescribeStreamsGroupsOptions;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListStreamsGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public final class Shown {
    static final String ORPHANED = "orphaned";
    private static final long PATIENCE_MS = 60_000;
    private final String bootstrap;
    private final Admin admin;
    private final TreeSet<String> lines = new TreeSet<>();
    private final Map<String, TopicDescription> topics = new TreeMap<>();

    private Shown(String bootstrap, Admin admin) {
        this.bootstrap = bootstrap;
        this.admin = admin;
    }

    public static void main(String[] args) throws Exception {
        try (var admin = Admin.create(common(args[0]))) {
            of(args[0], admin).forEach(System.out::println);
        }
    }

    static Collection<String> of(String bootstrap, Admin admin) throws Exception {
        var shown = new Shown(bootstrap, admin);
        shown.cluster();
        shown.topics();
        shown.configs();
        shown.partitions();
        shown.transactions();
        shown.groups();
        shown.access();
        return shown.lines;
    }

    private void line(Object... words) {
        lines.add(Arrays.stream(words).map(String::valueOf).collect(Collectors.joining(" ")).replace('\n', ' '));
    }

    private void cluster() throws Exception {
        line("cluster", admin.describeCluster().clusterId().get());
        admin.describeFeatures().featureMetadata().get().finalizedFeatures()
            .forEach((name, range) -> line("feature", name, range.maxVersionLevel()));
        var dirs = admin.describeLogDirs(List.of(1)).allDescriptions().get();
        dirs.get(1).forEach((path, dir) -> dir.replicaInfos().forEach((partition, replica) -> line("directory", partition, path, replica.isFuture())));
    }

    private void topics() throws Exception {
        var names = admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
        topics.putAll(admin.describeTopics(names).allTopicNames().get());
        for (TopicDescription topic : topics.values()) {
            line("topic", topic.name(), topic.topicId(), topic.isInternal(), topic.partitions().size());
            for (TopicPartitionInfo partition : topic.partitions()) line("partition", topic.name(), partition);
        }
    }

    private void configs() throws Exception {
        Collection<ConfigResource> resources;
        try {
            resources = admin.listConfigResources(Set.of(), new ListConfigResourcesOptions()).all().get();
        } catch (ExecutionException older) {
            resources = new ArrayList<>();
            for (String topic : topics.keySet()) resources.add(new ConfigResource(ConfigResource.Type.TOPIC, topic));
            resources.add(new ConfigResource(ConfigResource.Type.BROKER, "1"));
        }
        resources = new ArrayList<>(resources);
        resources.removeIf(resource -> resource.type() == ConfigResource.Type.BROKER_LOGGER);
        resources.add(new ConfigResource(ConfigResource.Type.BROKER, ""));
        for (var described : admin.describeConfigs(resources).all().get().entrySet()) {
            line("resource", described.getKey());
            for (ConfigEntry entry : described.getValue().entries()) {
                if (entry.source().name().startsWith("DYNAMIC_")) line("config", described.getKey(), entry.source(), entry.name(), entry.value(), entry.isSensitive());
            }
        }
    }

    private void partitions() throws Exception {
        var all = new ArrayList<TopicPartition>();
        topics.values().forEach(topic -> topic.partitions().forEach(p -> all.add(new TopicPartition(topic.name(), p.partition()))));
        var own = all.stream().filter(partition -> !partition.topic().startsWith("__")).toList();
        records(own, IsolationLevel.READ_UNCOMMITTED);
        own = own.stream().filter(partition -> !partition.topic().equals(ORPHANED)).toList();
        records(own, IsolationLevel.READ_COMMITTED);
        var specs = new LinkedHashMap<String, OffsetSpec>();
        specs.put("earliest", OffsetSpec.earliest());
        specs.put("latest", OffsetSpec.latest());
        specs.put("timed", OffsetSpec.maxTimestamp());
        for (var spec : specs.entrySet()) {
            var asked = own.stream().collect(Collectors.toMap(p -> p, p -> spec.getValue()));
            admin.listOffsets(asked).all().get().forEach((p, told) -> line("offset", p, spec.getKey(), told.offset(), spec.getKey().equals("timed") ? told.timestamp() : ""));
        }
        var latest = own.stream().collect(Collectors.toMap(p -> p, p -> OffsetSpec.latest()));
        var stable = new org.apache.kafka.clients.admin.ListOffsetsOptions(IsolationLevel.READ_COMMITTED);
        admin.listOffsets(latest, stable).all().get().forEach((p, told) -> line("offset", p, "stable", told.offset()));
        for (var partition : admin.describeProducers(own).all().get().entrySet()) {
            for (var producer : partition.getValue().activeProducers()) {
                line("producer", partition.getKey(), producer.producerId(), producer.producerEpoch(), producer.lastSequence(), producer.lastTimestamp(),
                    producer.currentTransactionStartOffset());
            }
        }
    }

    /** Every record as its hash; of a topic that is compacted what the last ones of all keys are. */
    private void records(List<TopicPartition> partitions, IsolationLevel isolation) {
        Properties settings = common(bootstrap);
        settings.put("isolation.level", isolation.toString().toLowerCase());
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "none");
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = consumer.endOffsets(partitions);
            Map<TopicPartition, Map<String, String>> tables = new HashMap<>();
            long deadline = System.currentTimeMillis() + PATIENCE_MS;
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                if (System.currentTimeMillis() > deadline) throw new IllegalStateException("no end of " + ends);
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    var partition = new TopicPartition(record.topic(), record.partition());
                    if (record.topic().startsWith("compacted")) {
                        tables.computeIfAbsent(partition, p -> new HashMap<>()).put(new String(record.key(), StandardCharsets.UTF_8), hash(record));
                    } else {
                        line("record", isolation, partition, record.offset(), record.timestampType(), record.timestamp(), hash(record));
                    }
                }
            }
            tables.forEach((partition, table) -> table.forEach((key, last) -> line("last", isolation, partition, key, last)));
        }
    }

    private static String hash(ConsumerRecord<byte[], byte[]> record) {
        try {
            if (record.value() == null && record.topic().startsWith("compacted")) return "deleted";
            var digest = MessageDigest.getInstance("SHA-256");
            for (byte[] part : new byte[][] {record.key(), record.value()}) digest.update(part == null ? new byte[] {1} : part);
            for (Header header : record.headers()) {
                digest.update(header.key().getBytes(StandardCharsets.UTF_8));
                if (header.value() != null) digest.update(header.value());
            }
            return HexFormat.of().formatHex(digest.digest(), 0, 8);
        } catch (java.security.NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private void transactions() throws Exception {
        var listed = new ArrayList<>(admin.listTransactions().all().get());
        listed.removeIf(listing -> listing.transactionalId().startsWith("orphan"));
        for (TransactionListing listing : listed) line("transaction", listing);
        var ids = listed.stream().map(TransactionListing::transactionalId).toList();
        admin.describeTransactions(ids).all().get().forEach((id, told) -> line("transaction", id, told.state(), told.producerId(), told.producerEpoch(),
            told.transactionTimeoutMs(), told.transactionStartTimeMs(), new TreeSet<>(told.topicPartitions().stream().map(String::valueOf).toList())));
    }

    private void groups() throws Exception {
        for (GroupListing group : admin.listGroups().all().get()) {
            var type = group.type().orElse(GroupType.UNKNOWN);
            String id = group.groupId();
            line("group", id, type, group.protocol(), group.groupState().map(String::valueOf).orElse("-"));
            switch (type) {
                case SHARE -> {
                    members(id, admin.describeShareGroups(List.of(id), new DescribeShareGroupsOptions().includeAuthorizedOperations(true)).all().get().get(id));
                    admin.listShareGroupOffsets(Map.of(id, new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(id).get()
                        .forEach((partition, info) -> line("left", id, partition, info.lag()));
                }
                case STREAMS -> {
                    members(id, admin.describeStreamsGroups(List.of(id), new DescribeStreamsGroupsOptions().includeAuthorizedOperations(true)).all().get().get(id));
                    admin.listStreamsGroupOffsets(Map.of(id, new ListStreamsGroupOffsetsSpec())).partitionsToOffsetAndMetadata(id).get()
                        .forEach((partition, offset) -> line("committed", id, partition, offset));
                }
                default -> {
                    ConsumerGroupDescription told = admin.describeConsumerGroups(List.of(id)).all().get().get(id);
                    line("group", id, told.groupState(), told.partitionAssignor(), told.groupEpoch(), told.targetAssignmentEpoch());
                    told.members().forEach(member -> line("member", id, member));
                    admin.listConsumerGroupOffsets(Map.of(id, new ListConsumerGroupOffsetsSpec())).partitionsToOffsetAndMetadata(id).get()
                        .forEach((partition, offset) -> line("committed", id, partition, offset));
                }
            }
        }
    }

    /** A description with all members and epochs, in an order of its own. */
    private void members(String group, Object description) {
        var words = new ArrayList<>(List.of(description.toString().split("[,(){}\\[\\]]+ ?")));
        // Of the topics that streams make for themselves Kafka forgets it with a restart.
        words.removeIf(word -> word.matches("partitions=\\d+"));
        Collections.sort(words);
        line("members", group, words);
    }

    private void access() throws Exception {
        admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().forEach((entity, quotas) -> line("quota", new TreeMap<>(entity.entries()), new TreeMap<>(quotas)));
        try {
            admin.describeUserScramCredentials().all().get().forEach((user, told) -> line("user", user, new TreeSet<>(told.credentialInfos().stream().map(String::valueOf).toList())));
        } catch (ExecutionException older) {
            // Before 3.5 there are none.
        }
        try {
            admin.describeAcls(AclBindingFilter.ANY).values().get().forEach(acl -> line("acl", acl));
        } catch (ExecutionException off) {
            line("acls", off.getCause().getClass().getSimpleName());
        }
    }

    static Properties common(String bootstrap) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("reconnect.backoff.ms", "50");
        settings.put("reconnect.backoff.max.ms", "500");
        // There is one broker: what is known of it stays true while it is away.
        settings.put("metadata.recovery.strategy", "none");
        return settings;
    }
}
