// Everything that a broker's directory holds, made by clients that live through all its brokers: idempotent producers, a transaction
// that stays open, members of groups of every kind.
// Whole BOOTSTRAP SECURED-BOOTSTRAP|- DIRECTORY      obeys standard input, a line each; answers "ok …" or "error …"
//     begin               topics, configs, quotas, users, ACLs, a delegation token; the members join
//     round N             more of everything, and two transactions that stay open: one by an owner who comes back, one by nobody
//     end N               the owner ends its transaction of round N; the other one is waited for, until its time is up
//     show FILE           everything that is seen, in FILE, once two looks in a row see the same
//     same FILE           the same again, compared with FILE: what differs
//     tokens              the delegation tokens, over the secured listener
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Whole {
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    private static final int PARTITIONS = 3, RECORDS = 60, KEYS = 20;
    private static final long PATIENCE_MS = 90_000;
    private static final int OWNER_MS = 900_000, ORPHAN_MS = 20_000;
    private static final String USER = "alice", PASSWORD = "alice-secret";
    private final String bootstrap, secured, directory;
    private final Admin admin;
    private final Map<String, KafkaProducer<String, String>> producers = new HashMap<>();
    private final Members members;
    private KafkaProducer<String, String> owner;

    private Whole(String bootstrap, String secured, String directory) {
        this.bootstrap = bootstrap;
        this.secured = secured;
        this.directory = directory;
        Properties settings = Shown.common(bootstrap);
        settings.put("default.api.timeout.ms", "90000");
        this.admin = Admin.create(settings);
        this.members = new Members(bootstrap, admin);
    }

    public static void main(String[] args) throws Exception {
        var whole = new Whole(args[0], args[1], args[2]);
        var commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = commands.readLine()) != null; ) {
            try {
                System.out.println("ok " + whole.obey(line.split(" ")));
            } catch (Exception problem) {
                problem.printStackTrace();
                System.out.println("error " + String.valueOf(problem).replace('\n', ' '));
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private String obey(String[] words) throws Exception {
        return switch (words[0]) {
            case "begin" -> begin();
            case "round" -> round(Integer.parseInt(words[1]));
            case "end" -> end(Integer.parseInt(words[1]));
            case "show" -> show(Path.of(words[1]));
            case "same" -> same(Path.of(words[1]));
            case "tokens" -> tokens();
            default -> throw new IllegalArgumentException(words[0]);
        };
    }

    private String begin() throws Exception {
        var topics = new ArrayList<NewTopic>();
        for (String codec : CODECS) topics.add(new NewTopic("plain-" + codec, PARTITIONS, (short) 1).configs(Map.of("segment.bytes", "1048576")));
        topics.add(new NewTopic("compacted", PARTITIONS, (short) 1).configs(Map.of("cleanup.policy", "compact", "segment.ms", "2000",
            "min.cleanable.dirty.ratio", "0.01", "delete.retention.ms", "3600000")));
        topics.add(new NewTopic("transactional", PARTITIONS, (short) 1));
        topics.add(new NewTopic(Shown.ORPHANED, PARTITIONS, (short) 1));
        topics.add(new NewTopic("streamed", PARTITIONS, (short) 1).configs(Map.of("compression.type", "zstd")));
        topics.add(new NewTopic("grown", 1, (short) 1));
        topics.add(new NewTopic("gone", 2, (short) 1));
        admin.createTopics(topics).all().get();
        var broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        set(new ConfigResource(ConfigResource.Type.BROKER, ""), "log.retention.ms", "700000000");
        set(broker, "log.cleaner.backoff.ms", "1000");
        set(new ConfigResource(ConfigResource.Type.GROUP, Members.SHARE), "share.auto.offset.reset", "earliest");
        set(new ConfigResource(ConfigResource.Type.GROUP, "configured"), "consumer.session.timeout.ms", "46000");
        set(new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "subscribed"), "metrics", "org.apache.kafka.producer.");
        admin.deleteTopics(List.of("gone")).all().get();
        if (!secured.equals("-")) {
            for (var mechanism : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)) {
                admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(USER, new ScramCredentialInfo(mechanism, 4096), PASSWORD))).all().get();
            }
            acl("plain-gzip", PatternType.LITERAL, AclPermissionType.ALLOW);
            acl("secret-", PatternType.PREFIXED, AclPermissionType.DENY);
            token();
        }
        members.begin(directory);
        return "begun";
    }

    /** The user may not be known yet where it logs in. */
    private void token() throws Exception {
        for (long deadline = System.currentTimeMillis() + PATIENCE_MS; ; Thread.sleep(200)) {
            try (var user = Admin.create(asUser())) {
                user.createDelegationToken().delegationToken().get();
                return;
            } catch (ExecutionException early) {
                if (System.currentTimeMillis() > deadline) throw early;
            }
        }
    }

    private void acl(String topic, PatternType pattern, AclPermissionType permission) throws Exception {
        admin.createAcls(List.of(new AclBinding(new ResourcePattern(ResourceType.TOPIC, topic, pattern),
            new AccessControlEntry("User:" + USER, "*", AclOperation.READ, permission)))).all().get();
    }

    private void set(ConfigResource resource, String key, String value) throws Exception {
        admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET)))).all().get();
    }

    private String round(int number) throws Exception {
        for (String codec : CODECS) {
            var producer = producers.computeIfAbsent(codec, name -> producer(Map.of("compression.type", name)));
            for (int n = 0; n < RECORDS; n++) {
                producer.send(new ProducerRecord<>("plain-" + codec, n % PARTITIONS, n % 7 == 0 ? null : "k" + n, n % 11 == 0 ? null : "value " + number + " " + n));
                // A batch that the next records are not in.
                if (n % 10 == 9) producer.flush();
            }
        }
        var updates = producers.get("zstd");
        for (int n = 0; n < 4 * KEYS; n++) updates.send(new ProducerRecord<>("compacted", "k" + n % KEYS, n > 3 * KEYS && n % 10 == 0 ? null : number + ":" + n));
        updates.flush();
        try (var done = transactional("done", 60_000)) {
            for (boolean commits : new boolean[] {true, false, true}) transaction(done, number, commits);
        }
        admin.deleteRecords(Map.of(new TopicPartition("plain-none", 0), RecordsToDelete.beforeOffset(5L * number))).all().get();
        admin.createPartitions(Map.of("grown", NewPartitions.increaseTo(number + 2))).all().get();
        set(new ConfigResource(ConfigResource.Type.TOPIC, "grown"), "retention.ms", Integer.toString(86_400_000 + number));
        set(new ConfigResource(ConfigResource.Type.GROUP, "configured-" + number), "share.record.lock.duration.ms", "20000");
        set(new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "subscribed"), "interval.ms", Integer.toString(100_000 + number));
        quotas(number);
        members.follow();
        if (owner == null) owner = transactional("owner", OWNER_MS);
        owner.beginTransaction();
        for (int n = 0; n < PARTITIONS; n++) owner.send(new ProducerRecord<>("transactional", n, "owner", number + " before"));
        owner.flush();
        var orphan = transactional("orphan-" + number, ORPHAN_MS);
        orphan.beginTransaction();
        for (int n = 0; n < PARTITIONS; n++) orphan.send(new ProducerRecord<>(Shown.ORPHANED, n, "orphan", Integer.toString(number)));
        orphan.flush();
        orphan.close(Duration.ZERO);
        return "round " + number;
    }

    private void quotas(int number) throws Exception {
        var entities = List.of(Map.of(ClientQuotaEntity.USER, USER), Map.of(ClientQuotaEntity.CLIENT_ID, "client-" + number), Map.of(ClientQuotaEntity.IP, "10.0.0." + number));
        for (var entity : entities) {
            String key = entity.containsKey(ClientQuotaEntity.IP) ? "connection_creation_rate" : "producer_byte_rate";
            admin.alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(entity), List.of(new ClientQuotaAlteration.Op(key, 1e9 + number))))).all().get();
        }
        var everybody = new HashMap<String, String>();
        everybody.put(ClientQuotaEntity.USER, null);
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(everybody), List.of(new ClientQuotaAlteration.Op("request_percentage", 1000.0 + number))))).all().get();
        if (!secured.equals("-")) {
            var info = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096 + number);
            admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("user-" + number, info, PASSWORD))).all().get();
        }
    }

    private static void transaction(KafkaProducer<String, String> producer, int number, boolean commits) {
        producer.beginTransaction();
        for (int n = 0; n < 3 * PARTITIONS; n++) producer.send(new ProducerRecord<>("transactional", n % PARTITIONS, "done", number + " " + commits));
        if (commits) {
            producer.commitTransaction();
        } else {
            producer.flush();
            producer.abortTransaction();
        }
    }

    private String end(int number) throws Exception {
        for (int n = 0; n < PARTITIONS; n++) owner.send(new ProducerRecord<>("transactional", n, "owner", number + " after"));
        owner.commitTransaction();
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        for (String id : List.of("owner", "orphan-" + number)) {
            var wanted = id.equals("owner") ? TransactionState.COMPLETE_COMMIT : TransactionState.COMPLETE_ABORT;
            for (TransactionState state; (state = admin.describeTransactions(List.of(id)).description(id).get().state()) != wanted; Thread.sleep(200)) {
                if (System.currentTimeMillis() > deadline) throw new IllegalStateException(id + " is " + state);
            }
        }
        return "owner committed, orphan aborted";
    }

    private String show(Path file) throws Exception {
        members.follow();
        Collection<String> last = null, now = Shown.of(bootstrap, admin);
        for (long deadline = System.currentTimeMillis() + PATIENCE_MS; !now.equals(last); now = Shown.of(bootstrap, admin)) {
            if (System.currentTimeMillis() > deadline) throw new IllegalStateException("it does not come to rest: " + differences(last, now));
            last = now;
            Thread.sleep(1000);
        }
        Files.write(file, now);
        return Integer.toString(now.size());
    }

    private String same(Path file) throws Exception {
        var before = new TreeSet<>(Files.readAllLines(file));
        Collection<String> differing = null;
        for (long deadline = System.currentTimeMillis() + PATIENCE_MS / 3; System.currentTimeMillis() < deadline; Thread.sleep(1000)) {
            try {
                differing = differences(before, Shown.of(bootstrap, admin));
                if (differing.isEmpty()) return before.size() + " facts";
            } catch (ExecutionException early) {
                // Coordinators are still reading.
                differing = List.of(early.toString());
            }
        }
        differing.forEach(System.err::println);
        throw new IllegalStateException(differing.size() + " differences: " + String.join(" | ", differing.stream().limit(6).toList()));
    }

    private static Collection<String> differences(Collection<String> before, Collection<String> now) {
        var differing = new LinkedHashSet<String>();
        if (before == null) return differing;
        for (String line : before) if (!now.contains(line)) differing.add("- " + line);
        for (String line : now) if (!before.contains(line)) differing.add("+ " + line);
        return differing;
    }

    private String tokens() throws Exception {
        if (secured.equals("-")) return "";
        try (var user = Admin.create(asUser())) {
            var told = new TreeSet<String>();
            user.describeDelegationToken().delegationTokens().get().forEach(token -> told.add(token.tokenInfo().toString() + token.hmacAsBase64String()));
            if (told.isEmpty()) throw new IllegalStateException("no tokens");
            return String.join(" ", told);
        }
    }

    private Properties asUser() {
        Properties settings = Shown.common(secured);
        settings.put("security.protocol", "SASL_PLAINTEXT");
        settings.put("sasl.mechanism", "SCRAM-SHA-256");
        settings.put("sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"" + USER + "\" password=\"" + PASSWORD + "\";");
        return settings;
    }

    private KafkaProducer<String, String> producer(Map<String, String> more) {
        Properties settings = Shown.common(bootstrap);
        settings.putAll(more);
        settings.put("enable.idempotence", "true");
        settings.put("delivery.timeout.ms", "120000");
        settings.put("max.block.ms", "120000");
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    private KafkaProducer<String, String> transactional(String id, int timeoutMs) {
        var producer = producer(Map.of("transactional.id", id, "transaction.timeout.ms", Integer.toString(timeoutMs)));
        producer.initTransactions();
        return producer;
    }
}
