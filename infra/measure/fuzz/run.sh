#!/usr/bin/env bash
# Feeds one fuzz target for some seconds: infra/measure/fuzz/run.sh TARGET [SECONDS] Needs a nightly
# toolchain: rustup toolchain install nightly. Inputs are kept in .dev/fuzz, and begin with the
# pictures of the tests and of the corpus. What is found lies in infra/measure/fuzz/artifacts.
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
        printf '%s' '{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"a+b%2Bc.jpg"}}}]}' \
            > "$inputs/put"
        names=()
        ;;
    *) names=(-name "*.$target") ;;
esac
if [ ${#names[@]} -gt 0 ]; then
    find crates/inference/tests/pictures .dev/corpus/files -size -24k \( "${names[@]}" \) -print0 |
        while IFS= read -r -d '' file; do cp "$file" "$inputs/seed-$(sha256sum < "$file" | head -c 16)"; done
fi

# What cargo-fuzz sets without a sanitizer: coverage in every function, and comparisons traced.
flags=(--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1)
features=()
if [ "$target" = events ]; then features=(--no-default-features); fi
# With a target named, build scripts and macros are left as they are.
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
RUSTFLAGS="${flags[*]}" cargo +nightly build --manifest-path infra/measure/fuzz/Cargo.toml --release --target "$host" "${features[@]}" --bin "$target"
mkdir -p "infra/measure/fuzz/artifacts/$target"
exec "infra/measure/fuzz/target/$host/release/$target" "$inputs" -artifact_prefix="infra/measure/fuzz/artifacts/$target/" \
    -max_total_time="$seconds" -max_len=32768 -timeout=30 -rss_limit_mb=1024 -print_final_stats=1
