#!/usr/bin/env bash
# Everything that has to hold before a change is merged. The first step that fails ends it, by name.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "${CI:-}" ]; then
  # A fresh clone is built once: what incremental compilation keeps for the next build is never used.
  export CARGO_INCREMENTAL=0
fi

step() {
  local name=$1 started=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if ! "$@"; then
    printf '\nmake test: FAILED in the step "%s": %s\n' "$name" "$*" >&2
    exit 1
  fi
  printf '== %s: done in %s s\n' "$name" $((SECONDS - started))
}

packages() {
  scripts/need.sh cc=build-essential make=build-essential cmake=cmake curl=curl &&
    scripts/need.sh --optional nginx=nginx caddy=caddy node=nodejs pebble=pebble redis-server=redis-server shellcheck=shellcheck openssl=openssl h2load=nghttp2-client \
      slowhttptest=slowhttptest testssl=testssl.sh chromium=chromium certutil=libnss3-tools
}

toolchain() {
  if ! command -v cargo >/dev/null; then
    echo "error: Rust is missing; install it from https://rustup.rs" >&2
    return 1
  fi
  if ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
    rustup component add rustfmt clippy
  fi
}

scripts() {
  command -v shellcheck >/dev/null || return 0
  shellcheck scripts/*.sh .ci/run
}

# A test has ten thousand connections, and is left out, by name, where not so many files may be open.
ulimit -S -n 16384 2>/dev/null || true

# What the tests print goes to the terminal as it comes; the last lines of every runner are kept for the end.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
tests() {
  cargo test --workspace 2>&1 | tee "$log"
}

step packages packages
step toolchain toolchain
step scripts scripts
step format cargo fmt --all --check
step clippy cargo clippy --workspace --all-targets -- --deny warnings
step docs env RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --lib --no-deps
# With the binaries: tests start `headwall` as a process, and cargo by itself builds it only for tests of its own package.
step build cargo build --workspace --bins --tests
step test tests

printf '\n'
grep '^test result:' "$log"
awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
     END { printf "make test: all steps passed; %d tests passed, %d failed, %d ignored\n", passed, failed, ignored }' "$log"
