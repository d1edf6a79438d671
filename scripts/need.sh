#!/usr/bin/env bash
# Makes sure that commands are there, and installs the Debian packages of those that are not.
#
#   scripts/need.sh cc=build-essential cmake=cmake    exits with 1 when one of them cannot be had
#   scripts/need.sh --optional nginx=nginx            says what is missing and goes on without it
set -euo pipefail

optional=no
if [ "${1:-}" = --optional ]; then
  optional=yes
  shift
fi

packages=()
for pair in "$@"; do
  command -v "${pair%%=*}" >/dev/null || packages+=("${pair#*=}")
done
[ "${#packages[@]}" -gt 0 ] || exit 0
mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort --unique)

sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
may_install() {
  command -v apt-get >/dev/null && { [ "${#sudo[@]}" -eq 0 ] || "${sudo[@]}" true 2>/dev/null; }
}
install() {
  "${sudo[@]}" apt-get update --quiet=2 &&
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install --quiet=2 --yes --no-install-recommends "$@"
}

if may_install; then
  echo "Installing ${packages[*]}"
  # The exit status is looked at below; what apt-get says goes where the user sees it.
  install "${packages[@]}" </dev/null && exit 0
fi
if [ "$optional" = yes ]; then
  echo "SKIPPED: not installed and cannot be: ${packages[*]}. What needs them is left out." >&2
  exit 0
fi
echo "error: these packages are missing and could not be installed: ${packages[*]}" >&2
echo "On Debian and Ubuntu: sudo apt-get install --yes ${packages[*]}" >&2
exit 1
