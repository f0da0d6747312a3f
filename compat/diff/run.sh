#!/usr/bin/env bash
# The same requests to Kafka's broker and to ours, compared field by field; see ../README.md. All the work is in run.py.
#
#   run.sh [--quick] [--random N] [--seed S] [--reports N] [API ...]
set -euo pipefail
exec python3 "$(dirname "${BASH_SOURCE[0]}")/run.py" "$@"
