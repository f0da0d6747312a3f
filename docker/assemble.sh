#!/bin/sh
# Completes a root directory that holds the program: its shared libraries, busybox, a user, links by the names of Kafka's scripts.
set -eu
root=$1

mkdir -p "$root/bin" "$root/usr/bin" "$root/tmp" "$root/opt/kafka/bin" "$root/home/appuser"
chmod 1777 "$root/tmp"
chmod 755 "$root/usr/local/bin/ottla" "$root/etc/kafka/docker/run"

# Each library at the path that the loader looks for.
ldd "$root/usr/local/bin/ottla" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done

cp "$(command -v busybox)" "$root/bin/busybox"
for name in $("$root/bin/busybox" --list); do
  [ "$name" = busybox ] || ln -s /bin/busybox "$root/bin/$name"
done
# Scripts ask for env by this path.
ln -s /bin/busybox "$root/usr/bin/env"

echo 'root:x:0:0:root:/root:/bin/sh
appuser:x:1000:1000::/home/appuser:/bin/sh' > "$root/etc/passwd"
echo 'root:x:0:
appuser:x:1000:' > "$root/etc/group"
# Names from /etc/hosts first, then DNS.
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"

# The program tells by the name it is called by which tool is wanted.
for tool in broker-api-versions cluster configs console-consumer console-producer consumer-groups consumer-perf-test \
  delete-records dump-log get-offsets groups log-dirs metadata-quorum producer-perf-test storage topics; do
  ln -s /usr/local/bin/ottla "$root/opt/kafka/bin/kafka-$tool.sh"
done
