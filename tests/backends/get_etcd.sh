#!/usr/bin/env bash
# Finds or fetches an etcd server and prints the path of the binary; all talk goes to stderr.
#
# In this order: $ROLLCALL_ETCD, an etcd on the PATH, the cache, Debian's package etcd-server. The package is unpacked
# into the cache, not installed: installing it would start a service and add a user for the sake of a test.
# The cache is ${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rollcall}. Needs apt's lists to be there; never root.
set -euo pipefail

oldest_usable=3.4.0 # fragments of watch answers, and the gateway at /v3

cache=${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rollcall}
say() { printf 'get_etcd: %s\n' "$*" >&2; }

usable() { # usable BINARY: it runs, and is new enough
  local version
  version=$(timeout 20 "$1" --version 2> /dev/null | sed -n 's/^etcd Version: \([0-9.]*\).*/\1/p')
  [ -n "$version" ] && [ "$(printf '%s\n%s\n' "$oldest_usable" "$version" | sort -V | head -n 1)" = "$oldest_usable" ]
}

fetch() { # fetch TARGET
  local work
  work=$(mktemp -d "$cache/fetch.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" EXIT
  say "getting Debian's package"
  (cd "$work" && timeout 300 apt-get -q download etcd-server) >&2 || return 1
  mkdir "$work/root"
  dpkg-deb --extract "$work"/etcd-server_*.deb "$work/root" || return 1
  usable "$work/root/usr/bin/etcd" || { say "the package's program does not run here"; return 1; }
  rm -rf "$1"
  mv "$work/root" "$1"
}

main() {
  local found target=$cache/etcd-debian
  if [ -n "${ROLLCALL_ETCD:-}" ]; then
    usable "$ROLLCALL_ETCD" || { say "ROLLCALL_ETCD=$ROLLCALL_ETCD is not an etcd >= $oldest_usable"; exit 1; }
    echo "$ROLLCALL_ETCD"
  elif found=$(command -v etcd) && usable "$found"; then
    echo "$found"
  else
    mkdir -p "$cache"
    exec 9> "$cache/lock-etcd" # two test runs at once fetch it once
    flock --timeout 600 9
    usable "$target/usr/bin/etcd" || fetch "$target" || { say "no etcd could be had"; exit 1; }
    echo "$target/usr/bin/etcd"
  fi
}
main
