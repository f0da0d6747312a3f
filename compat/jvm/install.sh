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
. "$here/assemble.sh"

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

begin "$target" "$(cat "${BASH_SOURCE[0]}" "$here/assemble.sh" "$here/pom.xml" | cksum)"
fetch "$here/pom.xml"
while read -r name class; do
  [ -n "$name" ] || continue
  launcher "$name" "$class"
done <<< "$launchers"
finish
