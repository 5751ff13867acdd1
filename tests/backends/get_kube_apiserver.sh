#!/usr/bin/env bash
# Finds or makes a kube-apiserver and prints the path of the binary; all talk goes to stderr.
#
# In this order: $ROLLCALL_KUBE_APISERVER, a kube-apiserver on the PATH, the cache, a build from the Go module registry.
# The go.mod of k8s.io/kubernetes takes its staging modules from its own tree; a module of our own requires it and
# replaces them by what is published of the same release (v1.30.14 goes with v0.30.14).
# The cache is ${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rollcall}, outside any checkout.
# A cold build takes 5 minutes beside compiling Rollcall on two cores, and 3 GB of disk while it lasts (measured);
# 115 MB stay. Needs curl, and unzip when there is no fitting Go; never root.
set -euo pipefail

program=get_kube_apiserver
kubernetes_version=1.30.14 # all of its parts are in Go's checksum database; of 1.31.14, for one, some are not
go_needed=1.22.0           # what this Kubernetes' go.mod asks for
oldest_usable=1.24.0       # discovery.k8s.io/v1, and tokens of service accounts by request alone
build_seconds=2400
# shellcheck source=tests/backends/go_build.sh
. "$(dirname "${BASH_SOURCE[0]}")/go_build.sh"

usable() { # usable BINARY: it runs, and is new enough
  local version
  version=$(timeout 20 "$1" --version 2> /dev/null | sed -n 's/^Kubernetes v\([0-9.]*\).*/\1/p')
  [ -n "$version" ] && at_least "$version" "$oldest_usable"
}

# go.mod: all of Kubernetes' own requirements, so that what is built is what its authors tested.
write_module() { # write_module DIRECTORY
  local upstream staging=${kubernetes_version/#1/0}
  mkdir "$1"
  upstream=$(curl --fail --silent --show-error --location --retry 3 --max-time 60 \
    "$proxy/k8s.io/kubernetes/@v/v$kubernetes_version.mod") || return 1
  {
    printf 'module rollcall.invalid/kube-apiserver\n\ngo %s\n\n' "$go_needed"
    printf 'require k8s.io/kubernetes v%s\n\nreplace (\n' "$kubernetes_version"
    sed -n "s|^[[:space:]]*\(k8s.io/[^ ]*\) => ./staging/.*|\t\1 => \1 v$staging|p" <<< "$upstream"
    printf ')\n'
  } > "$1/go.mod"
  # An import of one package is what lets -mod=mod settle the requirements of all.
  printf 'package tools\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver/app"\n' > "$1/tools.go"
}

build() { # build TARGET
  local target=$1 work go
  work=$(mktemp -d "$cache/build.XXXXXX")
  # shellcheck disable=SC2064
  trap "chmod -R u+w '$work' 2> /dev/null; rm -rf '$work'" EXIT
  go=$(find_go "$work") || return 1
  say "building kube-apiserver $kubernetes_version with $("$go" version), at most $build_seconds s"
  write_module "$work/module" || return 1
  # providerless: Kubernetes' own tag for a build without the cloud providers of old, a third of all that would be compiled.
  go_build "$go" "$work" "$build_seconds" providerless "-s -w -X k8s.io/component-base/version.gitVersion=v$kubernetes_version" \
    k8s.io/kubernetes/cmd/kube-apiserver "$work/kube-apiserver" || return 1
  usable "$work/kube-apiserver" || return 1
  mkdir -p "$(dirname "$target")"
  mv "$work/kube-apiserver" "$target"
}

main() {
  local found target=$cache/kube-apiserver-$kubernetes_version/kube-apiserver
  if [ -n "${ROLLCALL_KUBE_APISERVER:-}" ]; then
    usable "$ROLLCALL_KUBE_APISERVER" ||
      { say "ROLLCALL_KUBE_APISERVER=$ROLLCALL_KUBE_APISERVER is not a kube-apiserver >= $oldest_usable"; exit 1; }
    echo "$ROLLCALL_KUBE_APISERVER"
  elif found=$(command -v kube-apiserver) && usable "$found"; then
    echo "$found"
  else
    mkdir -p "$cache"
    exec 9> "$cache/lock-kube-apiserver" # two test runs at once build it once
    flock --timeout "$build_seconds" 9
    usable "$target" || build "$target" || { say "no kube-apiserver could be had"; exit 1; }
    echo "$target"
  fi
}
main
