#!/usr/bin/env bash
# Finds or fetches Knot DNS and prints the path of a program that runs knotd; all talk goes to stderr.
#
# In this order: $ROLLCALL_DNS, a knotd on the PATH, the cache, Debian's packages: the server and those of its libraries
# that no Debian has anyway. They are unpacked into the cache, not installed: installing them would start a service on
# port 53 for the sake of a test. What is printed is then a script beside them that says where the libraries are.
# The cache is ${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rollcall}. Needs apt's lists to be there; never root.
set -euo pipefail

packages=(knot libknot13 libdnssec9 libzscanner4 liburcu8 liblmdb0 libcap-ng0 libxdp1 libbpf1 libelf1)
cache=${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rollcall}
say() { printf 'get_dns: %s\n' "$*" >&2; }

usable() { # usable PROGRAM
  timeout 20 "$1" --version > /dev/null 2>&1
}

fetch() { # fetch TARGET
  local work package
  work=$(mktemp -d "$cache/fetch.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" EXIT
  say "getting Debian's packages: ${packages[*]}"
  (cd "$work" && timeout 300 apt-get -q download "${packages[@]}") >&2 || return 1
  mkdir "$work/root"
  for package in "$work"/*.deb; do dpkg-deb --extract "$package" "$work/root" || return 1; done
  cat > "$work/root/knotd" << 'END'
#!/bin/sh
# Made by get_dns.sh. exec: a signal to this process is one to the server.
here=$(dirname "$(readlink -f "$0")")
for lib in "$here"/usr/lib/*-linux-gnu*; do LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}; done
export LD_LIBRARY_PATH
exec "$here/usr/sbin/knotd" "$@"
END
  chmod +x "$work/root/knotd"
  usable "$work/root/knotd" || { say "the packages' program does not run here"; return 1; }
  rm -rf "$1"
  mv "$work/root" "$1"
}

main() {
  local found target=$cache/knot-debian
  if [ -n "${ROLLCALL_DNS:-}" ]; then
    usable "$ROLLCALL_DNS" || { say "ROLLCALL_DNS does not run"; exit 1; }
    echo "$ROLLCALL_DNS"
  elif found=$(PATH=$PATH:/usr/sbin command -v knotd) && usable "$found"; then
    echo "$found"
  else
    mkdir -p "$cache"
    exec 9> "$cache/lock-dns"
    flock --timeout 600 9
    usable "$target/knotd" || fetch "$target" || { say "no knotd could be had"; exit 1; }
    echo "$target/knotd"
  fi
}
main
