#!/usr/bin/env bash
# Finds or fetches nginx and prints the path of the program; all talk goes to stderr.
#
# In this order: $ROLLCALL_NGINX, an nginx on the PATH, the cache, Debian's package. The package is unpacked into the
# cache, not installed: installing it would start a service on port 80 for the sake of a test. What it links is part of
# every Debian (libc, libcrypt, libpcre2, zlib) or of what Rollcall itself is built with (libssl).
# The cache is ${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rollcall}. Needs apt's lists to be there; never root.
set -euo pipefail

cache=${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rollcall}
say() { printf 'get_nginx: %s\n' "$*" >&2; }

usable() { # usable PROGRAM
  timeout 20 "$1" -V > /dev/null 2>&1
}

fetch() { # fetch TARGET
  local work
  work=$(mktemp -d "$cache/fetch.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" EXIT
  say "getting Debian's package"
  (cd "$work" && timeout 300 apt-get -q download nginx) >&2 || return 1
  mkdir "$work/root"
  dpkg-deb --extract "$work"/nginx_*.deb "$work/root" || return 1
  usable "$work/root/usr/sbin/nginx" || { say "the package's program does not run here"; return 1; }
  rm -rf "$1"
  mv "$work/root" "$1"
}

main() {
  local found target=$cache/nginx-debian
  if [ -n "${ROLLCALL_NGINX:-}" ]; then
    usable "$ROLLCALL_NGINX" || { say "ROLLCALL_NGINX does not run"; exit 1; }
    echo "$ROLLCALL_NGINX"
  elif found=$(PATH=$PATH:/usr/sbin command -v nginx) && usable "$found"; then
    echo "$found"
  else
    mkdir -p "$cache"
    exec 9> "$cache/lock-nginx"
    flock --timeout 600 9
    usable "$target/usr/sbin/nginx" || fetch "$target" || { say "no nginx could be had"; exit 1; }
    echo "$target/usr/sbin/nginx"
  fi
}
main
