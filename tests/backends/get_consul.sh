#!/usr/bin/env bash
# Finds or makes a Consul agent and prints the path of the binary; all talk goes to stderr.
#
# In this order: $ROLLCALL_CONSUL, a consul on the PATH, the cache, a build from the Go module registry. The registry is
# the only source that every machine with Go modules can reach; `go install …@version` refuses Consul because its go.mod
# has replace directives, so a module of our own requires it and builds its main package.
# The cache is ${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rollcall}, outside any checkout.
# A cold build takes 3 minutes on two cores and 4 GB of disk while it lasts (measured, downloads included); 130 MB stay.
# Needs curl and unzip when there is no fitting Go; never root.
set -euo pipefail

program=get_consul
consul_version=1.22.5
go_needed=1.25.7 # what this Consul's go.mod asks for
oldest_usable=1.13.0 # X-Consul-Results-Filtered-By-ACLs and the ACL rules that the tests rely on
build_seconds=1200
# shellcheck source=tests/backends/go_build.sh
. "$(dirname "${BASH_SOURCE[0]}")/go_build.sh"

usable() { # usable BINARY: it runs, and is new enough
  local version
  version=$(timeout 20 "$1" version 2> /dev/null | sed -n 's/^Consul v\([0-9.]*\).*/\1/p')
  [ -n "$version" ] && at_least "$version" "$oldest_usable"
}

# A module that requires Consul. What finds servers to join in a dozen clouds (retry_join with provider=…) is left out: its
# libraries are a quarter of all that would be fetched and compiled, and no test asks a cloud. The rest is as published.
write_module() { # write_module DIRECTORY
  mkdir "$1"
  cp -r "$(dirname "${BASH_SOURCE[0]}")/consul_without_clouds" "$1/without_clouds"
  cat > "$1/go.mod" << MOD
module rollcall.invalid/consul

go $go_needed

require github.com/hashicorp/consul v$consul_version

replace github.com/hashicorp/go-discover => ./without_clouds
MOD
  # An import of one package is what lets -mod=mod settle the requirements of all.
  printf 'package tools\n\nimport _ "github.com/hashicorp/consul/command"\n' > "$1/tools.go"
}

build() { # build TARGET
  local target=$1 work go
  work=$(mktemp -d "$cache/build.XXXXXX")
  # shellcheck disable=SC2064
  trap "chmod -R u+w '$work' 2> /dev/null; rm -rf '$work'" EXIT
  go=$(find_go "$work") || return 1
  say "building Consul $consul_version with $("$go" version), at most $build_seconds s"
  write_module "$work/module" || return 1
  go_build "$go" "$work" "$build_seconds" '' '-s -w' github.com/hashicorp/consul "$work/consul" || return 1
  usable "$work/consul" || return 1
  mkdir -p "$(dirname "$target")"
  mv "$work/consul" "$target"
}

main() {
  local found target=$cache/consul-$consul_version/consul
  if [ -n "${ROLLCALL_CONSUL:-}" ]; then
    usable "$ROLLCALL_CONSUL" || { say "ROLLCALL_CONSUL=$ROLLCALL_CONSUL is not a Consul >= $oldest_usable"; exit 1; }
    echo "$ROLLCALL_CONSUL"
  elif found=$(command -v consul) && usable "$found"; then
    echo "$found"
  else
    mkdir -p "$cache"
    exec 9> "$cache/lock" # two test runs at once build it once
    flock --timeout "$build_seconds" 9
    usable "$target" || build "$target" || { say "no Consul agent could be had"; exit 1; }
    echo "$target"
  fi
}
main
