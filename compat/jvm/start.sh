#!/usr/bin/env bash
# Starts one Apache Kafka broker in the foreground, formatting its directory first if it is new.
#
#   start.sh SERVER_PROPERTIES      (log.dirs and listeners are read from the file; the process becomes the broker)
#
# QUORUM=dynamic (the default) formats as `--standalone` does; QUORUM=static expects controller.quorum.voters in the file.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kafka=${KAFKA_HOME:-$here/../.work/kafka}
properties=${1:?start.sh SERVER_PROPERTIES}
first_dir=$(sed -n 's/^log\.dirs=\([^,]*\).*/\1/p' "$properties" | tail -n 1)
: "${first_dir:?start.sh: $properties has no log.dirs}"

if [ ! -e "$first_dir/meta.properties" ]; then
  flag=--standalone
  [ "${QUORUM:-dynamic}" = static ] && flag=
  KAFKA_HEAP_OPTS="-Xmx256M -XX:TieredStopAtLevel=1" "$kafka/bin/kafka-storage.sh" format $flag \
    -t "${CLUSTER_ID:-b3R0bGEtY29tcGF0LTAwMQ}" -c "$properties" >&2
fi
export KAFKA_HEAP_OPTS=${BROKER_HEAP_OPTS:--Xms1G -Xmx1G}
exec "$kafka/bin/kafka-server-start.sh" "$properties"
