#!/usr/bin/env bash
# Runs the fuzz targets, FUZZ_SECONDS (600) each, on the stable toolchain. Arguments are the targets to run; none means
# all. A target plants its own seeds; what it finds stays in fuzz/corpus, what breaks it in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(request_frame record_batch open_directory)
fi
if ! cargo fuzz --version > /dev/null 2>&1; then
    cargo install cargo-fuzz --version 0.13.2 --locked
fi
for target in "${targets[@]}"; do
    corpus="$PWD/fuzz/corpus/$target"
    mkdir -p "$corpus"
    echo "fuzzing $target for ${FUZZ_SECONDS:-600} s"
    FUZZ_SEEDS="$corpus" cargo fuzz run -s none "$target" "$corpus" -- \
        -max_total_time="${FUZZ_SECONDS:-600}" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1
done
echo "no crash in ${#targets[@]} target(s)"
