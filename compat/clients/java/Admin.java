// Admin calls in bulk, where a command line tool would start a JVM for each.
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.NewTopic;

public final class Admin {
    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[1]);
        settings.put("request.timeout.ms", "60000");
        settings.put("default.api.timeout.ms", "120000");
        try (AdminClient admin = AdminClient.create(settings)) {
            switch (args[0]) {
                case "create" -> create(admin, Integer.parseInt(args[2]), args[3], Arrays.asList(args).subList(4, args.length));
                case "many" -> many(admin, Integer.parseInt(args[2]), Integer.parseInt(args[3]));
                case "list" -> System.out.println(admin.listTopics().names().get(120, TimeUnit.SECONDS).size());
                default -> throw new IllegalArgumentException(args[0]);
            }
        }
    }

    /** create BOOTSTRAP PARTITIONS CONFIG[,CONFIG] TOPIC... */
    private static void create(AdminClient admin, int partitions, String configs, List<String> topics) throws Exception {
        Map<String, String> settings = new HashMap<>();
        for (String pair : configs.split(",")) {
            if (!pair.isEmpty()) settings.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
        }
        List<NewTopic> wanted = new ArrayList<>();
        for (String topic : topics) wanted.add(new NewTopic(topic, partitions, (short) 1).configs(settings));
        admin.createTopics(wanted).all().get(120, TimeUnit.SECONDS);
    }

    /** many BOOTSTRAP TOPICS PARTITIONS: topics scale-0000 and up, fifty a request. */
    private static void many(AdminClient admin, int topics, int partitions) throws Exception {
        for (int from = 0; from < topics; from += 50) {
            List<NewTopic> wanted = new ArrayList<>();
            for (int i = from; i < Math.min(from + 50, topics); i++) {
                wanted.add(new NewTopic(String.format("scale-%04d", i), partitions, (short) 1));
            }
            admin.createTopics(wanted).all().get(120, TimeUnit.SECONDS);
        }
    }
}
