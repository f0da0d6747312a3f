#!/usr/bin/env bash
# Assembles the broker of any Apache Kafka release from Maven Central: release.sh VERSION DIRECTORY
#
# The result has libs/ and what start.sh needs of bin/ (KAFKA_HOME=DIRECTORY). About 50 MB each.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=${1:?release.sh VERSION DIRECTORY}
target=${2:?release.sh VERSION DIRECTORY}
. "$here/assemble.sh"

begin "$target" "$version-$(cat "${BASH_SOURCE[0]}" "$here/assemble.sh" "$here/release.xml" | cksum)"
fetch "$here/release.xml" -Dkafka.version="$version"
launcher kafka-server-start kafka.Kafka
launcher kafka-storage kafka.tools.StorageTool
finish
