#!/usr/bin/env bash
# Assembles the broker of any Apache Kafka release from Maven Central: release.sh VERSION DIRECTORY
#
# The result has libs/ and what start.sh needs of bin/ (KAFKA_HOME=DIRECTORY). About 50 MB each.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=${1:?release.sh VERSION DIRECTORY}
target=${2:?release.sh VERSION DIRECTORY}
recipe=$version-$(cat "${BASH_SOURCE[0]}" "$here/release.xml" | cksum)
if [ "$(cat "$target/.made-from" 2>/dev/null)" = "$recipe" ]; then exit 0; fi

# Built aside and renamed at the end, so that an interrupted run leaves nothing that looks complete.
mkdir -p "$(dirname "$target")"
staging=$(mktemp -d "$(dirname "$target")/release.XXXXXX")
trap 'rm -rf "$staging"' EXIT
mvn -q -B -f "$here/release.xml" -Dkafka.version="$version" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
  -DoutputDirectory="$staging/libs" -DincludeScope=runtime >&2

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
for launcher in kafka-server-start:kafka.Kafka kafka-storage:kafka.tools.StorageTool; do
  name=${launcher%%:*} class=${launcher#*:}
  cat > "$staging/bin/$name.sh" <<L
#!/usr/bin/env bash
home=\$(cd "\$(dirname "\${BASH_SOURCE[0]}")/.." && pwd)
exec java \${KAFKA_HEAP_OPTS:--Xmx512M} \${KAFKA_JVM_OPTS:--XX:+UseG1GC} -Dlog4j2.configurationFile="\$home/log4j2.properties" -cp "\$home/libs/*" $class "\$@"
L
  chmod +x "$staging/bin/$name.sh"
done

echo "$recipe" > "$staging/.made-from"
chmod 755 "$staging"
rm -rf "$target"
mv "$staging" "$target"
trap - EXIT
