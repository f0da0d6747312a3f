#!/usr/bin/env bash
# Measures the broker beside Kafka's own on this machine; see bench.py and ../README.md.
set -euo pipefail
exec python3 "$(dirname "${BASH_SOURCE[0]}")/bench.py" "$@"
