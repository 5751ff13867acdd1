#!/usr/bin/env bash
# Finds or fetches Prometheus (the server and promtool) and prints the path of the server; all talk goes to stderr.
#
# In this order: $ROLLCALL_PROMETHEUS, prometheus and promtool on the PATH, the cache, Debian's package. The package is
# unpacked into the cache, not installed: installing it would start a service and add a user for the sake of a test.
# The cache is ${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rollcall}. Needs apt's lists to be there; never root.
set -euo pipefail

cache=${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rollcall}
say() { printf 'get_prometheus: %s\n' "$*" >&2; }

usable() { # usable DIRECTORY
  timeout 20 "$1/prometheus" --version > /dev/null 2>&1 && timeout 20 "$1/promtool" --version > /dev/null 2>&1
}

fetch() { # fetch TARGET
  local work
  work=$(mktemp -d "$cache/fetch.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" EXIT
  say "getting Debian's package"
  (cd "$work" && timeout 300 apt-get -q download prometheus) >&2 || return 1
  mkdir "$work/root"
  dpkg-deb --extract "$work"/prometheus_*.deb "$work/root" || return 1
  usable "$work/root/usr/bin" || { say "the package's programs do not run here"; return 1; }
  rm -rf "$1"
  mv "$work/root" "$1"
}

main() {
  local found target=$cache/prometheus-debian
  if [ -n "${ROLLCALL_PROMETHEUS:-}" ]; then
    usable "$(dirname "$ROLLCALL_PROMETHEUS")" || { say "ROLLCALL_PROMETHEUS and a promtool beside it do not run"; exit 1; }
    echo "$ROLLCALL_PROMETHEUS"
  elif found=$(command -v prometheus) && usable "$(dirname "$found")"; then
    echo "$found"
  else
    mkdir -p "$cache"
    exec 9> "$cache/lock-prometheus"
    flock --timeout 600 9
    usable "$target/usr/bin" || fetch "$target" || { say "no Prometheus could be had"; exit 1; }
    echo "$target/usr/bin/prometheus"
  fi
}
main
