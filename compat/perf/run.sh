#!/usr/bin/env bash
# Measures the broker beside Kafka's own on this machine: bench.py, or with `coordinators` coordinators.py; see ../README.md.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
if [ "${1:-}" = coordinators ]; then
  shift
  exec python3 "$here/coordinators.py" "$@"
fi
exec python3 "$here/bench.py" "$@"
