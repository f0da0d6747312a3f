#!/usr/bin/env bash
# Proves the broker against real clients and Kafka's own tools; see README.md. All the work is in run.py.
set -euo pipefail
exec python3 "$(dirname "${BASH_SOURCE[0]}")/run.py" "$@"
