#!/usr/bin/env bash
# Each fuzz target for a minute: fuzz.sh [seconds [target...]]. What it finds stays in target/fuzz, next to the input that
# broke a law; such an input becomes a seed in fuzz/corpus and a row in the tests of the code that it broke.
set -euo pipefail
cd "$(dirname "$0")/.."

missing() {
  printf 'error: %s; install it with: %s\n' "$1" "$2" >&2
  exit 1
}

command -v rustup >/dev/null || missing "rustup is missing" "https://rustup.rs"
rustup toolchain list | grep -q '^nightly' || missing "a nightly toolchain is missing" "rustup toolchain install nightly"
command -v cargo-fuzz >/dev/null || missing "cargo-fuzz is missing" "cargo install cargo-fuzz --locked"
scripts/need.sh cc=build-essential c++=build-essential cmake=cmake

seconds=${1:-60}
shift || true
if [ $# -eq 0 ]; then
  mapfile -t targets < <(cargo +nightly fuzz list)
  set -- "${targets[@]}"
fi
out=${CARGO_TARGET_DIR:-$PWD/target}/fuzz

# Nothing of ours is unsafe, so there is nothing for a sanitizer to find, and without one it is twice as fast.
build=(--sanitizer none --target-dir "$out/build")
for target in "$@"; do
  cargo +nightly fuzz build "${build[@]}" "$target"
done
for target in "$@"; do
  mkdir -p "$out/found/$target" "$out/broken/$target"
  printf '\n== %s: %s s\n' "$target" "$seconds"
  # What is found goes into the first directory, the second is only read.
  if ! cargo +nightly fuzz run "${build[@]}" "$target" "$out/found/$target" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -timeout=10 -max_len=4096 -print_final_stats=1 \
    -artifact_prefix="$out/broken/$target/" >"$out/$target.log" 2>&1; then
    grep -a -A 20 'panicked at' "$out/$target.log" >&2 || tail -n 30 "$out/$target.log" >&2
    echo "make fuzz: FAILED in the target $target; the input is in $out/broken/$target" >&2
    exit 1
  fi
  grep -a -E '^stat::(number_of_executed_units|new_units_added)' "$out/$target.log"
done
printf '\nmake fuzz: no law was broken\n'
