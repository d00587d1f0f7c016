#!/usr/bin/env bash
# Fuzzes one target for some seconds: infra/measure/fuzz/run.sh TARGET [SECONDS]
# Needs a nightly toolchain: rustup toolchain install nightly. Inputs are kept in .dev/fuzz and
# start with the pictures of the tests and the corpus. Findings go to infra/measure/fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/../../.."
target=${1:?usage: infra/measure/fuzz/run.sh TARGET [SECONDS]} seconds=${2:-60}
inputs=$PWD/.dev/fuzz/$target
mkdir -p "$inputs"

case $target in
    jpeg) names=(-name '*.jpg' -o -name '*.mpo') ;;
    tiff) names=(-name '*.tif' -o -name '*.tiff') ;;
    exif) names=() ;;
    events)
        printf '{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":%s}]}' \
            '{"bucket":{"name":"b"},"object":{"key":"a+b%2Bc.jpg"}}' > "$inputs/put"
        names=()
        ;;
    *) names=(-name "*.$target") ;;
esac
if [ ${#names[@]} -gt 0 ]; then
    find crates/inference/tests/pictures .dev/corpus/files -size -24k \( "${names[@]}" \) -print0 |
        while IFS= read -r -d '' file; do
            cp "$file" "$inputs/seed-$(sha256sum < "$file" | head -c 16)"
        done
fi

# The flags of cargo-fuzz without a sanitizer: coverage of every function, traced comparisons.
coverage=-Cllvm-args=-sanitizer-coverage
flags=(--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module "$coverage-level=4"
    "$coverage-inline-8bit-counters" "$coverage-pc-table" "$coverage-trace-compares")
features=()
if [ "$target" = events ]; then features=(--no-default-features); fi
# With an explicit target, the flags do not apply to build scripts and macros.
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
fuzz=infra/measure/fuzz
RUSTFLAGS="${flags[*]}" cargo +nightly build --manifest-path $fuzz/Cargo.toml --release \
    --target "$host" "${features[@]}" --bin "$target"
mkdir -p "$fuzz/artifacts/$target"
exec "$fuzz/target/$host/release/$target" "$inputs" \
    -artifact_prefix="$fuzz/artifacts/$target/" -max_total_time="$seconds" -max_len=32768 \
    -timeout=30 -rss_limit_mb=1024 -print_final_stats=1
