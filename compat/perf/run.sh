#!/usr/bin/env bash
# Measures the broker beside Kafka's own on this machine: bench.py (`compare A B` tells two of its runs apart), or with `coordinators`, `recovery` or `synced` the program of that name; see ../README.md.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
case "${1:-}" in
  coordinators | recovery | synced)
    program=$1
    shift
    exec python3 "$here/$program.py" "$@"
    ;;
esac
exec python3 "$here/bench.py" "$@"
