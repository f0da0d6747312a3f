#!/usr/bin/env bash
# Assembles Apache Kafka (broker and command line tools) from Maven Central.
#
#   install.sh [DIRECTORY]      default: compat/.work/kafka
#
# The result has libs/ (the jars) and bin/kafka-*.sh (one launcher for each tool). It is made anew when this script or the
# list of jars changes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${1:-$here/../.work/kafka}

launchers='
connect-distributed org.apache.kafka.connect.cli.ConnectDistributed
connect-mirror-maker org.apache.kafka.connect.mirror.MirrorMaker
kafka-acls org.apache.kafka.tools.AclCommand
kafka-broker-api-versions org.apache.kafka.tools.BrokerApiVersionsCommand
kafka-client-metrics org.apache.kafka.tools.ClientMetricsCommand
kafka-cluster org.apache.kafka.tools.ClusterTool
kafka-configs kafka.admin.ConfigCommand
kafka-console-consumer org.apache.kafka.tools.consumer.ConsoleConsumer
kafka-console-producer org.apache.kafka.tools.ConsoleProducer
kafka-console-share-consumer org.apache.kafka.tools.consumer.ConsoleShareConsumer
kafka-consumer-groups org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
kafka-consumer-perf-test org.apache.kafka.tools.ConsumerPerformance
kafka-delegation-tokens org.apache.kafka.tools.DelegationTokenCommand
kafka-delete-records org.apache.kafka.tools.DeleteRecordsCommand
kafka-dump-log org.apache.kafka.tools.DumpLogSegments
kafka-e2e-latency org.apache.kafka.tools.EndToEndLatency
kafka-features org.apache.kafka.tools.FeatureCommand
kafka-get-offsets org.apache.kafka.tools.GetOffsetShell
kafka-groups org.apache.kafka.tools.GroupsCommand
kafka-jmx org.apache.kafka.tools.JmxTool
kafka-leader-election org.apache.kafka.tools.LeaderElectionCommand
kafka-log-dirs org.apache.kafka.tools.LogDirsCommand
kafka-metadata-quorum org.apache.kafka.tools.MetadataQuorumCommand
kafka-metadata-shell org.apache.kafka.shell.MetadataShell
kafka-producer-perf-test org.apache.kafka.tools.ProducerPerformance
kafka-reassign-partitions org.apache.kafka.tools.reassign.ReassignPartitionsCommand
kafka-replica-verification org.apache.kafka.tools.ReplicaVerificationTool
kafka-server-start kafka.Kafka
kafka-share-consumer-perf-test org.apache.kafka.tools.ShareConsumerPerformance
kafka-share-groups org.apache.kafka.tools.consumer.group.ShareGroupCommand
kafka-storage kafka.tools.StorageTool
kafka-streams-application-reset org.apache.kafka.tools.StreamsResetter
kafka-streams-groups org.apache.kafka.tools.streams.StreamsGroupCommand
kafka-topics org.apache.kafka.tools.TopicCommand
kafka-transactions org.apache.kafka.tools.TransactionsCommand
kafka-verifiable-consumer org.apache.kafka.tools.VerifiableConsumer
kafka-verifiable-producer org.apache.kafka.tools.VerifiableProducer
kafka-verifiable-share-consumer org.apache.kafka.tools.VerifiableShareConsumer
'

recipe=$(cat "${BASH_SOURCE[0]}" "$here/pom.xml" | cksum)
if [ "$(cat "$target/.made-from" 2>/dev/null)" = "$recipe" ]; then exit 0; fi
for program in java mvn; do
  command -v "$program" >/dev/null || { echo "install.sh: $program is not installed (Debian: default-jdk-headless, maven)" >&2; exit 1; }
done

# Built aside and renamed at the end, so that an interrupted run leaves nothing that looks complete.
mkdir -p "$(dirname "$target")"
staging=$(mktemp -d "$(dirname "$target")/kafka.XXXXXX")
trap 'rm -rf "$staging"' EXIT
for attempt in 1 2 3; do
  mvn -q -B -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DoutputDirectory="$staging/libs" -DincludeScope=runtime >&2 && break
  [ "$attempt" = 3 ] && { echo "install.sh: Maven could not fetch Kafka's jars" >&2; exit 1; }
  sleep $((attempt * 3))
done

cat > "$staging/log4j2.properties" <<'P'
status=ERROR
rootLogger.level=${env:KAFKA_LOG_LEVEL:-WARN}
rootLogger.appenderRefs=stderr
rootLogger.appenderRef.stderr.ref=STDERR
appender.stderr.type=Console
appender.stderr.name=STDERR
appender.stderr.target=SYSTEM_ERR
appender.stderr.layout.type=PatternLayout
appender.stderr.layout.pattern=[%d] %p %m (%c)%n%throwable{short}
P

mkdir -p "$staging/bin"
while read -r name class; do
  [ -n "$name" ] || continue
  cat > "$staging/bin/$name.sh" <<L
#!/usr/bin/env bash
home=\$(cd "\$(dirname "\${BASH_SOURCE[0]}")/.." && pwd)
exec java \${KAFKA_HEAP_OPTS:--Xmx512M} \${KAFKA_JVM_OPTS:--XX:+UseG1GC} -Dlog4j2.configurationFile="\$home/log4j2.properties" -cp "\$home/libs/*" $class "\$@"
L
  chmod +x "$staging/bin/$name.sh"
done <<< "$launchers"

echo "$recipe" > "$staging/.made-from"
chmod 755 "$staging"
rm -rf "$target"
mv "$staging" "$target"
trap - EXIT
