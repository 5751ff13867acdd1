#!/usr/bin/env bash
# Finds or makes a Consul agent and prints the path of the binary; all talk goes to stderr.
#
# In this order: $ROLLCALL_CONSUL, a consul on the PATH, the cache, a build from the Go module registry. The registry is
# the only source that every machine with Go modules can reach; `go install …@version` refuses Consul because its go.mod
# has replace directives, so a module of our own requires it and builds its main package.
# The cache is ${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rollcall}, outside any checkout.
# A cold build takes about 4 minutes on two cores and 4 GB of disk while it lasts (measured); 130 MB stay.
# Needs curl and unzip when there is no fitting Go; never root.
set -euo pipefail

consul_version=1.22.5
go_needed=1.25.7 # what this Consul's go.mod asks for
go_version=1.25.14
declare -A go_sha256=( # of the toolchain's zip at the module proxy, compared once with Go's checksum database
  [amd64]=1bb543a7745d4c6e045a1bfdb4c4d5a0b05b71ee8b8ff72c0a351598b26991a4
  [arm64]=eee0803776a2a3d42f0620d7b0156277350debb5d39c99a9b61c8b12108fd92c
)
oldest_usable=1.13.0 # X-Consul-Results-Filtered-By-ACLs and the ACL rules that the tests rely on
build_seconds=1200
proxy=${GOPROXY:-https://proxy.golang.org}
proxy=${proxy%%[,|]*}

cache=${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rollcall}
say() { printf 'get_consul: %s\n' "$*" >&2; }

at_least() { # at_least HAVE WANTED
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

usable() { # usable BINARY: it runs, and is new enough
  local version
  version=$(timeout 20 "$1" version 2> /dev/null | sed -n 's/^Consul v\([0-9.]*\).*/\1/p')
  [ -n "$version" ] && at_least "$version" "$oldest_usable"
}

# A Go that can build this Consul: the one on the PATH, or the toolchain that the module proxy serves.
find_go() { # find_go WORK_DIR
  local have arch zip
  if have=$(go env GOVERSION 2> /dev/null) && at_least "${have#go}" "$go_needed"; then
    command -v go
    return
  fi
  case $(uname -m) in
    x86_64) arch=amd64 ;;
    aarch64) arch=arm64 ;;
    *) say "no Go toolchain is known for $(uname -m)"; return 1 ;;
  esac
  case $proxy in
    http*) ;;
    *) say "GOPROXY '$proxy' is no address to get a Go toolchain from"; return 1 ;;
  esac
  say "getting Go $go_version from the module proxy (${have:-no go} is not enough)"
  zip=$1/go.zip
  curl --fail --silent --show-error --location --retry 3 --max-time 300 --output "$zip" \
    "$proxy/golang.org/toolchain/@v/v0.0.1-go$go_version.linux-$arch.zip" || return 1
  echo "${go_sha256[$arch]}  $zip" | sha256sum --check --quiet >&2 || return 1
  unzip -q "$zip" -d "$1" || return 1
  rm "$zip"
  chmod -R u+x "$1/golang.org/toolchain@v0.0.1-go$go_version.linux-$arch/"{bin,pkg/tool}
  echo "$1/golang.org/toolchain@v0.0.1-go$go_version.linux-$arch/bin/go"
}

build() { # build TARGET
  local target=$1 work go
  work=$(mktemp -d "$cache/build.XXXXXX")
  # shellcheck disable=SC2064
  trap "chmod -R u+w '$work' 2> /dev/null; rm -rf '$work'" EXIT
  go=$(find_go "$work") || return 1
  say "building Consul $consul_version with $("$go" version), at most $build_seconds s"
  mkdir "$work/module"
  cat > "$work/module/go.mod" << MOD
module rollcall.invalid/consul

go $go_needed

require github.com/hashicorp/consul v$consul_version
MOD
  # An import of one package is what lets -mod=mod settle the requirements of all.
  printf 'package tools\n\nimport _ "github.com/hashicorp/consul/command"\n' > "$work/module/tools.go"
  (
    cd "$work/module"
    # Nothing of the caller's Go settings but the proxy; module and build caches of its own, because they are 4 GB.
    exec env GOPATH="$work/gopath" GOMODCACHE="$work/gopath/pkg/mod" GOCACHE="$work/gocache" GOENV=off GOWORK=off \
      GOTOOLCHAIN=local GOFLAGS='-mod=mod -modcacherw' CGO_ENABLED=0 \
      timeout "$build_seconds" "$go" build -trimpath -ldflags '-s -w' -o "$work/consul" github.com/hashicorp/consul
  ) > "$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    return 1
  }
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
