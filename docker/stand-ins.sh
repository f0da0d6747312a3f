#!/usr/bin/env bash
# Makes images of the names that the Dockerfiles begin with, for machines that reach Debian's packages but no image registry:
# debian:bookworm-slim by debootstrap, and the Rust image from that and the toolchain of this machine.
#
#   stand-ins.sh DIRECTORY      where the roots are built; one that is there is used again
set -euo pipefail

work=${1:?stand-ins.sh DIRECTORY}
rust=rust:1.95-slim-bookworm
mkdir -p "$work"

have() { docker image inspect "$1" >/dev/null 2>&1; }

if ! have debian:bookworm-slim; then
  if [ ! -e "$work/debian.complete" ]; then
    rm -rf "$work/debian"
    debootstrap --variant=minbase --include=ca-certificates bookworm "$work/debian" >&2
    # Whom this machine trusts, images built on it have to trust as well.
    find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$work/debian/usr/local/share/ca-certificates/" \;
    chroot "$work/debian" update-ca-certificates >&2
    rm -rf "$work/debian/var/cache/apt"/*.bin "$work/debian/var/cache/apt/archives"/*.deb
    touch "$work/debian.complete"
  fi
  tar -C "$work/debian" -c . | docker import - debian:bookworm-slim >/dev/null
fi

if ! have "$rust"; then
  docker build -q -t ottla-debian-gcc - >/dev/null <<'D'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make binutils && rm -rf /var/lib/apt/lists/*
D
  container=$(docker create ottla-debian-gcc true)
  tar -C "$(rustc --print sysroot)" --exclude=./share --exclude=./lib/rustlib/src --transform 's,^\.,usr/local,' -c . |
    docker cp - "$container:/"
  docker commit "$container" "$rust" >/dev/null
  docker rm "$container" >/dev/null
fi
