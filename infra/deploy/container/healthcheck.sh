#!/usr/bin/env bash
# Exits 0 if the process in this container answers: `healthcheck [/healthz]`. The images carry no
# other HTTP client.
set -euo pipefail
port=${BUCKETLENS__HTTP__LISTEN##*:}
exec 3<> "/dev/tcp/127.0.0.1/$port"
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "${1:-/healthz}" >&3
read -r _ status _ <&3
[ "$status" = 200 ]
