# What install.sh and release.sh share: a directory with libs/ and bin/, put together aside and renamed at the end, so that an
# interrupted run leaves nothing that looks complete. Sourced, in this order: begin, fetch, launcher…, finish.

# begin DIRECTORY RECIPE: ends the script if the directory was made from this recipe.
begin() {
  target=$1 recipe=$2
  if [ "$(cat "$target/.made-from" 2>/dev/null)" = "$recipe" ]; then exit 0; fi
  local program
  for program in java mvn; do
    command -v "$program" >/dev/null || { echo "$0: $program is not installed (Debian: default-jdk-headless, maven)" >&2; exit 1; }
  done
  mkdir -p "$(dirname "$target")"
  staging=$(mktemp -d "$(dirname "$target")/assembling.XXXXXX")
  trap 'rm -rf "$staging"' EXIT
  mkdir "$staging/bin"
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
}

# fetch POM [ARGUMENT…]: the jars that the project depends on.
fetch() {
  local pom=$1 attempt
  shift
  for attempt in 1 2 3; do
    mvn -q -B -f "$pom" "$@" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
      -DoutputDirectory="$staging/libs" -DincludeScope=runtime >&2 && return
    [ "$attempt" = 3 ] && { echo "$0: Maven could not fetch Kafka's jars" >&2; exit 1; }
    sleep $((attempt * 3))
  done
}

# launcher NAME CLASS: bin/NAME.sh runs the class.
launcher() {
  cat > "$staging/bin/$1.sh" <<L
#!/usr/bin/env bash
home=\$(cd "\$(dirname "\${BASH_SOURCE[0]}")/.." && pwd)
exec java \${KAFKA_HEAP_OPTS:--Xmx512M} \${KAFKA_JVM_OPTS:--XX:+UseG1GC} -Dlog4j2.configurationFile="\$home/log4j2.properties" -cp "\$home/libs/*" $2 "\$@"
L
  chmod +x "$staging/bin/$1.sh"
}

finish() {
  echo "$recipe" > "$staging/.made-from"
  chmod 755 "$staging"
  rm -rf "$target"
  mv "$staging" "$target"
  trap - EXIT
}
