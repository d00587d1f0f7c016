#!/usr/bin/env bash
# Shows the progress and the failures of every stage, then pauses a stage for a moment. Requests go
# to ingest through the searcher, which needs operations.url.
#   BASE=http://127.0.0.1:8080 [OPS_KEY=...] [API_KEY=...] ./operate.sh [STAGE]
# OPS_KEY is ops.api_key of ingest, and API_KEY is access.api_key of the searcher, if they are set.
# BASE may also be the address of ingest itself, without API_KEY.
set -euo pipefail
base=${BASE:-http://127.0.0.1:8080}
# Ingest itself knows the second header only.
key=${API_KEY:-${OPS_KEY:-}}

ask() {
    local method=$1 path=$2
    curl --silent --show-error --fail-with-body --request "$method" "$base/v1/ops/$path" \
        ${OPS_KEY:+--header "Operators-Key: $OPS_KEY"} \
        ${key:+--header "Authorization: Bearer $key"} \
        || { echo >&2; exit 1; }
}

progress=$(ask GET progress)
python3 -c '
import json, sys
for stage in json.load(sys.stdin)["stages"]:
    number = lambda name: "?" if stage[name] is None else stage[name]
    print("%-24s %s of %s done, %s queued, %s retrying, %s dead%s" % (
        stage["stage"], stage["indexed"], number("objects"), number("queued"),
        number("retrying"), number("dead"),
        ", paused " + stage["paused"] if stage["paused"] else ""))
' <<< "$progress"

groups=$(ask GET dead/groups)
python3 -c '
import json, sys
answer = json.load(sys.stdin)
print("%s dead letters in %s groups" % (answer["total"], len(answer["groups"])))
for group in answer["groups"]:
    print("  %(count)5d  %(id)s  %(class)s: %(reason)s (such as %(sample_key)s)" % group)
' <<< "$groups"

first='import json, sys; print(json.load(sys.stdin)["stages"][0]["stage"])'
stage=${1:-$(python3 -c "$first" <<< "$progress")}
echo "pausing $stage: $(ask POST "stages/$stage/pause")"
# Resumes the stage even if the script is interrupted.
trap 'ask POST "stages/$stage/resume" > /dev/null' EXIT
sleep 1
echo "resuming $stage: $(ask POST "stages/$stage/resume")"
trap - EXIT
