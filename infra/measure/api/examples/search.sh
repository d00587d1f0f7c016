#!/usr/bin/env bash
# Searches by words, then by the small picture of the best hit, with curl.
#   BASE=http://127.0.0.1:8080 [API_KEY=...] ./search.sh [WORDS]
set -euo pipefail
base=${BASE:-http://127.0.0.1:8080}
words=${1:-a red car on the beach}

# --fail-with-body: an error ends the script and prints the answer (problem+json).
ask() {
    curl --silent --show-error --fail-with-body \
        ${API_KEY:+--header "Authorization: Bearer $API_KEY"} "$@"
}

show() {
    python3 -c '
import json, sys
answer = json.load(sys.stdin)
if not answer["hits"]:
    sys.exit("nothing was found")
if answer["degraded"]:
    print("degraded:", answer["degraded"])
for hit in answer["hits"]:
    print("  %.3f  %s  %s" % (hit["score"], hit["key"], hit.get("caption", "")))
'
}

echo "by words: $words"
answer=$(ask --get "$base/v1/search" --data-urlencode "q=$words" --data top_k=5) ||
    { echo "$answer" >&2; exit 1; }
show <<< "$answer"

echo "by picture: the small picture of the best hit"
first='import json, sys; print(json.load(sys.stdin)["hits"][0]["thumbnail_url"])'
thumbnail=$(python3 -c "$first" <<< "$answer")
picture=$(mktemp --suffix=.jpg)
trap 'rm -f "$picture"' EXIT
ask "$base$thumbnail" --output "$picture"
answer=$(ask "$base/v1/search" --form "image=@$picture" --form top_k=5) ||
    { echo "$answer" >&2; exit 1; }
show <<< "$answer"
