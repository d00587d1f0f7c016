#!/usr/bin/env bash
# Runs `cargo test --workspace` with a broker of its own, ONNX Runtime and the corpus of pictures.
# Arguments go to `cargo test`. The last line counts all tests; the exit code is cargo's.
# BUCKETLENS_TEST_LIMIT (default 60m, see timeout(1)) ends a run that hangs, with exit code 124.
set -euo pipefail
cd "$(dirname "$0")/../.."
log=.dev/log/test.log
mkdir -p .dev/log
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$PWD/.dev/onnxruntime/libonnxruntime.so}
export BUCKETLENS_TEST_CORPUS=${BUCKETLENS_TEST_CORPUS:-$PWD/.dev/corpus}

# Tests that break a broker start their own. A killed test leaves it running.
tidy() {
    for node in .dev/test-brokers/*/ ${own_broker:-}; do
        if [ -d "$node" ]; then infra/dev/broker.py stop --dir "$node"; fi
    done
    rm -rf .dev/test-brokers
}
trap tidy EXIT

if [ -z "${BUCKETLENS_TEST_AMQP_URL:-}" ]; then
    own_broker=.dev/test-broker
    entry=$(infra/dev/broker.py start --dir .dev/test-broker)
    BUCKETLENS_TEST_AMQP_URL=$(
        python3 -c 'import json, sys; print(json.load(sys.stdin)["amqp_url"])' <<< "$entry"
    )
    export BUCKETLENS_TEST_AMQP_URL
fi

# Tests start the programs, which `cargo test` with a filter would not build.
cargo build --workspace --bins
status=0
limit=${BUCKETLENS_TEST_LIMIT:-60m}
timeout --kill-after=30s "$limit" cargo test --workspace --no-fail-fast "$@" 2>&1 |
    tee "$log" || status=$?
if [ $status -eq 124 ] || [ $status -eq 137 ]; then
    echo "ended after $limit: 'running for over 60 seconds' in $log names the tests that hung" >&2
fi
# The sum over all test programs: each prints its own only.
awk '/^test result:/ { passed += $4; failed += $6 }
    END { print passed + 0 " passed, " failed + 0 " failed" }' "$log"
exit $status
