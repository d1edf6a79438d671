#!/usr/bin/env bash
# Builds Headwall, starts it in front of its sample app, and says what to try.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "error: $1" >&2
  exit 1
}

scripts/need.sh cc=build-essential make=build-essential cmake=cmake curl=curl
if ! command -v cargo >/dev/null; then
  echo "error: Rust is missing. Install it from https://rustup.rs, for example with:" >&2
  echo "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2
  exit 1
fi

# The dev profile: the release profile optimises across all crates, which is worth several more minutes for a server
# and not for a first look.
cargo build --package headwall-server
headwall=${CARGO_TARGET_DIR:-target}/debug/headwall

# Each child gets a process group of its own. Ctrl-C then reaches this script alone, which passes one signal on; a
# second one would tell Headwall to stop without draining.
set -m
stop() {
  trap - EXIT INT TERM
  local children child
  children=$(jobs -pr)
  for child in $children; do
    kill "$child" 2>/dev/null || true
  done
  wait || true
}
trap stop EXIT
trap 'stop; exit 0' INT TERM

"$headwall" demo &
demo=$!
"$headwall" run --config conf/quickstart.yaml &
front=$!

ready=no
for _ in {1..150}; do
  kill -0 "$demo" 2>/dev/null || fail "the sample app did not start; its message is above"
  kill -0 "$front" 2>/dev/null || fail "Headwall did not start; its message is above"
  if curl --silent --fail --output /dev/null http://127.0.0.1:9180/readyz; then
    ready=yes
    break
  fi
  sleep 0.1
done
[ "$ready" = yes ] || fail "Headwall is not ready after 15 seconds; ask http://127.0.0.1:9180/readyz why"

cat <<EOF

Headwall is at http://127.0.0.1:8080, in front of the sample app at http://127.0.0.1:3000.
Its config is conf/quickstart.yaml, and the page that it serves itself is conf/demo. Each request becomes a line of JSON below. In another terminal:

  An API call, and what the app is told about the client:
    curl -i http://127.0.0.1:8080/api/hello
  The 4th login within a minute gets 429 with Retry-After:
    for n in 1 2 3 4; do curl -si -d '{"user":"ada","password":"x"}' http://127.0.0.1:8080/api/cloud/login | grep -iE '^(HTTP|retry-after)'; done
  Server-sent events, one by one:
    curl -N 'http://127.0.0.1:8080/api/events?count=5'
  All of it and a WebSocket on a page, in a browser. Its service worker has the page when nobody answers any more:
    http://127.0.0.1:8080/
  Metrics, and whether the server is ready:
    curl -s http://127.0.0.1:9180/metrics | grep ^headwall_
    curl -i http://127.0.0.1:9180/readyz
  Where a request would go, and why:
    $headwall explain --config conf/quickstart.yaml POST http://127.0.0.1:8080/api/cloud/login
  Stop the app, watch /readyz and the replies turn to 503, and start it again:
    kill $demo
    $headwall demo

Ctrl-C stops both.

EOF
wait "$front"
